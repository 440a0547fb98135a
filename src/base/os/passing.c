/* SCM_RIGHTS over a pair of unix sockets; see passing.h. Any thread. */
#include "base/os/passing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <hijack/hijack.h>

#include "base/os/socket.h"

/* What may be under way, as the kernel counts it: nearly 1 KB for each descriptor. It gives less where
 * net.core.wmem_max is less, as it mostly is: then some 500 fit. */
#define PASSING_BYTES (1 << 20)

union control {
    char data[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int hj_passing_open(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return HIJACK_ELIMIT;
    hj_socket_set_send_buffer(ends[0], PASSING_BYTES);
    hj_socket_set_send_buffer(ends[1], PASSING_BYTES);
    return 0;
}

int hj_passing_send(int end, int fd, const void *data, size_t len, bool wait)
{
    union control control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd != -1) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.data;
        message.msg_controllen = sizeof(control.data);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    }
    ssize_t n;
    do
        n = sendmsg(end, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
    while (n == -1 && errno == EINTR);
    if (n != -1)
        return 0;
    return errno == EPIPE || errno == ECONNRESET || errno == EBADF ? HIJACK_EIO : HIJACK_ELIMIT;
}

bool hj_passing_receive(int end, int *fd, void *data, size_t len, bool wait)
{
    union control control;
    struct iovec part = {.iov_base = data, .iov_len = len};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.data, .msg_controllen = sizeof(control.data)};
    ssize_t n;
    *fd = -1;
    do
        n = recvmsg(end, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    while (n == -1 && errno == EINTR);
    if (n != (ssize_t)len)
        return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(*fd)))
        memcpy(fd, CMSG_DATA(header), sizeof(*fd));
    return true;
}
