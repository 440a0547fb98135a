/* Who a member is: the number that a text becomes. Any thread. */
#ifndef HJ_CORE_IDENTITY_H
#define HJ_CORE_IDENTITY_H

#include <stdint.h>

#include "base/slice.h"
#include "codec/head.h"

/* hijack_hash. */
uint64_t hj_identity_of(struct hj_slice text);

/* The number of a client of a held route, by its route option user_data: a number, "header:NAME" or "query:NAME"; 0: it
 * has none. */
uint64_t hj_identity_by_option(const char *option, const struct hj_head *request);

/* Whether text is such an option. */
bool hj_identity_is_option(const char *text);

#endif
