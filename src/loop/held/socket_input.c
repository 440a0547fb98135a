/* Reading by credit; see reader.h. Loop thread.
 *
 * Bytes are read only while the socket has credit and the queue has room; what is not read stays in the kernel, which
 * makes the peer wait. EOF comes after the last byte. The poller tells level-triggered, so whatever cannot be acted on
 * now is taken out of its interest, and looked at again when credit or room comes. */
#include "loop/held/socket_input.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "loop/held/ending.h"

static void stall(struct hj_loop *loop, struct hj_conn *conn)
{
    if ((conn->flags & HJ_CONN_STALLED) == 0) {
        conn->flags |= HJ_CONN_STALLED;
        ++loop->stalled;
    }
}

/* Whether the queue has room; if not, the connection is looked at again when it has. */
static bool has_room(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_queue *queue = conn->channel->queue;
    if (!hj_queue_full(queue) || !hj_queue_wait(queue, &hj_loop_inlet(loop, queue)->waiter))
        return true;
    stall(loop, conn);
    return false;
}

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
    hj_queue_push(channel->queue, event);
    return true;
}

static uint64_t may_read(const struct hj_loop *loop, const struct hj_channel *channel)
{
    uint64_t chunk = loop->server->options.read_chunk_bytes;
    return channel->credit < chunk ? channel->credit : chunk;
}

/* Delivers from the input (leftovers) first. True when all of it is delivered. */
static bool deliver_input(struct hj_loop *loop, struct hj_conn *conn)
{
    while (conn->input != NULL) {
        struct hj_input *input = conn->input;
        uint64_t len = may_read(loop, conn->channel);
        if (len == 0 || !has_room(loop, conn))
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
        if (input->len == 0) {
            free(input);
            conn->input = NULL;
        }
        if (!push_data(loop, conn, buf))
            return false;
    }
    return true;
}

static void saw_eof(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_channel *channel = conn->channel;
    conn->flags |= HJ_CONN_EOF;
    if ((conn->flags & (HJ_CONN_SHUT | HJ_CONN_RESET)) != 0) {
        hj_conn_close(loop, conn, (conn->flags & HJ_CONN_RESET) != 0 ? HIJACK_ERESET : 0);
        return;
    }
    struct hj_event *event = hj_event_new(HIJACK_EVENT_EOF, &channel->object, NULL);
    if (event == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_queue_push(channel->queue, event);
}

/* Whether the peer has ended and every byte was read. */
static bool at_end(const struct hj_conn *conn)
{
    int unread = 0;
    return (conn->flags & HJ_CONN_PEER) != 0 && conn->input == NULL && ioctl(conn->fd, FIONREAD, &unread) == 0 &&
           unread == 0;
}

/* Reads once. True if there may be more to read. */
static bool read_some(struct hj_loop *loop, struct hj_conn *conn)
{
    uint64_t len = may_read(loop, conn->channel);
    if (len == 0) {
        /* after a reset nobody will tell of it again, and who gives no credit would never learn */
        if ((conn->flags & HJ_CONN_RESET) != 0 || at_end(conn))
            saw_eof(loop, conn);
        return false;
    }
    if (!has_room(loop, conn))
        return false;
    if (len > HJ_SCRATCH_SIZE)
        len = HJ_SCRATCH_SIZE;
    ssize_t n = recv(conn->fd, loop->scratch, len, MSG_DONTWAIT);
    if (n == -1) {
        if (errno != EAGAIN && errno != EINTR)
            hj_conn_close(loop, conn, errno == ETIMEDOUT ? HIJACK_ETIMEDOUT : HIJACK_ERESET);
        return false;
    }
    if (n == 0) {
        saw_eof(loop, conn);
        return false;
    }
    conn->in_ms = hj_loop_time(loop);
    hj_worker_count(loop, HIJACK_STAT_BYTES_IN, (uint64_t)n);
    struct hj_buf *buf = hj_buf_copy(loop->scratch, (size_t)n);
    if (buf == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    /* a short read has emptied the kernel's buffer, unless the end follows */
    bool more = (uint64_t)n == len || (conn->flags & HJ_CONN_PEER) != 0;
    return push_data(loop, conn, buf) && more;
}

/* What the poller should tell of this socket now. */
static unsigned interest(const struct hj_conn *conn)
{
    unsigned events = conn->backlog != NULL ? HJ_POLL_OUT : 0;
    bool readable = (conn->flags & (HJ_CONN_EOF | HJ_CONN_STALLED | HJ_CONN_ENDING | HJ_CONN_DETACHING)) == 0;
    if (readable && conn->channel->credit != 0)
        events |= HJ_POLL_IN;
    if ((conn->flags & HJ_CONN_PEER) == 0)
        events |= HJ_POLL_PEER;
    return events;
}

void hj_reader_update(struct hj_loop *loop, struct hj_conn *conn)
{
    uint32_t generation = conn->generation;
    if ((conn->flags & (HJ_CONN_EOF | HJ_CONN_ENDING | HJ_CONN_DETACHING)) == 0 && deliver_input(loop, conn) &&
        conn->generation == generation && (conn->flags & (HJ_CONN_PEER | HJ_CONN_UNPOLLED)) != 0) {
        /* at most a few turns: after the peer's end there is only what the kernel still has */
        while (read_some(loop, conn))
            ;
    }
    if (conn->generation != generation || conn->channel == NULL)
        return;
    hj_conn_set_interest(loop, conn, interest(conn));
}

/* Both directions are dead. What the peer had sent before may still be wanted: then the connection stays, unpolled, as
 * long as there is credit, or after an end in order until there is. False if it was closed. */
static bool outlives(struct hj_loop *loop, struct hj_conn *conn)
{
    int unread = 0;
    int error = hj_conn_error(conn);
    bool reset = error != HIJACK_ECLOSED;
    bool done = (conn->flags & (HJ_CONN_ENDING | HJ_CONN_DETACHING)) != 0 || conn->backlog != NULL;
    if (done || (reset && conn->channel->credit == 0) ||
        (conn->input == NULL && (ioctl(conn->fd, FIONREAD, &unread) != 0 || unread == 0))) {
        hj_conn_close(loop, conn, (conn->flags & HJ_CONN_SHUT) != 0 && !reset ? 0 : error);
        return false;
    }
    hj_poller_remove(&loop->poller, conn->fd);
    conn->flags |= (uint16_t)(HJ_CONN_UNPOLLED | (reset ? HJ_CONN_RESET : 0));
    return true;
}

void hj_reader_socket(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    uint32_t generation = conn->generation;
    if ((events & (HJ_POLL_PEER | HJ_POLL_GONE)) != 0)
        conn->flags |= HJ_CONN_PEER;
    if ((events & HJ_POLL_GONE) != 0 && !outlives(loop, conn))
        return;
    if ((events & HJ_POLL_IN) != 0 && (conn->flags & (HJ_CONN_EOF | HJ_CONN_ENDING | HJ_CONN_DETACHING)) == 0 &&
        deliver_input(loop, conn) && conn->generation == generation)
        read_some(loop, conn);
    if (conn->generation == generation && conn->channel != NULL)
        hj_reader_update(loop, conn);
}

/* Whether the body has its end, or the program has said so and the command is on its way. */
static bool is_finished(const struct hj_conn *conn)
{
    return (conn->flags & HJ_CONN_ENDING) != 0 ||
           (conn->channel != NULL && atomic_load(&conn->channel->state) == HJ_CHANNEL_CLOSING);
}

void hj_reader_watched(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    if ((events & HJ_POLL_GONE) != 0)
        hj_conn_close(loop, conn, hj_conn_error(conn));
    else if ((events & HJ_POLL_PEER) != 0 && is_finished(conn))
        /* it has said all it wants to; the rest of what it asked for is on its way */
        hj_conn_set_interest(loop, conn, conn->interest & HJ_POLL_OUT);
    else if ((events & HJ_POLL_PEER) != 0)
        hj_conn_close(loop, conn, HIJACK_ECLOSED);
    else
        /* a pipelined request, or bytes that nobody asked for: they wait in the kernel */
        hj_conn_set_interest(loop, conn, conn->interest & ~(unsigned)HJ_POLL_IN);
}

void hj_reader_lingering(struct hj_loop *loop, struct hj_conn *conn)
{
    /* bounded: the sweep ends it after a while however much the peer sends */
    ssize_t n = recv(conn->fd, loop->scratch, HJ_SCRATCH_SIZE, MSG_DONTWAIT);
    if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
        hj_conn_close(loop, conn, 0);
}

void hj_reader_resume(struct hj_loop *loop)
{
    for (uint32_t i = 1; loop->stalled != 0 && i < loop->table.used; ++i) {
        struct hj_conn *conn = hj_table_at(&loop->table, i);
        if (conn->fd == -1 || (conn->flags & HJ_CONN_STALLED) == 0)
            continue;
        hj_conn_unstall(loop, conn);
        hj_reader_update(loop, conn);
    }
}
