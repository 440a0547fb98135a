/* HTTP/2 connections: from the preface to their end, and what is looked at in front of libh2o. Loop thread.
 *
 * Each frame passes read_frame before libh2o sees it. libh2o closes its connections by itself; on_close is the one
 * place where ours end, after all their streams. */
#include "loop/http2/session.h"

#include <sys/socket.h>
#include <sys/time.h>

#include "codec/head.h"
#include "loop/http2/body.h"
#include "loop/http2/frame.h"
#include "loop/http2/stream.h"
#include "loop/http2/upload.h"
#include "loop/io/acceptor.h"

#define DEFAULT_TABLE_SIZE 4096
#define GOING_MS 1000       /* after GOAWAY, in which requests that were on their way are served */
#define LIST_FIELD_BYTES 32 /* that RFC 9113 section 6.5.2 adds to each header field */
#define LEAVING_MS 60000    /* for the end of a response that nobody takes, without stall_timeout_ms */

static h2o_http2_conn_t *conn_of(const struct hj_session *session)
{
    return session->sock->data;
}

/* Whether it waits for room to write. */
static bool is_writing(const struct hj_session *session)
{
    return conn_of(session)->_write.buf_in_flight != NULL || h2o_socket_is_writing(session->sock);
}

/* The size of the peer's table for our header fields, which libh2o 2.2.5 does not look at. */
static void read_settings(struct hj_session *session, h2o_http2_conn_t *conn, const struct hj_frame *frame)
{
    for (size_t i = 0; frame->flags == 0 && i + 6 <= frame->len; i += 6)
        if (h2o_http2_decode16u(frame->payload + i) == H2O_HTTP2_SETTINGS_HEADER_TABLE_SIZE &&
            h2o_http2_decode32u(frame->payload + i + 2) < DEFAULT_TABLE_SIZE)
            session->table_gone |= hj_compat_stop_indexing(conn);
}

/* A request begins, or the trailers of one. */
static void begin_head(struct hj_session *session, const h2o_http2_conn_t *conn, const struct hj_frame *frame)
{
    const uint64_t limit = session->loop->server->options.http2_requests;
    if (frame->stream_id <= conn->pull_stream_ids.max_open)
        return;
    if (!hj_session_is_busy(session))
        session->idle_ms = hj_loop_time(session->loop); /* the time of this request, not the idle one's rest */
    session->requested = true;
    if (++session->requests >= limit && limit != 0)
        hj_session_go_away(session);
}

/* 0: libh2o has to look at the frame. Positive: it is done with. Negative: the error that ends the connection. */
static ssize_t filter_frame(struct hj_session *session, h2o_http2_conn_t *conn, const struct hj_frame *frame,
                            const char **problem)
{
    h2o_http2_stream_t *stream;
    switch (frame->type) {
    case HJ_FRAME_DATA:
        return hj_upload_take_data(session, frame, problem);
    case HJ_FRAME_HEADERS:
        begin_head(session, conn, frame);
        return hj_upload_take_headers(session, frame, problem);
    case HJ_FRAME_CONTINUATION:
        return hj_upload_take_continuation(session, frame, problem);
    case HJ_FRAME_RST_STREAM:
        return hj_upload_take_reset(session, frame);
    case HJ_FRAME_SETTINGS:
        read_settings(session, conn, frame);
        hj_compat_settle_windows(conn);
        return 0;
    case HJ_FRAME_WINDOW_UPDATE:
        if ((stream = h2o_http2_conn_get_stream(conn, frame->stream_id)) != NULL)
            hj_compat_settle_window(stream);
        return 0;
    default: /* libh2o would write about it to stderr */
        return frame->type > HJ_FRAME_LAST_KNOWN ? hj_frame_size(frame) : 0;
    }
}

/* libh2o answers a field with a forbidden character itself, and keeps what the request has for as long as the peer does
 * not take that answer. */
static void drop_answered(struct hj_session *session, h2o_http2_conn_t *conn, const struct hj_frame *frame)
{
    h2o_http2_stream_t *stream = h2o_http2_conn_get_stream(conn, frame->stream_id);
    if (session->handed || stream == NULL || stream->state < H2O_HTTP2_STREAM_STATE_SEND_HEADERS)
        return;
    session->refused += hj_budget_resets_of(&stream->req);
    hj_compat_reset(&stream->req, -H2O_HTTP2_ERROR_PROTOCOL);
}

/* Lets libh2o look at the frame. */
static ssize_t pass_frame(struct hj_session *session, h2o_http2_conn_t *conn, const struct hj_frame *frame,
                          const char **problem)
{
    const bool is_head = frame->type == HJ_FRAME_HEADERS || frame->type == HJ_FRAME_CONTINUATION;
    session->frame = frame->type;
    session->handed = false;
    ssize_t used =
        session->inner(conn, frame->payload - H2O_HTTP2_FRAME_HEADER_SIZE, (size_t)hj_frame_size(frame), problem);
    session->frame = HJ_NO_FRAME;
    if (used >= 0 && is_head && hj_frame_ends_block(frame)) {
        drop_answered(session, conn, frame);
        hj_upload_begin(session, frame);
    }
    return used;
}

/* Counts the frame, and then the streams that were reset because of it, by libh2o or here. */
static ssize_t take_frame(struct hj_session *session, h2o_http2_conn_t *conn, const struct hj_frame *frame,
                          const char **problem)
{
    if (session->ending)
        return hj_frame_size(frame);
    const uint64_t resets = hj_compat_resets(conn), resets_max = session->loop->server->options.http2_resets;
    session->refused = 0;
    ssize_t rc = hj_budget_take(&session->budget, frame, hj_loop_time(session->loop), resets_max,
                                conn->_write.window._avail, problem);
    if (rc < 0)
        return rc;
    ssize_t used = filter_frame(session, conn, frame, problem);
    if (used == 0)
        used = pass_frame(session, conn, frame, problem);
    if (used < 0)
        return used;
    rc = hj_budget_take_resets(&session->budget, hj_compat_resets(conn) - resets + session->refused, resets_max,
                               problem);
    return rc < 0 ? rc : used;
}

static ssize_t read_frame(h2o_http2_conn_t *conn, const uint8_t *src, size_t len, const char **problem)
{
    struct hj_session *session = conn->sock->on_close.data;
    struct hj_frame frame;
    ssize_t used = hj_frame_parse(&frame, src, len) ? take_frame(session, conn, &frame, problem)
                                                    : session->inner(conn, src, len, problem);
    if (used < 0 && used != H2O_HTTP2_ERROR_INCOMPLETE) {
        session->reason = HIJACK_EPROTOCOL;
        hj_loop_count(session->loop, HIJACK_STAT_BAD_REQUESTS, 1);
        /* libh2o would wait for a peer that does not read, and keep all that it sends meanwhile */
        if (is_writing(session))
            shutdown(h2o_socket_get_fd(session->sock), SHUT_RDWR);
    }
    if (conn->_read_expect != read_frame) { /* it has gone on to read another kind of frames */
        session->inner = conn->_read_expect;
        conn->_read_expect = read_frame;
    }
    return used;
}

/* The preface is no frame. */
static ssize_t read_preface(h2o_http2_conn_t *conn, const uint8_t *src, size_t len, const char **problem)
{
    struct hj_session *session = conn->sock->on_close.data;
    const struct hj_server_options *options = &session->loop->server->options;
    ssize_t used = session->inner(conn, src, len, problem);
    if (conn->_read_expect != read_preface) {
        hj_compat_put_settings(conn, (uint32_t)options->http2_streams, HJ_BODY_WINDOW, HJ_SESSION_WINDOW,
                               (uint32_t)options->max_head_bytes + HJ_HEAD_MAX_HEADERS * LIST_FIELD_BYTES);
        session->inner = conn->_read_expect;
        conn->_read_expect = read_frame;
    }
    return used;
}

/* libh2o has closed the connection, and before it all streams. */
static void on_close(void *data)
{
    struct hj_session *session = data;
    struct hj_loop *loop = session->loop;
    hj_upload_abandon(session, session->reason != 0 ? session->reason : HIJACK_ECLOSED);
    if ((*session->link = session->next) != NULL)
        session->next->link = session->link;
    hj_conn_count_closed(loop, session->reason);
    hj_acceptor_uncount(loop, session->origin.counted);
    hj_acceptor_connection_closed(loop);
    hj_facts_unref(session->origin.facts);
    hj_compat_timer_stop(&session->unread);
    hj_compat_timer_stop(&session->end);
    free(session);
}

static void read_unread(hj_compat_timer *timer)
{
    struct hj_session *session = H2O_STRUCT_FROM_MEMBER(struct hj_session, unread, timer);
    if (session->sock->_cb.read != NULL)
        session->sock->_cb.read(session->sock, NULL);
}

/* libh2o closes it. */
static void close_session(struct hj_session *session)
{
    h2o_http2_conn_t *conn = conn_of(session);
    if (conn->state == H2O_HTTP2_CONN_STATE_OPEN)
        h2o_http2_conn_request_write(conn); /* which closes it, also when there is nothing to write */
    /* not HALF_CLOSED, in which it can lose the end of a response and loop for ever over a CONTINUATION */
    conn->state = H2O_HTTP2_CONN_STATE_IS_CLOSING;
    if (is_writing(session))
        shutdown(h2o_socket_get_fd(session->sock), SHUT_RDWR); /* who does not read is not waited for */
}

static void close_told(hj_compat_timer *entry)
{
    close_session(H2O_STRUCT_FROM_MEMBER(struct hj_session, end, entry));
}

bool hj_session_open(struct hj_http2 *http2, const struct hj_session_origin *origin, h2o_socket_t *sock)
{
    struct hj_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return false;
    *session = (struct hj_session){
        .loop = http2->owner,
        .origin = *origin,
        .idle_ms = origin->since_ms,
        .frame = HJ_NO_FRAME,
        .unread = {.cb = read_unread},
        .end = {.cb = close_told},
        .next = http2->sessions,
        .link = &http2->sessions,
        .sock = sock,
    };
    if (session->next != NULL)
        session->next->link = &session->next;
    http2->sessions = session;
    struct timeval now = hj_compat_now(&http2->context);
    h2o_buffer_t *unread = sock->input;
    h2o_buffer_init(&sock->input, &h2o_socket_buffer_prototype);
    h2o_http2_accept(&http2->accept, sock, now); /* its input is empty, so that it only prepares */
    h2o_buffer_dispose(&sock->input);
    sock->input = unread;
    sock->on_close.cb = on_close;
    sock->on_close.data = session;
    h2o_http2_conn_t *conn = conn_of(session);
    if (http2->write_prototype == NULL)
        http2->write_prototype = hj_compat_write_prototype(conn);
    session->inner = conn->_read_expect;
    conn->_read_expect = read_preface;
    /* What came before comes before all that libh2o reads. It is looked at when libh2o runs, and only then: a socket
     * that writes and closes outside of that is freed while its loop still refers to it. */
    if (unread->size != 0)
        hj_compat_timer_start(&http2->context, &session->unread);
    return true;
}

void hj_session_lose(struct hj_loop *loop, h2o_socket_t *sock, struct hj_session_origin *origin, int reason)
{
    hj_conn_count_closed(loop, reason);
    hj_acceptor_uncount(loop, origin->counted);
    hj_acceptor_connection_closed(loop);
    hj_facts_unref(origin->facts);
    h2o_socket_close(sock);
}

bool hj_session_is_busy(const struct hj_session *session)
{
    return session->streams != NULL || conn_of(session)->num_streams.pull.open != 0 || hj_body_is_awaited(session);
}

void hj_session_go_away(struct hj_session *session)
{
    h2o_http2_conn_t *conn = conn_of(session);
    if (session->told || conn->state != H2O_HTTP2_CONN_STATE_OPEN)
        return;
    session->told = true;
    session->told_ms = hj_loop_time(session->loop);
    /* the last id is not final: what is on its way is still served (RFC 9113 section 6.8) */
    h2o_http2_encode_goaway_frame(&conn->_write.buf, HJ_STREAM_ID_MAX, -H2O_HTTP2_ERROR_NONE, h2o_iovec_init(NULL, 0));
    h2o_http2_conn_request_write(conn);
}

void hj_session_end(struct hj_session *session, int code, int reason)
{
    h2o_http2_conn_t *conn = conn_of(session);
    if (session->ending)
        return;
    session->ending = true;
    if (session->reason == 0)
        session->reason = reason;
    if (conn->state != H2O_HTTP2_CONN_STATE_OPEN || is_writing(session)) {
        close_session(session);
        return;
    }
    h2o_http2_encode_goaway_frame(&conn->_write.buf, conn->pull_stream_ids.max_open, -code,
                                  h2o_iovec_init(NULL, 0)); /* it takes the negative one */
    h2o_http2_conn_request_write(conn);
    /* after that: libh2o leaves out close_notify when it closes a socket that it has just written to */
    hj_compat_timer_start(conn->super.ctx, &session->end);
}

/* A stream of which the peer takes nothing. */
static void give_up(struct hj_session *session, struct hj_http2_stream *stream)
{
    struct hj_loop *loop = session->loop;
    if (stream->entry != 0)
        hj_conn_close(loop, hj_table_at(&loop->table, stream->entry), HIJACK_ETIMEDOUT);
    else
        hj_stream_reset(stream, -H2O_HTTP2_ERROR_CANCEL);
}

static void sweep_streams(struct hj_session *session, uint32_t now)
{
    struct hj_loop *loop = session->loop;
    uint64_t limit = loop->server->options.stall_timeout_ms;
    struct hj_http2_stream *next = session->streams;
    for (struct hj_http2_stream *stream = next; stream != NULL; stream = next) {
        next = stream->next;
        const struct hj_conn *conn = stream->entry == 0 ? NULL : hj_table_at(&loop->table, stream->entry);
        bool leaving = conn == NULL || (conn->flags & HJ_CONN_ENDING) != 0;
        uint64_t patience = limit == 0 && leaving ? LEAVING_MS : limit;
        if (hj_stream_stalled_for(stream, now) >= patience && patience != 0)
            give_up(session, stream);
    }
}

bool hj_session_refuses(const struct hj_session *session)
{
    return session->told && !session->loop->draining && hj_loop_time(session->loop) - session->told_ms >= GOING_MS;
}

/* Whether it ends as soon as it has no streams. */
static bool is_leaving(const struct hj_session *session)
{
    return session->loop->draining || hj_session_refuses(session);
}

void hj_session_sweep(struct hj_session *session, uint32_t now)
{
    const struct hj_server_options *options = &session->loop->server->options;
    const h2o_http2_conn_t *conn = conn_of(session);
    sweep_streams(session, now);
    hj_body_sweep(session, now);
    if (session->budget.block_stream != 0 && now - session->budget.block_ms >= options->head_timeout_ms)
        hj_session_end(session, -H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM, HIJACK_ETIMEDOUT);
    if (session->streams != NULL || hj_body_is_awaited(session))
        return;
    uint64_t limit = session->requested ? options->request_timeout_ms : options->head_timeout_ms;
    if (now - session->idle_ms >= limit)
        hj_session_end(session, -H2O_HTTP2_ERROR_NONE, session->requested ? 0 : HIJACK_ETIMEDOUT);
    else if (is_leaving(session) && conn->num_streams.pull.open == 0 && !is_writing(session))
        hj_session_end(session, -H2O_HTTP2_ERROR_NONE, 0);
}
