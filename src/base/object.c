/* Reference counting; see object.h. Any thread. */
#include "base/object.h"

#include <stddef.h>

void hj_object_init(struct hj_object *object, enum hj_kind kind, void (*destroy)(struct hj_object *object))
{
    atomic_init(&object->refs, 1);
    object->kind = (uint32_t)kind;
    object->handle = NULL;
    atomic_init(&object->user_data, 0);
    object->destroy = destroy;
}

void hj_object_ref(struct hj_object *object)
{
    atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
}

void hj_object_unref(struct hj_object *object)
{
    if (object != NULL && atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) == 1)
        object->destroy(object);
}
