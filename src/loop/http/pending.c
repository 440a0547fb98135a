/* Requests that await their answer; see pending.h. Loop thread. */
#include "loop/http/pending.h"

#include <string.h>

#include "core/address.h"
#include "core/route.h"
#include "loop/held/ending.h"
#include "loop/http/refusal.h"
#include "loop/http/request_body.h"
#include "loop/io/writer.h"
#include "loop/producer.h"

/* The longest body that is held in memory, whatever max_body_bytes allows. */
#define WHOLE_MAX (1u << 30)

static struct hj_queue *choose_queue(const struct hj_server *server, const struct hj_route *route, uint8_t assigned)
{
    if (route != NULL && route->queue != NULL)
        return route->queue;
    return server->queue_count == 0 ? NULL : server->queues[assigned % server->queue_count];
}

static void park(struct hj_producer *producer, struct hj_request *request)
{
    hj_object_ref(&request->object);
    request->parked = NULL;
    if (producer->parked_head == NULL)
        producer->parked_head = request;
    else
        producer->parked_tail->parked = request;
    producer->parked_tail = request;
}

static struct hj_request *unpark(struct hj_producer *producer)
{
    struct hj_request *request = producer->parked_head;
    producer->parked_head = request->parked;
    return request;
}

static void deliver_request(struct hj_loop *loop, struct hj_request *request)
{
    struct hj_event *event = hj_event_new(HIJACK_EVENT_REQUEST, &request->object, hj_buf_ref(request->buf));
    if (event == NULL) {
        hj_conn_close(loop, request->conn, HIJACK_ENOMEM);
        return;
    }
    event->hook = hj_request_event_hook;
    event->status = request->in_pieces;
    request->delivered = true;
    hj_loop_count(loop, HIJACK_STAT_REQUESTS, 1);
    hj_loop_push(loop, request->queue, event);
    if ((request->conn->flags & HJ_CONN_PEER_ENDED) != 0)
        hj_conn_hang_up(loop, request->conn);
}

/* Whether the queue is full; then the loop is resumed when it has room. */
static bool must_wait(struct hj_producer *producer, struct hj_queue *queue)
{
    return hj_queue_full(queue) && hj_queue_wait(queue, &producer->waiter);
}

/* Sends a whole response, after which the connection goes on or ends. The request ends once the response is accepted
 * for writing; if it is not, with the reason that closes the connection. */
static void send_response(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *response, bool keep_alive)
{
    conn->flags |= (uint16_t)(keep_alive ? HJ_CONN_KEEP_ALIVE : 0);
    if (!hj_writer_send(loop, conn, response, false))
        return;
    if (!hj_request_body_is_open(conn))
        hj_conn_end_request(conn, 0);
    hj_ending_begin(loop, conn, HJ_CONN_ENDING);
}

/* The request of a server that has no queue. */
static void answer_not_found(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_buf *response;
    bool keep_alive;
    struct hj_fields none = {0};
    struct hj_client client = conn->request->client;
    bool is_head = conn->request->is_head;
    hj_conn_end_request(conn, 0);
    if (hj_response_whole(&response, &keep_alive, 404, HJ_SLICE("Content-Type: text/plain; charset=utf-8\r\n"), &none,
                          client, !is_head, HJ_SLICE("404 Not Found: nothing is served here\n"),
                          &loop->server->options) != 0) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    send_response(loop, conn, response, keep_alive);
    hj_buf_unref(response);
}

static void submit(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_request *request = conn->request;
    hj_conn_set_kind(loop, conn, HJ_CONN_PENDING);
    if (request->queue == NULL) {
        answer_not_found(loop, conn);
        return;
    }
    struct hj_producer *producer = hj_producer_of(loop, request->queue);
    if (producer->parked_head != NULL || must_wait(producer, request->queue))
        park(producer, request);
    else
        deliver_request(loop, request);
}

/* Gives the connection its request. */
static bool make_request(struct hj_loop *loop, struct hj_conn *conn, struct hj_queue *queue, const struct hj_head *head,
                         bool in_pieces)
{
    char peer[HJ_ADDRESS_TEXT_SIZE];
    struct hj_request *request;
    size_t room = in_pieces || head->chunked ? 0 : (size_t)head->content_length;
    if (hj_request_new(&request, loop->server, &loop->worker, queue, head,
                       hj_transport_peer(loop, peer, sizeof(peer), conn), hj_transport_facts(loop, conn), room) != 0)
        return false;
    request->in_pieces = in_pieces;
    request->listener = conn->listener;
    atomic_store(&request->has_body, in_pieces);
    conn->request = request; /* takes over the reference */
    request->conn = conn;
    return true;
}

size_t hj_pending_begin(struct hj_loop *loop, struct hj_conn *conn, const struct hj_route *route,
                        const struct hj_head *head, struct hj_slice rest)
{
    const struct hj_route_options *options = hj_route_options_of(loop->server, route);
    bool body = hj_request_body_follows(head);
    struct hj_queue *queue = choose_queue(loop->server, route, conn->queue);
    bool in_pieces = body && queue != NULL && options->request_body == HJ_BODY_PIECES;
    uint64_t max_bytes = options->max_body_bytes;
    if (!in_pieces && max_bytes > WHOLE_MAX)
        max_bytes = WHOLE_MAX;
    if (head->content_length > max_bytes) {
        hj_refusal_send(loop, conn, 413, "the body is over the limit (option max_body_bytes)");
        return 0;
    }
    if (!make_request(loop, conn, queue, head, in_pieces) || (body && !hj_request_body_begin(conn, head, max_bytes))) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return 0;
    }
    if (!body || in_pieces) {
        submit(loop, conn);
        if (hj_request_body_is_open(conn))
            hj_request_body_poll(loop, conn);
        return 0;
    }
    hj_conn_set_kind(loop, conn, HJ_CONN_BODY);
    size_t used = hj_request_body_feed(loop, conn, rest.base, rest.len);
    if (hj_request_body_settle(conn))
        submit(loop, conn);
    else if (hj_request_body_is_open(conn))
        hj_request_body_start(loop, conn);
    return used;
}

/* The last byte of the body was taken. */
static void body_ended(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->kind == HJ_CONN_BODY) {
        submit(loop, conn);
        return;
    }
    bool answered = atomic_load(&conn->request->answer) != HJ_ANSWER_OPEN;
    hj_conn_unstall(loop, conn); /* it brings nothing any more, and may have ended while it waited for room */
    if (answered && (conn->kind != HJ_CONN_PENDING || (conn->flags & HJ_CONN_ENDING) != 0))
        hj_conn_end_request(conn, 0); /* what it became, if anything, goes on without it */
    if (conn->kind == HJ_CONN_PENDING)
        hj_conn_set_interest(loop, conn, conn->interest | HJ_POLL_PEER);
    hj_ending_settle(loop, conn);
}

void hj_pending_advance(struct hj_loop *loop, struct hj_conn *conn)
{
    hj_request_body_update(loop, conn);
    if (!hj_conn_is_open(conn))
        return;
    if (hj_request_body_settle(conn)) {
        body_ended(loop, conn);
    } else if (hj_request_body_is_given_up(conn)) {
        conn->flags &= (uint16_t)~HJ_CONN_KEEP_ALIVE;
        hj_ending_settle(loop, conn); /* at once, if the answer is written */
    }
}

void hj_pending_watch(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    events = hj_transport_attend(loop, conn, events);
    if ((events & HJ_POLL_GONE) != 0) {
        hj_conn_close(loop, conn, hj_transport_error(loop, conn));
        return;
    }
    if ((events & HJ_POLL_PEER) != 0) {
        conn->flags |= HJ_CONN_PEER_ENDED;
        if (conn->request != NULL && conn->request->delivered)
            hj_conn_hang_up(loop, conn);
    }
    /* what follows waits in the kernel, and an end is reported once */
    if (hj_conn_is_open(conn))
        hj_conn_set_interest(loop, conn, conn->interest & ~(events & (HJ_POLL_IN | HJ_POLL_PEER)));
}

/* NULL if it is closed or about to be. */
static struct hj_conn *open_conn(const struct hj_request *request)
{
    return request->conn != NULL && hj_conn_is_open(request->conn) ? request->conn : NULL;
}

struct hj_conn *hj_pending_take(struct hj_request *request)
{
    struct hj_conn *conn = open_conn(request);
    if (conn != NULL && !hj_request_body_is_open(conn))
        hj_conn_end_request(conn, 0);
    return conn;
}

int hj_pending_why_gone(const struct hj_loop *loop, const struct hj_request *request)
{
    if (request->conn != NULL && request->conn->kind == HJ_CONN_CLOSING && (int)request->conn->out_ms < 0)
        return (int)request->conn->out_ms;
    if (request->ended && request->last.status < 0)
        return request->last.status;
    return loop->stopping ? HIJACK_ESHUTDOWN : HIJACK_ECLOSED;
}

static void resume_parked(struct hj_loop *loop, struct hj_producer *producer)
{
    while (producer->parked_head != NULL) {
        struct hj_request *request = producer->parked_head;
        bool open = open_conn(request) != NULL;
        if (open && must_wait(producer, request->queue))
            return;
        unpark(producer);
        if (open)
            deliver_request(loop, request);
        hj_object_unref(&request->object);
    }
}

void hj_pending_resume(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < hj_producer_count(loop); ++i)
        resume_parked(loop, &loop->producers[i]);
}

void hj_pending_abandon(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < hj_producer_count(loop); ++i) {
        struct hj_producer *producer = &loop->producers[i];
        while (producer->parked_head != NULL) {
            struct hj_request *request = unpark(producer);
            hj_object_unref(&request->object);
        }
    }
}

void hj_pending_respond(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = open_conn((struct hj_request *)command->object);
    if (conn != NULL)
        send_response(loop, conn, command->buf, command->value != 0);
}

void hj_pending_read(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = open_conn((struct hj_request *)command->object);
    if (conn == NULL || !hj_request_body_is_open(conn) || hj_request_body_is_discarded(conn))
        return;
    hj_request_body_add_credit(loop, conn, command->value);
    hj_pending_advance(loop, conn);
}

void hj_pending_freed(struct hj_loop *loop, struct hj_request *request)
{
    struct hj_conn *conn = open_conn(request);
    if (conn == NULL)
        return;
    if (atomic_load(&request->answer) == HJ_ANSWER_NEVER) {
        hj_refusal_send(loop, conn, 500, "the program did not answer");
        return;
    }
    if (!hj_request_body_is_open(conn))
        return;
    if (!hj_request_body_discard(loop, conn))
        conn->flags &= (uint16_t)~HJ_CONN_KEEP_ALIVE;
    hj_pending_advance(loop, conn);
    if (hj_conn_is_open(conn))
        hj_ending_settle(loop, conn);
}
