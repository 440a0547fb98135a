/* All options: one table says name, type, bounds, default and help; parsing and the options page are made from it. */
#ifndef HJ_CORE_OPTION_H
#define HJ_CORE_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define HJ_SERVER_NAME_SIZE 64

enum hj_overflow {
    HJ_OVERFLOW_CLOSE,
    HJ_OVERFLOW_DROP_NEWEST,
    HJ_OVERFLOW_DROP_OLDEST,
    HJ_OVERFLOW_LATEST
};

enum hj_option_scope {
    HJ_SCOPE_SERVER,     /* options: struct hj_server_options */
    HJ_SCOPE_QUEUE,      /* options: struct hj_queue_options */
    HJ_SCOPE_BROADCASTER /* options: struct hj_broadcaster_options */
};

/* The table in option.c says what each one means. */
struct hj_server_options {
    uint64_t threads;
    uint64_t listen_backlog;
    uint64_t max_connections;
    uint64_t max_head_bytes;
    uint64_t max_body_bytes;
    uint64_t head_timeout_ms;
    uint64_t request_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t heartbeat_ms;
    uint64_t tcp_user_timeout_ms;
    uint64_t tcp_keepalive_ms;
    uint64_t high_water_bytes;
    uint64_t low_water_bytes; /* may be set over high_water_bytes: whoever uses it takes the smaller one */
    uint64_t read_chunk_bytes;
    char server_name[HJ_SERVER_NAME_SIZE];
};

struct hj_queue_options {
    uint64_t capacity;
};

struct hj_broadcaster_options {
    uint64_t backlog_bytes;
    uint64_t overflow; /* enum hj_overflow */
};

void hj_options_default(void *options, enum hj_option_scope scope);

/* Sets one option from text. Numbers are decimal digits; sizes may end in k or m (1024, 1024 * 1024). Returns 0,
 * HIJACK_EOPTION or HIJACK_ERANGE (options untouched). */
int hj_option_set(void *options, enum hj_option_scope scope, struct hj_slice name, struct hj_slice value);

/* Writes the value as text, in the form that set takes, and a NUL; returns its length, HIJACK_EOPTION or
 * HIJACK_ETOOBIG. */
int hj_option_get(char *out, size_t out_size, const void *options, enum hj_option_scope scope, struct hj_slice name);

/* One line for each option: scope, name, type, minimum, maximum, default, help; split by tabs. Bounds of a string are
 * its length; a choice has "-". Static memory. */
const char *hj_option_table(void);

#endif
