/* The event queue: loops push, the program polls.
 *
 * The lock is a leaf: nothing else is locked, and nothing foreign called, while it is held. Events are never refused:
 * loops ask hj_queue_full before they read more from the network, which bounds the queue without ever losing an event.
 *
 * The descriptor is a level: it becomes readable when events come, and quiet again when a poll has found nothing. The
 * flag `signalled` decides who makes the system calls, so that under load nobody makes one: the first push sets it and
 * writes the descriptor, later pushes see it and write nothing, a poll that takes the last event leaves it set, and
 * only a poll that finds nothing resets it and reads the descriptor. The list is empty whenever the flag is reset, and
 * whoever sets the flag writes afterwards: a poller that waits always has its events, or a write on its way.
 *
 * The write comes after the lock is released, so that the poller it wakes does not run into that lock. It may come
 * late: when its event was taken already, and the flag reset. Then it wakes a poll that finds nothing, which therefore
 * reads the descriptor whatever the flag is. One write thus costs at most one wake-up that finds nothing.
 *
 * Nor can that write meet a closed descriptor, or another file under its number: the descriptor is closed with the last
 * reference, and whoever pushes holds one until the push returns: its own, its pin, or that of a request, channel or
 * server it holds. What the event refers to does not count: the poller may have dropped it already. */
#ifndef HJ_CORE_QUEUE_H
#define HJ_CORE_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/object.h"
#include "base/os/notify.h"
#include "core/event.h"
#include "core/mailbox.h"
#include "core/option.h"

/* Somebody who stopped reading because the queue was full. Embedded by its owner, guarded by the queue's lock. */
struct hj_waiter {
    struct hj_waiter *next;
    bool waiting;
    struct hj_mailbox *mailbox; /* of the loop that waits, which is resumed; constant */
    struct hj_object *owner;    /* what keeps the mailbox alive: a reference while the loop is resumed; constant */
};

struct hj_queue {
    struct hj_object object;
    struct hj_queue_options options; /* guarded by lock until a server uses it, constant afterwards */
    _Atomic bool in_use;             /* a server delivers to it */
    _Atomic bool polling;            /* one poll at a time */
    _Atomic uint64_t count;          /* events in the list; written under the lock */
    pthread_mutex_t lock;
    struct hj_notify notify;
    struct hj_event *head, *tail; /* guarded by lock */
    struct hj_event *wake;        /* the WAKE event in the list, if any; guarded by lock */
    bool signalled;               /* see above; guarded by lock */
    struct hj_waiter *waiters;    /* guarded by lock */
    bool closed;                  /* freed by the program: events go nowhere; guarded by lock */
    struct hj_event *delivered;   /* of the last poll; owned by whoever set polling */
};

/* A server takes it: a reference for the server, and its options are constant afterwards. Any thread. */
void hj_queue_use(struct hj_queue *queue);

/* Takes over the event and wakes the poller. An event that nobody can get any more, because its handle or the queue was
 * freed, is dropped. The caller holds the queue, and what the event is about. Any thread. */
void hj_queue_push(struct hj_queue *queue, struct hj_event *event);

/* The same without waking anybody: true if the caller must signal the queue later. For loops, see outbox.h. */
bool hj_queue_append(struct hj_queue *queue, struct hj_event *event);

/* Wakes the poller, if there is an event for which nobody has signalled. Any thread. */
void hj_queue_signal(struct hj_queue *queue);

/* Whether loops should stop reading for it. Any thread; momentary. */
bool hj_queue_full(struct hj_queue *queue);

/* Has the waiter's loop resumed when there is room; false if there is room now. The waiter must be taken back by
 * hj_queue_wait_cancel before it goes. */
bool hj_queue_wait(struct hj_queue *queue, struct hj_waiter *waiter);
void hj_queue_wait_cancel(struct hj_queue *queue, struct hj_waiter *waiter);

#endif
