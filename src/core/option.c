/* The option table and everything made from it; see option.h. Pure; any thread. */
#include "core/option.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <hijack/hijack.h>

#include "base/ascii.h"

/* What is on by default must be there. */
#if HIJACK_HTTP2
#define HTTP2(CHOICE)                                                                                                  \
    CHOICE(server, http2, switches, on,                                                                                \
           "on: connections that begin with the preface of HTTP/2 are served with it (docs/reference/http2.md)")
#else
#define HTTP2(CHOICE)                                                                                                  \
    CHOICE(server, http2, switches, off,                                                                               \
           "on: connections that begin with the preface of HTTP/2 are served with it; not in this build")
#endif

#if HIJACK_DEFLATE
#define DEFLATE(CHOICE)                                                                                                \
    CHOICE(server, websocket_deflate, switches, on,                                                                    \
           "on: WebSockets whose clients offer it compress their messages (RFC 7692)")
#else
#define DEFLATE(CHOICE)                                                                                                \
    CHOICE(server, websocket_deflate, switches, off,                                                                   \
           "on: WebSockets whose clients offer it compress their messages (RFC 7692); not in this build")
#endif

/* NUMBER(scope, field, type, minimum, maximum, default, help), STRING(scope, field, minimum, maximum, default, help),
 * CHOICE(scope, field, choices, default, help), MODE(scope, field, default, help). Numbers are plain digits: they are
 * printed as they stand here. A default that is a word stands for HJ_OPTION_UNSET. */
#define HJ_OPTIONS(NUMBER, STRING, CHOICE, MODE)                                                                       \
    NUMBER(server, threads, int, 0, 64, 0, "loop threads; 0: one for each core")                                       \
    NUMBER(server, listen_backlog, int, 1, 65535, 4096,                                                                \
           "connections the kernel keeps ready for accepting; it has a limit of its own (net.core.somaxconn)")         \
    NUMBER(server, max_connections, int, 0, 16777216, 0,                                                               \
           "connections at the same time; 0: as many as the descriptor limit (ulimit -n) has room for")                \
    CHOICE(                                                                                                            \
        server, private_fds, switches, off,                                                                            \
        "on: each loop thread has a descriptor table of its own, so that the descriptor limit counts for each loop "   \
        "and not for the process (docs/operate/kernel.md); needs Linux 5.9")                                           \
    NUMBER(server, connections_per_address, int, 0, 16777216, 0,                                                       \
           "connections at the same time of one client address, or one IPv6 network (/64); one more is reset right "   \
           "after it was accepted; loopback and unix sockets are not counted; 0: no limit")                            \
    NUMBER(server, requests_per_connection, int, 0, 1000000000, 1000,                                                  \
           "requests that a connection of HTTP/1 serves; the answer to the last one has Connection: close; 0: no "     \
           "limit")                                                                                                    \
    NUMBER(server, max_head_bytes, size, 1024, 12288, 12288, "longest request head; over it 431, or 414")              \
    NUMBER(server, max_body_bytes, size, 0, 1099511627776, 1048576, "longest request body; over it 413")               \
    NUMBER(server, head_timeout_ms, int, 1, 86400000, 10000,                                                           \
           "time a new connection has for its first request head, and a later head from its first byte on")            \
    NUMBER(server, request_timeout_ms, int, 1, 86400000, 30000,                                                        \
           "time for a whole request with its body, and for the wait between two requests of a connection")            \
    NUMBER(server, idle_timeout_ms, int, 0, 86400000, 0,                                                               \
           "closes a held connection (socket, stream, member) after so long without a byte either way; 0: never")      \
    NUMBER(server, heartbeat_ms, int, 0, 86400000, 15000, "silence after which an SSE comment is sent; 0: never")      \
    NUMBER(server, connect_timeout_ms, int, 0, 86400000, 10000,                                                        \
           "how long an outgoing connection may take until it is open, with the look-up of its name and the TLS "      \
           "handshake; 0: as the system does")                                                                         \
    STRING(server, connect_ca, 0, 255, ,                                                                               \
           "path of the PEM file with the authorities whom outgoing connections with TLS trust; empty: those that "    \
           "the system trusts")                                                                                        \
    STRING(server, connect_certificate, 0, 255, ,                                                                      \
           "path of the PEM file with the certificate, and its chain, that outgoing connections with TLS show to "     \
           "whom asks for one; empty: none")                                                                           \
    STRING(server, connect_key, 0, 255, ,                                                                              \
           "path of the PEM file with the key of connect_certificate; empty: it is in the same file")                  \
    NUMBER(server, relay_idle_ms, int, 0, 86400000, 0,                                                                 \
           "closes a relayed pair after so long without a byte either way; 0: never")                                  \
    NUMBER(server, ack_timeout_ms, int, 0, 86400000, 30000,                                                            \
           "closes a connection whose peer has room and acknowledges nothing for so long; 0: as the kernel does")      \
    NUMBER(server, stall_timeout_ms, int, 0, 86400000, 300000,                                                         \
           "closes a connection whose peer takes none of the bytes that wait for it for so long; 0: never, except "    \
           "one that the program has ended, after 5 minutes")                                                          \
    NUMBER(server, tcp_keepalive_ms, int, 0, 86400000, 60000, "silence after which TCP asks the peer; 0: never")       \
    NUMBER(server, high_water_bytes, size, 1, 1073741824, 65536,                                                       \
           "unsent bytes of a stream or socket at which, and over which, send returns HIJACK_EAGAIN")                  \
    NUMBER(server, low_water_bytes, size, 0, 1073741824, 16384,                                                        \
           "unsent bytes at which, and under which, the DRAINED event comes; not over high_water_bytes")               \
    NUMBER(server, backlog_total_bytes, size, 0, 1099511627776, 1073741824,                                            \
           "unsent bytes of all connections of the server; over it those that have the most are reset with "           \
           "HIJACK_ESLOW; a published message counts once for each member that it waits for; 0: no limit")             \
    NUMBER(server, unsent_bytes, size, 0, 1073741824, 131072,                                                          \
           "bytes of a broadcaster's member that the kernel takes before it can send them; what is more waits in the " \
           "member's backlog, where the policy acts; 0: as the kernel does, which is megabytes")                       \
    NUMBER(server, send_buffer_bytes, size, 0, 1073741824, 0,                                                          \
           "the kernel's send buffer of each connection (SO_SNDBUF); 0: the kernel decides")                           \
    NUMBER(server, read_chunk_bytes, size, 512, 16777216, 65536, "most bytes in one DATA event")                       \
    STRING(server, server_name, 0, 63, libhijack, "value of the Server header; empty: no such header")                 \
    CHOICE(server, request_body, bodies, whole,                                                                        \
           "whole: a request is delivered with its body; pieces: it is delivered after its head, and the program "     \
           "reads the body in pieces")                                                                                 \
    HTTP2(CHOICE)                                                                                                      \
    CHOICE(                                                                                                            \
        server, connect_method, switches, off,                                                                         \
        "on: CONNECT of HTTP/1 is delivered as a request whose target is host:port, for a program that is a proxy; "   \
        "off: it is answered with 501")                                                                                \
    CHOICE(server, tls_min_version, tls_versions, 1.2, "oldest version of TLS that is spoken")                         \
    STRING(server, tls_ciphers, 1, 511, intermediate,                                                                  \
           "ciphers of TLS 1.2, as OpenSSL writes them; intermediate: Mozilla's list of this name; those of TLS 1.3 "  \
           "are always its three usual ones")                                                                          \
    CHOICE(server, tls_takeover, switches, on,                                                                         \
           "on: a TLS 1.3 connection gives its OpenSSL object back after the handshake; off: each keeps it")           \
    STRING(server, tls_client_ca, 0, 255, , "path of the PEM file with the authorities of clients' certificates")      \
    CHOICE(server, tls_client_verify, verifications, none,                                                             \
           "none: clients are not asked for a certificate; request: one that is sent must be good; require: without "  \
           "a good one the handshake fails")                                                                           \
    STRING(server, tls_ticket_key, 0, 255, ,                                                                           \
           "path of a file with at least 32 secret bytes: processes with the same file resume each other's sessions; " \
           "empty: a secret of chance")                                                                                \
    STRING(server, tls_keylog_file, 0, 255, ,                                                                          \
           "path of a file to which the secrets of all connections are written, for debugging; empty: none")           \
    NUMBER(server, tls_handshake_timeout_ms, int, 1, 86400000, 10000,                                                  \
           "time a new connection has for its TLS handshake; head_timeout_ms begins after it")                         \
    NUMBER(server, http2_streams, int, 1, 100, 100,                                                                    \
           "requests that an HTTP/2 connection may have open at the same time")                                        \
    NUMBER(server, http2_requests, int, 0, 1000000000, 1000000,                                                        \
           "requests after which an HTTP/2 connection is asked to make room for a new one (GOAWAY); 0: never")         \
    NUMBER(server, http2_resets, int, 1, 1000000, 200,                                                                 \
           "requests a second that a client may reset, or break so that they are reset, on one HTTP/2 connection; "    \
           "over it GOAWAY with ENHANCE_YOUR_CALM")                                                                    \
    STRING(server, websocket_origins, 1, 1023, same,                                                                   \
           "pages that may open a WebSocket, as a list with commas: same (of the host that the request names), "       \
           "origins as https://example.org, * for all; clients other than browsers send none")                         \
    DEFLATE(CHOICE)                                                                                                    \
    CHOICE(server, websocket_context_takeover, switches, off,                                                          \
           "on: a compressed message may refer to earlier ones, which takes 40 KiB of each WebSocket that receives "   \
           "such, and 160 KiB of each with a handle that sends them; off: an idle one keeps no memory for it")         \
    NUMBER(server, websocket_message_bytes, size, 1, 2147483647, 1048576,                                              \
           "longest message from a WebSocket; over it the connection is closed with code 1009")                        \
    NUMBER(server, websocket_piece_bytes, size, 0, 2147483647, 0,                                                      \
           "bytes over which a message is delivered in pieces, each but the last of this length; 0: messages are "     \
           "delivered whole")                                                                                          \
    NUMBER(server, websocket_ping_ms, int, 0, 86400000, 30000,                                                         \
           "silence of a WebSocket's peer after which it is sent a ping; 0: never")                                    \
    NUMBER(server, websocket_pong_ms, int, 1, 86400000, 20000,                                                         \
           "time a WebSocket's peer has to answer a ping, or our closing; then the connection ends with "              \
           "HIJACK_ETIMEDOUT")                                                                                         \
    MODE(                                                                                                              \
        server, unix_mode, umask,                                                                                      \
        "rights of the file of a unix socket, as 0660; umask: what the process' umask leaves; takes effect at listen") \
    CHOICE(route, request_body, bodies, inherit,                                                                       \
           "whole or pieces, as the server's; inherit: as the next shorter prefix that sets it, else the server")      \
    NUMBER(route, max_body_bytes, size, 0, 1099511627776, inherit,                                                     \
           "longest request body; over it 413; inherit: as the next shorter prefix that sets it, else the server")     \
    STRING(route, position, 0, 63, ,                                                                                   \
           "where a client of a held route gives the last message that it has: last-event-id, the header, or "         \
           "query:NAME, that header or else this parameter; empty: as the next shorter prefix that sets it, else "     \
           "last-event-id")                                                                                            \
    STRING(                                                                                                            \
        route, user_data, 0, 63, ,                                                                                     \
        "who the client of a held route is: header:NAME or query:NAME, whose value becomes a number (hijack_hash), "   \
        "or a number; empty: as the next shorter prefix that sets it, else nobody")                                    \
    NUMBER(queue, capacity, int, 1, 16777216, 8192,                                                                    \
           "events; while it is full the servers stop reading from their connections")                                 \
    NUMBER(broadcaster, backlog_bytes, size, 0, 1073741824, 65536, "unsent bytes that one member may have")            \
    CHOICE(broadcaster, member_messages, deliveries, drop,                                                             \
           "what WebSocket members without a handle send: drop, or deliver (event MEMBER_MESSAGE)")                    \
    CHOICE(broadcaster, member_events, switches, off,                                                                  \
           "on: members that join or leave become events (MEMBERS), beginning with those that are there")              \
    CHOICE(broadcaster, overflow, overflows, close,                                                                    \
           "what happens to a member over its backlog: close, drop_newest, drop_oldest or latest (keep the newest "    \
           "message of each key)")                                                                                     \
    NUMBER(broadcaster, long_poll_ms, int, 0, 86400000, 30000,                                                         \
           "how long a request held as long poll waits until it is answered with 204; 0: until a message comes")       \
    NUMBER(broadcaster, history_messages, int, 0, 16777216, 0,                                                         \
           "messages kept for members that return; 0: none, and no message has a position")                            \
    NUMBER(broadcaster, history_bytes, size, 0, 1099511627776, 16777216,                                               \
           "bytes of the messages that are kept, without the forms in which they were sent; over it the oldest go")    \
    NUMBER(broadcaster, history_ms, int, 0, 86400000, 0, "age at which a kept message goes; 0: never")                 \
    STRING(broadcaster, history_position, 0, 53, ,                                                                     \
           "position of the last message of an earlier process, which this one continues; before the first message")   \
    STRING(broadcaster, gap_event, 0, 63, ,                                                                            \
           "name of the SSE event that a returning member gets when messages that it has missed are not kept any "     \
           "more; empty: hijack-gap")

enum type {
    TYPE_INT,
    TYPE_SIZE,
    TYPE_STRING,
    TYPE_CHOICE,
    TYPE_MODE
};

struct option {
    enum hj_option_scope scope;
    enum type type;
    struct hj_slice name, initial;
    size_t offset;
    uint64_t min, max;
    const struct hj_slice *choices;
};

#define SCOPE_server HJ_SCOPE_SERVER
#define SCOPE_queue HJ_SCOPE_QUEUE
#define SCOPE_broadcaster HJ_SCOPE_BROADCASTER
#define SCOPE_route HJ_SCOPE_ROUTE
#define NUMBER_int TYPE_INT
#define NUMBER_size TYPE_SIZE

/* In the order of enum hj_tls_min_version. */
static const struct hj_slice tls_versions[] = {
    {"1.2", 3},
    {"1.3", 3},
};

/* In the order of enum hj_verify. */
static const struct hj_slice verifications[] = {
    {"none", 4},
    {"request", 7},
    {"require", 7},
};

/* In the order of enum hj_overflow. */
static const struct hj_slice overflows[] = {
    {"close", 5},
    {"drop_newest", 11},
    {"drop_oldest", 11},
    {"latest", 6},
};

/* In the order of enum hj_member_messages. */
static const struct hj_slice deliveries[] = {
    {"drop", 4},
    {"deliver", 7},
};

/* In the order of enum hj_request_body. */
static const struct hj_slice bodies[] = {
    {"whole", 5},
    {"pieces", 6},
};

/* In the order of enum hj_switch. */
static const struct hj_slice switches[] = {
    {"off", 3},
    {"on", 2},
};

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }
#define ENTRY(scope, field, type, min, max, choices, initial)                                                          \
    {SCOPE_##scope, type, TEXT(#field), TEXT(initial), offsetof(struct hj_##scope##_options, field), min, max, choices},
#define NUMBER(scope, field, type, min, max, initial, help) ENTRY(scope, field, NUMBER_##type, min, max, NULL, #initial)
#define STRING(scope, field, min, max, initial, help) ENTRY(scope, field, TYPE_STRING, min, max, NULL, #initial)
#define CHOICE(scope, field, choices, initial, help)                                                                   \
    ENTRY(scope, field, TYPE_CHOICE, 0, sizeof(choices) / sizeof((choices)[0]) - 1, choices, #initial)
#define MODE(scope, field, initial, help) ENTRY(scope, field, TYPE_MODE, 0, 0777, NULL, #initial)
static const struct option options_known[] = {HJ_OPTIONS(NUMBER, STRING, CHOICE, MODE)};
#undef NUMBER
#undef STRING
#undef CHOICE
#undef MODE

static const struct option *find(enum hj_option_scope scope, struct hj_slice name)
{
    for (size_t i = 0; i < sizeof(options_known) / sizeof(options_known[0]); ++i)
        if (options_known[i].scope == scope && hj_slice_equal(options_known[i].name, name))
            return &options_known[i];
    return NULL;
}

/* Digits, and for a size perhaps k or m. */
static bool parse_number(uint64_t *out, const struct option *option, struct hj_slice value)
{
    unsigned shift = 0;
    if (option->type == TYPE_SIZE && value.len != 0) {
        const char suffix = hj_lower(value.base[value.len - 1]);
        shift = suffix == 'k' ? 10 : suffix == 'm' ? 20 : 0;
        value.len -= shift != 0;
    }
    uint64_t number;
    if (!hj_ascii_number(&number, value) || number > UINT64_MAX >> shift)
        return false;
    *out = number << shift;
    return true;
}

static bool parse_choice(uint64_t *out, const struct option *option, struct hj_slice value)
{
    for (size_t i = 0; i <= option->max; ++i) {
        if (hj_slice_equal(value, option->choices[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Four octal digits, the first of them 0: a language where 0660 is a number writes 432, which must not pass. */
static bool parse_mode(uint64_t *out, struct hj_slice value)
{
    uint64_t mode = 0;
    if (value.len != 4 || value.base[0] != '0')
        return false;
    for (size_t i = 1; i < 4; ++i) {
        if (value.base[i] < '0' || value.base[i] > '7')
            return false;
        mode = mode * 8 + (uint64_t)(value.base[i] - '0');
    }
    *out = mode;
    return true;
}

static bool parse(uint64_t *out, const struct option *option, struct hj_slice value)
{
    bool ok = option->type == TYPE_CHOICE ? parse_choice(out, option, value)
              : option->type == TYPE_MODE ? parse_mode(out, value)
                                          : parse_number(out, option, value);
    if (ok)
        return *out >= option->min && *out <= option->max;
    *out = HJ_OPTION_UNSET;
    return hj_slice_equal(value, option->initial); /* the word for it */
}

static int set(void *options, const struct option *option, struct hj_slice value)
{
    char *field = (char *)options + option->offset;
    if (option->type == TYPE_STRING) {
        if (value.len < option->min || value.len > option->max || !hj_ascii_all(value, HJ_ASCII_VALUE) ||
            hj_ascii_trim(value).len != value.len)
            return HIJACK_ERANGE;
        if (value.len != 0)
            memcpy(field, value.base, value.len);
        field[value.len] = '\0';
        return 0;
    }
    uint64_t number;
    if (!parse(&number, option, value))
        return HIJACK_ERANGE;
    memcpy(field, &number, sizeof(number));
    return 0;
}

void hj_options_default(void *options, enum hj_option_scope scope)
{
    for (size_t i = 0; i < sizeof(options_known) / sizeof(options_known[0]); ++i)
        if (options_known[i].scope == scope)
            (void)set(options, &options_known[i], options_known[i].initial); /* the unit test reads each one back */
}

/* Whether this build cannot do it. */
static bool is_not_built(const struct option *option, struct hj_slice value)
{
#if !HIJACK_HTTP2
    if (hj_slice_equal(option->name, HJ_SLICE("http2")) && hj_slice_equal(value, switches[HJ_SWITCH_ON]))
        return true;
#endif
#if !HIJACK_DEFLATE
    if (hj_slice_equal(option->name, HJ_SLICE("websocket_deflate")) && hj_slice_equal(value, switches[HJ_SWITCH_ON]))
        return true;
#endif
#if !HIJACK_TLS
    if (hj_slice_begins(option->name, HJ_SLICE("tls_")))
        return true;
#endif
    (void)option;
    (void)value;
    return false;
}

int hj_option_set(void *options, enum hj_option_scope scope, struct hj_slice name, struct hj_slice value)
{
    const struct option *option = find(scope, name);
    if (option != NULL && is_not_built(option, value))
        return HIJACK_ENOTSUP;
    if (option != NULL)
        return set(options, option, value);
    return HIJACK_EOPTION;
}

int hj_option_get(char *out, size_t out_size, const void *options, enum hj_option_scope scope, struct hj_slice name)
{
    const struct option *option = find(scope, name);
    if (option == NULL)
        return HIJACK_EOPTION;
    const char *field = (const char *)options + option->offset;
    char digits[24];
    struct hj_slice text;
    if (option->type == TYPE_STRING) {
        text = hj_slice(field, strlen(field));
    } else {
        const char *format = option->type == TYPE_MODE ? "%04" PRIo64 : "%" PRIu64;
        uint64_t number;
        memcpy(&number, field, sizeof(number));
        if (number == HJ_OPTION_UNSET)
            text = option->initial;
        else if (option->type == TYPE_CHOICE)
            text = option->choices[number];
        else
            text = hj_slice(digits, (size_t)snprintf(digits, sizeof(digits), format, number));
    }
    if (text.len >= out_size)
        return HIJACK_ETOOBIG;
    memcpy(out, text.base, text.len);
    out[text.len] = '\0';
    return (int)text.len;
}

/* One literal: pedantic compilers are told that it may be longer than C99 demands of every compiler. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
const char *hj_option_table(void)
{
#define LINE(scope, field, type, min, max, initial, help)                                                              \
    scope "\t" field "\t" type "\t" min "\t" max "\t" initial "\t" help "\n"
#define NUMBER(scope, field, type, min, max, initial, help) LINE(#scope, #field, #type, #min, #max, #initial, help)
#define STRING(scope, field, min, max, initial, help) LINE(#scope, #field, "string", #min, #max, #initial, help)
#define CHOICE(scope, field, choices, initial, help) LINE(#scope, #field, "choice", "-", "-", #initial, help)
#define MODE(scope, field, initial, help) LINE(#scope, #field, "mode", "0000", "0777", #initial, help)
    return HJ_OPTIONS(NUMBER, STRING, CHOICE, MODE);
}
#pragma GCC diagnostic pop
