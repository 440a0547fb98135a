/* One loop: its thread, and everything confined to it. */
#ifndef HJ_LOOP_STATE_H
#define HJ_LOOP_STATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <hijack/hijack.h>

#include "base/os/poller.h"
#include "core/message.h"
#include "core/queue.h"
#include "core/server.h"
#include "core/worker.h"
#include "loop/delivery.h"
#include "loop/numbers.h"
#include "loop/table.h"

struct hj_http2;
struct hj_tls;
struct hj_conn;

#define HJ_SCRATCH_SIZE 65536 /* the most that is read at once */

/* Poller data that are no table entry. */
#define HJ_POLL_DATA_MAILBOX UINT64_MAX
#define HJ_POLL_DATA_HTTP2 (UINT64_MAX - 1)
#define HJ_POLL_DATA_LISTENER (UINT64_MAX - 1024) /* minus the listener's index */

/* The encoded head of a held route, good for one second. */
#define HJ_HELD_FORMS 4 /* HTTP/1.0; 1.1; 1.1 with Connection: close; HTTP/2 */
struct hj_held_head {
    time_t second;
    struct hj_buf *head[HJ_HELD_FORMS];
    uint16_t how[HJ_HELD_FORMS]; /* HJ_HOLD_* */
};

/* A listening socket of this loop. */
struct hj_acceptor {
    int fd;      /* -1: closed */
    bool owned;  /* the loop's own (SO_REUSEPORT), not the server's */
    bool paused; /* out of the poller */
};

struct hj_behind;
struct hj_roll;

/* Members that are behind (fanout/behind.h). */
struct hj_behind_table {
    struct hj_behind *list; /* owned; entry 0 is not used */
    uint32_t used, free, capacity, live;
};

struct hj_pipe;

/* For splicing (io/pipes.h). */
struct hj_pipes {
    struct hj_numbers numbers; /* beside the table: where in list, counted from 1 */
    struct hj_pipe *list;      /* owned; NULL until the first is needed */
    uint32_t used, count;      /* those that have bytes in them; all */
};

struct hj_inflater;
struct hj_websocket;

/* WebSockets that have something under way (held/websocket_state.h), and what is often sent. */
struct hj_websockets {
    struct hj_numbers numbers; /* beside the table: where in list, counted from 1 */
    struct hj_websocket **list;
    uint32_t count, capacity;
    struct hj_inflater *inflater;   /* for the next compressed message; NULL: none is kept */
    struct hj_buf *ping, *no_words; /* an empty ping; the data of a last event without a close frame */
};

struct hj_long_poll;

/* Members that wait for one response (fanout/long_poll_state.h). */
struct hj_long_polls {
    struct hj_numbers numbers; /* beside the table: where in list, counted from 1 */
    struct hj_long_poll *list; /* owned */
    uint32_t count, capacity;
    uint32_t every_ms; /* their deadlines have to be looked at so often; 0: they have none */
};

/* A loop's side of one queue: how it is resumed when there is room again, and the requests that wait for that. */
struct hj_producer {
    struct hj_waiter waiter;
    struct hj_request *parked_head, *parked_tail; /* references */
};

struct hj_loop {
    struct hj_worker worker;  /* what core sees; first */
    struct hj_server *server; /* owns the loop; the thread holds a reference */
    sem_t opened;             /* posted once: the thread has made what it must make itself */
    int opened_rc;            /* 0 or why it could not; before that post the thread's, then the start's */
    /* all that follows is the loop thread's alone */
    struct hj_poller poller;
    struct hj_table table;
    struct hj_member_table members;
    /* beside the table: how many requests a connection that goes on has had, where it is more than one */
    struct hj_numbers requests;
    /* and what was taken of server->address_counts for it */
    struct hj_numbers addresses;
    struct hj_numbers partners; /* of RELAY entries: the index of the other one */
    struct hj_numbers passed;   /* of relayed WebSockets, with option relay_idle_ms: when a message came; loop time */
    struct hj_pipes pipes;
    struct hj_websockets websockets;
    struct hj_behind_table behind;
    struct hj_long_polls long_polls;
    struct hj_roll *rolls;     /* those that have records (fanout/roll.h), the oldest first */
    struct hj_roll *last_roll; /* of them, if there are any */
    struct hj_http2 *http2;    /* NULL without option http2 */
    struct hj_tls *tls;        /* NULL without a listener with "tls:", until the first outgoing one */
    uint64_t start_ms, now_ms; /* hj_clock_ms at start, and of this turn */
    uint64_t sweep_at_ms;      /* next look at all deadlines; 0: none is due */
    uint32_t sweep_every_ms;
    struct hj_deliveries deliveries;
    uint64_t backlog_share; /* unsent bytes up to which nothing is shed */
    struct hj_acceptor *acceptors;
    uint32_t acceptor_count;
    bool accepting;                  /* holds its share of the server's listeners */
    bool may_accept;                 /* the start is complete */
    bool accept_paused;              /* the listening sockets are out of the poller */
    uint32_t idle_cursor;            /* where the search for idle connections goes on */
    uint8_t next_queue;              /* for assigning connections to queues in turn */
    struct hj_producer *producers;   /* one for each queue, then for each route's queue */
    uint32_t stalled;                /* connections with HJ_CONN_STALLED */
    uint32_t stalled_cursor;         /* whose turn is first when there is room again */
    struct hj_held_head *held_heads; /* one for each route */
    uint32_t closing;                /* first of the entries to be closed at the end of this turn; 0: none */
    uint32_t *ready;                 /* entries with something to read that was received already */
    uint32_t ready_count, ready_capacity;
    struct hj_buf *last_chunk, *continue_head, *heartbeat[2]; /* what is often written; heartbeats plain and chunked */
    char *gather;                                             /* HJ_SCRATCH_SIZE, made when needed: a piece of a body */
    uint32_t gathered;                                        /* bytes in gather; 0 between two connections */
    char *scratch;                                            /* HJ_SCRATCH_SIZE */
    bool stopping;                                            /* no connection may begin any more */
    bool draining;
    uint64_t drain_start_ms, drain_deadline_ms;
    uint64_t drain_total, drain_closed; /* held members at the start of draining, and closed since */
};

static inline void hj_loop_count(struct hj_loop *loop, uint32_t stat, uint64_t n)
{
    uint64_t value = atomic_load_explicit(&loop->worker.stats[stat], memory_order_relaxed);
    atomic_store_explicit(&loop->worker.stats[stat], value + n, memory_order_relaxed);
}

static inline void hj_loop_uncount(struct hj_loop *loop, uint32_t stat, uint64_t n)
{
    hj_loop_count(loop, stat, 0 - n);
}

/* A connection's backlog has grown to so many bytes. */
static inline void hj_loop_note_backlog(struct hj_loop *loop, uint64_t bytes)
{
    if (bytes > atomic_load_explicit(&loop->worker.worst_backlog, memory_order_relaxed))
        atomic_store_explicit(&loop->worker.worst_backlog, bytes, memory_order_relaxed);
}

/* Time in the 32 bits that a table entry has; differences are right up to 49 days. */
static inline uint32_t hj_loop_time(const struct hj_loop *loop)
{
    return (uint32_t)(loop->now_ms - loop->start_ms);
}

/* Takes over the event for the queue, whose poller is woken before the next write run, or at the end of the turn. */
static inline void hj_loop_push(struct hj_loop *loop, struct hj_queue *queue, struct hj_event *event)
{
    hj_outbox_push(&loop->worker.outbox, queue, event);
}

#endif
