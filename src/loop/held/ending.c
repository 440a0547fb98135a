/* Graceful ends; see ending.h. Loop thread. */
#include "loop/held/ending.h"

#include <unistd.h>

#include "loop/fanout/long_poll.h"
#include "loop/fanout/shard.h"
#include "loop/held/websocket_state.h"
#include "loop/http/request_body.h"
#include "loop/io/relay.h"
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
    hj_conn_drop_input(conn); /* the program gets it, and not who relays */
    bool plain = conn->transport == HJ_TRANSPORT_PLAIN;
    int fd = plain ? hj_transport_export(loop, conn) : hj_relay_begin(loop, conn);
    hj_loop_count(loop, HIJACK_STAT_DETACHED, 1); /* before the program can have it */
    const int rc = fd < 0 ? fd : hj_channel_end_detached(channel, fd, unread);
    if (rc != 0) {
        hj_loop_uncount(loop, HIJACK_STAT_DETACHED, 1);
        if (fd >= 0)
            close(fd);
        hj_buf_unref(unread);
        hj_conn_close(loop, conn, rc);
        return;
    }
    conn->channel = NULL;
    channel->conn = NULL;
    hj_object_unref(&channel->object);
    conn->flags |= HJ_CONN_WAS_COUNTED;
    if (!plain)
        return;                   /* the connection stays here, and its bytes are relayed */
    hj_conn_close(loop, conn, 0); /* of the entry alone: the connection goes on elsewhere */
}

/* The response is complete: the next request, or the end. */
static void end_response(struct hj_loop *loop, struct hj_conn *conn)
{
    bool stays = (conn->flags & HJ_CONN_KEEP_ALIVE) != 0 && !loop->draining && !loop->stopping;
    if (hj_request_body_is_open(conn) && (stays || !hj_request_body_is_discarded(conn))) {
        hj_transport_finish(loop, conn);
        hj_conn_set_kind(loop, conn, HJ_CONN_PENDING); /* until the body has ended too */
        hj_request_body_poll(loop, conn);
        return;
    }
    if (!stays && hj_conn_is_websocket(conn)) {
        bool lingers;
        int reason = hj_websocket_end_reason(loop, conn, &lingers);
        hj_conn_close_gracefully(loop, conn, reason, lingers);
        return;
    }
    if (!stays) {
        hj_relay_closed(loop, conn, 0);
        bool drained = conn->kind == HJ_CONN_HELD && (loop->draining || loop->stopping);
        hj_conn_close_gracefully(loop, conn, drained ? HIJACK_ESHUTDOWN : 0, hj_request_body_is_open(conn));
        return;
    }
    bool had_input = conn->input != NULL;
    hj_conn_leave(loop, conn, 0);
    hj_conn_set_kind(loop, conn, HJ_CONN_HEAD);
    conn->flags = (uint16_t)(HJ_CONN_REUSED | (conn->flags & HJ_CONN_READY));
    conn->in_ms = hj_loop_time(loop);
    hj_conn_set_interest(loop, conn, HJ_POLL_IN | HJ_POLL_PEER);
    if (had_input)
        hj_conn_make_ready(loop, conn);
}

void hj_ending_settle(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog != NULL || !hj_conn_is_open(conn) || conn->kind == HJ_CONN_LINGERING ||
        !hj_transport_is_flushed(loop, conn))
        return; /* one that lingers has had its end: a broken body came before what was asked for */
    if ((conn->flags & HJ_CONN_DETACHING) != 0) {
        detach(loop, conn);
    } else if ((conn->flags & HJ_CONN_ENDING) != 0) {
        end_response(loop, conn);
    } else if ((conn->flags & (HJ_CONN_SHUTTING | HJ_CONN_SHUT)) == HJ_CONN_SHUTTING) {
        conn->flags |= HJ_CONN_SHUT;
        hj_transport_shutdown(loop, conn);
        if ((conn->flags & HJ_CONN_EOF) != 0)
            hj_conn_close_gracefully(loop, conn, 0, false);
    }
}

void hj_ending_begin(struct hj_loop *loop, struct hj_conn *conn, unsigned flag)
{
    if (!hj_conn_is_open(conn))
        return;
    conn->flags |= (uint16_t)flag;
    conn->out_ms = hj_loop_time(loop);
    hj_ending_settle(loop, conn);
}

void hj_ending_finish(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *last)
{
    if (!hj_conn_is_open(conn))
        return;
    hj_long_poll_give_up(loop, conn);
    hj_shard_remove_all(loop, conn, loop->draining || loop->stopping ? HIJACK_ESHUTDOWN : 0);
    if (last != NULL && (conn->flags & (HJ_CONN_DISCARD | HJ_CONN_ENDING)) == 0)
        hj_transport_keep_trailers(loop, conn, last);
    if (hj_wire_is_chunked(conn->wire) && (conn->flags & (HJ_CONN_DISCARD | HJ_CONN_ENDING)) == 0 &&
        !hj_writer_send(loop, conn, last == NULL ? loop->last_chunk : last, false))
        return;
    hj_ending_begin(loop, conn, HJ_CONN_ENDING);
}
