/* What the program asks of one loop, in the order asked: a list of commands and a wake-up.
 *
 * Any thread pushes, the loop takes all at once. The lock is a leaf. The loop is signalled only when the list was
 * empty. Once closed nothing goes in any more, so that the loop's last take really is the last. */
#ifndef HJ_CORE_MAILBOX_H
#define HJ_CORE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "base/os/notify.h"
#include "core/command.h"

struct hj_mailbox {
    pthread_mutex_t lock;
    struct hj_command *head, *tail; /* guarded by lock */
    bool closed;                    /* guarded by lock */
    struct hj_notify notify;
};

int hj_mailbox_open(struct hj_mailbox *mailbox); /* 0 or HIJACK_ELIMIT */

/* Takes over the command; false, and the command still the caller's, once closed. */
bool hj_mailbox_push(struct hj_mailbox *mailbox, struct hj_command *command);

struct hj_command *hj_mailbox_take(struct hj_mailbox *mailbox);
struct hj_command *hj_mailbox_close(struct hj_mailbox *mailbox); /* and takes what is left */
void hj_mailbox_dispose(struct hj_mailbox *mailbox);

#endif
