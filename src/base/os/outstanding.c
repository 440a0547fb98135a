/* Linux' view of a socket's unsent and unacknowledged bytes; see outstanding.h. Any thread. */
#include "base/os/outstanding.h"

#include <linux/sockios.h>
#include <linux/tcp.h> /* the whole of struct tcp_info, which <netinet/tcp.h> of older C libraries cuts short */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Window probes without an answer after which silence means something. Of the first ones the peer's system may leave
 * one or two unanswered, because it answers so often at the most (net.ipv4.tcp_invalid_ratelimit). */
#define PROBES_IN_VAIN 3

static uint32_t queued(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint32_t)bytes : 0;
}

bool hj_outstanding_any(int fd)
{
    return queued(fd) != 0;
}

void hj_outstanding_read(struct hj_outstanding *out, int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    *out = (struct hj_outstanding){.bytes = queued(fd)};
    if (out->bytes == 0)
        return;
    out->taken = out->bytes;
    socklen_t id_len = sizeof(out->socket);
    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &out->socket, &id_len);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
        return; /* a unix socket */
    /* A kernel that does not report the window (before 5.4) has the bytes of a shut one unsent, not unacknowledged. */
    bool shut = info.tcpi_unacked == 0 || (len > offsetof(struct tcp_info, tcpi_snd_wnd) && info.tcpi_snd_wnd == 0);
    out->taken = (uint32_t)info.tcpi_bytes_acked;
    out->unanswered = !shut;
    out->asked = shut && info.tcpi_probes >= PROBES_IN_VAIN;
    out->silent_ms = info.tcpi_last_ack_recv;
}
