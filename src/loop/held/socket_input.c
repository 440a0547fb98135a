/* Reading by credit; see socket_input.h. Loop thread.
 *
 * Bytes are read only while the socket has credit and the queue has room; what is not read stays in the kernel, which
 * makes the peer wait. EOF comes after the last byte. The poller is level-triggered, so whatever cannot be acted on
 * now is taken out of its interest, and looked at again when credit or room comes. */
#include "loop/held/socket_input.h"

#include "loop/held/websocket.h"
#include "loop/held/websocket_closing.h"
#include "loop/held/websocket_state.h"
#include "loop/io/transport.h"
#include "loop/producer.h"

/* Pushes a DATA event; takes over buf. False if that closed the connection. */
static bool push_data(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *buf)
{
    struct hj_channel *channel = conn->channel;
    if (channel->credit != UINT64_MAX)
        channel->credit -= buf->len;
    struct hj_event *event = hj_event_new(HIJACK_EVENT_DATA, &channel->object, buf);
    if (event == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    hj_loop_push(loop, channel->queue, event);
    return true;
}

/* Of a WebSocket the credit counts messages, which are bounded by themselves: what is read too much waits here. */
static uint64_t may_read(const struct hj_loop *loop, const struct hj_conn *conn)
{
    uint64_t chunk = loop->server->options.read_chunk_bytes, credit = conn->channel->credit;
    return credit < chunk && !(credit != 0 && hj_conn_is_websocket(conn)) ? credit : chunk;
}

/* Delivers from the input (leftovers) first. True when all of it is delivered. */
static bool deliver_input(struct hj_loop *loop, struct hj_conn *conn)
{
    if (hj_conn_is_websocket(conn))
        return hj_websocket_feed_input(loop, conn);
    while (conn->input != NULL) {
        struct hj_input *input = conn->input;
        uint64_t len = may_read(loop, conn);
        if (len == 0 || !hj_producer_has_room(loop, conn, conn->channel->queue))
            return false;
        if (len > input->len)
            len = input->len;
        struct hj_buf *buf = hj_buf_copy(input->data + input->start, len);
        if (buf == NULL) {
            hj_conn_close(loop, conn, HIJACK_ENOMEM);
            return false;
        }
        input->start += (uint32_t)len;
        input->len -= (uint32_t)len;
        if (input->len == 0)
            hj_conn_drop_input(conn);
        if (!push_data(loop, conn, buf))
            return false;
    }
    return true;
}

static void push_eof(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_channel *channel = conn->channel;
    struct hj_event *event = hj_event_new(HIJACK_EVENT_EOF, &channel->object, NULL);
    if (event == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_loop_push(loop, channel->queue, event);
}

/* The peer's end, after its last byte. */
static void saw_eof(struct hj_loop *loop, struct hj_conn *conn)
{
    conn->flags |= HJ_CONN_EOF;
    if ((conn->flags & HJ_CONN_RESET) != 0) {
        hj_conn_close(loop, conn, HIJACK_ERESET);
        return;
    }
    if (hj_conn_is_websocket(conn)) {
        hj_websocket_peer_ended(loop, conn);
        return;
    }
    push_eof(loop, conn);
    if ((conn->flags & HJ_CONN_SHUT) != 0)
        hj_conn_close_gracefully(loop, conn, 0, false);
}

/* Whether the peer has ended and every byte was read. */
static bool at_end(struct hj_loop *loop, const struct hj_conn *conn)
{
    return (conn->flags & HJ_CONN_PEER_ENDED) != 0 && conn->input == NULL && !hj_transport_has_unread(loop, conn);
}

/* There is no credit to find the end by reading, which a program that gives none would never hear of. */
static void look_for_end(struct hj_loop *loop, struct hj_conn *conn)
{
    if ((conn->flags & HJ_CONN_RESET) != 0) { /* it is reported once */
        saw_eof(loop, conn);
        return;
    }
    if (!at_end(loop, conn))
        return;
    /* over TLS a FIN alone is no end: only close_notify is */
    if ((hj_transport_attend(loop, conn, 0) & HJ_POLL_GONE) != 0)
        hj_conn_close(loop, conn, hj_transport_error(loop, conn));
    else if (at_end(loop, conn))
        saw_eof(loop, conn);
}

/* Reads once. True if there may be more to read. */
static bool read_some(struct hj_loop *loop, struct hj_conn *conn)
{
    uint64_t len = may_read(loop, conn);
    if (len == 0) {
        look_for_end(loop, conn);
        return false;
    }
    if (!hj_producer_has_room(loop, conn, conn->channel->queue))
        return false;
    if (len > HJ_SCRATCH_SIZE)
        len = HJ_SCRATCH_SIZE;
    ssize_t n = hj_transport_read(loop, conn, loop->scratch, (size_t)len);
    if (n == HIJACK_ECLOSED)
        saw_eof(loop, conn);
    else if (n < 0)
        hj_conn_close(loop, conn, (int)n);
    if (n <= 0)
        return false;
    conn->in_ms = hj_loop_time(loop);
    /* a short read has emptied the kernel's buffer, unless the end follows */
    bool more = (uint64_t)n == len || (conn->flags & HJ_CONN_PEER_ENDED) != 0;
    if (hj_conn_is_websocket(conn))
        return hj_websocket_feed(loop, conn, loop->scratch, (size_t)n) && more;
    struct hj_buf *buf = hj_buf_copy(loop->scratch, (size_t)n);
    if (buf == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    return push_data(loop, conn, buf) && more;
}

static bool is_reading(const struct hj_conn *conn)
{
    return hj_conn_is_open(conn) && conn->kind == HJ_CONN_SOCKET &&
           (conn->flags & (HJ_CONN_EOF | HJ_CONN_ENDING | HJ_CONN_DETACHING)) == 0;
}

/* What the poller should report of this socket now. */
static unsigned interest_of(const struct hj_conn *conn)
{
    unsigned events = conn->backlog != NULL ? HJ_POLL_OUT : 0;
    if (is_reading(conn) && (conn->flags & HJ_CONN_STALLED) == 0 && conn->channel->credit != 0)
        events |= HJ_POLL_IN;
    if ((conn->flags & HJ_CONN_PEER_ENDED) == 0)
        events |= HJ_POLL_PEER;
    return events;
}

void hj_socket_input_update(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->kind == HJ_CONN_CONNECTING)
        return;
    if (is_reading(conn) && deliver_input(loop, conn) && (conn->flags & (HJ_CONN_PEER_ENDED | HJ_CONN_UNPOLLED)) != 0) {
        /* at most a few turns: after the peer's end there is only what the kernel still has */
        while (is_reading(conn) && read_some(loop, conn))
            ;
    }
    if (hj_conn_is_open(conn) && conn->channel != NULL)
        hj_conn_set_interest(loop, conn, interest_of(conn));
}

void hj_socket_input_pause(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_channel *channel = conn->channel;
    const struct hj_websocket *state = hj_conn_is_websocket(conn) ? hj_websocket_find(loop, conn) : NULL;
    struct hj_event *event = hj_event_new(HIJACK_EVENT_PAUSED, &channel->object, NULL);
    if (event == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    hj_loop_push(loop, channel->queue, event);
    if (state != NULL && state->closer != HJ_WEBSOCKET_OPEN)
        return; /* it delivers nothing, and reads until the peer has closed */
    channel->credit = 0;
    hj_socket_input_update(loop, conn);
}

/* Both directions are dead. What the peer had sent before may still be wanted: then the connection stays, unpolled, as
 * long as there is credit, or after a graceful end until there is. False if it was closed. */
static bool outlives(struct hj_loop *loop, struct hj_conn *conn)
{
    int error = hj_transport_error(loop, conn);
    bool reset = error != HIJACK_ECLOSED;
    bool done = (conn->flags & (HJ_CONN_ENDING | HJ_CONN_DETACHING)) != 0 || conn->backlog != NULL;
    bool unread = conn->input != NULL || hj_transport_has_unread(loop, conn);
    bool wanted = unread && (!reset || conn->channel->credit != 0);
    if (done || !wanted) {
        bool shut = (conn->flags & HJ_CONN_SHUT) != 0 && !reset;
        if (shut && !done && (conn->flags & HJ_CONN_EOF) == 0)
            push_eof(loop, conn); /* it has ended as we have */
        hj_conn_close(loop, conn, shut ? 0 : error);
        return false;
    }
    hj_transport_unpoll(loop, conn);
    conn->flags |= (uint16_t)(reset ? HJ_CONN_RESET : 0);
    return true;
}

void hj_socket_input_read(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    if (conn->channel->credit == 0 || (events & HJ_POLL_GONE) != 0) /* how it has ended only the transport knows */
        events = hj_transport_attend(loop, conn, events);
    if ((events & (HJ_POLL_PEER | HJ_POLL_GONE)) != 0)
        conn->flags |= HJ_CONN_PEER_ENDED;
    if ((events & HJ_POLL_GONE) != 0 && !outlives(loop, conn))
        return;
    if ((events & HJ_POLL_PEER) != 0 && conn->channel->credit == 0 && is_reading(conn))
        hj_conn_hang_up(loop, conn);
    if ((events & HJ_POLL_IN) != 0 && is_reading(conn) && deliver_input(loop, conn) && is_reading(conn))
        read_some(loop, conn);
    hj_socket_input_update(loop, conn);
}

/* Whether the body has its end, or the program has said so and the command is on its way. */
static bool is_finished(const struct hj_conn *conn)
{
    return (conn->flags & HJ_CONN_ENDING) != 0 ||
           (conn->channel != NULL && atomic_load(&conn->channel->state) == HJ_CHANNEL_CLOSING);
}

void hj_socket_input_watch(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    events = hj_transport_attend(loop, conn, events);
    if ((events & HJ_POLL_GONE) != 0) {
        hj_conn_close(loop, conn, hj_transport_error(loop, conn));
        return;
    }
    /* a pipelined request, or bytes that nobody asked for, wait in the kernel */
    hj_conn_set_interest(loop, conn, conn->interest & ~(events & (HJ_POLL_IN | HJ_POLL_PEER)));
    if ((events & HJ_POLL_PEER) == 0)
        return;
    conn->flags |= HJ_CONN_PEER_ENDED;
    if (is_finished(conn))
        return; /* the rest of what the peer asked for is on its way */
    if (conn->channel != NULL)
        hj_conn_hang_up(loop, conn);
    else
        hj_conn_close(loop, conn, HIJACK_ECLOSED);
}

void hj_socket_input_linger(struct hj_loop *loop, struct hj_conn *conn)
{
    /* bounded: the sweep ends it after a while however much the peer sends */
    if (hj_transport_discard(loop, conn) < 0)
        hj_conn_close(loop, conn, 0);
}
