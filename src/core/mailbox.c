/* The command list of a loop; see mailbox.h. Any thread. */
#include "core/mailbox.h"

int hj_mailbox_open(struct hj_mailbox *mailbox)
{
    mailbox->head = mailbox->tail = NULL;
    mailbox->closed = false;
    pthread_mutex_init(&mailbox->lock, NULL);
    return hj_notify_open(&mailbox->notify);
}

bool hj_mailbox_push(struct hj_mailbox *mailbox, struct hj_command *command)
{
    command->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    bool open = !mailbox->closed;
    bool was_empty = mailbox->head == NULL;
    if (open) {
        if (was_empty)
            mailbox->head = command;
        else
            mailbox->tail->next = command;
        mailbox->tail = command;
        /* inside the lock, because a closed mailbox's descriptor may be gone */
        if (was_empty)
            hj_notify_signal(&mailbox->notify);
    }
    pthread_mutex_unlock(&mailbox->lock);
    return open;
}

static struct hj_command *take(struct hj_mailbox *mailbox, bool close)
{
    pthread_mutex_lock(&mailbox->lock);
    struct hj_command *list = mailbox->head;
    mailbox->head = mailbox->tail = NULL;
    mailbox->closed |= close;
    pthread_mutex_unlock(&mailbox->lock);
    return list;
}

struct hj_command *hj_mailbox_take(struct hj_mailbox *mailbox)
{
    return take(mailbox, false);
}

struct hj_command *hj_mailbox_close(struct hj_mailbox *mailbox)
{
    return take(mailbox, true);
}

void hj_mailbox_dispose(struct hj_mailbox *mailbox)
{
    hj_notify_close(&mailbox->notify);
    pthread_mutex_destroy(&mailbox->lock);
}
