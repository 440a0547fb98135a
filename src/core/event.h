/* One event on its way to the program. */
#ifndef HJ_CORE_EVENT_H
#define HJ_CORE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/object.h"

struct hj_event;

enum hj_event_end {
    HJ_EVENT_ARRIVED, /* its status is the descriptor that came with it, or -1 (core/keeper.h); the result does not
                         matter */
    HJ_EVENT_POLLED,  /* about to be given to the program; false: it is not wanted any more */
    HJ_EVENT_DROPPED  /* it goes unpolled; the result does not matter */
};
typedef bool hj_event_hook(struct hj_event *event, enum hj_event_end end);

/* Owned by the queue from push until the poll after the one that delivered it. */
struct hj_event {
    struct hj_event *next;
    struct hj_object *object; /* a reference; NULL for WAKE */
    struct hj_buf *buf;       /* a reference: the data; may be NULL */
    hj_event_hook *hook;      /* NULL: nothing special happens */
    int32_t status;
    uint16_t type;
    bool embedded; /* lives inside object: a last event, which must not be lost for want of memory */
};

/* A new event that refers to object and takes over the reference to buf (also on failure); data is all of buf. NULL
 * when out of memory. */
struct hj_event *hj_event_new(uint32_t type, struct hj_object *object, struct hj_buf *buf);

/* Makes the event that object embeds ready to be pushed. */
void hj_event_embed(struct hj_event *event, uint32_t type, struct hj_object *object, int32_t status);

/* Drops its references. delivered: the program has polled it. */
void hj_event_free(struct hj_event *event, bool delivered);

#endif
