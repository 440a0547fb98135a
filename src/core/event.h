/* One event on its way to the program. */
#ifndef HJ_CORE_EVENT_H
#define HJ_CORE_EVENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/object.h"

/* Owned by the queue from push until the poll after the one that delivered it. */
struct hj_event {
    struct hj_event *next;
    struct hj_object *object; /* a reference; NULL for WAKE */
    struct hj_buf *buf;       /* a reference to what holds data; may be NULL */
    const char *data;
    uint64_t len;
    uint32_t type;
    int32_t status;
    void (*undelivered)(struct hj_event *event); /* NULL, or called before the event goes unpolled */
    _Atomic int *descriptor;                     /* NULL, or what the poll takes out (leaving -1) to be its status */
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
