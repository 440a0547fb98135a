/* Writing; see writer.h. Loop thread. */
#include "loop/io/writer.h"

#include <errno.h>
#include <sys/socket.h>

#include "loop/fanout/shard.h"
#include "loop/held/ending.h"

ssize_t hj_writer_try(int fd, const char *data, size_t len)
{
    for (;;) {
        ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == ENOBUFS)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

static ssize_t try_all(int fd, struct iovec *iov, int count)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    for (;;) {
        ssize_t n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == ENOBUFS)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

bool hj_writer_need_backlog(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog == NULL) {
        if ((conn->backlog = hj_backlog_new()) == NULL)
            return false;
        hj_shard_mark(loop, conn);
    }
    hj_conn_set_interest(loop, conn, conn->interest | HJ_POLL_OUT);
    return true;
}

void hj_writer_drop_empty(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog->count != 0)
        return;
    hj_backlog_free(conn->backlog);
    conn->backlog = NULL;
    hj_shard_mark(loop, conn);
    hj_conn_set_interest(loop, conn, conn->interest & ~(unsigned)HJ_POLL_OUT);
}

static void wrote(struct hj_loop *loop, struct hj_conn *conn, size_t n)
{
    conn->out_ms = hj_loop_time(loop);
    hj_worker_count(loop, HIJACK_STAT_BYTES_OUT, n);
}

/* The program's bytes left its account; false if that closed the connection. */
static bool release(struct hj_loop *loop, struct hj_conn *conn, uint64_t owed)
{
    if (owed == 0 || conn->channel == NULL || hj_channel_release(conn->channel, owed))
        return true;
    hj_conn_close(loop, conn, HIJACK_ENOMEM);
    return false;
}

/* Puts what is left after `written` bytes into the backlog. */
static bool keep(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count, bool owed, size_t written)
{
    for (int i = 0; i < count; ++i) {
        size_t offset = written < bufs[i]->len ? written : bufs[i]->len;
        written -= offset;
        if (offset == bufs[i]->len)
            continue;
        if (!hj_writer_need_backlog(loop, conn) ||
            !hj_backlog_append(conn->backlog, bufs[i], NULL, owed, (uint32_t)offset)) {
            hj_conn_close(loop, conn, HIJACK_ENOMEM);
            return false;
        }
        hj_worker_count(loop, HIJACK_STAT_BACKLOG_BYTES, bufs[i]->len - offset);
    }
    return true;
}

static bool send_bufs(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count, bool owed)
{
    ssize_t n = 0;
    /* after the last chunk, or our FIN, nothing of the program goes out, whatever was under way */
    const unsigned silent = HJ_CONN_DISCARD | HJ_CONN_ENDING | HJ_CONN_DETACHING | HJ_CONN_SHUTTING;
    if ((conn->flags & silent) != 0 && owed) {
        for (int i = 0; i < count; ++i)
            n += bufs[i]->len;
        return release(loop, conn, (uint64_t)n);
    }
    if (conn->backlog == NULL && count == 1) {
        n = hj_writer_try(conn->fd, bufs[0]->data, bufs[0]->len);
    } else if (conn->backlog == NULL) {
        struct iovec iov[HJ_WRITER_MAX];
        for (int i = 0; i < count; ++i)
            iov[i] = (struct iovec){.iov_base = bufs[i]->data, .iov_len = bufs[i]->len};
        n = try_all(conn->fd, iov, count);
    }
    if (n < 0) {
        hj_conn_close(loop, conn, hj_conn_error(conn));
        return false;
    }
    if (n > 0)
        wrote(loop, conn, (size_t)n);
    if (!keep(loop, conn, bufs, count, owed, (size_t)n))
        return false;
    return release(loop, conn, owed ? (uint64_t)n : 0);
}

bool hj_writer_send(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *buf, bool owed)
{
    return send_bufs(loop, conn, &buf, 1, owed);
}

bool hj_writer_send_all(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count)
{
    return send_bufs(loop, conn, bufs, count, true);
}

void hj_writer_flush(struct hj_loop *loop, struct hj_conn *conn)
{
    struct iovec iov[HJ_WRITER_MAX];
    while (conn->backlog != NULL) {
        int count = hj_backlog_peek(conn->backlog, iov, HJ_WRITER_MAX);
        ssize_t n = try_all(conn->fd, iov, count);
        if (n < 0) {
            hj_conn_close(loop, conn, hj_conn_error(conn));
            return;
        }
        if (n == 0)
            return;
        wrote(loop, conn, (size_t)n);
        hj_loop_uncount(loop, HIJACK_STAT_BACKLOG_BYTES, (uint64_t)n);
        uint64_t owed = hj_backlog_consume(conn->backlog, (uint64_t)n);
        hj_writer_drop_empty(loop, conn);
        if (!release(loop, conn, owed))
            return;
    }
    hj_ending_settle(loop, conn);
}
