/* What the program asks of one loop, in the order asked: a list of commands and a wake-up.
 *
 * Any thread pushes, the loop takes all at once, or the first ones. The lock is a leaf. Once closed nothing goes in any
 * more, so that the loop's last take really is the last.
 *
 * The loop is woken only when it sleeps: before a wait it sets `sleeping`, under the lock and only with nothing to do,
 * and the first who then has something for it resets the flag and, having released the lock, writes the descriptor.
 * Once awake the loop resets the flag itself; whatever came meanwhile it finds in the same turn, or when it wants to
 * sleep again. The poller has the descriptor edge-triggered: each write ends one wait, and nobody ever reads. The
 * counter behind it would be full after 2^64 - 2 writes (at ten million a second: 58,000 years); after that a write
 * would fail with EAGAIN and wake nobody.
 *
 * The write may come when the loop is awake already, or has ended: hence the descriptor lives as long as the mailbox,
 * which is as long as its server, of which everybody who pushes or resumes holds a reference, directly or through a
 * pinned handle. A late write costs the loop one wait that ends early. */
#ifndef HJ_CORE_MAILBOX_H
#define HJ_CORE_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/os/notify.h"
#include "core/command.h"

struct hj_mailbox {
    pthread_mutex_t lock;
    struct hj_command *head, *tail; /* guarded by lock */
    struct hj_object *freed;        /* references to objects whose handle was freed; guarded by lock */
    bool closed;                    /* guarded by lock */
    _Atomic bool sleeping;          /* set under lock; reset under lock, or by the loop once it is awake */
    _Atomic bool resumed;           /* what the loop waited for is there; set under lock, reset by the loop */
    struct hj_notify notify;        /* edge-triggered */
};

int hj_mailbox_open(struct hj_mailbox *mailbox); /* 0 or HIJACK_ELIMIT */
void hj_mailbox_dispose(struct hj_mailbox *mailbox);

/* Takes over the command; false, and the command still the caller's, once closed. Any thread. */
bool hj_mailbox_push(struct hj_mailbox *mailbox, struct hj_command *command);

/* The object's handle was freed: the loop takes it, once, after every command that was pushed before. Takes no memory,
 * so that it cannot fail for want of it. False once closed. Any thread. */
bool hj_mailbox_push_freed(struct hj_mailbox *mailbox, struct hj_object *object);

/* What the loop waited for is there (room in a queue). Any thread. */
void hj_mailbox_resume(struct hj_mailbox *mailbox);

/* The loop's: */
/* *freed: the objects, linked by next_freed, each with a reference that the caller takes over. */
struct hj_command *hj_mailbox_take(struct hj_mailbox *mailbox, struct hj_object **freed);
/* Only the first ones, those for which take, which is called under the lock, returns true. */
struct hj_command *hj_mailbox_take_while(struct hj_mailbox *mailbox,
                                         bool (*take)(void *arg, struct hj_command *command), void *arg);
struct hj_command *hj_mailbox_close(struct hj_mailbox *mailbox, struct hj_object **freed); /* takes what is left */
bool hj_mailbox_take_resumed(struct hj_mailbox *mailbox); /* whether it was resumed since the last look */
bool hj_mailbox_sleep(struct hj_mailbox *mailbox);        /* about to wait; false: there is something to do */
void hj_mailbox_awake(struct hj_mailbox *mailbox);        /* the wait is over */

#endif
