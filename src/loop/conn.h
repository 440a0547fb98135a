/* A connection: the entry of the loop's table, 64 bytes.
 *
 * Life: accepted (HEAD, perhaps BODY, PENDING until it is answered) or adopted; then HELD by a broadcaster, or a STREAM
 * or SOCKET with a handle; a finished response may lead back to HEAD; LINGERING lets the peer read our last words.
 * Closing is marked (CLOSING) and carried out at the end of the loop's turn (closing.h), so that an entry stays what it
 * was for whoever has it in hand. docs/internals/connection.md has the table. All of it is the loop thread's. */
#ifndef HJ_LOOP_CONN_H
#define HJ_LOOP_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/channel.h"
#include "loop/io/backlog.h"
#include "loop/state.h"

enum hj_conn_kind {
    HJ_CONN_FREE,
    HJ_CONN_HANDSHAKE,  /* of TLS */
    HJ_CONN_HEAD,       /* a request head is awaited */
    HJ_CONN_PREFACE,    /* the preface of HTTP/2 came, and is in the input: handed over in this turn */
    HJ_CONN_BODY,       /* a request's body is read, of which the program hears when it is whole */
    HJ_CONN_CONNECTING, /* channel is a socket that is not open yet (held/connecting.h) */
    HJ_CONN_PENDING,    /* a request awaits its answer, or the end of its body */
    HJ_CONN_HELD,       /* a member, without a handle */
    HJ_CONN_STREAM,     /* channel is a stream */
    HJ_CONN_SOCKET,     /* channel is a socket */
    HJ_CONN_RELAY,      /* its bytes go to another entry, and those of the other one come here (io/relay.h) */
    HJ_CONN_LINGERING,  /* we have sent FIN; what comes is thrown away */
    HJ_CONN_CLOSING,    /* to be closed at the end of this turn; out_ms is the reason, in_ms the next one's index */
    HJ_CONN_KINDS
};

enum hj_conn_transport {
    HJ_TRANSPORT_PLAIN,      /* fd */
    HJ_TRANSPORT_HTTP2,      /* the entry's layer is a stream of an HTTP/2 connection (http2/http2.h) */
    HJ_TRANSPORT_TLS,        /* fd; its layer has the keys (tls/layer.h) */
    HJ_TRANSPORT_TLS_OBJECT, /* fd; its layer has OpenSSL's object, or it has none yet */
    HJ_TRANSPORT_PAIR        /* fd; one end of a socket pair, of which the program has the other */
};

enum {
    HJ_CONN_KEEP_ALIVE = 1,      /* after the response, back to HEAD */
    HJ_CONN_DISCARD = 2,         /* the response has no body */
    HJ_CONN_ENDING = 4,          /* once the backlog is written, end gracefully */
    HJ_CONN_DETACHING = 8,       /* ... give the descriptor away */
    HJ_CONN_SHUTTING = 16,       /* ... send FIN */
    HJ_CONN_SHUT = 32,           /* FIN was sent */
    HJ_CONN_EOF = 64,            /* the peer's FIN was seen, and all before it delivered */
    HJ_CONN_PEER_ENDED = 128,    /* the poller reported the peer's FIN */
    HJ_CONN_STALLED = 256,       /* not read because the queue is full */
    HJ_CONN_UNPOLLED = 512,      /* out of the poller: it is dead, and only unread bytes keep it; or not open yet */
    HJ_CONN_REUSED = 1024,       /* HEAD after an earlier response */
    HJ_CONN_HALF_CLOSES = 1024,  /* RELAY of a WebSocket: an empty message ends one direction */
    HJ_CONN_RESET = 2048,        /* dead by an error, and not by an end on both sides */
    HJ_CONN_HUNG_UP = 4096,      /* HANGUP was pushed */
    HJ_CONN_BULKY = 4096,        /* RELAY: much has come at once lately (io/relay.c) */
    HJ_CONN_READY = 8192,        /* in the list of those that have the next request in their input */
    HJ_CONN_WAS_COUNTED = 16384, /* its end is in the statistics already */
    HJ_CONN_WATCHED = 32768 /* in the list of delivery.h; if this gets lost it may be there twice, which does no harm */
};

/* Bytes read and not yet used: part of a head, what followed a head, what an adopter handed over. */
struct hj_input {
    uint32_t start, len, capacity; /* the bytes are data[start .. start + len) */
    uint32_t scanned;              /* of them, known to hold no end of head */
    char data[];
};

struct hj_conn {
    int fd;                     /* -1: no descriptor of its own */
    uint32_t index;             /* of this entry; constant */
    uint32_t memberships;       /* first in the loop's membership table; 0: none */
    uint32_t in_ms;             /* when the head began, or the last byte came; loop time */
    uint32_t out_ms;            /* when the last byte was written; loop time */
    uint32_t peer_ip;           /* IPv4, network byte order, with peer_port; for others the kernel is asked */
    uint16_t peer_port;         /* 0: the kernel is asked */
    uint16_t flags;             /* HJ_CONN_* */
    uint8_t kind : 6;           /* enum hj_conn_kind */
    uint8_t behind : 1;         /* a membership is (fanout/catchup.h) */
    uint8_t lazy_in : 1;        /* the poller still has IN, which interest has no more (io/transport.h) */
    uint8_t wire : 3;           /* enum hj_wire */
    uint8_t listener : 5;       /* of the server, counted from 1; 0: another one, or adopted */
    uint8_t interest : 3;       /* HJ_POLL_IN, OUT, PEER: what is to be acted on */
    uint8_t pinged : 1;         /* of a WebSocket: nothing has come since the last ping */
    uint8_t transport : 3;      /* enum hj_conn_transport */
    uint8_t unlimited : 1;      /* option unsent_bytes is not in force (fanout/shard.h) */
    uint8_t queue;              /* which of the server's queues gets its requests */
    struct hj_input *input;     /* NULL: none; of CONNECTING the addresses that were not tried */
    struct hj_backlog *backlog; /* NULL: nothing waits to be written */
    struct hj_channel *channel; /* a reference; NULL: no handle */
    struct hj_request *request; /* a reference; from its head until it is answered and its body has ended */
};

/* Puts a descriptor into the table and the poller. NULL, and the descriptor still the caller's, when out of memory. */
struct hj_conn *hj_conn_open(struct hj_loop *loop, int fd, enum hj_conn_kind kind);

/* The same for a request that has no descriptor: layer carries its bytes. A HEAD entry of which the caller knows the
 * head. NULL when out of memory. */
struct hj_conn *hj_conn_open_layered(struct hj_loop *loop, enum hj_conn_transport transport, void *layer);

/* The same for a connection that is not open yet: a SOCKET entry without a descriptor, UNPOLLED. */
struct hj_conn *hj_conn_open_unconnected(struct hj_loop *loop);

/* The entry an event was meant for; NULL if there is none. */
struct hj_conn *hj_conn_find(struct hj_loop *loop, uint64_t data);

/* Whether it stands for a connection, and not for one of several streams of it, or for a way to the program. */
static inline bool hj_conn_is_connection(const struct hj_conn *conn)
{
    return conn->transport != HJ_TRANSPORT_HTTP2 && conn->transport != HJ_TRANSPORT_PAIR;
}

/* Whether the entry has a connection that is not about to be closed. */
static inline bool hj_conn_is_open(const struct hj_conn *conn)
{
    return conn->kind != HJ_CONN_FREE && conn->kind != HJ_CONN_CLOSING;
}

/* Whether it speaks WebSocket (held/websocket.h). */
static inline bool hj_conn_is_websocket(const struct hj_conn *conn)
{
    return hj_wire_is_websocket(conn->wire);
}

/* Whether the closing handshake has not begun. */
static inline bool hj_conn_is_live_websocket(const struct hj_conn *conn)
{
    return hj_conn_is_websocket(conn) &&
           (conn->kind == HJ_CONN_SOCKET || conn->kind == HJ_CONN_HELD || conn->kind == HJ_CONN_RELAY) &&
           (conn->flags & (HJ_CONN_DISCARD | HJ_CONN_ENDING)) == 0;
}

void hj_conn_set_kind(struct hj_loop *loop, struct hj_conn *conn, enum hj_conn_kind kind);

/* Makes the channel the connection's, taking a reference. */
void hj_conn_attach(struct hj_loop *loop, struct hj_conn *conn, struct hj_channel *channel);

/* What the poller shall tell of it: HJ_POLL_*. Closes a connection of which it would not tell that. */
void hj_conn_set_interest(struct hj_loop *loop, struct hj_conn *conn, unsigned interest);

/* It no longer waits for room in a queue. */
void hj_conn_unstall(struct hj_loop *loop, struct hj_conn *conn);

/* Releases the request, after its last event (status). */
void hj_conn_end_request(struct hj_conn *conn, int status);

/* Releases request and channel, after their last events (status), and all memberships. Not during a fan-out. */
void hj_conn_leave(struct hj_loop *loop, struct hj_conn *conn, int status);

void hj_conn_drop_backlog(struct hj_loop *loop, struct hj_conn *conn);
void hj_conn_drop_input(struct hj_conn *conn);

/* A connection ended for this reason: into the statistics. */
void hj_conn_count_closed(struct hj_loop *loop, int reason);

/* Marks it to be closed at the end of the turn. reason: 0, or why as HIJACK_E*, for statistics and the last event; the
 * first one counts. ABORTED and ESLOW send a reset. */
void hj_conn_close(struct hj_loop *loop, struct hj_conn *conn, int reason);

/* Closes so that the peer gets all that was written, also if it has sent bytes that nobody read. linger: it may well be
 * sending more. reason as above. Not during a fan-out. */
void hj_conn_close_gracefully(struct hj_loop *loop, struct hj_conn *conn, int reason, bool linger);

/* The entry is out of everything and goes back to the table; its end has been counted. */
void hj_conn_forget(struct hj_loop *loop, struct hj_conn *conn);

/* What it has sent may hold the next request: looked at later in this turn. */
void hj_conn_make_ready(struct hj_loop *loop, struct hj_conn *conn);

/* Pushes HANGUP for the request or channel, once. */
void hj_conn_hang_up(struct hj_loop *loop, struct hj_conn *conn);

/* Appends to the input; false when out of memory. */
bool hj_conn_keep_input(struct hj_conn *conn, const char *data, size_t len);

#endif
