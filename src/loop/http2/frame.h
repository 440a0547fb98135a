/* A frame of HTTP/2, as it is looked at before libh2o sees it. Loop thread. */
#ifndef HJ_LOOP_HTTP2_FRAME_H
#define HJ_LOOP_HTTP2_FRAME_H

#include <stdbool.h>

#include "loop/http2/compat.h"

#define HJ_STREAM_ID_MAX 0x7fffffff

enum hj_frame_type {
    HJ_FRAME_DATA = H2O_HTTP2_FRAME_TYPE_DATA,
    HJ_FRAME_HEADERS = H2O_HTTP2_FRAME_TYPE_HEADERS,
    HJ_FRAME_RST_STREAM = H2O_HTTP2_FRAME_TYPE_RST_STREAM,
    HJ_FRAME_SETTINGS = H2O_HTTP2_FRAME_TYPE_SETTINGS,
    HJ_FRAME_WINDOW_UPDATE = H2O_HTTP2_FRAME_TYPE_WINDOW_UPDATE,
    HJ_FRAME_CONTINUATION = H2O_HTTP2_FRAME_TYPE_CONTINUATION,
    HJ_FRAME_LAST_KNOWN = HJ_FRAME_CONTINUATION
};

struct hj_frame {
    size_t len; /* of the payload */
    uint8_t type, flags;
    uint32_t stream_id;
    const uint8_t *payload;
};

/* True if data begins with a whole frame of a permitted size. */
static inline bool hj_frame_parse(struct hj_frame *out, const uint8_t *data, size_t len)
{
    if (len < H2O_HTTP2_FRAME_HEADER_SIZE)
        return false;
    out->len = h2o_http2_decode24u(data);
    out->type = data[3];
    out->flags = data[4];
    out->stream_id = h2o_http2_decode32u(data + 5) & HJ_STREAM_ID_MAX;
    out->payload = data + H2O_HTTP2_FRAME_HEADER_SIZE;
    return out->len <= HJ_COMPAT_FRAME_MAX && out->len <= len - H2O_HTTP2_FRAME_HEADER_SIZE;
}

/* Bytes that the frame has in the connection. */
static inline ssize_t hj_frame_size(const struct hj_frame *frame)
{
    return (ssize_t)(H2O_HTTP2_FRAME_HEADER_SIZE + frame->len);
}

static inline bool hj_frame_ends_stream(const struct hj_frame *frame)
{
    return (frame->flags & H2O_HTTP2_FRAME_FLAG_END_STREAM) != 0;
}

static inline bool hj_frame_ends_block(const struct hj_frame *frame)
{
    return (frame->flags & H2O_HTTP2_FRAME_FLAG_END_HEADERS) != 0;
}

#endif
