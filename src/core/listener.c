/* Opening listening sockets; see listener.h. Any thread. */
#include "core/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <hijack/hijack.h>

static int error_code(int error)
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
        return HIJACK_ELIMIT;
    default:
        return HIJACK_EADDR;
    }
}

static void set_int(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value));
}

void hj_listener_prepare(int fd, const struct hj_server_options *options)
{
    /* on a unix socket these fail, and are not needed */
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options->tcp_user_timeout_ms != 0)
        set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)options->tcp_user_timeout_ms);
    if (options->tcp_keepalive_ms != 0) {
        int seconds = (int)((options->tcp_keepalive_ms + 999) / 1000);
        set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
        set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds < 4 ? 1 : seconds / 4);
        set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    }
}

/* A bound socket, or a negative error code. */
static int bind_tcp(const struct hj_address *address, bool share_port)
{
    const struct sockaddr *sa = (const struct sockaddr *)&address->sa;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return error_code(errno);
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (share_port)
        set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (sa->sa_family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->any);
    if (bind(fd, sa, address->sa_len) == 0)
        return fd;
    int rc = error_code(errno);
    close(fd);
    return rc;
}

static bool has_port(const struct hj_address *address)
{
    if (address->sa.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&address->sa)->sin_port != 0;
    return ((const struct sockaddr_in6 *)&address->sa)->sin6_port != 0;
}

static int open_tcp(struct hj_listener *listener, const struct hj_server_options *options)
{
    /* a port that another program shares with SO_REUSEPORT would be shared with us too, and each get half of the
     * connections: a socket that does not share finds out whether the port is taken */
    if (has_port(&listener->address)) {
        int probe = bind_tcp(&listener->address, false);
        if (probe < 0)
            return probe;
        int taken = listen(probe, 1) == 0 ? 0 : error_code(errno);
        close(probe);
        if (taken != 0)
            return taken;
    }
    int fd = bind_tcp(&listener->address, true);
    if (fd < 0)
        return fd;
    hj_listener_prepare(fd, options);
    listener->address.sa_len = sizeof(listener->address.sa);
    if (listen(fd, (int)options->listen_backlog) != 0 ||
        getsockname(fd, (struct sockaddr *)&listener->address.sa, &listener->address.sa_len) != 0) {
        int rc = error_code(errno);
        close(fd);
        return rc;
    }
    listener->fd = fd;
    return 0;
}

/* Removes a socket file that nobody listens on any more; a live one, or another kind of file, stays. */
static int clear_unix_path(const struct hj_address *address)
{
    struct stat st;
    if (address->path[0] == '\0' || lstat(address->path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return HIJACK_EADDRINUSE;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return error_code(errno);
    bool alive = connect(fd, (const struct sockaddr *)&address->sa, address->sa_len) == 0 || errno != ECONNREFUSED;
    close(fd);
    if (alive)
        return HIJACK_EADDRINUSE;
    return unlink(address->path) == 0 ? 0 : error_code(errno);
}

static int open_unix(struct hj_listener *listener, const struct hj_server_options *options)
{
    int rc = clear_unix_path(&listener->address);
    if (rc != 0)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return error_code(errno);
    if (bind(fd, (const struct sockaddr *)&listener->address.sa, listener->address.sa_len) != 0 ||
        listen(fd, (int)options->listen_backlog) != 0) {
        rc = error_code(errno);
        close(fd);
        return rc;
    }
    listener->fd = fd;
    return 0;
}

static int open_inherited(struct hj_listener *listener)
{
    int fd = listener->address.fd, listening = 0;
    socklen_t len = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return HIJACK_ENOTSOCK;
    int flags = fcntl(fd, F_GETFL);
    listener->address.sa_len = sizeof(listener->address.sa);
    if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
        getsockname(fd, (struct sockaddr *)&listener->address.sa, &listener->address.sa_len) != 0)
        return HIJACK_ENOTSOCK;
    listener->fd = fd;
    return 0;
}

int hj_listener_open(struct hj_listener *listener, const struct hj_server_options *options)
{
    switch (listener->address.kind) {
    case HJ_ADDRESS_TCP:
        return open_tcp(listener, options);
    case HJ_ADDRESS_UNIX:
        return open_unix(listener, options);
    default:
        return open_inherited(listener);
    }
}

void hj_listener_close(struct hj_listener *listener)
{
    if (listener->fd == -1)
        return;
    /* a forked child may hold copies: an own socket shall refuse connections from now on; an inherited one is not ours
     * to end */
    if (listener->address.kind != HJ_ADDRESS_FD)
        shutdown(listener->fd, SHUT_RDWR);
    close(listener->fd);
    listener->fd = -1;
    if (listener->address.kind == HJ_ADDRESS_UNIX && listener->address.path[0] != '\0')
        unlink(listener->address.path);
}

int hj_listener_share(const struct hj_listener *listener, const struct hj_server_options *options)
{
    if (listener->address.kind != HJ_ADDRESS_TCP)
        return -1;
    int fd = bind_tcp(&listener->address, true);
    if (fd < 0)
        return -1;
    hj_listener_prepare(fd, options);
    if (listen(fd, (int)options->listen_backlog) == 0)
        return fd;
    close(fd);
    return -1;
}
