/* The transports; see transport.h. Loop thread. */
#include "loop/io/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os/socket.h"
#include "core/address.h"
#include "loop/http2/stream.h"
#include "loop/io/plain.h"
#include "loop/ready.h"
#include "loop/tls/layer.h"

/* Of bytes that nobody wants: little, so that a peer that pours delays nobody. */
#define DISCARD_AT_ONCE 16384

static bool is_tls(const struct hj_conn *conn)
{
    return conn->transport == HJ_TRANSPORT_TLS || conn->transport == HJ_TRANSPORT_TLS_OBJECT;
}

/* Asks for room while the transport has something to send by itself. */
static bool ask_for_room_of(struct hj_loop *loop, struct hj_conn *conn)
{
    return hj_tls_is_flushed(loop, conn) || hj_transport_set_interest(loop, conn, conn->interest | HJ_POLL_OUT);
}

/* Sees to it that what was received and not read is found in this turn, or the next. */
static bool note_unread(struct hj_loop *loop, struct hj_conn *conn)
{
    return !is_tls(conn) || (hj_transport_pending(loop, conn) & conn->interest) == 0 || hj_ready_add(loop, conn);
}

ssize_t hj_transport_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count,
                           size_t offset)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        return hj_stream_write(loop, conn, bufs, count, offset);
    if (!is_tls(conn))
        return hj_plain_send_all(conn->fd, bufs, count, offset);
    ssize_t n = hj_tls_write(loop, conn, bufs, count, offset);
    return n < 0 || ask_for_room_of(loop, conn) ? n : HIJACK_ENOMEM;
}

bool hj_transport_is_descriptor(const struct hj_conn *conn)
{
    return conn->transport == HJ_TRANSPORT_PLAIN || conn->transport == HJ_TRANSPORT_PAIR;
}

ssize_t hj_transport_write_bytes(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len)
{
    if (!is_tls(conn) && conn->transport != HJ_TRANSPORT_HTTP2)
        return hj_plain_send(conn->fd, data, len);
    struct hj_buf *buf = hj_buf_copy(data, len);
    ssize_t n = buf == NULL ? HIJACK_ENOMEM : hj_transport_write(loop, conn, &buf, 1, 0);
    hj_buf_unref(buf);
    return n;
}

/* A read that brings a part of a record, or what is for TLS alone, gives nothing. A dead connection is not reported
 * again: its end is looked for now. What the kernel has of it is bounded. */
static ssize_t read_tls(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len)
{
    const bool is_dead = (conn->flags & HJ_CONN_UNPOLLED) != 0;
    ssize_t n;
    do
        n = hj_tls_read(loop, conn, data, len);
    while (n == 0 && is_dead);
    return n;
}

ssize_t hj_transport_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        return hj_stream_read(loop, conn, data, len);
    ssize_t n = is_tls(conn) ? read_tls(loop, conn, data, len) : hj_plain_receive(conn->fd, data, len);
    if (n > 0)
        hj_loop_count(loop, HIJACK_STAT_BYTES_IN, (uint64_t)n);
    if (n >= 0 && is_tls(conn) && (!ask_for_room_of(loop, conn) || !note_unread(loop, conn)))
        return HIJACK_ENOMEM;
    return n;
}

unsigned hj_transport_attend(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    if (!is_tls(conn))
        return events;
    int rc = hj_tls_pull(loop, conn);
    if (rc != 0 || !ask_for_room_of(loop, conn))
        return events | HJ_POLL_GONE;
    return (events & ~(unsigned)HJ_POLL_IN) | hj_transport_pending(loop, conn);
}

unsigned hj_transport_pending(struct hj_loop *loop, const struct hj_conn *conn)
{
    if (!is_tls(conn))
        return 0;
    if (hj_tls_error(loop, conn) != 0)
        return HJ_POLL_IN | HJ_POLL_PEER;
    return hj_tls_has_unread(loop, conn) ? HJ_POLL_IN : 0;
}

int hj_transport_flush(struct hj_loop *loop, struct hj_conn *conn)
{
    int rc = is_tls(conn) ? hj_tls_flush(loop, conn) : 1;
    if (rc == 1 && is_tls(conn) && conn->backlog == NULL &&
        !hj_transport_set_interest(loop, conn, conn->interest & ~(unsigned)HJ_POLL_OUT))
        return HIJACK_ENOMEM;
    return rc;
}

bool hj_transport_is_flushed(struct hj_loop *loop, const struct hj_conn *conn)
{
    return !is_tls(conn) || hj_tls_is_flushed(loop, conn);
}

int hj_transport_discard(struct hj_loop *loop, struct hj_conn *conn)
{
    /* with MSG_TRUNC TCP throws the bytes away without copying them; a unix socket needs a place for them */
    ssize_t n = recv(conn->fd, loop->scratch, DISCARD_AT_ONCE, MSG_DONTWAIT | MSG_TRUNC);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return 0;
    return n == 0 ? HIJACK_ECLOSED : hj_plain_reason(errno);
}

bool hj_transport_has_unread(struct hj_loop *loop, const struct hj_conn *conn)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        return false;
    return (is_tls(conn) && hj_tls_has_unread(loop, conn)) || hj_socket_has_unread(conn->fd);
}

int hj_transport_error(struct hj_loop *loop, const struct hj_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);
    const int known = is_tls(conn) ? hj_tls_error(loop, conn) : 0;
    if (known != 0 && known != HIJACK_ECLOSED)
        return known;
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return hj_plain_reason(error);
}

void hj_transport_shutdown(struct hj_loop *loop, struct hj_conn *conn)
{
    if (is_tls(conn))
        hj_tls_shutdown(loop, conn);
    else
        shutdown(conn->fd, SHUT_WR);
}

bool hj_transport_say_last(struct hj_loop *loop, struct hj_conn *conn)
{
    if (!is_tls(conn))
        return true;
    hj_tls_shutdown(loop, conn);
    return hj_tls_is_flushed(loop, conn);
}

void hj_transport_keep_trailers(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *last)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        hj_stream_keep_trailers(loop, conn, last);
}

bool hj_transport_finish(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->transport != HJ_TRANSPORT_HTTP2)
        return false;
    hj_stream_finish(loop, conn);
    return true;
}

void hj_transport_refresh(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        hj_stream_refresh(loop, conn);
}

bool hj_transport_set_interest(struct hj_loop *loop, struct hj_conn *conn, unsigned interest)
{
    if (is_tls(conn) && !hj_tls_is_flushed(loop, conn))
        interest |= HJ_POLL_OUT;
    if (conn->interest == interest)
        return note_unread(loop, conn);
    const unsigned polled = conn->interest | (conn->lazy_in ? HJ_POLL_IN : 0u);
    /* also without the poller: it decides what counts as unread */
    conn->interest = interest & (HJ_POLL_IN | HJ_POLL_OUT | HJ_POLL_PEER);
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        return true;
    if ((conn->flags & HJ_CONN_UNPOLLED) != 0)
        return note_unread(loop, conn);
    const bool enough = polled == (conn->interest | HJ_POLL_IN);
    conn->lazy_in = enough && polled != conn->interest;
    return (enough || hj_poller_change(&loop->poller, conn->fd, interest, conn->index)) && note_unread(loop, conn);
}

bool hj_transport_take_events(struct hj_loop *loop, struct hj_conn *conn, unsigned *events)
{
    if (!conn->lazy_in || (*events & HJ_POLL_IN) == 0)
        return true;
    *events &= ~(unsigned)HJ_POLL_IN;
    conn->lazy_in = false;
    return hj_poller_change(&loop->poller, conn->fd, conn->interest, conn->index);
}

void hj_transport_unpoll(struct hj_loop *loop, struct hj_conn *conn)
{
    if ((conn->flags & HJ_CONN_UNPOLLED) != 0)
        return;
    hj_poller_remove(&loop->poller, conn->fd);
    conn->flags |= HJ_CONN_UNPOLLED;
}

bool hj_transport_poll(struct hj_loop *loop, struct hj_conn *conn)
{
    if (!hj_poller_add(&loop->poller, conn->fd, conn->interest, conn->index))
        return false;
    conn->flags &= (uint16_t)~HJ_CONN_UNPOLLED;
    return true;
}

int hj_transport_export(struct hj_loop *loop, struct hj_conn *conn)
{
    int fd = conn->fd;
    if (fd != -1)
        hj_transport_unpoll(loop, conn);
    conn->fd = -1;
    return fd;
}

bool hj_transport_copy_keys(void **copy, struct hj_loop *loop, const struct hj_conn *conn)
{
    *copy = is_tls(conn) ? hj_tls_copy(loop, conn) : NULL;
    return *copy != NULL || !is_tls(conn);
}

void hj_transport_moved(struct hj_loop *loop, struct hj_conn *conn)
{
    if (is_tls(conn))
        hj_tls_moved(loop, conn);
    conn->transport = HJ_TRANSPORT_PLAIN;
    conn->fd = -1; /* given away */
}

void hj_transport_drop_keys(const struct hj_conn *conn, void *copy)
{
    if (is_tls(conn))
        hj_tls_drop_copy(conn, copy);
}

bool hj_transport_take_keys(struct hj_loop *loop, const struct hj_conn *conn, void *copy)
{
    return !is_tls(conn) || hj_tls_take_copy(loop, conn, copy);
}

void hj_transport_drop_moved(const struct hj_conn *conn, void *copy)
{
    if (is_tls(conn))
        hj_tls_drop_moved(conn, copy);
}

void hj_transport_close(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    bool reset = reason == HIJACK_EABORTED || reason == HIJACK_ESLOW || (conn->flags & HJ_CONN_RESET) != 0;
    if (conn->transport == HJ_TRANSPORT_HTTP2) {
        hj_stream_close(loop, conn, reason);
        return;
    }
    if (is_tls(conn))
        hj_tls_close(loop, conn, reset);
    /* out of the poller before the close: a forked child may hold a copy of the descriptor, and the poller would go on
     * reporting it */
    int fd = hj_transport_export(loop, conn);
    if (fd == -1)
        return; /* given away */
    /* the peer shall see the end now, even if a forked child holds a copy: the mere close would then do nothing */
    if (!reset || !hj_socket_reset(fd))
        shutdown(fd, SHUT_RDWR);
    close(fd);
}

struct hj_facts *hj_transport_facts(struct hj_loop *loop, const struct hj_conn *conn)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        return hj_stream_facts(loop, conn);
    return is_tls(conn) ? hj_tls_facts(loop, conn) : NULL;
}

struct hj_slice hj_transport_peer(struct hj_loop *loop, char *out, size_t size, const struct hj_conn *conn)
{
    if (conn->peer_port == 0)
        return hj_address_of_peer(out, size,
                                  conn->transport == HJ_TRANSPORT_HTTP2 ? hj_stream_descriptor(loop, conn) : conn->fd);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = conn->peer_port, .sin_addr = {conn->peer_ip}};
    int n = hj_address_format(out, size, (const struct sockaddr *)&v4, sizeof(v4));
    return hj_slice(out, n < 0 ? 0 : (size_t)n);
}
