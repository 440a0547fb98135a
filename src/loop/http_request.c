/* Requests inside libh2o: from its handler to the queue, and the response back; see http.h. Loop thread. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/handle.h"
#include "core/address.h"
#include "core/response.h"
#include "loop/http_state.h"
#include "loop/reading.h"

static h2o_generator_t generator; /* never written to: responses are sent whole */

static void on_dispose(void *data)
{
    struct hj_pending *pending = data;
    struct hj_http_conn *conn = pending->conn;
    conn->pending = NULL;
    if (h2o_linklist_is_linked(&pending->hold_link))
        h2o_linklist_unlink(&pending->hold_link);
    if (pending->responded && conn->reason == HIJACK_ECLOSED)
        conn->reason = 0;
    struct hj_request *request = pending->request;
    if (request != NULL) {
        request->http = NULL;
        if (!pending->taken && request->delivered)
            hj_request_end(request, pending->responded ? 0 : conn->loop->stopping ? HIJACK_ESHUTDOWN : HIJACK_ECLOSED);
        hj_object_unref(&request->object);
    }
    hj_buf_unref(pending->head);
    hj_buf_unref(pending->body);
}

static void add_header(h2o_req_t *req, struct hj_slice name, struct hj_slice value)
{
    char *lower = h2o_mem_alloc_pool(&req->pool, name.len);
    for (size_t i = 0; i < name.len; ++i)
        lower[i] = hj_lower(name.base[i]);
    h2o_add_header_by_str(&req->pool, &req->res.headers, lower, name.len, 1, name.base, value.base, value.len);
}

void hj_http_refuse(h2o_req_t *req, unsigned status, const char *problem)
{
    char *body = h2o_mem_alloc_pool(&req->pool, 256);
    snprintf(body, 256, "%u %s: %s\n", status, hj_status_reason(status), problem);
    h2o_send_error_generic(req, (int)status, hj_status_reason(status), body, H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
}

/* The loop's next command may find the request gone: everything that is left of it is in libh2o's hands. */
static void refuse(struct hj_loop *loop, h2o_req_t *req, unsigned status, const char *problem)
{
    hj_loop_count(loop, HIJACK_STAT_BAD_REQUESTS, 1);
    hj_http_refuse(req, status, problem);
}

static struct hj_pending *make_pending(struct hj_http_conn *conn, h2o_req_t *req, const struct hj_head *head)
{
    struct hj_pending *pending = h2o_mem_alloc_shared(&req->pool, sizeof(*pending), on_dispose);
    memset(pending, 0, sizeof(*pending));
    pending->conn = conn;
    pending->req = req;
    pending->client = (struct hj_client){head->minor_version, head->keep_alive};
    pending->is_head = hj_slice_equal(head->method, HJ_SLICE("HEAD"));
    conn->pending = pending;
    return pending;
}

static void park(struct hj_loop *loop, struct hj_request *request)
{
    hj_object_ref(&request->object);
    request->parked = NULL;
    if (loop->parked_head == NULL)
        loop->parked_head = request;
    else
        loop->parked_tail->parked = request;
    loop->parked_tail = request;
}

/* False when out of memory. */
static bool deliver(struct hj_loop *loop, struct hj_request *request)
{
    struct hj_event *event = hj_event_new(HIJACK_EVENT_REQUEST, &request->object, hj_buf_ref(request->buf));
    if (event == NULL)
        return false;
    request->delivered = true;
    hj_loop_count(loop, HIJACK_STAT_REQUESTS, 1);
    hj_queue_push(request->queue, event);
    return true;
}

static struct hj_slice peer_of(char *out, size_t size, h2o_req_t *req)
{
    struct sockaddr_storage sa;
    socklen_t len = req->conn->callbacks->get_peername(req->conn, (struct sockaddr *)&sa);
    int n = len == 0 ? HIJACK_ETOOBIG : hj_address_format(out, size, (const struct sockaddr *)&sa, len);
    return n < 0 ? HJ_SLICE("unknown:") : hj_slice(out, (size_t)n);
}

static struct hj_queue *choose_queue(const struct hj_server *server, const struct hj_route *route, int fd)
{
    if (route != NULL && route->queue != NULL)
        return route->queue;
    return server->queue_count == 0 ? NULL : server->queues[(uint32_t)fd % server->queue_count];
}

/* Makes the request known to the program, now or when its queue has room. */
static void submit(struct hj_loop *loop, struct hj_http_conn *conn, h2o_req_t *req, const struct hj_head *head,
                   struct hj_queue *queue)
{
    char peer[HJ_ADDRESS_TEXT_SIZE];
    struct hj_request *request;
    if (hj_request_new(&request, loop->server, loop, queue, head, peer_of(peer, sizeof(peer), req),
                       hj_slice(req->entity.base, req->entity.len)) != 0) {
        hj_http_refuse(req, 503, "out of memory");
        return;
    }
    struct hj_pending *pending = make_pending(conn, req, head);
    pending->request = request; /* takes over the reference */
    request->http = pending;
    bool wait =
        loop->parked_head != NULL || (hj_queue_full(queue) && hj_queue_wait(queue, hj_loop_waiter(loop, queue)));
    if (wait)
        park(loop, request);
    else if (!deliver(loop, request))
        hj_http_refuse(req, 503, "out of memory");
}

int hj_http_on_request(h2o_handler_t *handler, h2o_req_t *req)
{
    struct hj_loop *loop = ((struct hj_http_handler *)handler)->loop;
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    struct hj_http_conn *conn = sock->on_close.data;
    struct hj_head head;
    loop->http->dirty = true;
    /* libh2o's own view of the head is laxer than ours; the bytes themselves are still here */
    int n = hj_head_parse(&head, sock->input->bytes, sock->input->size, 0, loop->server->options.max_head_bytes);
    if (n <= 0) {
        refuse(loop, req, n == 0 ? 400 : (unsigned)-n, n == 0 ? "incomplete head" : head.problem);
        return 0;
    }
    if (req->entity.len > loop->server->options.max_body_bytes) {
        refuse(loop, req, 413, "the body is over the limit (option max_body_bytes)");
        return 0;
    }
    const struct hj_route *route = hj_reading_route(loop->server, head.path);
    if (hj_reading_is_held(route, &head)) {
        struct hj_pending *pending = make_pending(conn, req, &head);
        pending->route = route;
        h2o_linklist_insert(&loop->http->holds, &pending->hold_link);
        return 0;
    }
    struct hj_queue *queue = choose_queue(loop->server, route, h2o_socket_get_fd(sock));
    if (queue == NULL) {
        h2o_send_error_404(req, "Not Found", "404 Not Found: nothing is served here\n", 0);
        return 0;
    }
    submit(loop, conn, req, &head, queue);
    return 0;
}

void hj_http_resume(struct hj_loop *loop)
{
    while (loop->parked_head != NULL) {
        struct hj_request *request = loop->parked_head;
        struct hj_queue *queue = request->queue;
        if (request->http != NULL && hj_queue_full(queue) && hj_queue_wait(queue, hj_loop_waiter(loop, queue)))
            return;
        loop->parked_head = request->parked;
        if (request->http == NULL)
            hj_handle_discard(request->object.handle); /* its client left before the program heard of it */
        else if (!deliver(loop, request))
            hj_http_refuse(((struct hj_pending *)request->http)->req, 503, "out of memory");
        loop->http->dirty = true;
        hj_object_unref(&request->object);
    }
}

/* Fields that the library writes itself. */
static bool is_ours(struct hj_slice name)
{
    return hj_slice_equal_lower(name, HJ_SLICE("connection")) ||
           hj_slice_equal_lower(name, HJ_SLICE("content-length")) || hj_slice_equal_lower(name, HJ_SLICE("date"));
}

static void set_head(struct hj_loop *loop, h2o_req_t *req, unsigned status, struct hj_buf *headers)
{
    struct hj_fields fields;
    struct hj_slice name, value;
    const char *cursor = headers->data, *end = headers->data + headers->len;
    const char *server_name = loop->server->options.server_name;
    hj_fields_check(&fields, headers->data, headers->len);
    req->res.status = (int)status;
    req->res.reason = hj_status_reason(status);
    if (!fields.has_server && server_name[0] != '\0')
        add_header(req, HJ_SLICE("Server"), hj_slice(server_name, strlen(server_name)));
    while (hj_fields_next(&name, &value, &cursor, end))
        if (!is_ours(name))
            add_header(req, name, value);
    if (fields.connection_close || loop->draining)
        req->http1_is_persistent = 0;
    if (fields.has_content_length)
        req->res.content_length = fields.content_length;
}

void hj_http_respond(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_request *request = (struct hj_request *)command->object;
    struct hj_pending *pending = request->http;
    unsigned status = (unsigned)command->value;
    if (pending == NULL) {
        hj_request_end(request, HIJACK_ECLOSED);
        return;
    }
    h2o_req_t *req = pending->req;
    bool body = !pending->is_head && status != 204 && status != 304;
    pending->head = hj_buf_ref(command->buf);
    pending->body = hj_buf_ref(command->body);
    pending->responded = true;
    set_head(loop, req, status, command->buf);
    if (status == 204)
        req->res.content_length = SIZE_MAX;
    else if (body || (pending->is_head && req->res.content_length == SIZE_MAX))
        req->res.content_length = command->body->len;
    h2o_iovec_t iov = h2o_iovec_init(command->body->data, command->body->len);
    h2o_start_response(req, &generator);
    h2o_send(req, &iov, body && iov.len != 0 ? 1 : 0, H2O_SEND_STATE_FINAL);
    loop->http->dirty = true;
}

void hj_http_request_freed(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_pending *pending = ((struct hj_request *)command->object)->http;
    if (pending == NULL)
        return;
    pending->responded = true;
    pending->req->http1_is_persistent = 0;
    h2o_send_error_generic(pending->req, 500, "Internal Server Error",
                           "500 Internal Server Error: the program did not answer\n", 0);
    loop->http->dirty = true;
}
