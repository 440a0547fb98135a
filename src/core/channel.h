/* What streams and sockets share: bytes that the program sends, with a high-water mark. */
#ifndef HJ_CORE_CHANNEL_H
#define HJ_CORE_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <hijack/hijack.h>

#include "base/object.h"
#include "base/slice.h"
#include "codec/utf8.h"
#include "core/command.h"
#include "core/event.h"
#include "core/membership.h"
#include "core/server.h"

struct hj_conn;
struct hj_deflater;

/* For the program's side; the loop's view is its connection's. */
enum hj_channel_state {
    HJ_CHANNEL_OPEN,
    HJ_CHANNEL_ENDED,    /* the program sent its last: half-close */
    HJ_CHANNEL_RELAYED,  /* its bytes are another one's, and no more the program's */
    HJ_CHANNEL_CLOSING,  /* ... and wants no more of it: finish, close */
    HJ_CHANNEL_DETACHED, /* ... and wants the descriptor */
    HJ_CHANNEL_GONE      /* no connection any more */
};

#define HJ_NO_LENGTH UINT64_MAX

/* The message of a WebSocket of which pieces were sent, and more follow. */
struct hj_pieces {
    uint8_t kind;        /* HIJACK_MESSAGE_TEXT or _BINARY; 0: there is none */
    struct hj_utf8 utf8; /* where in a character a text has got to */
};

struct hj_channel {
    struct hj_object object;
    /* of a server to which this is a reference; changed once, by its loop, if the connection moves (loop/moving.h) */
    struct hj_worker *_Atomic worker;
    struct hj_queue *queue;   /* a reference */
    uint8_t wire;             /* enum hj_wire; constant once given to the program, as are the next five */
    bool discard : 1;         /* a response without a body (HEAD, 204): what is sent is dropped */
    bool keep_alive : 1;      /* after the body the connection serves further requests */
    bool keeps_window : 1;    /* of a WebSocket: the client's messages may refer to earlier ones */
    bool own_window : 1;      /* ours too: there is a place for a deflater */
    bool half_closes : 1;     /* of a WebSocket: an empty message ends one direction (loop/held/websocket_relay.h) */
    bool : 0;                 /* the next four are the loop's alone */
    bool ended : 1;           /* the last event has been pushed, or nobody wants it */
    bool relayed : 1;         /* the loop's view of HJ_CHANNEL_RELAYED */
    bool unwanted : 1;        /* relayed, and the handle was freed: last is pushed to nobody, and keeps the reason */
    bool moves : 1;           /* once open, to the loop of the one that it is to be paired with */
    _Atomic bool starved;     /* EAGAIN was answered, DRAINED has to follow */
    _Atomic int state;        /* enum hj_channel_state */
    _Atomic uint64_t pending; /* bytes taken from the program and not yet written */
    union {
        _Atomic uint64_t room; /* stream: bytes that the Content-Length still allows, or HJ_NO_LENGTH */
        uint64_t credit;       /* socket: bytes that may be read; UINT64_MAX: no limit. The loop's alone */
        /* relayed: what tells the other one, of another loop, that this one has ended; NULL once they are paired. The
         * loop's alone */
        struct hj_command *notice;
    };
    struct hj_subscriptions subscriptions;
    _Atomic int descriptor;  /* of a DETACHED event that was not polled; else -1. Whoever takes it out owns it */
    struct hj_pieces pieces; /* guarded by the lock of subscriptions */
    /* the loop's alone */
    struct hj_conn *conn; /* NULL before it starts and after it ends */
    struct hj_event last;
    struct hj_deflater *deflater[]; /* one if own_window; guarded as pieces */
};

/* A new channel with a handle that the program has not seen yet; the caller owns a reference. kind: HJ_KIND_STREAM or
 * HJ_KIND_SOCKET. 0 or HIJACK_ENOMEM. */
int hj_channel_new(struct hj_channel **out, enum hj_kind kind, bool own_window, struct hj_worker *worker,
                   struct hj_queue *queue, uint64_t user_data);

/* Whether the body's length was promised to the peer. */
static inline bool hj_channel_has_length(const struct hj_channel *channel)
{
    return channel->object.kind == HJ_KIND_STREAM && atomic_load(&channel->room) != HJ_NO_LENGTH;
}

/* Drops a channel that was never given out, or gives it out: its handle goes to *out, the caller's reference goes. */
void hj_channel_discard(struct hj_channel *channel);
void hj_channel_give(void *out, struct hj_channel *channel);

/* Whether it is relayed, and the other one is not there yet. The loop's alone. */
static inline bool hj_channel_waits(const struct hj_channel *channel)
{
    return channel->relayed && channel->notice != NULL;
}

/* Why the program can do nothing more with a channel in this state that is not OPEN. */
static inline int hj_channel_refusal(int state)
{
    return state == HJ_CHANNEL_RELAYED ? HIJACK_ESTATE : HIJACK_ECLOSED;
}

/* Reserves len bytes under the high-water mark: 0, HIJACK_EAGAIN, HIJACK_ECLOSED, HIJACK_ESTATE (relayed) or
 * HIJACK_ETOOBIG. With 0 bytes it only looks. */
int hj_channel_reserve(struct hj_channel *channel, uint64_t len);

/* Reserves and posts HJ_OP_SEND, all or nothing; takes over buf, NULL: out of memory. As hj_channel_reserve, and
 * HIJACK_ENOMEM. */
int hj_channel_send(struct hj_channel *channel, struct hj_buf *buf);

/* Posts a command that only needs the channel. 0, HIJACK_ENOMEM or HIJACK_ECLOSED. */
int hj_channel_post(struct hj_channel *channel, enum hj_op op, uint64_t value);

/* Moves to state `to` and posts op with buf (taken over, may be NULL): all or nothing. From a state that is not under
 * `below`: HIJACK_ESTATE if it is DETACHED or RELAYED, else HIJACK_ECLOSED. */
int hj_channel_move(struct hj_channel *channel, enum hj_channel_state to, enum hj_channel_state below, enum hj_op op,
                    struct hj_buf *buf);

/* Ends a pinned handle; the loop does the rest. */
void hj_channel_free_handle(struct hj_channel *channel);

/* Loop: bytes have been written or given up; pushes DRAINED if an EAGAIN asks for it. False when out of memory. */
bool hj_channel_release(struct hj_channel *channel, uint64_t len);

/* Nothing that is sent later refers to anything before (own_window): gives that memory back. */
void hj_channel_forget_window(struct hj_channel *channel);

/* Loop: pushes the last event, once, with data (taken over; may be NULL). */
void hj_channel_end(struct hj_channel *channel, int status, struct hj_buf *data);

/* Loop: the same as DETACHED, with the descriptor and the unread bytes, both taken over. HIJACK_ELIMIT or ESHUTDOWN if
 * the descriptor cannot be passed to the program's table: then it is still the caller's, and no event was pushed. */
int hj_channel_end_detached(struct hj_channel *channel, int fd, struct hj_buf *unread);

#endif
