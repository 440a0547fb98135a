/* The event queue: loops push, the program polls.
 *
 * The lock is a leaf: nothing else is locked, and nothing foreign called, while it is held. The descriptor is readable
 * exactly while the list is not empty. Events are never refused: loops ask hj_queue_full before they read more from the
 * network, which bounds the queue without ever losing an event. */
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
    struct hj_object *owner;    /* what keeps the mailbox alive: a reference while the loop is told; constant */
};

struct hj_queue {
    struct hj_object object;
    struct hj_queue_options options; /* guarded by lock until a server uses it, constant from then on */
    _Atomic bool in_use;             /* a server delivers to it */
    _Atomic bool polling;            /* one poll at a time */
    _Atomic uint64_t count;          /* events in the list; written under the lock */
    pthread_mutex_t lock;
    struct hj_notify notify;
    struct hj_event *head, *tail; /* guarded by lock */
    struct hj_event *wake;        /* the WAKE event in the list, if any; guarded by lock */
    struct hj_waiter *waiters;    /* guarded by lock */
    bool closed;                  /* freed by the program: events go nowhere; guarded by lock */
    struct hj_event *delivered;   /* of the last poll; owned by whoever set polling */
};

/* A server takes it: a reference for the server, and its options are constant from here on. Any thread. */
void hj_queue_use(struct hj_queue *queue);

/* Takes over the event; one for a queue that was freed is dropped. Any thread. */
void hj_queue_push(struct hj_queue *queue, struct hj_event *event);

/* Whether loops should stop reading for it. Any thread; momentary. */
bool hj_queue_full(struct hj_queue *queue);

/* Has the waiter's loop resumed when there is room; false if there is room now. The waiter must be taken back by
 * hj_queue_wait_cancel before it goes. */
bool hj_queue_wait(struct hj_queue *queue, struct hj_waiter *waiter);
void hj_queue_wait_cancel(struct hj_queue *queue, struct hj_waiter *waiter);

#endif
