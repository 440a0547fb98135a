/* Signalling queues once for many events; see outbox.h. Loop thread. */
#include "core/outbox.h"

#include <stdlib.h>

#include <hijack/hijack.h>

int hj_outbox_open(struct hj_outbox *outbox, uint32_t capacity)
{
    *outbox = (struct hj_outbox){.queues = calloc(capacity + 1, sizeof(struct hj_queue *)), .capacity = capacity};
    return outbox->queues == NULL ? HIJACK_ENOMEM : 0;
}

void hj_outbox_dispose(struct hj_outbox *outbox)
{
    free(outbox->queues);
    *outbox = (struct hj_outbox){0};
}

static bool will_signal(const struct hj_outbox *outbox, const struct hj_queue *queue)
{
    for (uint32_t i = 0; i < outbox->count; ++i)
        if (outbox->queues[i] == queue)
            return true;
    return false;
}

void hj_outbox_push(struct hj_outbox *outbox, struct hj_queue *queue, struct hj_event *event)
{
    if (!hj_queue_append(queue, event))
        return;
    if (!will_signal(outbox, queue)) {
        if (outbox->count == outbox->capacity) {
            hj_queue_signal(queue);
            return;
        }
        outbox->queues[outbox->count++] = queue;
    }
    if (++outbox->events == HJ_OUTBOX_MAX)
        hj_outbox_flush(outbox);
}

void hj_outbox_flush(struct hj_outbox *outbox)
{
    for (uint32_t i = 0; i < outbox->count; ++i)
        hj_queue_signal(outbox->queues[i]);
    outbox->count = outbox->events = 0;
}
