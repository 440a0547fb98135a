/* The command list of a loop; see mailbox.h. */
#include "core/mailbox.h"

int hj_mailbox_open(struct hj_mailbox *mailbox)
{
    mailbox->head = mailbox->tail = NULL;
    mailbox->freed = NULL;
    mailbox->closed = false;
    atomic_init(&mailbox->sleeping, false);
    atomic_init(&mailbox->resumed, false);
    pthread_mutex_init(&mailbox->lock, NULL);
    return hj_notify_open(&mailbox->notify);
}

void hj_mailbox_dispose(struct hj_mailbox *mailbox)
{
    hj_notify_close(&mailbox->notify);
    pthread_mutex_destroy(&mailbox->lock);
}

/* Releases the lock, then wakes the loop if it sleeps. */
static void unlock_and_wake(struct hj_mailbox *mailbox)
{
    bool sleeps = atomic_load_explicit(&mailbox->sleeping, memory_order_relaxed);
    if (sleeps)
        atomic_store_explicit(&mailbox->sleeping, false, memory_order_relaxed);
    pthread_mutex_unlock(&mailbox->lock);
    if (sleeps)
        hj_notify_signal(&mailbox->notify);
}

bool hj_mailbox_push(struct hj_mailbox *mailbox, struct hj_command *command)
{
    command->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->closed) {
        pthread_mutex_unlock(&mailbox->lock);
        return false;
    }
    if (mailbox->head == NULL)
        mailbox->head = command;
    else
        mailbox->tail->next = command;
    mailbox->tail = command;
    unlock_and_wake(mailbox);
    return true;
}

void hj_mailbox_resume(struct hj_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    atomic_store(&mailbox->resumed, true);
    unlock_and_wake(mailbox);
}

bool hj_mailbox_push_freed(struct hj_mailbox *mailbox, struct hj_object *object)
{
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->closed) {
        pthread_mutex_unlock(&mailbox->lock);
        return false;
    }
    hj_object_ref(object);
    object->next_freed = mailbox->freed;
    mailbox->freed = object;
    unlock_and_wake(mailbox);
    return true;
}

static struct hj_command *take_all(struct hj_mailbox *mailbox, struct hj_object **freed, bool close)
{
    pthread_mutex_lock(&mailbox->lock);
    struct hj_command *list = mailbox->head;
    mailbox->head = mailbox->tail = NULL;
    *freed = mailbox->freed;
    mailbox->freed = NULL;
    mailbox->closed |= close;
    pthread_mutex_unlock(&mailbox->lock);
    return list;
}

struct hj_command *hj_mailbox_take(struct hj_mailbox *mailbox, struct hj_object **freed)
{
    return take_all(mailbox, freed, false);
}

struct hj_command *hj_mailbox_take_while(struct hj_mailbox *mailbox,
                                         bool (*take)(void *arg, struct hj_command *command), void *arg)
{
    struct hj_command *last = NULL;
    pthread_mutex_lock(&mailbox->lock);
    struct hj_command *first = mailbox->head;
    while (mailbox->head != NULL && take(arg, mailbox->head)) {
        last = mailbox->head;
        mailbox->head = last->next;
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (last == NULL)
        return NULL;
    last->next = NULL;
    return first;
}

struct hj_command *hj_mailbox_close(struct hj_mailbox *mailbox, struct hj_object **freed)
{
    return take_all(mailbox, freed, true);
}

bool hj_mailbox_take_resumed(struct hj_mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->resumed, memory_order_relaxed) && atomic_exchange(&mailbox->resumed, false);
}

bool hj_mailbox_sleep(struct hj_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    bool idle = mailbox->head == NULL && mailbox->freed == NULL && !atomic_load(&mailbox->resumed);
    atomic_store_explicit(&mailbox->sleeping, idle, memory_order_relaxed);
    pthread_mutex_unlock(&mailbox->lock);
    return idle;
}

void hj_mailbox_awake(struct hj_mailbox *mailbox)
{
    /* without the lock: who still sees it set writes once for nothing, who sees it reset is seen at the next take */
    atomic_store_explicit(&mailbox->sleeping, false, memory_order_relaxed);
}
