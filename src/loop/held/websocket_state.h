/* What a WebSocket has beside its table entry while something is under way: a part of a frame or a message, a pong that
 * waits, the closing handshake. Loop thread. */
#ifndef HJ_LOOP_HELD_WEBSOCKET_STATE_H
#define HJ_LOOP_HELD_WEBSOCKET_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/websocket.h"
#include "loop/conn.h"

/* Who has closed first. */
enum hj_websocket_closer {
    HJ_WEBSOCKET_OPEN,
    HJ_WEBSOCKET_WE,
    HJ_WEBSOCKET_PEER
};

struct hj_websocket {
    uint32_t index; /* of the entry */
    struct hj_ws_reader reader;
    struct hj_buf *message; /* what has come of the message under way, message_len bytes; NULL: nothing yet */
    uint32_t message_len;
    uint64_t inflated;            /* bytes that the message under way has become so far */
    struct hj_inflater *inflater; /* of a compressed message under way, or for as long as keeps_window; else NULL */
    bool keeps_window;
    bool drops;      /* nobody wants the message under way */
    bool half_ended; /* before it was relayed, the peer has said that no more comes (websocket_relay.h) */
    bool owes_pong;  /* the last ping is answered when the backlog is written */
    uint8_t closer;  /* enum hj_websocket_closer */
    uint8_t pong_len;
    uint8_t pong[HJ_WS_CONTROL_MAX];
    int reason;                /* once it closes: as HIJACK_E* */
    uint32_t close_ms;         /* when our close frame was sent; loop time */
    struct hj_buf *last_words; /* data of the last event; NULL: there was no close frame */
};

/* NULL: nothing is under way. */
struct hj_websocket *hj_websocket_find(const struct hj_loop *loop, const struct hj_conn *conn);

/* Made if there is none. NULL when out of memory. */
struct hj_websocket *hj_websocket_need(struct hj_loop *loop, const struct hj_conn *conn);

/* Nothing is under way any more. */
void hj_websocket_forget(struct hj_loop *loop, const struct hj_conn *conn);

/* Everything was written, and it ends now: the reason, as HIJACK_E*, and whether the peer may still be sending. */
int hj_websocket_end_reason(struct hj_loop *loop, const struct hj_conn *conn, bool *lingers);

/* The data of the last event; a reference. */
struct hj_buf *hj_websocket_last_words(struct hj_loop *loop, const struct hj_conn *conn);

/* A state that goes to another loop with its connection: the old loop's list has it no more; the new loop's list takes
 * it, or false when out of memory, and it is freed; or nobody takes it. NULL: there is none. */
void hj_websocket_moved(struct hj_loop *loop, const struct hj_conn *conn);
bool hj_websocket_take_moved(struct hj_loop *loop, const struct hj_conn *conn, struct hj_websocket *state);
void hj_websocket_drop_moved(struct hj_websocket *state);

/* For the end of the loop, when all are forgotten. */
void hj_websocket_dispose(struct hj_loop *loop);

#endif
