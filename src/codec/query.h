/* The query of a request's target (RFC 3986 section 3.4), as forms and URLSearchParams write it. Pure. */
#ifndef HJ_CODEC_QUERY_H
#define HJ_CODEC_QUERY_H

#include <stdbool.h>

#include "base/slice.h"

#define HJ_PARAMETER_MAX 128

/* Whether target has a parameter of this name. *value: the first one's value, decoded into buffer, which a longer one
 * makes empty. */
bool hj_query_parameter(struct hj_slice *value, char buffer[HJ_PARAMETER_MAX], struct hj_slice target,
                        struct hj_slice name);

#endif
