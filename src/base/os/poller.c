/* epoll, level-triggered unless asked otherwise; see poller.h. Loop thread. */
#include "base/os/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <hijack/hijack.h>

int hj_poller_open(struct hj_poller *poller)
{
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    return poller->fd == -1 ? HIJACK_ELIMIT : 0;
}

void hj_poller_close(struct hj_poller *poller)
{
    if (poller->fd != -1)
        close(poller->fd);
    poller->fd = -1;
}

static bool control(struct hj_poller *poller, int op, int fd, unsigned events, uint64_t data)
{
    struct epoll_event ev = {.data.u64 = data};
    if (events & HJ_POLL_IN)
        ev.events |= EPOLLIN;
    if (events & HJ_POLL_OUT)
        ev.events |= EPOLLOUT;
    if (events & HJ_POLL_PEER)
        ev.events |= EPOLLRDHUP;
    if (events & HJ_POLL_EXCLUSIVE)
        ev.events |= EPOLLEXCLUSIVE;
    if (events & HJ_POLL_EDGE)
        ev.events |= EPOLLET;
    return epoll_ctl(poller->fd, op, fd, &ev) == 0;
}

bool hj_poller_add(struct hj_poller *poller, int fd, unsigned events, uint64_t data)
{
    return control(poller, EPOLL_CTL_ADD, fd, events, data);
}

bool hj_poller_change(struct hj_poller *poller, int fd, unsigned events, uint64_t data)
{
    return control(poller, EPOLL_CTL_MOD, fd, events, data);
}

void hj_poller_remove(struct hj_poller *poller, int fd)
{
    epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, NULL);
}

int hj_poller_wait(struct hj_poller *poller, struct hj_poll_event *out, int timeout_ms)
{
    struct epoll_event events[HJ_POLL_BATCH];
    int n = epoll_wait(poller->fd, events, HJ_POLL_BATCH, timeout_ms);
    for (int i = 0; i < n; ++i) {
        uint32_t reported = events[i].events;
        out[i].data = events[i].data.u64;
        out[i].events = (reported & EPOLLIN ? HJ_POLL_IN : 0u) | (reported & EPOLLOUT ? HJ_POLL_OUT : 0u) |
                        (reported & EPOLLRDHUP ? HJ_POLL_PEER : 0u) |
                        (reported & (EPOLLERR | EPOLLHUP) ? HJ_POLL_GONE : 0u);
    }
    return n < 0 ? 0 : n;
}
