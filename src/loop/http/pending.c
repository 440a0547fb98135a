/* Requests from the wire to the queue, and their answers back; see pending.h. Loop thread. */
#include "loop/http/pending.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/handle.h"
#include "core/address.h"
#include "loop/held/ending.h"
#include "loop/http/request_head.h"
#include "loop/io/acceptor.h"
#include "loop/io/writer.h"

struct hj_conn *hj_pending_open(struct hj_loop *loop, int fd, uint8_t deal)
{
    struct hj_conn *conn = hj_conn_open(loop, fd, HJ_CONN_PENDING);
    if (conn == NULL) {
        close(fd);
        hj_conn_count_closed(loop, HIJACK_ENOMEM);
        hj_acceptor_connection_closed(loop);
        return NULL;
    }
    conn->deal = deal;
    return conn;
}

static struct hj_queue *choose_queue(const struct hj_server *server, const struct hj_route *route, uint8_t deal)
{
    if (route != NULL && route->queue != NULL)
        return route->queue;
    return server->queue_count == 0 ? NULL : server->queues[deal % server->queue_count];
}

static struct hj_slice peer_of(char *out, size_t size, int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    int n = getpeername(fd, (struct sockaddr *)&sa, &len);
    if (n == 0)
        n = hj_address_format(out, size, (const struct sockaddr *)&sa, len);
    return n < 0 ? HJ_SLICE("unknown:") : hj_slice(out, (size_t)n);
}

static void park(struct hj_inlet *inlet, struct hj_request *request)
{
    hj_object_ref(&request->object);
    request->parked = NULL;
    if (inlet->parked_head == NULL)
        inlet->parked_head = request;
    else
        inlet->parked_tail->parked = request;
    inlet->parked_tail = request;
}

static struct hj_request *unpark(struct hj_inlet *inlet)
{
    struct hj_request *request = inlet->parked_head;
    inlet->parked_head = request->parked;
    return request;
}

static void deliver(struct hj_loop *loop, struct hj_request *request)
{
    struct hj_event *event = hj_event_new(HIJACK_EVENT_REQUEST, &request->object, hj_buf_ref(request->buf));
    if (event == NULL) {
        hj_handle_discard(request->object.handle);
        hj_conn_close(loop, request->conn, HIJACK_ENOMEM);
        return;
    }
    event->undelivered = hj_request_undelivered;
    request->delivered = true;
    hj_worker_count(loop, HIJACK_STAT_REQUESTS, 1);
    hj_queue_push(request->queue, event);
}

/* Whether the queue is full; then the loop is told when it is not. */
static bool must_wait(struct hj_inlet *inlet, struct hj_queue *queue)
{
    return hj_queue_full(queue) && hj_queue_wait(queue, &inlet->waiter);
}

/* Sends a whole response, after which the connection goes on or ends. */
static void answer(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *response, bool keep_alive)
{
    conn->flags |= (uint16_t)(keep_alive ? HJ_CONN_KEEP_ALIVE : 0);
    if (hj_writer_send(loop, conn, response, false))
        hj_ending_begin(loop, conn, HJ_CONN_ENDING);
}

/* For a server that has no queue. */
static void not_found(struct hj_loop *loop, struct hj_conn *conn, const struct hj_head *head)
{
    struct hj_buf *response;
    bool keep_alive;
    struct hj_fields none = {0};
    struct hj_client client = {head->minor_version, head->keep_alive};
    if (hj_opening_respond(&response, &keep_alive, 404, HJ_SLICE("Content-Type: text/plain; charset=utf-8\r\n"), &none,
                           client, !hj_slice_equal(head->method, HJ_SLICE("HEAD")),
                           HJ_SLICE("404 Not Found: nothing is served here\n"), &loop->server->options) != 0) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    answer(loop, conn, response, keep_alive);
    hj_buf_unref(response);
}

void hj_pending_submit(struct hj_loop *loop, struct hj_conn *conn, const struct hj_head *head, struct hj_slice body,
                       struct hj_slice rest)
{
    char peer[HJ_ADDRESS_TEXT_SIZE];
    struct hj_request *request;
    if (body.len > loop->server->options.max_body_bytes) {
        hj_reading_refuse(loop, conn, 413, "the body is over the limit (option max_body_bytes)");
        return;
    }
    const struct hj_route *route = hj_reading_route(loop->server, head->path);
    struct hj_queue *queue = choose_queue(loop->server, route, conn->deal);
    if (!hj_conn_keep_input(conn, rest.base, rest.len)) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    if (queue == NULL) {
        not_found(loop, conn, head);
        return;
    }
    if (hj_request_new(&request, loop->server, &loop->worker, queue, head, peer_of(peer, sizeof(peer), conn->fd),
                       body) != 0) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    conn->request = request; /* takes over the reference */
    request->conn = conn;
    /* a pipelined request waits its turn in the kernel, and a peer that only stopped sending still wants its answer */
    hj_conn_set_interest(loop, conn, 0);
    struct hj_inlet *inlet = hj_loop_inlet(loop, queue);
    if (inlet->parked_head != NULL || must_wait(inlet, queue))
        park(inlet, request);
    else
        deliver(loop, request);
}

static void resume(struct hj_loop *loop, struct hj_inlet *inlet)
{
    while (inlet->parked_head != NULL) {
        if (inlet->parked_head->conn != NULL && must_wait(inlet, inlet->parked_head->queue))
            return;
        struct hj_request *request = unpark(inlet);
        if (request->conn != NULL)
            deliver(loop, request);
        else
            hj_handle_discard(request->object.handle); /* its client left before the program heard of it */
        hj_object_unref(&request->object);
    }
}

void hj_pending_resume(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < hj_loop_inlet_count(loop); ++i)
        resume(loop, &loop->inlets[i]);
}

void hj_pending_abandon(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < hj_loop_inlet_count(loop); ++i)
        while (loop->inlets[i].parked_head != NULL) {
            struct hj_request *request = unpark(&loop->inlets[i]);
            hj_handle_discard(request->object.handle);
            hj_object_unref(&request->object);
        }
}

struct hj_conn *hj_pending_take(struct hj_loop *loop, struct hj_request *request)
{
    struct hj_conn *conn = request->conn;
    if (conn == NULL)
        return NULL;
    hj_conn_leave(loop, conn, 0);
    hj_conn_set_interest(loop, conn, HJ_POLL_IN | HJ_POLL_PEER);
    return conn;
}

void hj_pending_respond(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = ((struct hj_request *)command->object)->conn;
    if (conn != NULL)
        answer(loop, conn, command->buf, command->value != 0);
}

void hj_pending_freed(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = ((struct hj_request *)command->object)->conn;
    if (conn != NULL)
        hj_reading_refuse(loop, conn, 500, "the program did not answer");
}
