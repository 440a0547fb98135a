/* SPDX-License-Identifier: MIT */
#include "pair.h"

#include <poll.h>
#include <sys/socket.h>

struct pair pair_open(struct fixture *f, int listener, int port)
{
    struct pair p;
    p.near = socket_open(f, &p.client);
    p.far = connect_to_port(f, "127.0.0.1", port);
    p.origin = accept_client(listener);
    events_next(&f->events, HIJACK_EVENT_CONNECTED, p.far);
    return p;
}

struct pair pair_relayed(struct fixture *f, int listener, int port)
{
    struct pair p = pair_open(f, listener, port);
    OK(hijack_socket_relay(p.near, p.far));
    return p;
}

void pair_free(struct fixture *f, struct pair *p)
{
    socket_free(f, p->near);
    socket_free(f, p->far);
    client_close(p->client);
    client_close(p->origin);
}

int pair_start(struct fixture *f, const char *threads, int *port)
{
    fixture_option(f, "threads", threads);
    fixture_start(f);
    return listen_here(port, 100);
}

size_t pair_fill(struct client *c)
{
    static char data[65536];
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    struct pollfd room = {c->fd, POLLOUT, 0};
    size_t sent = 0;
    while (poll(&room, 1, 300) == 1) {
        ssize_t n = send(c->fd, data, sizeof(data), flags);
        CHECK(n > 0);
        sent += (size_t)n;
        CHECK(sent < 64u << 20);
    }
    return sent;
}
