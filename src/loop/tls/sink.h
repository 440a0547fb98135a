/* Where opened bytes go: into the reader's memory first, and what that does not hold is kept in the layer. */
#ifndef HJ_LOOP_TLS_SINK_H
#define HJ_LOOP_TLS_SINK_H

#include <string.h>

#include "loop/tls/bytes.h"

struct hj_tls_sink {
    char *data;
    size_t len, used;
};

/* False when out of memory. */
static inline bool hj_tls_sink_put(struct hj_tls_sink *sink, struct hj_tls_layer *layer, const uint8_t *data,
                                   size_t len)
{
    const size_t room = sink->len - sink->used, direct = len < room ? len : room;
    if (direct != 0)
        memcpy(sink->data + sink->used, data, direct);
    sink->used += direct;
    if (direct == len)
        return true;
    struct hj_tls_rest *rest = hj_tls_rest_of(layer);
    return rest != NULL && hj_tls_bytes_add(&rest->plain, data + direct, len - direct);
}

#endif
