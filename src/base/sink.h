/* Where an encoder puts its bytes: run once without memory, it counts them; once more with that much, it writes them.
 */
#ifndef HJ_BASE_SINK_H
#define HJ_BASE_SINK_H

#include "base/slice.h"

struct hj_sink {
    char *base; /* NULL: count only */
    size_t len; /* put so far */
};

static inline void hj_sink_put(struct hj_sink *sink, struct hj_slice text)
{
    if (sink->base != NULL && text.len != 0)
        memcpy(sink->base + sink->len, text.base, text.len);
    sink->len += text.len;
}

#endif
