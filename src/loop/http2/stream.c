/* Responses over HTTP/2; see stream.h. Loop thread.
 *
 * libh2o takes one h2o_send at a time and tells when it has written it; until then a write answers "not now". Its
 * h2o_req_t has our generator from the first moment on, also while it has no response and after its last byte, so that
 * on_stop tells of every end of a stream. Both callbacks only note what happened: libh2o is running, and what follows
 * from it comes after. */
#include "loop/http2/stream.h"

#include <poll.h>
#include <string.h>

#include "codec/response_head.h"
#include "loop/http2/body.h"
#include "loop/http2/state.h"

#define LAST_CHUNK_LEN 3  /* "0" and a line end, before the trailers */
#define FIELD_OVERHEAD 16 /* bytes that HPACK has for a field, at most */
#define PIECES HJ_STREAM_PIECES
#define SEND_MAX (64u << 10) /* bytes over which one h2o_send takes no further buffer */

static struct hj_http2_stream *layer_of(struct hj_loop *loop, const struct hj_conn *conn)
{
    return hj_table_layer(&loop->table, conn->index);
}

void hj_stream_touch(struct hj_http2_stream *stream)
{
    struct hj_http2 *http2 = stream->loop->http2;
    if (stream->dirty)
        return;
    stream->dirty = true;
    stream->next_dirty = http2->dirty;
    http2->dirty = stream;
}

/* NULL when out of memory. */
static struct hj_stream_output *need_output(struct hj_http2_stream *stream)
{
    if (stream->output == NULL)
        stream->output = hj_pool_take(&stream->loop->http2->outputs);
    return stream->output;
}

/* It goes with the last thing that it has to send. */
static void release_output(struct hj_http2_stream *stream)
{
    const struct hj_stream_output *output = stream->output;
    if (output == NULL || output->head != NULL || output->last != NULL || output->piece_count != 0)
        return;
    hj_pool_give(&stream->loop->http2->outputs, stream->output);
    stream->output = NULL;
}

static void drop_pieces(struct hj_stream_output *output)
{
    hj_buf_unref(output->one);
    output->one = NULL;
    for (uint32_t i = 0; output->pieces != NULL && i < output->piece_count; ++i)
        hj_buf_unref(output->pieces->bufs[i]);
    free(output->pieces);
    output->pieces = NULL;
    output->piece_count = output->piece_bytes = 0;
}

static void drop_output(struct hj_http2_stream *stream)
{
    struct hj_stream_output *output = stream->output;
    if (output == NULL)
        return;
    drop_pieces(output);
    hj_buf_unref(output->head);
    hj_buf_unref(output->last);
    output->head = output->last = NULL;
    release_output(stream);
}

static bool has_trailers(const struct hj_http2_stream *stream)
{
    return stream->output != NULL && stream->output->last != NULL;
}

bool hj_stream_has_pieces(const struct hj_http2_stream *stream)
{
    return stream->output != NULL && stream->output->piece_count != 0;
}

/* libh2o has closed the stream, or is about to. */
static void leave_session(struct hj_http2_stream *stream)
{
    struct hj_session *session = stream->session;
    if ((*stream->link = stream->next) != NULL)
        stream->next->link = stream->link;
    if (session->streams == NULL)
        session->idle_ms = hj_loop_time(stream->loop);
    stream->session = NULL;
    stream->req = NULL;
    drop_output(stream);
}

/* Frees what neither the table nor libh2o nor the list of those that have something to send refers to. */
void hj_stream_release(struct hj_http2_stream *stream)
{
    if (stream->entry == 0 && stream->req == NULL && !stream->dirty)
        hj_pool_give(&stream->loop->http2->streams, stream);
}

/* Why libh2o closes the stream. */
static int why_gone(const struct hj_session *session)
{
    struct pollfd fd = {.fd = h2o_socket_get_fd(session->sock)};
    if (session->frame == H2O_HTTP2_FRAME_TYPE_RST_STREAM)
        return HIJACK_ERESET;
    if (session->reason != 0)
        return session->reason;
    if (session->frame != HJ_NO_FRAME)
        return HIJACK_EPROTOCOL;
    /* after a reset both directions are shut */
    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLHUP) != 0 ? HIJACK_ERESET : HIJACK_ECLOSED;
}

static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
    struct hj_http2_stream *stream = (struct hj_http2_stream *)generator;
    struct hj_session *session = stream->session;
    (void)req;
    stream->why_gone = stream->finished ? 0 : (int16_t)why_gone(session);
    leave_session(stream);
    hj_stream_touch(stream);
}

/* Whether the end of the turn finds nothing to do for a stream that has just been written: most members of a fan-out.
 */
static bool is_at_rest(const struct hj_http2_stream *stream)
{
    if (stream->entry == 0 || stream->finish || stream->body != NULL || has_trailers(stream))
        return false;
    const struct hj_conn *conn = hj_table_at(&stream->loop->table, stream->entry);
    const unsigned going = HJ_CONN_ENDING | HJ_CONN_DETACHING | HJ_CONN_SHUTTING;
    return conn->backlog == NULL && (conn->flags & going) == 0;
}

/* libh2o has written what it had. */
static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct hj_http2_stream *stream = (struct hj_http2_stream *)generator;
    (void)req;
    stream->in_flight = false;
    if (stream->output != NULL)
        drop_pieces(stream->output);
    release_output(stream);
    if (!is_at_rest(stream))
        hj_stream_touch(stream);
}

void hj_stream_reset(struct hj_http2_stream *stream, int code)
{
    h2o_req_t *req = stream->req;
    req->_generator = NULL; /* no on_stop */
    hj_compat_drop_parts(req);
    leave_session(stream);
    hj_compat_reset(req, code);
    hj_stream_release(stream);
}

void hj_stream_break(struct hj_http2_stream *stream, int code, int reason)
{
    if (stream->why_gone == 0)
        stream->why_gone = (int16_t)reason;
    hj_stream_touch(stream); /* the end of the turn ends its request */
    if (stream->body != NULL)
        hj_body_leave(stream->body, true);
    stream->body = NULL;
    if (stream->req != NULL && code != 0)
        hj_stream_reset(stream, code);
}

struct hj_http2_stream *hj_stream_open(struct hj_session *session, h2o_req_t *req)
{
    struct hj_http2_stream *stream = hj_pool_take(&session->loop->http2->streams);
    if (stream == NULL)
        return NULL;
    stream->generator = (h2o_generator_t){on_proceed, on_stop};
    stream->loop = session->loop;
    stream->session = session;
    stream->req = req;
    req->_generator = &stream->generator;
    stream->moved_ms = hj_loop_time(session->loop);
    stream->link = &session->streams;
    if ((stream->next = session->streams) != NULL)
        stream->next->link = &stream->next;
    session->streams = stream;
    return stream;
}

/* The head is what an HTTP/1 client would get. Returns its length, with the empty line; 0 if it is none. */
static uint32_t find_head_end(const struct hj_buf *buf)
{
    const char *end = memmem(buf->data, buf->len, "\r\n\r\n", 4);
    return end == NULL ? 0 : (uint32_t)(end - buf->data) + 4;
}

/* Keeps a part of buf as what is sent next; false where it must wait. */
static bool add_piece(struct hj_stream_output *output, struct hj_buf *buf, size_t offset)
{
    h2o_iovec_t part = h2o_iovec_init(buf->data + offset, buf->len - offset);
    if (output->piece_count == PIECES || (output->piece_count != 0 && output->piece_bytes >= SEND_MAX))
        return false;
    if (output->piece_count == 0) {
        output->one = hj_buf_ref(buf);
        output->one_part = part;
    } else {
        if (output->pieces == NULL) {
            if ((output->pieces = calloc(1, sizeof(*output->pieces))) == NULL)
                return false;
            output->pieces->bufs[0] = output->one;
            output->pieces->parts[0] = output->one_part;
            output->one = NULL;
        }
        output->pieces->bufs[output->piece_count] = hj_buf_ref(buf);
        output->pieces->parts[output->piece_count] = part;
    }
    ++output->piece_count;
    output->piece_bytes =
        part.len < UINT32_MAX - output->piece_bytes ? output->piece_bytes + (uint32_t)part.len : UINT32_MAX;
    return true;
}

ssize_t hj_stream_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count,
                        size_t offset)
{
    struct hj_http2_stream *stream = layer_of(loop, conn);
    ssize_t taken = 0;
    if (stream->req == NULL)
        return stream->why_gone != 0 ? stream->why_gone : HIJACK_ECLOSED;
    if (stream->in_flight || stream->finish)
        return 0;
    struct hj_stream_output *output = need_output(stream);
    if (output == NULL)
        return HIJACK_ENOMEM;
    for (int i = 0; i < count; ++i, offset = 0) {
        size_t skip = offset;
        if (!stream->has_head) {
            stream->has_head = true;
            output->head = hj_buf_ref(bufs[i]);
            skip = output->head_len = find_head_end(bufs[i]);
        }
        if (skip < bufs[i]->len && !add_piece(output, bufs[i], skip)) {
            taken += (ssize_t)(skip - offset);
            break;
        }
        taken += (ssize_t)(bufs[i]->len - offset);
    }
    release_output(stream);
    hj_stream_touch(stream);
    return taken;
}

ssize_t hj_stream_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len)
{
    struct hj_http2_stream *stream = layer_of(loop, conn);
    if (stream->body == NULL)
        return 0;
    size_t n = hj_body_read(stream->body, data, len);
    if (hj_body_has_unread(stream->body))
        hj_stream_touch(stream); /* nothing else tells that there is more */
    return (ssize_t)n;
}

void hj_stream_keep_trailers(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *last)
{
    struct hj_http2_stream *stream = layer_of(loop, conn);
    if (stream->req == NULL || has_trailers(stream))
        return;
    if (need_output(stream) != NULL)
        stream->output->last = hj_buf_ref(last);
    else
        hj_stream_break(stream, -H2O_HTTP2_ERROR_INTERNAL, HIJACK_ENOMEM);
}

void hj_stream_finish(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_http2_stream *stream = layer_of(loop, conn);
    if (stream->req == NULL || stream->finish)
        return;
    stream->finish = true;
    if (!stream->in_flight)
        hj_stream_touch(stream);
}

void hj_stream_close(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    struct hj_http2_stream *stream = layer_of(loop, conn);
    bool reset = stream->req != NULL && !stream->finish;
    stream->entry = 0;
    if (stream->body != NULL)
        hj_body_leave(stream->body, reset);
    stream->body = NULL;
    if (stream->req == NULL)
        hj_stream_release(stream);
    else if (reset)
        hj_stream_reset(stream, reason == HIJACK_ESLOW ? -H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM : -H2O_HTTP2_ERROR_CANCEL);
}

void hj_stream_refresh(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_http2_stream *stream = layer_of(loop, conn);
    if (stream->req == NULL || (uint32_t)stream->req->bytes_sent == stream->bytes_sent)
        return;
    stream->bytes_sent = (uint32_t)stream->req->bytes_sent;
    conn->out_ms = hj_loop_time(loop);
}

int hj_stream_descriptor(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_http2_stream *stream = layer_of(loop, conn);
    return stream->session == NULL ? -1 : h2o_socket_get_fd(stream->session->sock);
}

struct hj_facts *hj_stream_facts(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_http2_stream *stream = layer_of(loop, conn);
    return stream->session == NULL ? NULL : stream->session->origin.facts;
}

uint32_t hj_stream_stalled_for(struct hj_http2_stream *stream, uint32_t now)
{
    if ((uint32_t)stream->req->bytes_sent != stream->bytes_sent || !stream->in_flight) {
        stream->bytes_sent = (uint32_t)stream->req->bytes_sent;
        stream->moved_ms = now;
    }
    return now - stream->moved_ms;
}

/* Names that HTTP/2 has no use for: they are about a connection of HTTP/1. */
static bool is_left_out(struct hj_slice name)
{
    return hj_slice_equal_lower(name, HJ_SLICE("connection")) || hj_slice_equal_lower(name, HJ_SLICE("keep-alive")) ||
           hj_slice_equal_lower(name, HJ_SLICE("proxy-connection")) ||
           hj_slice_equal_lower(name, HJ_SLICE("transfer-encoding")) || hj_slice_equal_lower(name, HJ_SLICE("upgrade"));
}

static void add_field(struct hj_http2_stream *stream, struct hj_slice name, struct hj_slice value)
{
    h2o_req_t *req = stream->req;
    if (is_left_out(name))
        return;
    if (hj_slice_equal_lower(name, HJ_SLICE("date")) &&
        hj_compat_take_date(&stream->loop->http2->context, value.base, value.len))
        return; /* libh2o writes it */
    h2o_iovec_t copy = h2o_strdup(&req->pool, name.base, name.len);
    h2o_strtolower(copy.base, copy.len);
    h2o_add_header_by_str(&req->pool, &req->res.headers, copy.base, copy.len, 1, NULL, value.base, value.len);
}

/* Gives the head to libh2o; its values are referred to until it is encoded. */
static void start_response(struct hj_http2_stream *stream)
{
    h2o_req_t *req = stream->req;
    const uint32_t head_len = stream->output->head_len;
    const char *head = stream->output->head->data, *const end = head + head_len - 2; /* without the empty line */
    struct hj_slice name, value;
    req->res.status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
    req->res.reason = "";
    const char *cursor = (const char *)memchr(head, '\n', head_len) + 1;
    while (cursor < end && hj_fields_next(&name, &value, &cursor, end))
        add_field(stream, name, value);
    req->_generator = NULL;
    h2o_start_response(req, &stream->generator);
}

/* Hands the pieces, if any, to libh2o, which refers to them until on_proceed, or on_stop. */
static void send_pieces(struct hj_http2_stream *stream)
{
    h2o_req_t *req = stream->req;
    struct hj_stream_output *output = stream->output;
    h2o_iovec_t bufs[PIECES];
    const uint32_t count = output == NULL ? 0 : output->piece_count;
    if (count != 0) {
        struct hj_stream_pieces *pieces = output->pieces;
        memcpy(bufs, pieces != NULL ? pieces->parts : &output->one_part, count * sizeof(*bufs));
        hj_compat_lend_parts(req, pieces != NULL ? pieces->left : &output->one_left, pieces != NULL ? PIECES : 1);
    }
    stream->in_flight = true;
    stream->finished = stream->finish && !has_trailers(stream); /* trailers end it later */
    stream->moved_ms = hj_loop_time(stream->loop);
    h2o_send(req, bufs, count, stream->finished ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
    req->_generator = &stream->generator; /* also after the last byte: on_stop tells of the end */
}

static void send_first(struct hj_http2_stream *stream)
{
    struct hj_session *session = stream->session;
    h2o_http2_conn_t *conn = (h2o_http2_conn_t *)stream->req->conn;
    size_t written = conn->_write.buf->size;
    start_response(stream);
    send_pieces(stream);
    if (session->table_gone)
        hj_compat_put_table_size(conn, written);
    session->table_gone = false;
    hj_buf_unref(stream->output->head);
    stream->output->head = NULL;
    hj_compat_trim(stream->req); /* it may be held, or wait for its peer, for long */
}

/* libh2o has no trailers. It has written all that came before; their HEADERS end the stream, which it then forgets. */
static void send_trailers(struct hj_http2_stream *stream)
{
    struct hj_session *session = stream->session;
    const struct hj_buf *last = stream->output->last;
    const char *cursor = last->data + LAST_CHUNK_LEN, *const end = last->data + last->len - 2;
    uint8_t *const begin = (uint8_t *)stream->loop->scratch, *at = begin;
    struct hj_slice name, value;
    h2o_req_t *req = stream->req;
    h2o_http2_stream_t *inner = hj_compat_stream_of(req);
    if (session->table_gone)
        *at++ = 0x20; /* the table has 0 bytes (RFC 7541 section 6.3) */
    session->table_gone = false;
    while (cursor < end && hj_fields_next(&name, &value, &cursor, end) &&
           (size_t)(at - begin) + name.len + value.len + FIELD_OVERHEAD < HJ_SCRATCH_SIZE)
        if (!is_left_out(name))
            at = hj_compat_put_field(at, name.base, name.len, value.base, value.len);
    hj_compat_put_trailers((h2o_http2_conn_t *)req->conn, inner->stream_id, begin, (size_t)(at - begin));
    stream->finished = true;
    req->_generator = NULL; /* no on_stop */
    leave_session(stream);
    h2o_http2_stream_reset((h2o_http2_conn_t *)req->conn, inner); /* this sends nothing */
}

void hj_stream_send(struct hj_http2_stream *stream)
{
    if (stream->req == NULL || stream->in_flight || stream->finished)
        return;
    if (stream->output != NULL && stream->output->head != NULL)
        send_first(stream);
    else if (stream->has_head && (hj_stream_has_pieces(stream) || (stream->finish && !has_trailers(stream))))
        send_pieces(stream);
    else if (stream->has_head && stream->finish)
        send_trailers(stream);
}
