/* splice; see splice.h. */
#include "base/os/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <hijack/hijack.h>

int hj_splice_open(int pipe[2], size_t bytes)
{
    if (pipe2(pipe, O_NONBLOCK | O_CLOEXEC) != 0)
        return HIJACK_ELIMIT;
    fcntl(pipe[1], F_SETPIPE_SZ, (int)bytes); /* else it has 64 KiB, or less if the user has many */
    return 0;
}

void hj_splice_close(const int pipe[2])
{
    close(pipe[0]);
    close(pipe[1]);
}

static ssize_t move_bytes(int from, int to, size_t len)
{
    ssize_t n;
    do
        n = splice(from, NULL, to, NULL, len, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    while (n == -1 && errno == EINTR);
    return n;
}

ssize_t hj_splice_in(const int pipe[2], int fd, size_t len)
{
    return move_bytes(fd, pipe[1], len);
}

ssize_t hj_splice_out(const int pipe[2], int fd, size_t len)
{
    return move_bytes(pipe[0], fd, len);
}
