/* A published message: its fields, and one encoding per wire form, made by the first loop that needs it and shared by
 * all. */
#ifndef HJ_CORE_MESSAGE_H
#define HJ_CORE_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "core/compressor.h"

/* How bytes look on one connection. */
enum hj_wire {
    HJ_WIRE_RAW,               /* data as it is: hijacked sockets, bodies that end with the connection */
    HJ_WIRE_CHUNKED,           /* data as an HTTP/1.1 chunk */
    HJ_WIRE_SSE,               /* an SSE event in a body that ends with the connection */
    HJ_WIRE_SSE_CHUNKED,       /* an SSE event as a chunk */
    HJ_WIRE_RESPONSE,          /* a whole response, made for each connection (loop/fanout/long_poll.h) */
    HJ_WIRE_WEBSOCKET,         /* a WebSocket frame; with each of the ways to compress that a peer has agreed to: */
    HJ_WIRE_WEBSOCKET_DEFLATE, /* with a window of 2^15 bytes */
    HJ_WIRE_WEBSOCKET_NARROW,  /* with one of 2^9, which all smaller ones hold */
    HJ_WIRE_COUNT
};

static inline bool hj_wire_is_chunked(unsigned wire)
{
    return wire == HJ_WIRE_CHUNKED || wire == HJ_WIRE_SSE_CHUNKED;
}

static inline bool hj_wire_is_sse(unsigned wire)
{
    return wire == HJ_WIRE_SSE || wire == HJ_WIRE_SSE_CHUNKED;
}

static inline bool hj_wire_is_websocket(unsigned wire)
{
    return wire >= HJ_WIRE_WEBSOCKET;
}

static inline bool hj_wire_is_compressed(unsigned wire)
{
    return wire > HJ_WIRE_WEBSOCKET;
}

static inline enum hj_window hj_wire_window(enum hj_wire wire)
{
    return wire == HJ_WIRE_WEBSOCKET_DEFLATE ? HJ_WINDOW_FULL : HJ_WINDOW_NARROW;
}

/* What a program publishes. */
struct hj_message_parts {
    struct hj_slice data;
    struct hj_slice event, id, key; /* of an SSE event; an id whose base is NULL is none */
    int64_t retry_ms;               /* of an SSE event; negative: none */
    bool binary;                    /* what a WebSocket frame calls it */
    bool positioned;                /* room for its position is needed: hj_message_set_position */
};

struct hj_message {
    _Atomic uint32_t refs;
    bool binary;
    struct hj_compressor *compressor; /* of the server, which outlives it; NULL: nothing is compressed */
    struct hj_slice event, id, key;   /* inside fields */
    int64_t retry_ms;
    uint64_t offset; /* in its broadcaster's history; 0: none. Set with id before others see the message */
    char *room;      /* for its position, in fields; NULL: none */
    struct hj_buf *data;
    struct hj_buf *_Atomic wire[HJ_WIRE_COUNT]; /* RAW is data; the others appear when first needed */
    char fields[];
};

/* Checks and copies. *out is the caller's. 0, HIJACK_EINVAL (CR or LF in event or id, NUL in id; data that is not
 * UTF-8, unless binary) or HIJACK_ENOMEM. */
int hj_message_new(struct hj_message **out, struct hj_compressor *compressor, const struct hj_message_parts *parts);

/* Its id becomes this position, if it has none and there is room for it. */
void hj_message_set_position(struct hj_message *message, const char *epoch, uint64_t offset);

struct hj_message *hj_message_ref(struct hj_message *message);
void hj_message_unref(struct hj_message *message); /* NULL is a no-op */

/* The encoding for a wire form, owned by the message; may be empty (no data as raw bytes). NULL when out of memory. Any
 * thread. */
struct hj_buf *hj_message_encoded(struct hj_message *message, enum hj_wire wire);

/* About how much memory it takes while it waits for the loops. */
uint64_t hj_message_cost(const struct hj_message *message);

bool hj_message_same_key(const struct hj_message *a, const struct hj_message *b);

#endif
