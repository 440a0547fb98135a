/* The events of one loop whose pollers are not signalled yet. Loop thread.
 *
 * A loop appends many events in one turn, and signals each queue once: after its reads, before a write run, at the end
 * of its turn (hj_outbox_flush), and after HJ_OUTBOX_MAX events, so that the program works while a long turn goes on.
 * What other threads push in between signals by itself and brings the loop's events along. */
#ifndef HJ_CORE_OUTBOX_H
#define HJ_CORE_OUTBOX_H

#include <stdint.h>

#include "core/queue.h"

#define HJ_OUTBOX_MAX 64 /* what a program usually polls at a time */

/* All zero: ready, and every event is signalled immediately. */
struct hj_outbox {
    struct hj_queue **queues; /* to be signalled; the loop's server holds them */
    uint32_t count, capacity;
    uint32_t events; /* appended since the last flush, and not signalled */
};

/* Room for so many different queues; one more is signalled immediately. 0 or HIJACK_ENOMEM. */
int hj_outbox_open(struct hj_outbox *outbox, uint32_t capacity);
void hj_outbox_dispose(struct hj_outbox *outbox);

/* Takes over the event, as hj_queue_push does, and leaves the signal for later. */
void hj_outbox_push(struct hj_outbox *outbox, struct hj_queue *queue, struct hj_event *event);

void hj_outbox_flush(struct hj_outbox *outbox);

#endif
