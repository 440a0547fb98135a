/* Connections from elsewhere; see connected.h. Any thread. */
#include "base/os/connected.h"

#include <linux/tcp.h> /* the whole of struct tcp_info, which <netinet/tcp.h> of older C libraries cuts short */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <hijack/hijack.h>

#include "base/os/socket.h"

/* A reset takes the peer's name from a socket, so that it looks as if it had never been connected; but it has counted
 * what it received. */
static bool has_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           len >= offsetof(struct tcp_info, tcpi_segs_in) + sizeof(info.tcpi_segs_in) && info.tcpi_segs_in != 0;
}

int hj_connected_check(int fd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    if (!hj_socket_is_stream(fd) || hj_socket_is_listening(fd))
        return HIJACK_ENOTSOCK;
    if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0)
        return 0;
    return has_received(fd) ? HIJACK_ERESET : HIJACK_ENOTSOCK;
}
