/* The life of a table entry; see conn.h. Loop thread. */
#include "loop/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/request.h"
#include "loop/fanout/shard.h"
#include "loop/io/acceptor.h"

static const uint32_t kind_stat[HJ_CONN_KINDS] = {
    [HJ_CONN_READING] = HIJACK_STAT_READING, [HJ_CONN_PENDING] = HIJACK_STAT_HTTP,   [HJ_CONN_HELD] = HIJACK_STAT_HELD,
    [HJ_CONN_STREAM] = HIJACK_STAT_STREAMS,  [HJ_CONN_SOCKET] = HIJACK_STAT_SOCKETS,
};

static void count_kind(struct hj_loop *loop, unsigned kind, uint64_t n)
{
    if (kind != HJ_CONN_FREE && kind != HJ_CONN_LINGERING)
        hj_worker_count(loop, kind_stat[kind], n);
}

static uint64_t poll_data(const struct hj_conn *conn)
{
    return (uint64_t)conn->generation << 32 | conn->index;
}

struct hj_conn *hj_conn_open(struct hj_loop *loop, int fd, enum hj_conn_kind kind)
{
    struct hj_conn *conn = hj_table_take(&loop->table);
    if (conn == NULL)
        return NULL;
    conn->interest = HJ_POLL_IN | HJ_POLL_PEER;
    if (!hj_poller_add(&loop->poller, fd, conn->interest, poll_data(conn))) {
        hj_table_give(&loop->table, conn);
        return NULL;
    }
    conn->fd = fd;
    conn->kind = (uint8_t)kind;
    count_kind(loop, kind, 1);
    conn->in_ms = conn->out_ms = hj_loop_time(loop);
    return conn;
}

struct hj_conn *hj_conn_find(struct hj_loop *loop, uint64_t data)
{
    uint32_t index = (uint32_t)data;
    if (index == 0 || index >= loop->table.used)
        return NULL;
    struct hj_conn *conn = hj_table_at(&loop->table, index);
    return conn->fd != -1 && conn->generation == data >> 32 ? conn : NULL;
}

void hj_conn_set_kind(struct hj_loop *loop, struct hj_conn *conn, enum hj_conn_kind kind)
{
    count_kind(loop, conn->kind, (uint64_t)-1);
    conn->kind = (uint8_t)kind;
    count_kind(loop, kind, 1);
}

void hj_conn_set_interest(struct hj_loop *loop, struct hj_conn *conn, unsigned interest)
{
    if (conn->interest == interest || (conn->flags & HJ_CONN_UNPOLLED) != 0)
        return;
    conn->interest = (uint8_t)interest;
    hj_poller_change(&loop->poller, conn->fd, interest, poll_data(conn));
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

static void drop_backlog(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog == NULL)
        return;
    hj_loop_uncount(loop, HIJACK_STAT_BACKLOG_BYTES, conn->backlog->bytes);
    hj_backlog_free(conn->backlog);
    conn->backlog = NULL;
}

void hj_conn_leave(struct hj_loop *loop, struct hj_conn *conn, int status)
{
    struct hj_request *request = conn->request;
    struct hj_channel *channel = conn->channel;
    hj_shard_remove_all(loop, conn);
    if (request != NULL) {
        conn->request = NULL;
        request->conn = NULL;
        hj_request_end(request, status);
        hj_object_unref(&request->object);
    }
    if (channel == NULL)
        return;
    conn->channel = NULL;
    channel->conn = NULL;
    hj_channel_end(channel, status);
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
    hj_worker_count(loop, stat, 1);
}

int hj_conn_release(struct hj_loop *loop, struct hj_conn *conn, struct hj_input **input)
{
    int fd = conn->fd;
    if (input != NULL)
        *input = conn->input;
    else
        free(conn->input);
    drop_backlog(loop, conn);
    hj_conn_unstall(loop, conn);
    /* before the close: a forked child may hold a copy of the descriptor, and the poller would go on telling of it */
    if ((conn->flags & HJ_CONN_UNPOLLED) == 0)
        hj_poller_remove(&loop->poller, fd);
    count_kind(loop, conn->kind, (uint64_t)-1);
    hj_table_give(&loop->table, conn);
    return fd;
}

void hj_conn_close(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    hj_conn_leave(loop, conn, reason);
    if (conn->kind != HJ_CONN_LINGERING)
        hj_conn_count_closed(loop, reason);
    int fd = hj_conn_release(loop, conn, NULL);
    /* the peer shall see the end now, even if a forked child holds a copy of the descriptor: the mere close would then
     * do nothing. Dissolving the association sends a reset (tcp(7)); a unix socket knows no such thing. */
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    if (reason != HIJACK_EABORTED || connect(fd, &none, sizeof(none)) != 0)
        shutdown(fd, SHUT_RDWR);
    close(fd);
    hj_acceptor_connection_closed(loop);
}

void hj_conn_close_in_order(struct hj_loop *loop, struct hj_conn *conn, int reason, bool linger)
{
    int unread = 0;
    if (!linger && (ioctl(conn->fd, FIONREAD, &unread) != 0 || unread == 0)) {
        hj_conn_close(loop, conn, reason);
        return;
    }
    /* closing with unread bytes would send a reset, and the peer's kernel throw our last words away */
    hj_conn_leave(loop, conn, reason);
    hj_conn_count_closed(loop, reason);
    drop_backlog(loop, conn);
    hj_conn_set_kind(loop, conn, HJ_CONN_LINGERING);
    shutdown(conn->fd, SHUT_WR);
    free(conn->input);
    conn->input = NULL;
    conn->in_ms = hj_loop_time(loop);
    hj_conn_set_interest(loop, conn, HJ_POLL_IN);
}

int hj_conn_error(const struct hj_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    switch (error) {
    case 0:
        return HIJACK_ECLOSED;
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return HIJACK_ETIMEDOUT;
    default:
        return HIJACK_ERESET;
    }
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
