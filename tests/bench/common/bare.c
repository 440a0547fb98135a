/* SPDX-License-Identifier: MIT
 * The bare server that others are measured by: accept4, epoll_ctl, recv, send, and nothing else. */
#include "bench.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct bare {
    const struct bench_bare_answer *answer;
    int epoll, listener;
    uint16_t port;
    uint64_t open;
    bool asked; /* the parent waits for an answer, which it gets once open is 0 */
};

static void bare_watch(const struct bare *bare, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(bare->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void bare_accept(struct bare *bare)
{
    for (int fd; (fd = accept4(bare->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0; ++bare->open)
        bare_watch(bare, fd);
}

static void bare_readable(struct bare *bare, int fd)
{
    char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n > 0) {
        bench_send_all(fd, bare->answer->data, bare->answer->len);
    } else if (n == 0 || errno != EAGAIN) {
        close(fd);
        --bare->open;
    }
}

void bench_bare_serve(int fd, void *answer)
{
    struct bare bare = {.answer = answer, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event events[256];
    uint64_t question;
    bench_pin(BENCH_CORE_SERVER);
    bare.listener = bench_listen(&bare.port);
    bench_nonblocking(bare.listener);
    bare_watch(&bare, bare.listener);
    bare_watch(&bare, fd);
    for (;;) {
        int n = epoll_wait(bare.epoll, events, 256, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.fd == bare.listener)
                bare_accept(&bare);
            else if (events[i].data.fd != fd)
                bare_readable(&bare, events[i].data.fd);
            else if (!bench_next(fd, &question))
                return;
            else
                bare.asked = true;
        }
        if (bare.asked && bare.open == 0) {
            bare.asked = false;
            bench_answer(fd, bare.port);
        }
    }
}
