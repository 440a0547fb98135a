/* The command list of a loop; see fifo.h. Any thread. */
#include "core/fifo.h"

int hj_fifo_open(struct hj_fifo *fifo)
{
    fifo->head = fifo->tail = NULL;
    fifo->closed = false;
    pthread_mutex_init(&fifo->lock, NULL);
    return hj_notify_open(&fifo->notify);
}

bool hj_fifo_push(struct hj_fifo *fifo, struct hj_command *command)
{
    command->next = NULL;
    pthread_mutex_lock(&fifo->lock);
    bool open = !fifo->closed;
    bool was_empty = fifo->head == NULL;
    if (open) {
        if (was_empty)
            fifo->head = command;
        else
            fifo->tail->next = command;
        fifo->tail = command;
        /* inside the lock, because a closed fifo's descriptor may be gone */
        if (was_empty)
            hj_notify_signal(&fifo->notify);
    }
    pthread_mutex_unlock(&fifo->lock);
    return open;
}

static struct hj_command *take(struct hj_fifo *fifo, bool close)
{
    pthread_mutex_lock(&fifo->lock);
    struct hj_command *list = fifo->head;
    fifo->head = fifo->tail = NULL;
    fifo->closed |= close;
    pthread_mutex_unlock(&fifo->lock);
    return list;
}

struct hj_command *hj_fifo_take(struct hj_fifo *fifo)
{
    return take(fifo, false);
}

struct hj_command *hj_fifo_close(struct hj_fifo *fifo)
{
    return take(fifo, true);
}

void hj_fifo_dispose(struct hj_fifo *fifo)
{
    hj_notify_close(&fifo->notify);
    pthread_mutex_destroy(&fifo->lock);
}
