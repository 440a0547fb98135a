/* The transports; see transport.h. Loop thread. */
#include "loop/io/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/os/socket.h"
#include "core/address.h"
#include "loop/http2/stream.h"

/* Of bytes that nobody wants: little, so that a peer that pours delays nobody. */
#define DISCARD_AT_ONCE 16384

static int reason_of(int error)
{
    switch (error) {
    case 0:
        return HIJACK_ECLOSED;
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return HIJACK_ETIMEDOUT;
    default:
        return HIJACK_ERESET; /* EPIPE too: the reset was seen before this call */
    }
}

/* What a failed send means: 0, the socket takes it later, or why the connection is over. */
static ssize_t unsent(int error)
{
    return error == EAGAIN || error == ENOBUFS ? 0 : reason_of(error);
}

ssize_t hj_transport_write_fd(int fd, const char *data, size_t len)
{
    ssize_t n;
    do
        n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
    return n >= 0 ? n : unsent(errno);
}

static ssize_t write_plain(int fd, struct hj_buf *const *bufs, int count, size_t offset)
{
    struct iovec iov[HJ_TRANSPORT_BUFS];
    for (int i = 0; i < count; ++i)
        iov[i] = (struct iovec){.iov_base = bufs[i]->data, .iov_len = bufs[i]->len};
    iov[0].iov_base = bufs[0]->data + offset;
    iov[0].iov_len -= offset;
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    ssize_t n;
    do
        n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
    return n >= 0 ? n : unsent(errno);
}

ssize_t hj_transport_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count,
                           size_t offset)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        return hj_stream_write(loop, conn, bufs, count, offset);
    if (count == 1)
        return hj_transport_write_fd(conn->fd, bufs[0]->data + offset, bufs[0]->len - offset);
    return write_plain(conn->fd, bufs, count, offset);
}

ssize_t hj_transport_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        return hj_stream_read(loop, conn, data, len);
    ssize_t n = recv(conn->fd, data, len, MSG_DONTWAIT);
    if (n > 0) {
        hj_loop_count(loop, HIJACK_STAT_BYTES_IN, (uint64_t)n);
        return n;
    }
    if (n == 0)
        return HIJACK_ECLOSED;
    return errno == EAGAIN || errno == EINTR ? 0 : reason_of(errno);
}

int hj_transport_discard(struct hj_loop *loop, struct hj_conn *conn)
{
    /* with MSG_TRUNC TCP throws the bytes away without copying them; a unix socket needs a place for them */
    ssize_t n = recv(conn->fd, loop->scratch, DISCARD_AT_ONCE, MSG_DONTWAIT | MSG_TRUNC);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return 0;
    return n == 0 ? HIJACK_ECLOSED : reason_of(errno);
}

bool hj_transport_has_unread(const struct hj_conn *conn)
{
    return conn->transport == HJ_TRANSPORT_PLAIN && hj_socket_has_unread(conn->fd);
}

int hj_transport_error(const struct hj_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return reason_of(error);
}

void hj_transport_shutdown(struct hj_conn *conn)
{
    shutdown(conn->fd, SHUT_WR);
}

void hj_transport_keep_trailers(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *last)
{
    if (conn->transport == HJ_TRANSPORT_HTTP2)
        hj_stream_keep_trailers(loop, conn, last);
}

bool hj_transport_finish(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->transport == HJ_TRANSPORT_PLAIN)
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
    if (conn->interest == interest || (conn->flags & HJ_CONN_UNPOLLED) != 0)
        return true;
    conn->interest = interest & HJ_POLL_ALL;
    return conn->transport != HJ_TRANSPORT_PLAIN || hj_poller_change(&loop->poller, conn->fd, interest, conn->index);
}

void hj_transport_unpoll(struct hj_loop *loop, struct hj_conn *conn)
{
    if ((conn->flags & HJ_CONN_UNPOLLED) != 0)
        return;
    hj_poller_remove(&loop->poller, conn->fd);
    conn->flags |= HJ_CONN_UNPOLLED;
}

int hj_transport_export(struct hj_loop *loop, struct hj_conn *conn)
{
    int fd = conn->fd;
    if (fd != -1)
        hj_transport_unpoll(loop, conn);
    conn->fd = -1;
    return fd;
}

void hj_transport_close(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    bool reset = reason == HIJACK_EABORTED || reason == HIJACK_ESLOW;
    if (conn->transport == HJ_TRANSPORT_HTTP2) {
        hj_stream_close(loop, conn, reason);
        return;
    }
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

struct hj_slice hj_transport_peer(struct hj_loop *loop, char *out, size_t size, const struct hj_conn *conn)
{
    if (conn->peer_port == 0)
        return hj_address_of_peer(out, size,
                                  conn->transport == HJ_TRANSPORT_PLAIN ? conn->fd : hj_stream_descriptor(loop, conn));
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = conn->peer_port, .sin_addr = {conn->peer_ip}};
    int n = hj_address_format(out, size, (const struct sockaddr *)&v4, sizeof(v4));
    return hj_slice(out, n < 0 ? 0 : (size_t)n);
}
