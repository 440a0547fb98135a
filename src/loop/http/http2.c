/* libh2o's side of a loop; see http.h. Loop thread.
 *
 * libh2o's own answers (a body over the limit, broken chunks) do not reach the wire either: a filter swallows them, and
 * the connection comes back to be refused in our way, which lets the peer read why. So the one thing that libh2o writes
 * is "100 Continue". */
#include "loop/http/http2.h"

#include <string.h>
#include <sys/socket.h>

#include "codec/head.h"
#include "loop/http/compat.h"
#include "loop/http/pending.h"
#include "loop/http/request_head.h"
#include "loop/io/acceptor.h"

#define SETTLE_MAX 64 /* requests taken back in one turn */

/* One connection that libh2o has. */
struct http_conn {
    h2o_linklist_t link;       /* in http->conns */
    h2o_linklist_t ready_link; /* in http->ready, once there is something to take it back for */
    struct hj_loop *loop;
    h2o_socket_t *sock;
    h2o_req_t *req;        /* once ready */
    unsigned status;       /* once ready: 0, or what libh2o would have answered */
    struct hj_input *rest; /* what follows the request */
    uint64_t begin_ms;
    uint8_t deal; /* the table entry's */
    bool taken;   /* the descriptor has left */
};

struct hj_http {
    struct hj_loop *owner;
    h2o_loop_t *loop;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_socket_t *poller; /* a copy of the loop's own poller, so that libh2o's wait ends for it too */
    struct hj_compat_sink sink;
    h2o_linklist_t conns, ready;
    uint32_t conn_count;
};

#define CONN_OF(member, node) ((struct http_conn *)((char *)(node)-offsetof(struct http_conn, member)))

static struct http_conn *conn_of(h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

static void make_ready(struct http_conn *conn, h2o_req_t *req, unsigned status)
{
    conn->req = req;
    conn->status = status;
    if (!h2o_linklist_is_linked(&conn->ready_link))
        h2o_linklist_insert(&conn->loop->http->ready, &conn->ready_link);
}

/* A request is complete. */
static int on_request(h2o_handler_t *handler, h2o_req_t *req)
{
    (void)handler;
    make_ready(conn_of(req), req, 0);
    return 0;
}

static void swallow(h2o_ostream_t *self, h2o_req_t *req, h2o_iovec_t *bufs, size_t count, h2o_send_state_t state)
{
    (void)self;
    (void)bufs;
    (void)count;
    (void)state;
    make_ready(conn_of(req), req, (unsigned)req->res.status);
}

/* libh2o is about to answer by itself. */
static void on_own_response(h2o_filter_t *filter, h2o_req_t *req, h2o_ostream_t **slot)
{
    (void)filter;
    h2o_ostream_t *ostream = h2o_add_ostream(req, sizeof(*ostream), slot);
    ostream->do_send = swallow;
}

static void configure_path(h2o_pathconf_t *path)
{
    path->error_log.emit_request_errors = 0;
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_request;
    h2o_create_filter(path, sizeof(h2o_filter_t))->on_setup_ostream = on_own_response;
}

static void configure(struct hj_http *http)
{
    const struct hj_server_options *options = &http->owner->server->options;
    h2o_config_init(&http->config);
    http->config.server_name = h2o_iovec_init(NULL, 0);
    /* one more than the limit: libh2o takes a chunked body of exactly its limit for too large */
    http->config.max_request_entity_size = options->max_body_bytes + 1;
    http->config.http1.req_timeout = options->request_timeout_ms;
    http->config.http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host = h2o_config_register_host(&http->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    configure_path(h2o_config_register_path(host, "/", 0));
    configure_path(&host->fallback_path);
}

static void on_poller_readable(h2o_socket_t *sock, const char *err)
{
    /* it has ended the wait; the loop asks its poller itself */
    (void)sock;
    (void)err;
}

int hj_http_open(struct hj_loop *loop)
{
    struct hj_http *http = calloc(1, sizeof(*http));
    if (http == NULL)
        return HIJACK_ENOMEM;
    http->sink = (struct hj_compat_sink){.null = -1, .park = -1};
    int poller = fcntl(loop->poller.fd, F_DUPFD_CLOEXEC, 0);
    if (poller == -1 || !hj_compat_sink_open(&http->sink) || !hj_compat_has_descriptors(&http->sink)) {
        if (poller != -1)
            close(poller);
        hj_compat_sink_close(&http->sink);
        free(http);
        return HIJACK_ELIMIT;
    }
    http->owner = loop;
    loop->http = http;
    h2o_linklist_init_anchor(&http->conns);
    h2o_linklist_init_anchor(&http->ready);
    http->loop = h2o_evloop_create();
    configure(http);
    h2o_context_init(&http->context, http->loop, &http->config);
    http->accept = (h2o_accept_ctx_t){.ctx = &http->context, .hosts = http->config.hosts};
    http->poller = h2o_evloop_socket_create(http->loop, poller, 0);
    h2o_socket_dont_read(http->poller, 1);
    h2o_socket_read_start(http->poller, on_poller_readable);
    h2o_evloop_run(http->loop, 0);
    return 0;
}

void hj_http_close(struct hj_loop *loop)
{
    struct hj_http *http = loop->http;
    int epoll_fd = hj_compat_epoll_fd(http->loop, h2o_socket_get_fd(http->poller));
    h2o_socket_read_stop(http->poller);
    h2o_socket_close(http->poller);
    hj_compat_context_dispose(&http->context);
    h2o_evloop_run(http->loop, 0);
    h2o_evloop_destroy(http->loop);
    if (epoll_fd != -1)
        close(epoll_fd);
    h2o_config_dispose(&http->config);
    hj_compat_free_thread_memory();
    hj_compat_sink_close(&http->sink);
    free(http);
    loop->http = NULL;
}

/* The peer left in the middle of its request, it took too long, or the connection was taken. */
static void on_close(void *data)
{
    struct http_conn *conn = data;
    struct hj_loop *loop = conn->loop;
    h2o_linklist_unlink(&conn->link);
    if (h2o_linklist_is_linked(&conn->ready_link))
        h2o_linklist_unlink(&conn->ready_link);
    --loop->http->conn_count;
    hj_loop_uncount(loop, HIJACK_STAT_HTTP, 1);
    if (!conn->taken) {
        bool late = h2o_now(loop->http->loop) - conn->begin_ms >= loop->server->options.request_timeout_ms;
        hj_conn_count_closed(loop, loop->stopping ? HIJACK_ESHUTDOWN : late ? HIJACK_ETIMEDOUT : HIJACK_ECLOSED);
        hj_acceptor_connection_closed(loop);
    }
    free(conn->rest);
    free(conn);
}

void hj_http_begin(struct hj_loop *loop, struct hj_conn *from, const char *data, size_t len, struct hj_input *rest)
{
    struct hj_http *http = loop->http;
    struct http_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        free(rest);
        hj_conn_close(loop, from, HIJACK_ENOMEM);
        return;
    }
    if (http->conn_count == 0)
        h2o_evloop_run(http->loop, 0); /* it has not run for a while, and its clock with it */
    conn->loop = loop;
    conn->rest = rest;
    conn->deal = from->deal;
    conn->begin_ms = h2o_now(http->loop);
    int fd = hj_conn_release(loop, from, NULL);
    conn->sock = h2o_evloop_socket_create(http->loop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    conn->sock->on_close.cb = on_close;
    conn->sock->on_close.data = conn;
    h2o_linklist_insert(&http->conns, &conn->link);
    ++http->conn_count;
    hj_worker_count(loop, HIJACK_STAT_HTTP, 1);
    h2o_iovec_t room = h2o_buffer_reserve(&conn->sock->input, len);
    if (room.base == NULL) {
        h2o_socket_close(conn->sock);
        return;
    }
    memcpy(room.base, data, len);
    conn->sock->input->size += len;
    h2o_http1_accept(&http->accept, conn->sock, *h2o_get_timestamp(&http->context, NULL, NULL));
}

bool hj_http_busy(const struct hj_loop *loop)
{
    return loop->http->conn_count != 0;
}

void hj_http_run(struct hj_loop *loop, int timeout_ms)
{
    h2o_evloop_run(loop->http->loop, timeout_ms < 0 ? INT32_MAX : timeout_ms);
}

struct taking {
    struct hj_loop *loop;
    bool done;
};

/* The socket is bare: its input holds the head, the decoded body, and after reqsize what followed. */
static void on_bare(void *data, h2o_socket_t *sock, size_t reqsize)
{
    struct taking *taking = data;
    h2o_socket_export_t info;
    struct hj_head head;
    taking->done = true;
    if (sock == NULL)
        return;
    struct http_conn *conn = sock->on_close.data;
    struct hj_loop *loop = conn->loop;
    unsigned status = conn->status;
    uint8_t deal = conn->deal;
    struct hj_input *rest = conn->rest;
    conn->rest = NULL;
    conn->taken = true;
    h2o_socket_export(sock, &info);
    const char *bytes = info.input->bytes;
    size_t size = info.input->size;
    int n = hj_head_parse(&head, bytes, size, 0, loop->server->options.max_head_bytes);
    struct hj_conn *back = hj_pending_open(loop, info.fd, deal);
    if (back != NULL)
        back->input = rest;
    else
        free(rest);
    if (back != NULL && status == 0 && n > 0) {
        size_t head_len = (size_t)n;
        hj_pending_submit(loop, back, &head, hj_slice(bytes + head_len, reqsize - head_len),
                          hj_slice(bytes + reqsize, size - reqsize));
    } else if (back != NULL) {
        hj_reading_refuse(loop, back, status == 0 ? 400 : status,
                          status == 413 ? "the body is over the limit (option max_body_bytes)"
                                        : "the body cannot be understood");
    }
    h2o_buffer_dispose(&info.input);
}

bool hj_http_settle(struct hj_loop *loop)
{
    struct hj_http *http = loop->http;
    for (int i = 0; i < SETTLE_MAX && !h2o_linklist_is_empty(&http->ready); ++i) {
        struct http_conn *conn = CONN_OF(ready_link, http->ready.next);
        struct taking taking = {.loop = loop};
        h2o_linklist_unlink(&conn->ready_link);
        hj_compat_upgrade_silently(conn->req, &http->sink, on_bare, &taking);
        /* the write into the sink is complete; libh2o says so in its next turn */
        while (!taking.done)
            h2o_evloop_run(http->loop, 0);
    }
    return !h2o_linklist_is_empty(&http->ready);
}

void hj_http_abandon(struct hj_loop *loop)
{
    struct hj_http *http = loop->http;
    for (h2o_linklist_t *link = http->conns.next; link != &http->conns; link = link->next)
        shutdown(h2o_socket_get_fd(CONN_OF(link, link)->sock), SHUT_RDWR);
    /* each of them now fails to read or write, and closes */
    while (http->conn_count != 0) {
        h2o_evloop_run(http->loop, 10);
        hj_http_settle(loop);
    }
}
