/* The life of a table entry; see conn.h. Loop thread. */
#include "loop/conn.h"

#include <stdlib.h>
#include <string.h>

#include "core/relay.h"
#include "core/request.h"
#include "loop/fanout/long_poll_state.h"
#include "loop/fanout/shard.h"
#include "loop/held/websocket_state.h"
#include "loop/io/transport.h"
#include "loop/ready.h"

_Static_assert(sizeof(struct hj_conn) == 64, "an entry is one line of the cache");

static const uint32_t kind_stat[HJ_CONN_KINDS] = {
    [HJ_CONN_HANDSHAKE] = HIJACK_STAT_READING,  [HJ_CONN_HEAD] = HIJACK_STAT_READING,
    [HJ_CONN_PREFACE] = HIJACK_STAT_READING,    [HJ_CONN_BODY] = HIJACK_STAT_HTTP,
    [HJ_CONN_PENDING] = HIJACK_STAT_HTTP,       [HJ_CONN_HELD] = HIJACK_STAT_HELD,
    [HJ_CONN_STREAM] = HIJACK_STAT_STREAMS,     [HJ_CONN_SOCKET] = HIJACK_STAT_SOCKETS,
    [HJ_CONN_CONNECTING] = HIJACK_STAT_SOCKETS, [HJ_CONN_RELAY] = HIJACK_STAT_RELAYED,
};

static void count_kind(struct hj_loop *loop, const struct hj_conn *conn, uint64_t n)
{
    const unsigned kind = conn->kind;
    if (kind != HJ_CONN_FREE && kind != HJ_CONN_LINGERING && kind != HJ_CONN_CLOSING &&
        conn->transport != HJ_TRANSPORT_PAIR)
        hj_loop_count(loop, kind_stat[kind], n);
}

struct hj_conn *hj_conn_open(struct hj_loop *loop, int fd, enum hj_conn_kind kind)
{
    struct hj_conn *conn = hj_table_take(&loop->table);
    if (conn == NULL)
        return NULL;
    conn->interest = HJ_POLL_IN | HJ_POLL_PEER;
    if (!hj_poller_add(&loop->poller, fd, conn->interest, conn->index)) {
        hj_table_give(&loop->table, conn);
        return NULL;
    }
    conn->fd = fd;
    conn->kind = kind & 63;
    count_kind(loop, conn, 1);
    conn->in_ms = conn->out_ms = hj_loop_time(loop);
    return conn;
}

struct hj_conn *hj_conn_open_layered(struct hj_loop *loop, enum hj_conn_transport transport, void *layer)
{
    struct hj_conn *conn = hj_table_take(&loop->table);
    if (conn == NULL)
        return NULL;
    if (!hj_table_set_layer(&loop->table, conn->index, layer)) {
        hj_table_give(&loop->table, conn);
        return NULL;
    }
    conn->transport = transport & 7;
    conn->kind = HJ_CONN_HEAD;
    count_kind(loop, conn, 1);
    conn->in_ms = conn->out_ms = hj_loop_time(loop);
    return conn;
}

struct hj_conn *hj_conn_open_unconnected(struct hj_loop *loop)
{
    struct hj_conn *conn = hj_table_take(&loop->table);
    if (conn == NULL)
        return NULL;
    conn->fd = -1;
    conn->flags = HJ_CONN_UNPOLLED;
    conn->kind = HJ_CONN_SOCKET;
    count_kind(loop, conn, 1);
    conn->in_ms = conn->out_ms = hj_loop_time(loop);
    return conn;
}

struct hj_conn *hj_conn_find(struct hj_loop *loop, uint64_t data)
{
    if (data == 0 || data >= loop->table.used)
        return NULL;
    struct hj_conn *conn = hj_table_at(&loop->table, (uint32_t)data);
    return hj_conn_is_open(conn) ? conn : NULL;
}

void hj_conn_set_kind(struct hj_loop *loop, struct hj_conn *conn, enum hj_conn_kind kind)
{
    count_kind(loop, conn, (uint64_t)-1);
    conn->kind = kind & 63;
    count_kind(loop, conn, 1);
}

void hj_conn_attach(struct hj_loop *loop, struct hj_conn *conn, struct hj_channel *channel)
{
    hj_object_ref(&channel->object);
    conn->channel = channel;
    channel->conn = conn;
    hj_conn_set_kind(loop, conn, channel->object.kind == HJ_KIND_STREAM ? HJ_CONN_STREAM : HJ_CONN_SOCKET);
}

void hj_conn_unstall(struct hj_loop *loop, struct hj_conn *conn)
{
    if ((conn->flags & HJ_CONN_STALLED) == 0)
        return;
    conn->flags &= (uint16_t)~HJ_CONN_STALLED;
    --loop->stalled;
}

void hj_conn_drop_backlog(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog == NULL)
        return;
    hj_loop_uncount(loop, HIJACK_STAT_BACKLOG_BYTES, conn->backlog->bytes);
    hj_backlog_free(conn->backlog);
    conn->backlog = NULL;
}

void hj_conn_drop_input(struct hj_conn *conn)
{
    free(conn->input);
    conn->input = NULL;
}

void hj_conn_end_request(struct hj_conn *conn, int status)
{
    struct hj_request *request = conn->request;
    if (request == NULL)
        return;
    conn->request = NULL;
    request->conn = NULL;
    hj_request_end(request, status);
    hj_object_unref(&request->object);
}

void hj_conn_leave(struct hj_loop *loop, struct hj_conn *conn, int status)
{
    struct hj_channel *channel = conn->channel;
    hj_shard_remove_all(loop, conn, status);
    hj_conn_end_request(conn, status);
    if (channel == NULL)
        return;
    conn->channel = NULL;
    channel->conn = NULL;
    if (channel->unwanted)
        channel->last.status = status; /* for the other one, if it asks */
    if (hj_channel_waits(channel)) {
        hj_relay_notify(channel->notice, status);
        channel->notice = NULL;
    }
    hj_channel_end(channel, status, hj_conn_is_websocket(conn) ? hj_websocket_last_words(loop, conn) : NULL);
    hj_object_unref(&channel->object);
}

void hj_conn_count_closed(struct hj_loop *loop, int reason)
{
    uint32_t stat;
    switch (reason) {
    case 0:
        stat = HIJACK_STAT_CLOSED_OK;
        break;
    case HIJACK_ETIMEDOUT:
        stat = HIJACK_STAT_CLOSED_TIMEOUT;
        break;
    case HIJACK_ESLOW:
        stat = HIJACK_STAT_CLOSED_SLOW;
        break;
    case HIJACK_EABORTED:
    case HIJACK_ENOMEM:
        stat = HIJACK_STAT_CLOSED_ABORTED;
        break;
    case HIJACK_ESHUTDOWN:
        stat = HIJACK_STAT_CLOSED_SHUTDOWN;
        break;
    default:
        stat = HIJACK_STAT_CLOSED_PEER;
    }
    hj_loop_count(loop, stat, 1);
}

/* Once. What is carried by a layer is no connection of its own. */
static void count_closed(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    if ((conn->flags & HJ_CONN_WAS_COUNTED) != 0 || !hj_conn_is_connection(conn))
        return;
    conn->flags |= HJ_CONN_WAS_COUNTED;
    hj_conn_count_closed(loop, reason);
}

void hj_conn_close(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    if (!hj_conn_is_open(conn))
        return;
    count_closed(loop, conn, reason);
    hj_conn_set_kind(loop, conn, HJ_CONN_CLOSING);
    hj_shard_mark(loop, conn); /* what may have been written in part is followed by nothing */
    conn->out_ms = (uint32_t)reason;
    conn->in_ms = loop->closing;
    loop->closing = conn->index;
}

void hj_conn_close_gracefully(struct hj_loop *loop, struct hj_conn *conn, int reason, bool linger)
{
    if (!hj_conn_is_open(conn))
        return;
    if (hj_transport_finish(loop, conn) ||
        (!linger && !hj_transport_has_unread(loop, conn) && hj_transport_say_last(loop, conn))) {
        hj_conn_close(loop, conn, reason);
        return;
    }
    /* closing with unread bytes would send a reset, and the peer's kernel throw our last words away */
    hj_conn_leave(loop, conn, reason);
    count_closed(loop, conn, reason);
    hj_conn_drop_backlog(loop, conn);
    hj_conn_drop_input(conn);
    hj_conn_unstall(loop, conn);
    hj_conn_set_kind(loop, conn, HJ_CONN_LINGERING);
    hj_transport_shutdown(loop, conn);
    conn->in_ms = hj_loop_time(loop);
    hj_conn_set_interest(loop, conn, HJ_POLL_IN);
}

void hj_conn_forget(struct hj_loop *loop, struct hj_conn *conn)
{
    hj_conn_drop_input(conn);
    hj_conn_drop_backlog(loop, conn);
    hj_conn_unstall(loop, conn);
    hj_websocket_forget(loop, conn);
    hj_long_poll_forget(loop, conn);
    count_kind(loop, conn, (uint64_t)-1);
    hj_table_set_layer(&loop->table, conn->index, NULL);
    hj_table_give(&loop->table, conn);
}

void hj_conn_set_interest(struct hj_loop *loop, struct hj_conn *conn, unsigned interest)
{
    if (!hj_transport_set_interest(loop, conn, interest))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
}

void hj_conn_make_ready(struct hj_loop *loop, struct hj_conn *conn)
{
    if (!hj_ready_add(loop, conn))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
}

void hj_conn_hang_up(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_object *object = conn->channel != NULL ? &conn->channel->object : &conn->request->object;
    struct hj_queue *queue = conn->channel != NULL ? conn->channel->queue : conn->request->queue;
    if ((conn->flags & HJ_CONN_HUNG_UP) != 0)
        return;
    conn->flags |= HJ_CONN_HUNG_UP;
    struct hj_event *event = hj_event_new(HIJACK_EVENT_HANGUP, object, NULL);
    if (event == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_loop_push(loop, queue, event);
}

bool hj_conn_keep_input(struct hj_conn *conn, const char *data, size_t len)
{
    struct hj_input *input = conn->input;
    size_t have = input == NULL ? 0 : input->len;
    if (len == 0)
        return true;
    if (input == NULL || input->start + have + len > input->capacity) {
        size_t capacity = input == NULL ? len : (have + len) * 2; /* what is left over often stays as it is */
        struct hj_input *more = malloc(sizeof(*more) + capacity);
        if (more == NULL || capacity > UINT32_MAX) {
            free(more);
            return false;
        }
        *more = (struct hj_input){.capacity = (uint32_t)capacity};
        if (input != NULL) {
            more->scanned = input->scanned;
            memcpy(more->data, input->data + input->start, have);
            free(input);
        }
        conn->input = input = more;
    }
    memcpy(input->data + input->start + have, data, len);
    input->len = (uint32_t)(have + len);
    return true;
}
