/* All options: one table has name, type, bounds, default and help; parsing and the options page are made from it. */
#ifndef HJ_CORE_OPTION_H
#define HJ_CORE_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define HJ_SERVER_NAME_SIZE 64
#define HJ_PATH_SIZE 256

/* A number that was not given: the default of options whose default is a word ("umask", "inherit"). */
#define HJ_OPTION_UNSET UINT64_MAX

/* How a request's body reaches the program. */
enum hj_request_body {
    HJ_BODY_WHOLE, /* in the REQUEST event */
    HJ_BODY_PIECES /* in DATA events, within the credit that the program gives */
};

enum hj_switch {
    HJ_SWITCH_OFF,
    HJ_SWITCH_ON
};

enum hj_tls_min_version {
    HJ_TLS_1_2,
    HJ_TLS_1_3
};

/* What is asked of clients' certificates. */
enum hj_verify {
    HJ_VERIFY_NONE,
    HJ_VERIFY_REQUEST,
    HJ_VERIFY_REQUIRE
};

enum hj_overflow {
    HJ_OVERFLOW_CLOSE,
    HJ_OVERFLOW_DROP_NEWEST,
    HJ_OVERFLOW_DROP_OLDEST,
    HJ_OVERFLOW_LATEST
};

enum hj_member_messages {
    HJ_MEMBER_MESSAGES_DROP,
    HJ_MEMBER_MESSAGES_DELIVER
};

enum hj_option_scope {
    HJ_SCOPE_SERVER,      /* options: struct hj_server_options */
    HJ_SCOPE_QUEUE,       /* options: struct hj_queue_options */
    HJ_SCOPE_BROADCASTER, /* options: struct hj_broadcaster_options */
    HJ_SCOPE_ROUTE        /* options: struct hj_route_options */
};

/* The table in option.c describes each one. */
struct hj_server_options {
    uint64_t threads;
    uint64_t listen_backlog;
    uint64_t max_connections;
    uint64_t connections_per_address;
    uint64_t requests_per_connection;
    uint64_t max_head_bytes;
    uint64_t max_body_bytes;
    uint64_t head_timeout_ms;
    uint64_t request_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t heartbeat_ms;
    uint64_t ack_timeout_ms;
    uint64_t stall_timeout_ms;
    uint64_t tcp_keepalive_ms;
    uint64_t connect_timeout_ms; /* 0: as the kernel and the name servers do */
    uint64_t relay_idle_ms;      /* 0: never */
    uint64_t high_water_bytes;
    uint64_t low_water_bytes; /* may be set over high_water_bytes: whoever uses it takes the smaller one */
    uint64_t backlog_total_bytes;
    uint64_t unsent_bytes;
    uint64_t send_buffer_bytes;
    uint64_t read_chunk_bytes;
    uint64_t request_body;      /* enum hj_request_body */
    uint64_t private_fds;       /* enum hj_switch */
    uint64_t http2;             /* enum hj_switch */
    uint64_t connect_method;    /* enum hj_switch */
    uint64_t unix_mode;         /* rights of a socket file, or HJ_OPTION_UNSET */
    uint64_t tls_min_version;   /* enum hj_tls_min_version */
    uint64_t tls_takeover;      /* enum hj_switch */
    uint64_t tls_client_verify; /* enum hj_verify */
    uint64_t tls_handshake_timeout_ms;
    uint64_t http2_streams;
    uint64_t http2_requests;             /* 0: no limit */
    uint64_t http2_resets;               /* a second */
    uint64_t websocket_deflate;          /* enum hj_switch */
    uint64_t websocket_context_takeover; /* enum hj_switch */
    uint64_t websocket_message_bytes;
    uint64_t websocket_piece_bytes; /* 0: messages are delivered whole */
    uint64_t websocket_ping_ms;     /* 0: never */
    uint64_t websocket_pong_ms;
    char websocket_origins[1024];
    char server_name[HJ_SERVER_NAME_SIZE];
    char tls_ciphers[512];
    char connect_ca[HJ_PATH_SIZE], connect_certificate[HJ_PATH_SIZE], connect_key[HJ_PATH_SIZE];
    char tls_client_ca[HJ_PATH_SIZE], tls_ticket_key[HJ_PATH_SIZE], tls_keylog_file[HJ_PATH_SIZE];
};

struct hj_queue_options {
    uint64_t capacity;
};

#define HJ_EPOCH_MAX 32
#define HJ_POSITION_SIZE (HJ_EPOCH_MAX + 22) /* epoch, hyphen, twenty digits, NUL */
#define HJ_EVENT_NAME_MAX 63

struct hj_broadcaster_options {
    uint64_t backlog_bytes;
    uint64_t overflow;        /* enum hj_overflow */
    uint64_t member_messages; /* enum hj_member_messages */
    uint64_t member_events;   /* enum hj_switch */
    uint64_t long_poll_ms;    /* 0: no deadline */
    uint64_t history_messages, history_bytes;
    uint64_t history_ms; /* 0: no bound */
    char history_position[HJ_POSITION_SIZE];
    char gap_event[HJ_EVENT_NAME_MAX + 1];
};

/* Each HJ_OPTION_UNSET until it is set; core/route.h describes what counts then. */
struct hj_route_options {
    uint64_t request_body; /* enum hj_request_body */
    uint64_t max_body_bytes;
    char position[64], user_data[64]; /* empty until they are set */
};

void hj_options_default(void *options, enum hj_option_scope scope);

/* Sets one option from text. Numbers are decimal digits; sizes may end in k or m (1024, 1024 * 1024); a mode is four
 * octal digits, the first of them 0. Returns 0, HIJACK_EOPTION, HIJACK_ERANGE or HIJACK_ENOTSUP (left out of
 * this build); options are then untouched. */
int hj_option_set(void *options, enum hj_option_scope scope, struct hj_slice name, struct hj_slice value);

/* Writes the value as text, in the form that set takes, and a NUL; returns its length, HIJACK_EOPTION or
 * HIJACK_ETOOBIG. */
int hj_option_get(char *out, size_t out_size, const void *options, enum hj_option_scope scope, struct hj_slice name);

/* One line for each option: scope, name, type, minimum, maximum, default, help; split by tabs. Bounds of a string are
 * its length; a choice has "-". Where the default is a word, the option may be set to this word. Static memory. */
const char *hj_option_table(void);

#endif
