/* Orderly ends; see ending.h. Loop thread. */
#include "loop/held/ending.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/fanout/shard.h"
#include "loop/http/request_head.h"
#include "loop/io/acceptor.h"
#include "loop/io/writer.h"

static void detach(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_channel *channel = conn->channel;
    struct hj_buf *unread = NULL;
    struct hj_input *input = conn->input;
    if (input != NULL && (unread = hj_buf_copy(input->data + input->start, input->len)) == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    conn->channel = NULL;
    channel->conn = NULL;
    hj_channel_end_detached(channel, hj_conn_release(loop, conn, NULL), unread);
    hj_object_unref(&channel->object);
    hj_worker_count(loop, HIJACK_STAT_DETACHED, 1);
    hj_acceptor_connection_closed(loop);
}

/* The response is complete: the next request, or the end. */
static void end(struct hj_loop *loop, struct hj_conn *conn)
{
    if ((conn->flags & HJ_CONN_KEEP_ALIVE) == 0 || loop->draining || loop->stopping) {
        bool drained = conn->kind == HJ_CONN_HELD && (loop->draining || loop->stopping);
        hj_conn_close_in_order(loop, conn, drained ? HIJACK_ESHUTDOWN : 0, false);
        return;
    }
    hj_conn_leave(loop, conn, 0);
    hj_conn_set_kind(loop, conn, HJ_CONN_READING);
    conn->flags = HJ_CONN_REUSED;
    conn->in_ms = hj_loop_time(loop);
    hj_conn_set_interest(loop, conn, HJ_POLL_IN | HJ_POLL_PEER);
    hj_reading_process(loop, conn);
}

void hj_ending_settle(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog != NULL)
        return;
    if ((conn->flags & HJ_CONN_DETACHING) != 0) {
        detach(loop, conn);
    } else if ((conn->flags & HJ_CONN_ENDING) != 0) {
        end(loop, conn);
    } else if ((conn->flags & (HJ_CONN_SHUTTING | HJ_CONN_SHUT)) == HJ_CONN_SHUTTING) {
        conn->flags |= HJ_CONN_SHUT;
        shutdown(conn->fd, SHUT_WR);
        if ((conn->flags & HJ_CONN_EOF) != 0)
            hj_conn_close(loop, conn, 0);
    }
}

void hj_ending_begin(struct hj_loop *loop, struct hj_conn *conn, unsigned flag)
{
    conn->flags |= (uint16_t)flag;
    conn->out_ms = hj_loop_time(loop);
    hj_ending_settle(loop, conn);
}

void hj_ending_finish(struct hj_loop *loop, struct hj_conn *conn)
{
    hj_shard_remove_all(loop, conn);
    if (hj_wire_is_chunked(conn->wire) && (conn->flags & (HJ_CONN_DISCARD | HJ_CONN_ENDING)) == 0 &&
        !hj_writer_send(loop, conn, loop->last_chunk, false))
        return;
    hj_ending_begin(loop, conn, HJ_CONN_ENDING);
}
