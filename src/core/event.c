/* Making and freeing events; see event.h. Any thread. */
#include "core/event.h"

#include <stdlib.h>

struct hj_event *hj_event_new(uint32_t type, struct hj_object *object, struct hj_buf *buf)
{
    struct hj_event *event = malloc(sizeof(*event));
    if (event == NULL) {
        hj_buf_unref(buf);
        return NULL;
    }
    *event = (struct hj_event){.object = object, .buf = buf, .type = (uint16_t)type};
    if (object != NULL)
        hj_object_ref(object);
    return event;
}

void hj_event_embed(struct hj_event *event, uint32_t type, struct hj_object *object, int32_t status)
{
    *event = (struct hj_event){.object = object, .type = (uint16_t)type, .status = status, .embedded = true};
    hj_object_ref(object);
}

void hj_event_free(struct hj_event *event, bool delivered)
{
    struct hj_object *object = event->object;
    if (!delivered && event->hook != NULL)
        event->hook(event, HJ_EVENT_DROPPED);
    hj_buf_unref(event->buf);
    if (!event->embedded)
        free(event);
    hj_object_unref(object);
}
