/* Opening listening sockets; see listener.h. Any thread. */
#include "core/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hijack/hijack.h>

#include "base/os/socket.h"

void hj_listener_prepare(int fd, const struct hj_server_options *options)
{
    hj_socket_set_timers(fd, options->tcp_keepalive_ms);
    hj_socket_set_unsent(fd, options->unsent_bytes);
    hj_socket_set_send_buffer(fd, options->send_buffer_bytes);
}

/* A bound socket, or a negative error code. */
static int bind_tcp(const struct hj_address *address, bool share_port)
{
    const struct sockaddr *sa = (const struct sockaddr *)&address->sa;
    int fd = hj_socket_open(sa->sa_family);
    if (fd == -1)
        return hj_socket_error(errno);
    hj_socket_share_port(fd, share_port);
    if (sa->sa_family == AF_INET6)
        hj_socket_v6_only(fd, !address->any);
    if (bind(fd, sa, address->sa_len) == 0)
        return fd;
    int rc = hj_socket_error(errno);
    close(fd);
    return rc;
}

static bool has_port(const struct hj_address *address)
{
    if (address->sa.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&address->sa)->sin_port != 0;
    return ((const struct sockaddr_in6 *)&address->sa)->sin6_port != 0;
}

static int open_bound_tcp(struct hj_listener *listener, const struct hj_server_options *options)
{
    /* a port that another program shares with SO_REUSEPORT would be shared with us too, and each get half of the
     * connections: a socket that does not share finds out whether the port is taken */
    if (has_port(&listener->address)) {
        int probe = bind_tcp(&listener->address, false);
        if (probe < 0)
            return probe;
        int taken = listen(probe, 1) == 0 ? 0 : hj_socket_error(errno);
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
        int rc = hj_socket_error(errno);
        close(fd);
        return rc;
    }
    listener->fd = fd;
    return 0;
}

static int open_tcp(struct hj_listener *listener, const struct hj_server_options *options)
{
    int rc = open_bound_tcp(listener, options);
    if (rc != HIJACK_EADDRNOTAVAIL || !listener->address.any || listener->address.sa.ss_family != AF_INET6)
        return rc;
    hj_address_use_v4(&listener->address); /* this machine has no IPv6 */
    return open_bound_tcp(listener, options);
}

/* Removes a socket file that nobody listens on any more; a live one, or another kind of file, stays. */
static int clear_unix_path(const struct hj_address *address)
{
    struct stat st;
    if (address->path[0] == '\0' || lstat(address->path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return HIJACK_EADDRINUSE;
    int fd = hj_socket_open(AF_UNIX);
    if (fd == -1)
        return hj_socket_error(errno);
    bool alive = connect(fd, (const struct sockaddr *)&address->sa, address->sa_len) == 0 || errno != ECONNREFUSED;
    close(fd);
    if (alive)
        return HIJACK_EADDRINUSE;
    return unlink(address->path) == 0 ? 0 : hj_socket_error(errno);
}

static int open_unix(struct hj_listener *listener, const struct hj_server_options *options)
{
    int rc = clear_unix_path(&listener->address);
    if (rc != 0)
        return rc;
    int fd = hj_socket_open(AF_UNIX);
    if (fd == -1)
        return hj_socket_error(errno);
    const int mode = options->unix_mode == HJ_OPTION_UNSET ? -1 : (int)options->unix_mode;
    const struct hj_address *address = &listener->address;
    rc = hj_socket_bind_unix(fd, (const struct sockaddr *)&address->sa, address->sa_len, address->path, mode);
    if (rc == 0 && listen(fd, (int)options->listen_backlog) != 0) {
        rc = hj_socket_error(errno);
        unlink(address->path);
    }
    if (rc != 0) {
        close(fd);
        return rc;
    }
    listener->fd = fd;
    return 0;
}

static int open_inherited(struct hj_listener *listener)
{
    int fd = listener->address.fd;
    listener->address.sa_len = sizeof(listener->address.sa);
    if (!hj_socket_is_listening(fd) || !hj_socket_take(fd) ||
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

void hj_listeners_close(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->listener_count; ++i)
        hj_listener_close(&server->listeners[i]);
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
