/* The text of an event, for programs that give it as bytes. Any thread. */
#include "codec/sse.h"

#include <limits.h>
#include <string.h>

#include <hijack/hijack.h>

int hijack_sse_encode(char *out, size_t out_size, const char *event, size_t event_len, const char *id, size_t id_len,
                      const char *data, size_t data_len, int64_t retry_ms)
{
    if ((event == NULL && event_len != 0) || (id == NULL && id_len != 0) || (data == NULL && data_len != 0) ||
        (out == NULL && out_size != 0))
        return HIJACK_EINVAL;
    if (data_len > INT_MAX / 8) /* each byte may be a line of its own */
        return HIJACK_ETOOBIG;
    struct hj_sse sse = {.event = hj_slice(event, event_len),
                         .id = hj_slice(id, id_len),
                         .data = hj_slice(data, data_len),
                         .retry_ms = retry_ms,
                         .has_data = data != NULL};
    struct hj_buf *buf;
    int rc = hj_sse_encode(&buf, &sse, false);
    if (rc != 0)
        return rc;
    rc = (int)buf->len;
    if (out != NULL && buf->len > out_size)
        rc = HIJACK_ETOOBIG;
    else if (out != NULL)
        memcpy(out, buf->data, buf->len);
    hj_buf_unref(buf);
    return rc;
}
