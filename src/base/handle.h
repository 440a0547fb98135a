/* Handles: what the program holds in place of pointers.
 *
 * A handle is a number in the shape of a pointer: kind, generation, index into one table of the process. It is never
 * dereferenced, so that a NULL, freed, foreign or wrong handle is an error code and not undefined behaviour.
 *
 * A public function pins the handle for as long as it works on the object: until the last pin is gone, hj_handle_kill
 * has no effect on memory. Pinning takes no lock. */
#ifndef HJ_BASE_HANDLE_H
#define HJ_BASE_HANDLE_H

#include <stdbool.h>

#include "base/object.h"

/* Gives the object a handle, which takes a reference of its own. 0 or HIJACK_ENOMEM. */
int hj_handle_new(struct hj_object *object);

/* 0 and the object, or HIJACK_EHANDLE, HIJACK_EFORK. kinds: bits 1 << enum hj_kind that will do. */
int hj_handle_pin(struct hj_object **out, const void *handle, unsigned kinds);
void hj_handle_unpin(const void *handle);

/* Ends a pinned handle: true for the one caller that did. Its memory goes with the last pin and reference. */
bool hj_handle_kill(const void *handle);

/* Ends a handle that was never given to the program. */
void hj_handle_discard(const void *handle);

/* Whether the handle has not been freed. A momentary answer, for dropping events nobody wants any more. */
bool hj_handle_alive(const void *handle);

#endif
