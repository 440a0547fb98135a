/* Frames of request bodies, in front of libh2o; see upload.h. Loop thread. */
#include "loop/http2/upload.h"

#include "loop/http2/body.h"
#include "loop/http2/stream.h"

/* Of a body that nobody reads: clients that are told to stop before they have read the response may not read it. */
#define DISCARD_MAX (256u << 10)

#define GIVE_AT (HJ_SESSION_WINDOW / 16) /* bytes worth a WINDOW_UPDATE */

static h2o_http2_conn_t *connection(const struct hj_session *session)
{
    return session->sock->data;
}

static h2o_http2_frame_t inner_frame(const struct hj_frame *frame)
{
    return (h2o_http2_frame_t){(uint32_t)frame->len, frame->type, frame->flags, frame->stream_id, frame->payload};
}

/* The windows of the streams bound what is held; the connection's would let one that is not read stop all others. */
static void open_connection_window(struct hj_session *session, size_t len)
{
    h2o_http2_conn_t *conn = connection(session);
    session->owed += (uint32_t)len;
    if (session->owed < GIVE_AT)
        return;
    h2o_http2_encode_window_update_frame(&conn->_write.buf, 0, (int32_t)session->owed);
    h2o_http2_conn_request_write(conn);
    session->owed = 0;
}

static void write_reset(struct hj_session *session, uint32_t stream_id, int error)
{
    h2o_http2_conn_t *conn = connection(session);
    h2o_http2__encode_rst_stream_frame(&conn->_write.buf, stream_id, error);
    h2o_http2_conn_request_write(conn);
}

/* The peer has broken its body: RST_STREAM, and the end of the request. error: positive. */
static void break_body(struct hj_session *session, struct hj_http2_body *body, int error)
{
    struct hj_http2_stream *stream = body->stream;
    ++session->refused;
    hj_body_ignore(session, body->stream_id);
    if (stream == NULL || stream->req == NULL)
        write_reset(session, body->stream_id, error);
    hj_body_cut(body);
    if (stream != NULL)
        hj_stream_break(stream, error, HIJACK_EPROTOCOL);
}

/* It was taken, or broken by this error. */
static void settle_body(struct hj_session *session, struct hj_http2_body *body, int error)
{
    h2o_http2_conn_t *conn = connection(session);
    struct hj_http2_stream *stream = body->stream;
    if (error != 0) {
        break_body(session, body, error);
    } else if (stream != NULL) {
        hj_stream_touch(stream); /* the end of the turn lets its request read */
    } else if (body->thrown > DISCARD_MAX && h2o_http2_conn_get_stream(conn, body->stream_id) == NULL) {
        /* not before the response is on its way (RFC 9113 section 8.1) */
        hj_body_stop(body);
    }
}

/* settle_body of one that may have ended, and is then no longer there. */
static void end_body(struct hj_session *session, struct hj_http2_body *body, const h2o_headers_t *trailers)
{
    struct hj_http2_stream *stream = body->stream;
    int error = hj_body_end(body, trailers);
    if (error != 0)
        break_body(session, body, error);
    else if (stream != NULL)
        hj_stream_touch(stream);
    session->idle_ms = hj_loop_time(session->loop);
}

ssize_t hj_upload_take_data(struct hj_session *session, const struct hj_frame *frame, const char **problem)
{
    struct hj_http2_body *body = hj_body_find(session, frame->stream_id);
    h2o_http2_frame_t inner = inner_frame(frame);
    h2o_http2_data_payload_t payload;
    if (body == NULL && (frame->stream_id == 0 || !hj_body_is_ignored(session, frame->stream_id)))
        return 0;
    int rc = h2o_http2_decode_data_payload(&payload, &inner, problem);
    if (rc != 0)
        return rc;
    open_connection_window(session, frame->len);
    if (body == NULL)
        return hj_frame_size(frame);
    int error = hj_body_take(body, hj_slice((const char *)payload.data, payload.length), frame->len);
    if (error == 0 && hj_frame_ends_stream(frame))
        end_body(session, body, NULL);
    else
        settle_body(session, body, error);
    return hj_frame_size(frame);
}

/* Decodes a whole block of trailers, also where nobody wants them: the next block refers to what is in the table then.
 */
static ssize_t take_trailers(struct hj_session *session, uint32_t stream_id, const uint8_t *block, size_t len,
                             const char **problem)
{
    struct hj_http2_body *body = hj_body_find(session, stream_id);
    h2o_req_t fields;
    memset(&fields, 0, sizeof(fields));
    h2o_mem_init_pool(&fields.pool);
    int rc = hj_compat_decode_trailers(&fields, connection(session), block, len, problem);
    if (rc == 0 && body != NULL && !hj_budget_is_bomb(&fields))
        end_body(session, body, &fields.headers);
    else if (body != NULL)
        break_body(session, body, -H2O_HTTP2_ERROR_PROTOCOL);
    if (hj_budget_is_bomb(&fields))
        session->refused += hj_budget_resets_of(&fields);
    h2o_mem_clear_pool(&fields.pool);
    return rc == H2O_HTTP2_ERROR_INVALID_HEADER_CHAR ? 0 : rc;
}

/* Whether HEADERS of this stream begin a request. */
static bool begins_request(const h2o_http2_conn_t *conn, uint32_t stream_id)
{
    h2o_http2_stream_t *stream = h2o_http2_conn_get_stream((h2o_http2_conn_t *)conn, stream_id);
    return stream_id > conn->pull_stream_ids.max_open ||
           (stream != NULL && stream->state == H2O_HTTP2_STREAM_STATE_IDLE);
}

ssize_t hj_upload_take_headers(struct hj_session *session, const struct hj_frame *frame, const char **problem)
{
    h2o_http2_frame_t inner = inner_frame(frame);
    h2o_http2_headers_payload_t payload;
    if (begins_request(connection(session), frame->stream_id)) {
        session->follows = !hj_frame_ends_stream(frame);
        hj_compat_end_stream(frame->payload);
        return 0;
    }
    if (hj_body_find(session, frame->stream_id) == NULL && !hj_body_is_ignored(session, frame->stream_id))
        return 0;
    int rc = h2o_http2_decode_headers_payload(&payload, &inner, problem);
    if (rc == 0 && !hj_frame_ends_stream(frame)) {
        *problem = "trailers must end the stream";
        rc = H2O_HTTP2_ERROR_PROTOCOL;
    }
    if (rc != 0)
        return rc;
    if (hj_frame_ends_block(frame)) {
        ssize_t taken = take_trailers(session, frame->stream_id, payload.headers, payload.headers_len, problem);
        return taken < 0 ? taken : hj_frame_size(frame);
    }
    h2o_buffer_init(&session->block, &h2o_socket_buffer_prototype);
    return hj_compat_append(&session->block, payload.headers, payload.headers_len) ? hj_frame_size(frame)
                                                                                   : H2O_HTTP2_ERROR_INTERNAL;
}

ssize_t hj_upload_take_continuation(struct hj_session *session, const struct hj_frame *frame, const char **problem)
{
    if (session->block == NULL)
        return 0;
    if (!hj_compat_append(&session->block, frame->payload, frame->len))
        return H2O_HTTP2_ERROR_INTERNAL;
    if (!hj_frame_ends_block(frame))
        return hj_frame_size(frame);
    ssize_t taken =
        take_trailers(session, frame->stream_id, (const uint8_t *)session->block->bytes, session->block->size, problem);
    h2o_buffer_dispose(&session->block);
    session->block = NULL;
    return taken < 0 ? taken : hj_frame_size(frame);
}

ssize_t hj_upload_take_reset(struct hj_session *session, const struct hj_frame *frame)
{
    struct hj_http2_body *body = hj_body_find(session, frame->stream_id);
    if (body == NULL)
        return 0;
    struct hj_http2_stream *stream = body->stream;
    hj_body_cut(body);
    if (stream != NULL && stream->req == NULL) /* else libh2o tells of it */
        hj_stream_break(stream, 0, HIJACK_ERESET);
    return 0;
}

void hj_upload_begin(struct hj_session *session, const struct hj_frame *frame)
{
    if (session->follows && hj_body_find(session, frame->stream_id) == NULL)
        hj_body_ignore(session, frame->stream_id); /* it was refused */
    session->follows = false;
}

void hj_upload_abandon(struct hj_session *session, int reason)
{
    while (session->bodies != NULL) {
        struct hj_http2_stream *stream = session->bodies->stream;
        hj_body_cut(session->bodies);
        if (stream != NULL)
            hj_stream_break(stream, 0, reason);
    }
    if (session->block != NULL)
        h2o_buffer_dispose(&session->block);
}
