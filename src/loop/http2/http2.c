/* libh2o's loop inside ours; see http2.h. Loop thread.
 *
 * libh2o's epoll descriptor is watched by our poller, and its timers bound our wait; it never waits itself. Nothing is
 * handed to it while it runs: what the program and the fan-out write in a turn is collected in the streams and goes to
 * libh2o at the end of the turn, in one piece with the end of the response. */
#include "loop/http2/http2.h"

#include <sys/socket.h>

#include "loop/fanout/catchup.h"
#include "loop/held/ending.h"
#include "loop/http/pending.h"
#include "loop/http/request_body.h"
#include "loop/http2/body.h"
#include "loop/http2/request.h"
#include "loop/http2/secure.h"
#include "loop/http2/session.h"
#include "loop/http2/stream.h"
#include "loop/io/acceptor.h"
#include "loop/io/transport.h"
#include "loop/io/writer.h"

#define RUNS_MAX 4 /* in one go, until it has settled */

#define CACHE_LINE 64

/* Streams after which libh2o writes what those of a connection have got, while the processor's cache has them. */
#define WRITTEN_TOGETHER 64
#define CLOSE_RUNS_MAX 200
#define CLOSE_RUN_MS 10
/* Longer than any deadline: those are ours (hj_http2_sweep). */
#define NEVER_MS (UINT64_C(86400000) * 365)

static void configure_path(h2o_pathconf_t *path)
{
    path->error_log.emit_request_errors = 0; /* or it writes to stderr */
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = hj_http2_request;
}

static void configure(struct hj_http2 *http2)
{
    h2o_config_init(&http2->config);
    http2->config.server_name = h2o_iovec_init(NULL, 0);
    http2->config.http2.idle_timeout = NEVER_MS;
    hj_compat_lift_limits(&http2->config);
    h2o_hostconf_t *host = h2o_config_register_host(&http2->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    configure_path(h2o_config_register_path(host, "/", 0));
    configure_path(&host->fallback_path);
}

static void run(struct hj_http2 *http2)
{
    int runs = 0;
    http2->readable = false;
    do
        h2o_evloop_run(http2->loop, 0);
    while (hj_compat_has_work(http2->loop) && ++runs < RUNS_MAX);
}

static void free_http2(struct hj_loop *loop)
{
    struct hj_http2 *http2 = loop->http2;
    if (http2->epoll_fd != -1)
        hj_poller_remove(&loop->poller, http2->epoll_fd);
    hj_compat_context_dispose(&http2->context);
    h2o_evloop_run(http2->loop, 0);
    hj_compat_loop_destroy(http2->loop, http2->epoll_fd);
    h2o_config_dispose(&http2->config);
    hj_compat_free_thread_memory(http2->write_prototype);
    hj_pool_dispose(&http2->streams);
    hj_pool_dispose(&http2->outputs);
    free(http2);
    loop->http2 = NULL;
}

int hj_http2_open(struct hj_loop *loop)
{
    if (loop->server->options.http2 != HJ_SWITCH_ON)
        return 0;
    if (!hj_compat_has_descriptors(loop->poller.fd))
        return HIJACK_ELIMIT;
    struct hj_http2 *http2 = calloc(1, sizeof(*http2));
    if (http2 == NULL)
        return HIJACK_ENOMEM;
    http2->owner = loop;
    hj_pool_init(&http2->streams, sizeof(struct hj_http2_stream));
    hj_pool_init(&http2->outputs, sizeof(struct hj_stream_output));
    loop->http2 = http2;
    hj_compat_keep_input_in_memory();
    http2->loop = h2o_evloop_create();
    h2o_linklist_init_anchor(&http2->put_off);
    configure(http2);
    h2o_context_init(&http2->context, http2->loop, &http2->config);
    http2->accept = (h2o_accept_ctx_t){.ctx = &http2->context, .hosts = http2->config.hosts};
    http2->epoll_fd = hj_compat_epoll_fd(http2->loop, loop->poller.fd);
    if (http2->epoll_fd != -1 && hj_poller_add(&loop->poller, http2->epoll_fd, HJ_POLL_IN, HJ_POLL_DATA_HTTP2))
        return 0;
    free_http2(loop);
    return HIJACK_ELIMIT;
}

/* Takes the descriptor out of the entry, which ends, while the connection goes on, counted as before. NULL when out of
 * memory, and the connection closed. */
static h2o_socket_t *take_socket(struct hj_loop *loop, struct hj_conn *conn, struct hj_session_origin *origin,
                                 const void *data, size_t len)
{
    struct hj_http2 *http2 = loop->http2;
    *origin = (struct hj_session_origin){
        .since_ms = conn->in_ms,
        .peer_ip = conn->peer_ip,
        .peer_port = conn->peer_port,
        .counted = hj_acceptor_take_counted(loop, conn->index),
        .queue = conn->queue,
        .listener = conn->listener,
    };
    int fd = hj_transport_export(loop, conn);
    atomic_fetch_add(&loop->server->connections, 1);
    hj_loop_count(loop, HIJACK_STAT_CONNECTIONS, 1);
    conn->flags |= HJ_CONN_WAS_COUNTED;
    if (!hj_http2_is_busy(loop))
        h2o_evloop_run(http2->loop, 0); /* it has not run for a while, and its clock with it */
    h2o_socket_t *sock = h2o_evloop_socket_create(http2->loop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    h2o_iovec_t room = h2o_buffer_reserve(&sock->input, len);
    if (room.base == NULL) {
        hj_session_lose(loop, sock, origin, HIJACK_ENOMEM);
        return NULL;
    }
    memcpy(room.base, data, len);
    sock->input->size += len;
    return sock;
}

void hj_http2_begin(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_session_origin origin;
    const struct hj_input *input = conn->input;
    h2o_socket_t *sock = take_socket(loop, conn, &origin, input->data + input->start, input->len);
    if (sock != NULL && !hj_session_open(loop->http2, &origin, sock))
        hj_session_lose(loop, sock, &origin, HIJACK_ENOMEM);
    hj_conn_close(loop, conn, 0);
    if (loop->draining)
        hj_http2_drain(loop);
}

#if HIJACK_TLS
void hj_http2_begin_secure(struct hj_loop *loop, struct hj_conn *conn, struct ssl_ctx_st *ctx, const uint8_t *data,
                           size_t len)
{
    struct hj_session_origin origin;
    h2o_socket_t *sock = take_socket(loop, conn, &origin, data, len);
    if (sock != NULL && !hj_secure_begin(loop->http2, &origin, sock, ctx))
        hj_session_lose(loop, sock, &origin, HIJACK_ENOMEM);
    hj_conn_close(loop, conn, 0);
}
#endif

bool hj_http2_is_busy(const struct hj_loop *loop)
{
    return loop->http2 != NULL && (loop->http2->sessions != NULL || loop->http2->secures != NULL);
}

int hj_http2_wait(struct hj_loop *loop, int timeout_ms)
{
    struct hj_http2 *http2 = loop->http2;
    if (http2 == NULL)
        return timeout_ms;
    if (http2->dirty != NULL || hj_compat_has_work(http2->loop) || !h2o_linklist_is_empty(&http2->put_off))
        return 0;
    return hj_compat_timer_wait(http2->loop, timeout_ms);
}

/* Whether libh2o would do something if it ran. */
static bool has_work(const struct hj_http2 *http2)
{
    return http2->readable || hj_compat_has_work(http2->loop) || hj_compat_timer_wait(http2->loop, 1) == 0;
}

void hj_http2_notice(struct hj_loop *loop)
{
    loop->http2->readable = true;
}

void hj_http2_run(struct hj_loop *loop)
{
    if (loop->http2 == NULL)
        return;
    hj_secure_begin_turn(loop->http2);
    if (has_work(loop->http2))
        run(loop->http2);
}

/* Whether its request has a body of which something has come. */
static bool has_body_to_read(const struct hj_conn *conn, const struct hj_http2_stream *stream)
{
    return hj_conn_is_open(conn) && hj_request_body_is_open(conn) && stream->body != NULL &&
           hj_body_has_unread(stream->body);
}

/* What the end of a turn finds of a stream that was written to, or that libh2o told something of. */
static void settle(struct hj_loop *loop, struct hj_http2_stream *stream)
{
    struct hj_conn *conn = stream->entry == 0 ? NULL : hj_table_at(&loop->table, stream->entry);
    if (conn != NULL && hj_conn_is_open(conn)) {
        if (stream->req == NULL && stream->why_gone != 0)
            hj_conn_close(loop, conn, stream->why_gone);
        else if (has_body_to_read(conn, stream))
            hj_pending_advance(loop, conn);
    }
    bool may_write = !stream->in_flight && !stream->finish && !hj_stream_has_pieces(stream);
    if (conn != NULL && hj_conn_is_open(conn) && may_write && hj_writer_flush(loop, conn)) {
        if (conn->behind)
            hj_catchup_go_on(loop, conn);
        hj_ending_settle(loop, conn);
    }
    hj_stream_send(stream);
    stream->dirty = false;
    if (conn != NULL && has_body_to_read(conn, stream) && hj_request_body_waits_for_peer(conn))
        hj_stream_touch(stream); /* it reads no more than others in a turn */
    hj_stream_release(stream);
}

/* A fan-out's streams are many, and nothing of them is in the processor's cache. What settle and libh2o are going to
 * look at is on its way meanwhile: of the stream after the next one, and of the one behind it what tells where that is.
 */
static void fetch_next(struct hj_loop *loop, const struct hj_http2_stream *next)
{
    if (next == NULL || (next = next->next_dirty) == NULL)
        return;
    const char *later = (const char *)next->next_dirty;
    for (size_t at = 0; later != NULL && at < sizeof(*next); at += CACHE_LINE)
        __builtin_prefetch(later + at, 1);
    if (next->req != NULL) {
        const h2o_http2_stream_t *inner = hj_compat_stream_of(next->req);
        for (size_t at = 0; at < offsetof(h2o_http2_stream_t, req) + CACHE_LINE; at += CACHE_LINE)
            __builtin_prefetch((const char *)inner + at, 1);
        __builtin_prefetch(&inner->req.bytes_sent, 1);
        __builtin_prefetch(&inner->req._ostr_top, 1);
    }
    __builtin_prefetch(hj_table_at(&loop->table, next->entry));
}

bool hj_http2_flush(struct hj_loop *loop)
{
    struct hj_http2 *http2 = loop->http2;
    if (http2 == NULL)
        return false;
    struct hj_http2_stream *stream = http2->dirty;
    if (stream == NULL && !has_work(http2))
        return false;
    http2->dirty = NULL;
    unsigned count = 0;
    while (stream != NULL) {
        struct hj_http2_stream *next = stream->next_dirty;
        const struct hj_session *session = stream->session;
        fetch_next(loop, next);
        settle(loop, stream); /* may free it */
        if (++count >= WRITTEN_TOGETHER && next != NULL && next->session != session) {
            h2o_evloop_run(http2->loop, 0);
            count = 0;
        }
        stream = next;
    }
    run(http2);
    return true;
}

void hj_http2_sweep(struct hj_loop *loop)
{
    struct hj_session *next = loop->http2 == NULL ? NULL : loop->http2->sessions;
    for (struct hj_session *session = next; session != NULL; session = next) {
        next = session->next;
        hj_session_sweep(session, hj_loop_time(loop));
    }
    if (loop->http2 != NULL)
        hj_secure_sweep(loop->http2, hj_loop_time(loop));
}

void hj_http2_make_room(struct hj_loop *loop)
{
    struct hj_session *session = loop->http2 == NULL ? NULL : loop->http2->sessions;
    while (session != NULL && (hj_session_is_busy(session) || !session->requested || session->ending))
        session = session->next;
    if (session != NULL)
        hj_session_end(session, -H2O_HTTP2_ERROR_NONE, 0);
}

void hj_http2_drain(struct hj_loop *loop)
{
    for (struct hj_session *session = loop->http2 == NULL ? NULL : loop->http2->sessions; session != NULL;
         session = session->next)
        hj_session_go_away(session);
}

void hj_http2_close(struct hj_loop *loop)
{
    struct hj_http2 *http2 = loop->http2;
    if (http2 == NULL)
        return;
    hj_http2_flush(loop); /* the ends of what was held */
    for (struct hj_session *session = http2->sessions; session != NULL; session = session->next)
        hj_session_end(session, -H2O_HTTP2_ERROR_NONE, HIJACK_ESHUTDOWN);
    run(http2);
    for (struct hj_session *session = http2->sessions; session != NULL; session = session->next)
        shutdown(h2o_socket_get_fd(session->sock), SHUT_RDWR); /* it now fails to read or write, and closes */
    hj_secure_close(http2);
    for (int i = 0; hj_http2_is_busy(loop) && i < CLOSE_RUNS_MAX; ++i)
        h2o_evloop_run(http2->loop, CLOSE_RUN_MS);
    for (struct hj_http2_stream *stream = http2->dirty, *next; stream != NULL; stream = next) {
        next = stream->next_dirty;
        stream->dirty = false;
        hj_stream_release(stream);
    }
    free_http2(loop);
}
