/* The number that every handle carries for the program. Any thread. */
#include <hijack/hijack.h>

#include "base/handle.h"

#define ANY_KIND (~1u) /* no handle is of kind 0 */

int hijack_handle_set_user_data(void *handle, uint64_t user_data)
{
    struct hj_object *object;
    int rc = hj_handle_pin(&object, handle, ANY_KIND);
    if (rc != 0)
        return rc;
    atomic_store(&object->user_data, user_data);
    hj_handle_unpin(handle);
    return 0;
}

int hijack_handle_user_data(uint64_t *out, void *handle)
{
    struct hj_object *object;
    if (out == NULL)
        return HIJACK_EINVAL;
    int rc = hj_handle_pin(&object, handle, ANY_KIND);
    if (rc != 0)
        return rc;
    *out = atomic_load(&object->user_data);
    hj_handle_unpin(handle);
    return 0;
}
