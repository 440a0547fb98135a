/* Writing; see writer.h. Loop thread. */
#include "loop/io/writer.h"

#include "loop/fanout/shard.h"

bool hj_writer_need_backlog(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog == NULL) {
        if ((conn->backlog = hj_backlog_new()) == NULL)
            return false;
        hj_shard_mark(loop, conn);
        hj_shard_limit_unsent(loop, conn);
    }
    hj_conn_set_interest(loop, conn, conn->interest | HJ_POLL_OUT);
    return hj_conn_is_open(conn);
}

void hj_writer_drop_empty(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog->count != 0 || conn->kind == HJ_CONN_CONNECTING) /* which nothing can be written to */
        return;
    hj_conn_drop_backlog(loop, conn);
    hj_shard_mark(loop, conn);
    hj_conn_set_interest(loop, conn, conn->interest & ~(unsigned)HJ_POLL_OUT);
}

static void count_written(struct hj_loop *loop, struct hj_conn *conn, size_t n)
{
    conn->out_ms = hj_loop_time(loop);
    hj_loop_count(loop, HIJACK_STAT_BYTES_OUT, n);
}

/* The program's bytes left its account; false if that closed the connection. */
static bool release_counted(struct hj_loop *loop, struct hj_conn *conn, uint64_t counted)
{
    if (counted == 0 || conn->channel == NULL || hj_channel_release(conn->channel, counted))
        return true;
    hj_conn_close(loop, conn, HIJACK_ENOMEM);
    return false;
}

/* Puts what is left after `written` bytes into the backlog. */
static bool keep_rest(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count, bool counted,
                      size_t written)
{
    for (int i = 0; i < count; ++i) {
        size_t offset = written < bufs[i]->len ? written : bufs[i]->len;
        written -= offset;
        if (offset == bufs[i]->len)
            continue;
        if (!hj_writer_need_backlog(loop, conn) ||
            !hj_backlog_append(conn->backlog, bufs[i], NULL, counted, (uint32_t)offset)) {
            hj_conn_close(loop, conn, HIJACK_ENOMEM);
            return false;
        }
        hj_loop_count(loop, HIJACK_STAT_BACKLOG_BYTES, bufs[i]->len - offset);
        hj_loop_note_backlog(loop, conn->backlog->bytes);
    }
    return true;
}

static bool send_bufs(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count, bool counted)
{
    ssize_t n = 0;
    /* after the last chunk, or our FIN, nothing of the program goes out, whatever was under way */
    const unsigned silent = HJ_CONN_DISCARD | HJ_CONN_ENDING | HJ_CONN_DETACHING | HJ_CONN_SHUTTING;
    if (!hj_conn_is_open(conn))
        return false;
    if ((conn->flags & silent) != 0 && counted) {
        for (int i = 0; i < count; ++i)
            n += bufs[i]->len;
        return release_counted(loop, conn, (uint64_t)n);
    }
    if (conn->backlog == NULL)
        n = hj_transport_write(loop, conn, bufs, count, 0);
    if (n < 0) {
        hj_conn_close(loop, conn, (int)n);
        return false;
    }
    if (n > 0)
        count_written(loop, conn, (size_t)n);
    if (!keep_rest(loop, conn, bufs, count, counted, (size_t)n))
        return false;
    return release_counted(loop, conn, counted ? (uint64_t)n : 0);
}

bool hj_writer_send(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *buf, bool counted)
{
    return send_bufs(loop, conn, &buf, 1, counted);
}

bool hj_writer_send_own(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *buf)
{
    bool sent = buf != NULL && hj_writer_send(loop, conn, buf, false);
    if (buf == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    hj_buf_unref(buf);
    return sent;
}

bool hj_writer_send_all(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count)
{
    return send_bufs(loop, conn, bufs, count, true);
}

bool hj_writer_send_shared(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count)
{
    return send_bufs(loop, conn, bufs, count, false);
}

bool hj_writer_send_bytes(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len)
{
    ssize_t n = 0;
    if (!hj_conn_is_open(conn))
        return false;
    if (conn->backlog == NULL)
        n = hj_transport_write_bytes(loop, conn, data, len);
    if (n < 0) {
        hj_conn_close(loop, conn, (int)n);
        return false;
    }
    if (n > 0)
        count_written(loop, conn, (size_t)n);
    if ((size_t)n == len)
        return true;
    struct hj_buf *rest = hj_buf_copy(data + n, len - (size_t)n);
    if (rest == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    bool kept = keep_rest(loop, conn, &rest, 1, false, 0);
    hj_buf_unref(rest);
    return kept;
}

bool hj_writer_flush(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_buf *bufs[HJ_TRANSPORT_BUFS];
    int rc = hj_transport_flush(loop, conn);
    if (rc < 0)
        hj_conn_close(loop, conn, rc);
    if (rc <= 0)
        return false;
    while (conn->backlog != NULL) {
        int count = hj_backlog_peek(conn->backlog, bufs, HJ_TRANSPORT_BUFS);
        ssize_t n = hj_transport_write(loop, conn, bufs, count, conn->backlog->offset);
        if (n < 0)
            hj_conn_close(loop, conn, (int)n);
        if (n <= 0)
            return false;
        count_written(loop, conn, (size_t)n);
        hj_loop_uncount(loop, HIJACK_STAT_BACKLOG_BYTES, (uint64_t)n);
        uint64_t counted = hj_backlog_consume(conn->backlog, (uint64_t)n);
        hj_writer_drop_empty(loop, conn);
        if (!release_counted(loop, conn, counted))
            return false;
    }
    return true;
}
