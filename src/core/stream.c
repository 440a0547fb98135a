/* The public functions of a stream. Any thread. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "codec/response_head.h"
#include "codec/sse.h"
#include "core/channel.h"

#define STREAM (1u << HJ_KIND_STREAM)

static int pin_stream(struct hj_channel **out, hijack_stream *handle)
{
    return hj_handle_pin((struct hj_object **)out, handle, STREAM);
}

static int send_data(struct hj_channel *stream, struct hj_slice data)
{
    struct hj_buf *buf = NULL;
    if (hj_wire_is_chunked(stream->wire))
        hj_chunk_encode(&buf, data);
    else
        buf = hj_buf_copy(data.base, data.len);
    return hj_channel_send(stream, buf);
}

int hijack_stream_send(hijack_stream *handle, const char *data, size_t len)
{
    struct hj_channel *stream;
    if ((data == NULL && len != 0) || len > INT32_MAX)
        return HIJACK_EINVAL;
    int rc = pin_stream(&stream, handle);
    if (rc != 0)
        return rc;
    if (len != 0)
        rc = send_data(stream, hj_slice(data, len));
    else if (atomic_load(&stream->state) != HJ_CHANNEL_OPEN)
        rc = HIJACK_ECLOSED;
    hj_handle_unpin(handle);
    return rc;
}

int hijack_stream_send_sse(hijack_stream *handle, const char *event, size_t event_len, const char *id, size_t id_len,
                           const char *data, size_t data_len, int64_t retry_ms)
{
    struct hj_channel *stream;
    if ((event == NULL && event_len != 0) || (id == NULL && id_len != 0) || (data == NULL && data_len != 0) ||
        data_len > INT32_MAX)
        return HIJACK_EINVAL;
    int rc = pin_stream(&stream, handle);
    if (rc != 0)
        return rc;
    struct hj_sse sse = {.event = hj_slice(event, event_len),
                         .id = hj_slice(id, id_len),
                         .data = hj_slice(data, data_len),
                         .retry_ms = retry_ms,
                         .has_data = data != NULL};
    struct hj_buf *buf;
    rc = hj_sse_encode(&buf, &sse, hj_wire_is_chunked(stream->wire));
    if (rc == 0)
        rc = hj_channel_send(stream, buf);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_stream_send_comment(hijack_stream *handle, const char *text, size_t len)
{
    struct hj_channel *stream;
    if ((text == NULL && len != 0) || len > INT32_MAX)
        return HIJACK_EINVAL;
    int rc = pin_stream(&stream, handle);
    if (rc != 0)
        return rc;
    struct hj_buf *buf;
    rc = hj_sse_comment_encode(&buf, hj_slice(text, len), hj_wire_is_chunked(stream->wire));
    if (rc == 0)
        rc = hj_channel_send(stream, buf);
    hj_handle_unpin(handle);
    return rc;
}

/* The end of a chunked body, of which other bodies use the trailers or nothing; without trailers *out stays NULL. */
static int encode_trailers(struct hj_buf **out, struct hj_slice trailers)
{
    struct hj_fields fields;
    int rc = hj_fields_check(&fields, trailers.base, trailers.len);
    if (rc == 0 && (fields.has_content_length || fields.has_transfer_encoding))
        rc = HIJACK_EHEADER; /* RFC 9110 section 6.5.1 */
    if (rc != 0 || trailers.len == 0)
        return rc;
    return hj_chunk_encode_last(out, trailers);
}

int hijack_stream_finish(hijack_stream *handle, const char *trailers, size_t trailers_len)
{
    struct hj_channel *stream;
    struct hj_buf *last = NULL;
    if (trailers == NULL && trailers_len != 0)
        return HIJACK_EINVAL;
    int rc = pin_stream(&stream, handle);
    if (rc != 0)
        return rc;
    uint64_t room = atomic_load(&stream->room);
    bool whole = room == HJ_NO_LENGTH || room == 0 || stream->discard;
    rc = encode_trailers(&last, hj_slice(trailers, trailers_len));
    if (rc == 0)
        rc = hj_channel_move(stream, HJ_CHANNEL_CLOSING, HJ_CHANNEL_ENDED, whole ? HJ_OP_FINISH : HJ_OP_ABORT, last);
    else
        hj_buf_unref(last);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_stream_abort(hijack_stream *handle)
{
    struct hj_channel *stream;
    int rc = pin_stream(&stream, handle);
    if (rc != 0)
        return rc;
    rc = hj_channel_move(stream, HJ_CHANNEL_GONE, HJ_CHANNEL_GONE, HJ_OP_ABORT, NULL);
    hj_handle_unpin(handle);
    return rc;
}

void hijack_stream_free(hijack_stream *handle)
{
    struct hj_channel *stream;
    if (pin_stream(&stream, handle) != 0)
        return;
    hj_channel_free_handle(stream);
    hj_handle_unpin(handle);
}
