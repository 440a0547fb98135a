/* Relayed WebSockets; see websocket_relay.h. Loop thread. Its flag SHUT: the peer was told that the other one has
 * ended; EOF: the peer has said that of itself; RESET: the other one has died. */
#include "loop/held/websocket_relay.h"

#include "codec/websocket.h"
#include "loop/held/websocket.h"
#include "loop/held/websocket_closing.h"
#include "loop/io/relay.h"
#include "loop/io/transport.h"
#include "loop/io/writer.h"

static void close_with(struct hj_loop *loop, struct hj_conn *conn, unsigned code, struct hj_slice reason)
{
    struct hj_buf *frame = hj_ws_close_frame(code, reason);
    if (frame == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_websocket_close(loop, conn, frame);
    hj_buf_unref(frame);
}

/* The other one has ended, and everything from it was written. */
static void tell_end(struct hj_loop *loop, struct hj_conn *conn)
{
    if ((conn->flags & HJ_CONN_HALF_CLOSES) == 0) {
        close_with(loop, conn, HJ_WS_NORMAL, HJ_SLICE(""));
        return;
    }
    conn->flags |= HJ_CONN_SHUT;
    hj_writer_send_own(loop, conn, hj_ws_frame(HJ_WS_BINARY, true, HJ_SLICE("")));
}

/* Tells the peer what has become of the other one. */
static void tell_peer(struct hj_loop *loop, struct hj_conn *conn)
{
    const struct hj_conn *other = hj_relay_partner(loop, conn);
    if (other == NULL && hj_relay_is_paired(loop, conn))
        return; /* it closes in this turn, and then the reason is here too */
    if (conn->channel != NULL && hj_channel_waits(conn->channel))
        return; /* it is on its way */
    if (other == NULL && (conn->flags & HJ_CONN_RESET) != 0) {
        conn->flags &= (uint16_t)~HJ_CONN_RESET; /* this one ends in order */
        close_with(loop, conn, HJ_WS_INTERNAL_ERROR, HJ_SLICE("the other side was cut off"));
    } else if (other == NULL) {
        close_with(loop, conn, HJ_WS_NORMAL, HJ_SLICE(""));
    }
    if (other != NULL && (other->flags & HJ_CONN_EOF) != 0 && other->input == NULL && (conn->flags & HJ_CONN_SHUT) == 0)
        tell_end(loop, conn);
}

/* Of a dead one all that was received is passed on, as soon as the other one takes it: nobody will report the rest. */
static void read_relayed(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    if ((events & HJ_POLL_GONE) != 0)
        hj_transport_unpoll(loop, conn); /* it would be reported for ever */
    const bool is_dead = (conn->flags & HJ_CONN_UNPOLLED) != 0;
    if (is_dead)
        events |= HJ_POLL_IN | HJ_POLL_GONE;
    do {
        if (hj_relay_takes(loop, conn))
            hj_websocket_read_once(loop, conn, events);
        else if (is_dead && conn->input == NULL && !hj_transport_has_unread(loop, conn))
            hj_conn_close(loop, conn, hj_transport_error(loop, conn));
    } while (is_dead && hj_conn_is_open(conn) && conn->kind == HJ_CONN_RELAY && hj_relay_takes(loop, conn));
}

void hj_websocket_relay(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    read_relayed(loop, conn, events);
    if (hj_conn_is_live_websocket(conn))
        tell_peer(loop, conn);
    if (hj_conn_is_open(conn))
        hj_relay_update(loop, conn, 0);
    if (!hj_conn_is_open(conn) || conn->kind != HJ_CONN_RELAY)
        return;
    const unsigned wanted = conn->input == NULL && hj_relay_takes(loop, conn) ? HJ_POLL_IN | HJ_POLL_PEER : 0;
    hj_conn_set_interest(loop, conn, (conn->backlog != NULL ? HJ_POLL_OUT : 0) | wanted);
}
