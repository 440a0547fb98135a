/* How connections come to be held; see holding.h. Loop thread. */
#include "loop/held/holding.h"

#include <unistd.h>

#include "base/os/socket.h"
#include "codec/query.h"
#include "core/broadcaster.h"
#include "core/history.h"
#include "core/identity.h"
#include "core/listener.h"
#include "core/membership.h"
#include "core/websocket.h"
#include "loop/fanout/catchup.h"
#include "loop/fanout/long_poll.h"
#include "loop/fanout/shard.h"
#include "loop/held/ending.h"
#include "loop/held/socket_input.h"
#include "loop/held/websocket.h"
#include "loop/http/pending.h"
#include "loop/http/refusal.h"
#include "loop/http/request_body.h"
#include "loop/io/acceptor.h"
#include "loop/io/writer.h"

/* The encoded head of a held route for this client, made anew each second for its Date. NULL when out of memory. */
static struct hj_held_head *route_head(struct hj_loop *loop, const struct hj_route *route, struct hj_client client,
                                       unsigned *form)
{
    struct hj_held_head *cached = &loop->held_heads[route - loop->server->routes];
    time_t now = time(NULL);
    *form = client.http2 ? 3 : client.minor_version == 0 ? 0 : client.keep_alive ? 1 : 2;
    if (cached->second != now) {
        for (int i = 0; i < HJ_HELD_FORMS; ++i) {
            hj_buf_unref(cached->head[i]);
            cached->head[i] = NULL;
        }
        cached->second = now;
    }
    if (cached->head[*form] == NULL) {
        struct hj_response response;
        if (hj_response_hold(&response, route->kind, hj_slice(route->headers->data, route->headers->len), client,
                             &loop->server->options) != 0)
            return NULL;
        if (response.head == NULL)
            response.head = hj_buf_new(0);
        cached->head[*form] = response.head;
        cached->how[*form] = (uint16_t)hj_response_how(&response);
    }
    return cached->head[*form] == NULL ? NULL : cached;
}

/* Makes an open connection a member, counted already, that nobody has a handle of. joining may be NULL. */
static bool hold_conn(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster, uint64_t how,
                      struct hj_buf *head, const struct hj_joining *joining)
{
    hj_conn_set_kind(loop, conn, HJ_CONN_HELD);
    conn->wire = how & HJ_HOLD_WIRE;
    conn->flags =
        (uint16_t)((conn->flags & HJ_CONN_READY) | ((how & HJ_HOLD_KEEP_ALIVE) != 0 ? HJ_CONN_KEEP_ALIVE : 0));
    hj_conn_set_interest(loop, conn, HJ_POLL_IN | HJ_POLL_PEER);
    if (!hj_shard_add(loop, broadcaster, conn, joining == NULL ? 0 : joining->user_data)) {
        hj_membership_end(broadcaster);
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    if (conn->wire == HJ_WIRE_RESPONSE ? !hj_long_poll_begin(loop, conn, broadcaster, head, how, joining)
                                       : !hj_catchup_begin(loop, conn, broadcaster, head, joining))
        return false;
    if (hj_conn_is_websocket(conn)) {
        if ((how & HJ_HOLD_WINDOW) != 0)
            hj_websocket_keep_window(loop, conn);
        if (conn->input != NULL)
            hj_conn_make_ready(loop, conn);
    } else {
        if (conn->input != NULL && conn->input->len > loop->server->options.max_head_bytes)
            conn->flags &= (uint16_t)~HJ_CONN_KEEP_ALIVE; /* so much is not worth keeping for the next request */
        if ((conn->flags & HJ_CONN_KEEP_ALIVE) == 0)
            hj_conn_drop_input(conn);
    }
    return true;
}

/* Who the client of a held route is, and where it goes on: by its Last-Event-ID, or by a parameter where the route
 * names one. */
static struct hj_joining route_joining(const struct hj_route *route, const struct hj_head *request)
{
    char text[HJ_PARAMETER_MAX];
    struct hj_joining joining = {.from = HJ_FROM_LIVE};
    struct hj_slice position = HJ_SLICE("");
    if (route->options.user_data[0] != '\0')
        joining.user_data = hj_identity_by_option(route->options.user_data, request);
    if (hj_history_of(&route->broadcaster->history) == NULL)
        return joining;
    const struct hj_slice name = hj_route_parameter(route->options.position);
    joining.tells = name.len != 0 && hj_query_parameter(&position, text, request->target, name);
    hj_head_field(&position, request, HJ_SLICE("last-event-id"));
    joining.from = hj_broadcaster_find(route->broadcaster, position);
    return joining;
}

bool hj_holding_takes(const struct hj_route *route, const struct hj_head *head)
{
    if (route == NULL || route->broadcaster == NULL || hj_request_body_follows(head))
        return false;
    return hj_slice_equal(head->method, HJ_SLICE("GET")) || hj_slice_equal(head->method, HJ_SLICE("HEAD"));
}

/* To HEAD the head is the whole response. */
static void send_head_alone(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *head, bool keep_alive)
{
    conn->flags =
        (uint16_t)((conn->flags & (HJ_CONN_PEER_ENDED | HJ_CONN_READY)) | (keep_alive ? HJ_CONN_KEEP_ALIVE : 0));
    hj_conn_set_kind(loop, conn, HJ_CONN_PENDING);
    if (head == NULL || hj_writer_send(loop, conn, head, false))
        hj_ending_begin(loop, conn, HJ_CONN_ENDING);
}

/* To HEAD of a route of long polls: what it would be answered is not known yet. */
static void answer_head_of_poll(struct hj_loop *loop, struct hj_conn *conn, struct hj_slice headers,
                                struct hj_client client)
{
    struct hj_fields fields;
    struct hj_response response;
    int rc = hj_response_check(&fields, 200, 200, headers);
    if (rc == 0)
        rc = hj_response_stream(&response, 200, headers, &fields, client, false, &loop->server->options);
    if (rc != 0) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    send_head_alone(loop, conn, response.head, response.keep_alive);
    hj_buf_unref(response.head);
}

/* All that wait on a route share its headers. */
static void hold_poll(struct hj_loop *loop, struct hj_conn *conn, const struct hj_route *route,
                      const struct hj_head *head, struct hj_client client)
{
    const struct hj_response response = hj_response_waiting(client);
    hj_membership_begin(route->broadcaster, &loop->worker);
    const struct hj_joining joining = route_joining(route, head);
    hold_conn(loop, conn, route->broadcaster, hj_response_how(&response), route->headers, &joining);
}

/* Makes the connection of a WebSocket's handshake a member. What came behind it is its first frames. */
static void hold_websocket(struct hj_loop *loop, struct hj_conn *conn, const struct hj_route *route,
                           const struct hj_head *head, bool is_head)
{
    const struct hj_slice headers = hj_slice(route->headers->data, route->headers->len);
    struct hj_websocket_offer offer;
    struct hj_websocket_refusal refusal;
    struct hj_response response;
    hj_websocket_offer_of_head(&offer, head);
    int rc = hj_websocket_accept(&response, &refusal, &offer, HJ_SLICE(""), headers, &loop->server->options);
    if (rc == HIJACK_EPROTOCOL) {
        hj_refusal_send_to(loop, conn, is_head, refusal.status, refusal.problem);
    } else if (rc != 0) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    } else {
        hj_membership_begin(route->broadcaster, &loop->worker);
        const struct hj_joining joining = route_joining(route, head);
        if (hold_conn(loop, conn, route->broadcaster, hj_response_how(&response), response.head, &joining))
            hj_conn_make_ready(loop, conn);
        hj_buf_unref(response.head);
    }
}

void hj_holding_route(struct hj_loop *loop, struct hj_conn *conn, const struct hj_route *route,
                      const struct hj_head *request)
{
    unsigned form;
    const struct hj_client client = {request->minor_version, request->keep_alive, request->http2};
    const bool is_head = hj_slice_equal(request->method, HJ_SLICE("HEAD"));
    if (client.http2 && (route->kind == HIJACK_HOLD_RAW || route->kind == HIJACK_HOLD_WEBSOCKET)) {
        hj_refusal_send_to(loop, conn, is_head, 505, "this path takes over the connection, which needs HTTP/1.1");
        return;
    }
    if (route->kind == HIJACK_HOLD_WEBSOCKET) {
        hold_websocket(loop, conn, route, request, is_head);
        return;
    }
    if (route->kind == HIJACK_HOLD_LONG_POLL) {
        if (is_head)
            answer_head_of_poll(loop, conn, hj_slice(route->headers->data, route->headers->len), client);
        else
            hold_poll(loop, conn, route, request, client);
        return;
    }
    struct hj_held_head *head = route_head(loop, route, client, &form);
    if (head == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    if (is_head) {
        send_head_alone(loop, conn, head->head[form], (head->how[form] & HJ_HOLD_KEEP_ALIVE) != 0);
        return;
    }
    hj_membership_begin(route->broadcaster, &loop->worker);
    const struct hj_joining joining = route_joining(route, request);
    hold_conn(loop, conn, route->broadcaster, head->how[form], head->head[form], &joining);
}

/* Gives a request's connection to the channel that it becomes; NULL, and the channel ended, if the connection is
 * closed. */
static struct hj_conn *attach_channel(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->other;
    struct hj_request *request = (struct hj_request *)command->object;
    struct hj_conn *conn = hj_pending_take(request);
    if (conn == NULL) {
        hj_channel_end(channel, hj_pending_why_gone(loop, request), NULL);
        return NULL;
    }
    hj_conn_attach(loop, conn, channel);
    conn->wire = channel->wire & HJ_HOLD_WIRE;
    conn->flags = (uint16_t)((conn->flags & (HJ_CONN_PEER_ENDED | HJ_CONN_STALLED | HJ_CONN_READY)) |
                             (channel->keep_alive ? HJ_CONN_KEEP_ALIVE : 0) | (channel->discard ? HJ_CONN_DISCARD : 0));
    if (channel->keeps_window)
        hj_websocket_keep_window(loop, conn);
    if ((conn->flags & HJ_CONN_PEER_ENDED) != 0)
        hj_conn_hang_up(loop, conn); /* the request's own HANGUP may have gone with it */
    return hj_conn_is_open(conn) ? conn : NULL;
}

void hj_holding_stream(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = attach_channel(loop, command);
    if (conn != NULL)
        hj_writer_send(loop, conn, command->buf, false);
}

void hj_holding_hijack(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = attach_channel(loop, command);
    if (conn != NULL && (command->buf == NULL || hj_writer_send(loop, conn, command->buf, false)))
        hj_socket_input_update(loop, conn);
}

void hj_holding_request(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_request *request = (struct hj_request *)command->object;
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->other;
    struct hj_conn *conn = hj_pending_take(request);
    if (conn == NULL) {
        if (!request->is_head)
            hj_membership_end(broadcaster);
        return;
    }
    if (!request->is_head) {
        hold_conn(loop, conn, broadcaster, command->value, command->buf, command->joining);
        return;
    }
    send_head_alone(loop, conn, command->buf, (command->value & HJ_HOLD_KEEP_ALIVE) != 0);
}

/* Puts an adopted descriptor into the table. NULL, and the descriptor closed, if it cannot be held; then why. */
static struct hj_conn *open_adopted(int *why, struct hj_loop *loop, const struct hj_command *command)
{
    int fd = hj_handover_take(&loop->worker, command);
    struct hj_conn *conn = fd == -1 || loop->stopping ? NULL : hj_conn_open(loop, fd, HJ_CONN_HELD);
    if (conn == NULL) {
        *why = loop->stopping ? HIJACK_ESHUTDOWN : fd == -1 ? HIJACK_ELIMIT : HIJACK_ENOMEM;
        if (fd != -1)
            close(fd);
        return NULL;
    }
    hj_socket_take(fd);
    atomic_fetch_add(&loop->server->connections, 1);
    hj_loop_count(loop, HIJACK_STAT_CONNECTIONS, 1);
    hj_loop_count(loop, HIJACK_STAT_ADOPTED, 1);
    hj_listener_prepare(fd, &loop->server->options);
    return conn;
}

void hj_holding_adopt(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->object;
    int why;
    struct hj_conn *conn = open_adopted(&why, loop, command);
    if (conn == NULL) {
        hj_channel_end(channel, why, NULL);
        return;
    }
    hj_conn_attach(loop, conn, channel);
    conn->wire = HJ_WIRE_RAW;
    if (command->buf != NULL && !hj_conn_keep_input(conn, command->buf->data, command->buf->len))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_socket_input_update(loop, conn);
}

void hj_holding_adopt_member(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->object;
    int why;
    struct hj_conn *conn = open_adopted(&why, loop, command);
    if (conn != NULL)
        hold_conn(loop, conn, broadcaster, command->value, command->buf, command->joining);
    else
        hj_membership_end(broadcaster);
}

void hj_holding_adopt_request(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_request *request = (struct hj_request *)command->object;
    int why;
    struct hj_conn *conn = open_adopted(&why, loop, command);
    if (conn == NULL) {
        hj_request_end(request, why);
        return;
    }
    hj_conn_set_kind(loop, conn, HJ_CONN_PENDING);
    hj_object_ref(&request->object);
    conn->request = request;
    request->conn = conn;
    hj_loop_count(loop, HIJACK_STAT_REQUESTS, 1);
    if (command->buf != NULL && !hj_conn_keep_input(conn, command->buf->data, command->buf->len))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
}
