/* Shared bytes; see buf.h. Any thread. */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

struct hj_buf *hj_buf_new(size_t len)
{
    if (len > UINT32_MAX)
        return NULL;
    struct hj_buf *buf = malloc(sizeof(*buf) + len);
    if (buf == NULL)
        return NULL;
    atomic_init(&buf->refs, 1);
    buf->len = (uint32_t)len;
    return buf;
}

struct hj_buf *hj_buf_copy(const char *data, size_t len)
{
    struct hj_buf *buf = hj_buf_new(len);
    if (buf != NULL && len != 0)
        memcpy(buf->data, data, len);
    return buf;
}

struct hj_buf *hj_buf_resize(struct hj_buf *buf, size_t len)
{
    if (len > UINT32_MAX)
        return NULL;
    struct hj_buf *moved = realloc(buf, sizeof(*buf) + len);
    if (moved == NULL && len <= buf->len)
        moved = buf; /* which is large enough */
    if (moved != NULL)
        moved->len = (uint32_t)len;
    return moved;
}

struct hj_buf *hj_buf_ref(struct hj_buf *buf)
{
    atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
    return buf;
}

void hj_buf_unref(struct hj_buf *buf)
{
    if (buf != NULL && atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel) == 1)
        free(buf);
}
