/* A descriptor's bytes; see plain.h. Loop thread. */
#include "loop/io/plain.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <hijack/hijack.h>

int hj_plain_reason(int error)
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
    return error == EAGAIN || error == ENOBUFS ? 0 : hj_plain_reason(error);
}

ssize_t hj_plain_send(int fd, const void *data, size_t len)
{
    ssize_t n;
    do
        n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
    return n >= 0 ? n : unsent(errno);
}

ssize_t hj_plain_send_all(int fd, struct hj_buf *const *bufs, int count, size_t offset)
{
    struct iovec iov[HJ_TRANSPORT_BUFS];
    if (count == 1)
        return hj_plain_send(fd, bufs[0]->data + offset, bufs[0]->len - offset);
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

ssize_t hj_plain_receive(int fd, void *data, size_t len)
{
    ssize_t n;
    do
        n = recv(fd, data, len, MSG_DONTWAIT);
    while (n == -1 && errno == EINTR); /* a dead connection is not reported again */
    if (n > 0)
        return n;
    if (n == 0)
        return HIJACK_ECLOSED;
    return errno == EAGAIN ? 0 : hj_plain_reason(errno);
}
