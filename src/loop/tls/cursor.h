/* What is written next, in pieces no longer than a record's data. Loop thread. */
#ifndef HJ_LOOP_TLS_CURSOR_H
#define HJ_LOOP_TLS_CURSOR_H

#include "base/buf.h"
#include "base/slice.h"
#include "codec/tls_record.h"

struct hj_tls_cursor {
    struct hj_buf *const *bufs; /* the first offset bytes of the first one are behind it */
    int count;
    size_t offset;
};

/* The next bytes that lie together, at most as many as there is room for beside the used ones in a record. The cursor,
 * which has some left, moves behind them. */
static inline struct hj_slice hj_tls_cursor_take(struct hj_tls_cursor *cursor, size_t used)
{
    const struct hj_buf *buf = cursor->bufs[0];
    size_t len = buf->len - cursor->offset;
    if (len > HJ_TLS_PLAIN_MAX - used)
        len = HJ_TLS_PLAIN_MAX - used;
    struct hj_slice part = hj_slice(buf->data + cursor->offset, len);
    cursor->offset += len;
    if (cursor->offset == buf->len) {
        ++cursor->bufs;
        --cursor->count;
        cursor->offset = 0;
    }
    return part;
}

#endif
