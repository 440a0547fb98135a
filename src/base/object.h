/* What every handle stands for: a reference-counted object.
 *
 * References are held by the handle table (one, until the handle is freed), by loops, by queued commands and events.
 * The destroy function runs in whichever thread drops the last one; it must not block. */
#ifndef HJ_BASE_OBJECT_H
#define HJ_BASE_OBJECT_H

#include <stdatomic.h>
#include <stdint.h>

enum hj_kind {
    HJ_KIND_QUEUE = 1,
    HJ_KIND_SERVER = 2,
    HJ_KIND_REQUEST = 3,
    HJ_KIND_STREAM = 4,
    HJ_KIND_SOCKET = 5,
    HJ_KIND_BROADCASTER = 6
};

struct hj_object {
    _Atomic uint32_t refs;
    uint32_t kind;              /* enum hj_kind; constant */
    void *handle;               /* constant after hj_handle_new */
    _Atomic uint64_t user_data; /* any thread */
    void (*destroy)(struct hj_object *object);
    struct hj_object *next_freed; /* in the list of the mailbox that it was pushed into; guarded by that */
};

void hj_object_init(struct hj_object *object, enum hj_kind kind, void (*destroy)(struct hj_object *object));
void hj_object_ref(struct hj_object *object);
void hj_object_unref(struct hj_object *object); /* NULL is a no-op */

#endif
