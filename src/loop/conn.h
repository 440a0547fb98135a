/* A connection outside libh2o: the entry of the loop's table, a few dozen bytes.
 *
 * Life: accepted (READING a head, PENDING until it is answered) or adopted; then HELD by a broadcaster, or a STREAM or
 * SOCKET with a handle; a finished body may lead back to READING; LINGERING lets the peer read our last words. What
 * libh2o serves is not in the table meanwhile (http1.h). All of it is the loop thread's. */
#ifndef HJ_LOOP_CONN_H
#define HJ_LOOP_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/channel.h"
#include "loop/io/backlog.h"
#include "loop/state.h"

enum hj_conn_kind {
    HJ_CONN_FREE,
    HJ_CONN_READING,   /* a request head is awaited */
    HJ_CONN_PENDING,   /* a request awaits its answer */
    HJ_CONN_HELD,      /* a member, without a handle */
    HJ_CONN_STREAM,    /* channel is a stream */
    HJ_CONN_SOCKET,    /* channel is a socket */
    HJ_CONN_LINGERING, /* we have sent FIN; what comes is thrown away */
    HJ_CONN_KINDS
};

enum {
    HJ_CONN_KEEP_ALIVE = 1, /* after the body, back to READING */
    HJ_CONN_DISCARD = 2,    /* the response has no body */
    HJ_CONN_ENDING = 4,     /* once the backlog is written, end in order */
    HJ_CONN_DETACHING = 8,  /* ... give the descriptor away */
    HJ_CONN_SHUTTING = 16,  /* ... send FIN */
    HJ_CONN_SHUT = 32,      /* FIN was sent */
    HJ_CONN_EOF = 64,       /* the peer's FIN was seen, and all before it delivered */
    HJ_CONN_PEER = 128,     /* the peer's FIN was told by the poller */
    HJ_CONN_STALLED = 256,  /* not read because the queue is full */
    HJ_CONN_UNPOLLED = 512, /* taken out of the poller: it is dead, and only unread bytes keep it */
    HJ_CONN_RESET = 2048,   /* dead by an error, and not by an end on both sides */
    HJ_CONN_REUSED = 1024,  /* READING after an earlier response */
};

/* Bytes read and not yet used: part of a head, what followed a head, what an adopter handed over. */
struct hj_input {
    uint32_t start, len, capacity; /* the bytes are data[start .. start + len) */
    uint32_t scanned;              /* of them, known to hold no end of head */
    char data[];
};

struct hj_conn {
    int fd; /* -1 in a free entry, whose in_ms is then the next free one */
    uint32_t generation;
    uint32_t index; /* of this entry; constant */
    uint8_t kind;   /* enum hj_conn_kind */
    uint8_t wire;   /* enum hj_wire */
    uint16_t flags;
    uint32_t memberships;       /* first in the loop's membership table; 0: none */
    uint32_t in_ms;             /* when the head began, or the last byte came; loop time */
    uint32_t out_ms;            /* when the last byte was written; loop time */
    uint8_t interest;           /* HJ_POLL_* the poller has */
    uint8_t deal;               /* which of the server's queues gets its requests */
    struct hj_input *input;     /* NULL: none */
    struct hj_backlog *backlog; /* NULL: nothing waits to be written */
    struct hj_channel *channel; /* a reference; NULL: no handle */
    struct hj_request *request; /* a reference; PENDING only */
};

/* Puts a descriptor into the table and the poller. NULL, and the descriptor still the caller's, when out of memory. */
struct hj_conn *hj_conn_open(struct hj_loop *loop, int fd, enum hj_conn_kind kind);

/* The entry an event was meant for; NULL if that one has gone. */
struct hj_conn *hj_conn_find(struct hj_loop *loop, uint64_t data);

void hj_conn_set_kind(struct hj_loop *loop, struct hj_conn *conn, enum hj_conn_kind kind);
void hj_conn_set_interest(struct hj_loop *loop, struct hj_conn *conn, unsigned interest);

/* Makes the channel the connection's, taking a reference. */
void hj_conn_attach(struct hj_loop *loop, struct hj_conn *conn, struct hj_channel *channel);

/* It is no longer one that waits for room in a queue. */
void hj_conn_unstall(struct hj_loop *loop, struct hj_conn *conn);

/* Lets go of request and channel, after their last events (status), and of all memberships. */
void hj_conn_leave(struct hj_loop *loop, struct hj_conn *conn, int status);

/* Closes at once. reason: 0, or why as HIJACK_E*, for statistics and the last event. ABORTED sends a reset. */
void hj_conn_close(struct hj_loop *loop, struct hj_conn *conn, int reason);

/* Closes so that the peer gets all that was written, also if it has sent bytes that nobody read. linger: it may well be
 * sending more. reason as above. */
void hj_conn_close_in_order(struct hj_loop *loop, struct hj_conn *conn, int reason, bool linger);

/* Takes the descriptor out of table and poller; the entry is gone, its input the caller's if input is not NULL. */
int hj_conn_release(struct hj_loop *loop, struct hj_conn *conn, struct hj_input **input);

/* Why a dead connection died: HIJACK_ERESET, ETIMEDOUT or ECLOSED. */
int hj_conn_error(const struct hj_conn *conn);

/* Counts a closed connection by reason. */
void hj_conn_count_closed(struct hj_loop *loop, int reason);

/* Appends to the input; false when out of memory. */
bool hj_conn_keep_input(struct hj_conn *conn, const char *data, size_t len);

#endif
