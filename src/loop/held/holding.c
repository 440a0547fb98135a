/* How connections come to be held; see holding.h. Loop thread. */
#include "loop/held/holding.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/broadcaster.h"
#include "core/listener.h"
#include "loop/fanout/shard.h"
#include "loop/held/ending.h"
#include "loop/held/socket_input.h"
#include "loop/http/pending.h"
#include "loop/io/acceptor.h"
#include "loop/io/writer.h"

/* The encoded head of a held route for this client, made anew each second for its Date. NULL when out of memory. */
static struct hj_held_head *route_head(struct hj_loop *loop, const struct hj_route *route, struct hj_client client,
                                       unsigned *form)
{
    struct hj_held_head *cached = &loop->held_heads[route - loop->server->routes];
    time_t now = time(NULL);
    *form = client.minor_version == 0 ? 0 : client.keep_alive ? 1 : 2;
    if (cached->second != now) {
        for (int i = 0; i < 3; ++i) {
            hj_buf_unref(cached->head[i]);
            cached->head[i] = NULL;
        }
        cached->second = now;
    }
    if (cached->head[*form] == NULL) {
        struct hj_opening opening;
        if (hj_opening_hold(&opening, route->kind, hj_slice(route->headers->data, route->headers->len), client,
                            &loop->server->options) != 0)
            return NULL;
        if (opening.head == NULL)
            opening.head = hj_buf_new(0);
        cached->head[*form] = opening.head;
        cached->how[*form] = (uint16_t)((unsigned)opening.wire | (opening.keep_alive ? HJ_HOLD_KEEP_ALIVE : 0));
    }
    return cached->head[*form] == NULL ? NULL : cached;
}

/* A member that was counted and did not come to be. */
static void uncount(struct hj_broadcaster *broadcaster)
{
    atomic_fetch_sub_explicit(&broadcaster->members, 1, memory_order_relaxed);
}

/* Makes an open connection a member, counted already, that nobody has a handle of. */
static bool hold(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster, uint64_t how,
                 struct hj_buf *head)
{
    hj_conn_set_kind(loop, conn, HJ_CONN_HELD);
    conn->wire = (uint8_t)(how & HJ_HOLD_WIRE);
    conn->flags = (uint16_t)((how & HJ_HOLD_KEEP_ALIVE) != 0 ? HJ_CONN_KEEP_ALIVE : 0);
    if (head != NULL && head->len != 0 && !hj_writer_send(loop, conn, head, false)) {
        uncount(broadcaster);
        return false;
    }
    if (conn->input != NULL && conn->input->len > loop->server->options.max_head_bytes)
        conn->flags &= (uint16_t)~HJ_CONN_KEEP_ALIVE; /* so much is not worth keeping for the next request */
    if ((conn->flags & HJ_CONN_KEEP_ALIVE) == 0) {
        free(conn->input);
        conn->input = NULL;
    }
    if (hj_shard_add(loop, broadcaster, conn))
        return true;
    uncount(broadcaster);
    hj_conn_close(loop, conn, HIJACK_ENOMEM);
    return false;
}

bool hj_holding_route(struct hj_loop *loop, struct hj_conn *conn, const struct hj_route *route, struct hj_client client,
                      bool is_head)
{
    unsigned form;
    struct hj_held_head *head = route_head(loop, route, client, &form);
    if (head == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    if (!is_head) {
        hj_broadcaster_address(route->broadcaster, &loop->worker);
        atomic_fetch_add_explicit(&route->broadcaster->members, 1, memory_order_relaxed);
        hold(loop, conn, route->broadcaster, head->how[form], head->head[form]);
        return false;
    }
    if (!hj_writer_send(loop, conn, head->head[form], false))
        return false;
    if ((head->how[form] & HJ_HOLD_KEEP_ALIVE) == 0 || loop->draining || conn->backlog != NULL) {
        /* no READING any more: what else the client asks for is not looked at */
        hj_conn_set_kind(loop, conn, HJ_CONN_PENDING);
        hj_conn_set_interest(loop, conn, conn->interest & HJ_POLL_OUT);
        conn->flags &= (uint16_t)~HJ_CONN_KEEP_ALIVE;
        hj_ending_begin(loop, conn, HJ_CONN_ENDING);
        return false;
    }
    conn->flags |= HJ_CONN_REUSED;
    conn->in_ms = hj_loop_time(loop);
    return true;
}

/* Why a request's connection has gone. */
static int why_gone(const struct hj_loop *loop, const struct hj_request *request)
{
    if (request->ended && request->last.status < 0)
        return request->last.status;
    return loop->stopping ? HIJACK_ESHUTDOWN : HIJACK_ECLOSED;
}

/* Gives a request's connection to the channel that it becomes; NULL, and the channel ended, if it has gone. */
static struct hj_conn *become_channel(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->other;
    struct hj_request *request = (struct hj_request *)command->object;
    struct hj_conn *conn = hj_pending_take(loop, request);
    if (conn == NULL) {
        hj_channel_end(channel, why_gone(loop, request));
        return NULL;
    }
    hj_conn_attach(loop, conn, channel);
    conn->wire = channel->wire;
    conn->flags = (uint16_t)((channel->keep_alive ? HJ_CONN_KEEP_ALIVE : 0) | (channel->discard ? HJ_CONN_DISCARD : 0));
    return conn;
}

void hj_holding_stream(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = become_channel(loop, command);
    if (conn != NULL)
        hj_writer_send(loop, conn, command->buf, false);
}

void hj_holding_hijack(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = become_channel(loop, command);
    if (conn != NULL && (command->buf == NULL || hj_writer_send(loop, conn, command->buf, false)))
        hj_reader_update(loop, conn);
}

void hj_holding_request(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_request *request = (struct hj_request *)command->object;
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->other;
    struct hj_conn *conn = hj_pending_take(loop, request);
    if (conn == NULL) {
        if (!request->is_head)
            uncount(broadcaster);
        return;
    }
    if (!request->is_head) {
        hold(loop, conn, broadcaster, command->value, command->buf);
        return;
    }
    /* to HEAD the head is the whole response */
    conn->flags = (uint16_t)((command->value & HJ_HOLD_KEEP_ALIVE) != 0 ? HJ_CONN_KEEP_ALIVE : 0);
    if (command->buf != NULL && !hj_writer_send(loop, conn, command->buf, false))
        return;
    hj_ending_begin(loop, conn, HJ_CONN_ENDING);
}

/* Puts an adopted descriptor into the table. NULL, and the descriptor closed, if it cannot be held. */
static struct hj_conn *adopt(struct hj_loop *loop, int fd)
{
    struct hj_conn *conn = loop->stopping ? NULL : hj_conn_open(loop, fd, HJ_CONN_HELD);
    if (conn == NULL) {
        close(fd);
        return NULL;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    atomic_fetch_add(&loop->server->connections, 1);
    hj_worker_count(loop, HIJACK_STAT_CONNECTIONS, 1);
    hj_worker_count(loop, HIJACK_STAT_ADOPTED, 1);
    hj_listener_prepare(fd, &loop->server->options);
    return conn;
}

void hj_holding_adopt(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->object;
    struct hj_conn *conn = adopt(loop, command->fd);
    if (conn == NULL) {
        hj_channel_end(channel, loop->stopping ? HIJACK_ESHUTDOWN : HIJACK_ENOMEM);
        return;
    }
    hj_conn_attach(loop, conn, channel);
    conn->wire = HJ_WIRE_RAW;
    if (command->buf != NULL && !hj_conn_keep_input(conn, command->buf->data, command->buf->len))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_reader_update(loop, conn);
}

void hj_holding_adopt_member(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->object;
    struct hj_conn *conn = adopt(loop, command->fd);
    if (conn != NULL)
        hold(loop, conn, broadcaster, command->value, command->buf);
    else
        uncount(broadcaster);
}
