/* libh2o's side of a loop: its life, and the connections it has; see http.h. Loop thread. */
#include "loop/http.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/acceptor.h"
#include "loop/holding.h"
#include "loop/http_state.h"
#include "loop/reading.h"

#define CONN_OF_LINK(l) ((struct hj_http_conn *)((char *)(l)-offsetof(struct hj_http_conn, link)))
#define PENDING_OF_LINK(l) ((struct hj_pending *)((char *)(l)-offsetof(struct hj_pending, hold_link)))

static void on_poller_readable(h2o_socket_t *sock, const char *err)
{
    /* it has ended the wait; the loop asks its poller itself */
    (void)sock;
    (void)err;
}

static void configure(struct hj_http *http)
{
    const struct hj_server_options *options = &http->owner->server->options;
    h2o_config_init(&http->config);
    http->config.server_name = h2o_iovec_init(NULL, 0);
    /* one more than the limit, which is checked when the body is there: libh2o takes a chunked body of exactly its
     * limit for too large */
    http->config.max_request_entity_size = options->max_body_bytes + 1;
    http->config.http1.req_timeout = options->request_timeout_ms;
    http->config.http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host = h2o_config_register_host(&http->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    path->error_log.emit_request_errors = 0;
    host->fallback_path.error_log.emit_request_errors = 0;
    struct hj_http_handler *handler = (struct hj_http_handler *)h2o_create_handler(path, sizeof(*handler));
    handler->super.on_req = hj_http_on_request;
    handler->loop = http->owner;
    handler = (struct hj_http_handler *)h2o_create_handler(&host->fallback_path, sizeof(*handler));
    handler->super.on_req = hj_http_on_request;
    handler->loop = http->owner;
}

int hj_http_open(struct hj_loop *loop)
{
    struct hj_http *http = calloc(1, sizeof(*http));
    if (http == NULL)
        return HIJACK_ENOMEM;
    /* libh2o closes the descriptor of each of its sockets: it gets a copy */
    int poller = fcntl(loop->poller.fd, F_DUPFD_CLOEXEC, 0);
    if (poller == -1 || !hj_compat_sink_open(&http->sink)) {
        if (poller != -1)
            close(poller);
        hj_compat_sink_close(&http->sink);
        free(http);
        return HIJACK_ELIMIT;
    }
    http->owner = loop;
    loop->http = http;
    h2o_linklist_init_anchor(&http->conns);
    h2o_linklist_init_anchor(&http->holds);
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
    h2o_context_dispose(&http->context);
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

void hj_http_connection_closed(struct hj_loop *loop, int reason)
{
    hj_conn_count_closed(loop, reason);
    hj_acceptor_connection_closed(loop);
}

static void on_close(void *data)
{
    struct hj_http_conn *conn = data;
    struct hj_loop *loop = conn->loop;
    h2o_linklist_unlink(&conn->link);
    --loop->http->conn_count;
    hj_loop_uncount(loop, HIJACK_STAT_HTTP, 1);
    if (!conn->taken)
        hj_http_connection_closed(loop, conn->reason);
    free(conn);
}

void hj_http_begin(struct hj_loop *loop, struct hj_conn *from, const char *data, size_t len)
{
    struct hj_http *http = loop->http;
    struct hj_http_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        hj_conn_close(loop, from, HIJACK_ENOMEM);
        return;
    }
    if (http->conn_count == 0)
        h2o_evloop_run(http->loop, 0); /* it has not run for a while, and its clock with it */
    int fd = hj_conn_release(loop, from, NULL);
    conn->loop = loop;
    conn->reason = HIJACK_ECLOSED;
    conn->sock = h2o_evloop_socket_create(http->loop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    conn->sock->on_close.cb = on_close;
    conn->sock->on_close.data = conn;
    h2o_linklist_insert(&http->conns, &conn->link);
    ++http->conn_count;
    hj_loop_count(loop, HIJACK_STAT_HTTP, 1);
    h2o_iovec_t room = h2o_buffer_reserve(&conn->sock->input, len);
    if (room.base == NULL) {
        h2o_socket_close(conn->sock);
        return;
    }
    memcpy(room.base, data, len);
    conn->sock->input->size += len;
    http->dirty = true;
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

/* Held routes that were asked for on a connection libh2o had already: taken over here, outside of its callbacks. */
static void begin_holds(struct hj_loop *loop)
{
    struct hj_http *http = loop->http;
    while (!h2o_linklist_is_empty(&http->holds)) {
        struct hj_pending *pending = PENDING_OF_LINK(http->holds.next);
        const struct hj_route *route = pending->route;
        struct hj_client client = pending->client;
        bool is_head = pending->is_head;
        struct hj_input *input;
        h2o_linklist_unlink(&pending->hold_link);
        int fd = hj_http_take_pending(loop, pending, &input);
        if (fd == -1)
            continue;
        struct hj_conn *conn = hj_conn_open(loop, fd, HJ_CONN_READING);
        if (conn == NULL) {
            free(input);
            close(fd);
            hj_http_connection_closed(loop, HIJACK_ENOMEM);
            continue;
        }
        conn->input = input;
        if (hj_holding_route(loop, conn, route, client, is_head))
            hj_reading_process(loop, conn);
    }
}

void hj_http_settle(struct hj_loop *loop)
{
    struct hj_http *http = loop->http;
    while (http->dirty || !h2o_linklist_is_empty(&http->holds)) {
        http->dirty = false;
        h2o_evloop_run(http->loop, 0);
        begin_holds(loop);
    }
}

struct taking {
    bool done;
    int fd;
    struct hj_input *input;
};

static void on_upgraded(void *data, h2o_socket_t *sock, size_t reqsize)
{
    struct taking *taking = data;
    h2o_socket_export_t info;
    taking->done = true;
    if (sock == NULL)
        return;
    struct hj_http_conn *conn = sock->on_close.data;
    size_t left = sock->input->size - reqsize;
    if (left != 0) {
        taking->input = malloc(sizeof(*taking->input) + left);
        if (taking->input == NULL) {
            conn->reason = HIJACK_ENOMEM;
            h2o_socket_close(sock);
            return;
        }
        *taking->input = (struct hj_input){.len = (uint32_t)left, .capacity = (uint32_t)left};
        memcpy(taking->input->data, sock->input->bytes + reqsize, left);
    }
    conn->taken = true;
    h2o_socket_export(sock, &info);
    h2o_buffer_dispose(&info.input);
    taking->fd = info.fd;
}

int hj_http_take_pending(struct hj_loop *loop, struct hj_pending *pending, struct hj_input **input)
{
    struct taking taking = {.fd = -1};
    pending->taken = true;
    hj_compat_upgrade_silently(pending->req, &loop->http->sink, on_upgraded, &taking);
    /* the write into the sink is complete; libh2o says so in its next turn */
    while (!taking.done)
        h2o_evloop_run(loop->http->loop, 0);
    loop->http->dirty = true;
    *input = taking.input;
    return taking.fd;
}

int hj_http_take(struct hj_loop *loop, struct hj_request *request, struct hj_input **input)
{
    return hj_http_take_pending(loop, request->http, input);
}

void hj_http_drain(struct hj_loop *loop)
{
    struct hj_http *http = loop->http;
    h2o_context_request_shutdown(&http->context);
    for (h2o_linklist_t *link = http->conns.next; link != &http->conns; link = link->next) {
        struct hj_http_conn *conn = CONN_OF_LINK(link);
        /* an idle connection sees its peer end, and closes; one with part of a request goes on */
        if (conn->pending == NULL && conn->sock->input->size == 0 && !h2o_socket_is_writing(conn->sock))
            shutdown(h2o_socket_get_fd(conn->sock), SHUT_RD);
    }
}

void hj_http_abandon(struct hj_loop *loop)
{
    struct hj_http *http = loop->http;
    h2o_context_request_shutdown(&http->context);
    h2o_linklist_t *next;
    for (h2o_linklist_t *link = http->conns.next; link != &http->conns; link = next) {
        struct hj_http_conn *conn = CONN_OF_LINK(link);
        next = link->next;
        conn->reason = HIJACK_ESHUTDOWN;
        if (conn->pending != NULL && !conn->pending->responded && !conn->pending->taken)
            hj_http_refuse(conn->pending->req, 503, "the server stops");
        shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
    }
    /* each of them now fails to read or write, and closes */
    while (http->conn_count != 0)
        h2o_evloop_run(http->loop, 10);
}
