/* Sockets as Linux has them; see socket.h. Any thread. */
#include "base/os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hijack/hijack.h>

int hj_socket_error(int error)
{
    switch (error) {
    case EADDRINUSE:
        return HIJACK_EADDRINUSE;
    case EACCES:
    case EPERM:
    case EROFS:
        return HIJACK_EACCES;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
        return HIJACK_ELIMIT;
    case ENOENT:
    case ENOTDIR:
        return HIJACK_ENOENT;
    case ECONNREFUSED:
        return HIJACK_EREFUSED;
    case ETIMEDOUT:
        return HIJACK_ETIMEDOUT;
    case ECONNRESET:
    case EPIPE:
        return HIJACK_ERESET;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: /* an IPv6 address where there is no IPv6 */
    case ENODEV:
        return HIJACK_EADDRNOTAVAIL;
    case EINVAL: /* a link-local address without its interface */
        return HIJACK_EADDR;
    case EBADF:
    case ENOTSOCK:
    case EEXIST:
        return HIJACK_ENOTSOCK;
    default:
        return HIJACK_EIO;
    }
}

int hj_socket_open(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

bool hj_socket_pair(int out[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out) == 0;
}

int hj_socket_accept(struct sockaddr_storage *peer, int listener)
{
    socklen_t len = sizeof(*peer);
    return accept4(listener, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int hj_socket_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (connect(fd, address, len) == 0 || errno == EINPROGRESS)
        return 0;
    return errno == EAGAIN ? HIJACK_EREFUSED : hj_socket_error(errno); /* a unix socket whose queue is full */
}

int hj_socket_connected(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return HIJACK_EIO;
    return error == 0 ? 0 : hj_socket_error(error);
}

bool hj_socket_take(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags != -1 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1 && fcntl(fd, F_SETFD, FD_CLOEXEC) != -1;
}

static int read_option(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

bool hj_socket_is_stream(int fd)
{
    return read_option(fd, SO_TYPE) == SOCK_STREAM;
}

bool hj_socket_is_listening(int fd)
{
    return hj_socket_is_stream(fd) && read_option(fd, SO_ACCEPTCONN) == 1;
}

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value));
}

void hj_socket_share_port(int fd, bool share)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (share)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

void hj_socket_v6_only(int fd, bool only)
{
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only);
}

void hj_socket_set_timers(int fd, uint64_t keepalive_ms)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive_ms != 0) {
        int seconds = (int)((keepalive_ms + 999) / 1000);
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds < 4 ? 1 : seconds / 4);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    }
}

void hj_socket_set_unsent(int fd, uint64_t bytes)
{
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)bytes); /* send() heeds it as poll() does */
}

void hj_socket_set_send_buffer(int fd, uint64_t bytes)
{
    if (bytes != 0)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, (int)bytes);
}

bool hj_socket_has_unread(int fd)
{
    int bytes = 0;
    return ioctl(fd, FIONREAD, &bytes) == 0 && bytes != 0;
}

bool hj_socket_reset(int fd)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    return connect(fd, &none, sizeof(none)) == 0; /* dissolves the association: tcp(7) */
}

/* Adds the rights that the umask took away. Not through a symbolic link that somebody put there meanwhile. */
static int give_rights(const char *path, int mode)
{
    if (fchmodat(AT_FDCWD, path, (mode_t)mode, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (errno != EOPNOTSUPP) /* a C library that cannot do without following: glibc before 2.32 */
        return hj_socket_error(errno);
    return chmod(path, (mode_t)mode) == 0 ? 0 : hj_socket_error(errno);
}

int hj_socket_bind_unix(int fd, const struct sockaddr *address, socklen_t len, const char *path, int mode)
{
    /* The umask is the whole process' and stays as it is. Linux makes the file with the rights of the socket itself,
     * less the umask: so it begins with no more than mode. */
    if (mode != -1 && fchmod(fd, (mode_t)mode) != 0)
        return hj_socket_error(errno);
    if (bind(fd, address, len) != 0)
        return hj_socket_error(errno);
    int rc = mode == -1 ? 0 : give_rights(path, mode);
    if (rc != 0)
        unlink(path);
    return rc;
}
