/* SPDX-License-Identifier: MIT
 *
 * After load nobody is woken any more: neither the loops nor who polls. Every wait of the library is counted, for one
 * that returns at once, again and again, would use a processor and still get everything done.
 */
#include "support/exchange.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

enum {
    LOOPS = 2,
    CLIENTS = 16,
    ROUNDS = 60
};

static _Atomic int polls, epoll_waits; /* calls that could block */

#define EXPORTED __attribute__((visibility("default")))

/* The library's waits come here instead of to libc: they count, and do what they are asked. */
EXPORTED int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec limit = {timeout / 1000, timeout % 1000 * 1000000L};

    if (timeout != 0)
        polls++;
    return ppoll(fds, count, timeout < 0 ? NULL : &limit, NULL);
}

EXPORTED int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    if (timeout != 0)
        epoll_waits++;
    return epoll_pwait(fd, events, count, timeout, NULL);
}

static int readable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    return poll(&poller, 1, 0) == 1;
}

static _Atomic int busy;

static void *wake_always(void *queue)
{
    while (busy)
        hijack_queue_wake(queue);
    return NULL;
}

/* Requests, and DATA of sockets, while another thread pushes as fast as it can. */
static void run_load(struct fixture *f)
{
    struct client *clients[CLIENTS], *c;
    hijack_socket *socket = socket_open(f, &c);
    pthread_t thread;

    busy = 1;
    CHECK(pthread_create(&thread, NULL, wake_always, f->queue) == 0);
    OK(hijack_socket_read(socket, UINT64_MAX));
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_connect(f->port);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            ask(clients[i], "/");
        client_puts(c, "x");
        for (int i = 0; i < CLIENTS; i++) {
            hijack_request *request = next_request(f);
            OK(hijack_request_respond(request, 200, NULL, 0, LIT("hello")));
            request_free(f, request);
        }
        for (int i = 0; i < CLIENTS; i++)
            response_expect(clients[i], 200, "hello");
    }
    busy = 0;
    pthread_join(thread, NULL);
    free(events_data(&f->events, socket, ROUNDS));
    for (int i = 0; i < CLIENTS; i++)
        client_close(clients[i]);
    client_close(c);
    events_next(&f->events, HIJACK_EVENT_EOF, socket);
    OK(hijack_socket_close(socket));
    events_closed(&f->events, socket, 0);
    socket_free(f, socket);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    while (events_poll(&f->events, 0) > 0)
        ;
    while (events_pending(&f->events, HIJACK_EVENT_WAKE, NULL) > 0)
        events_next(&f->events, HIJACK_EVENT_WAKE, NULL);
}

static void test_after_load(void **state)
{
    struct fixture *f = *state;
    hijack_event event;
    int fd = OK(hijack_queue_fd(f->queue));

    fixture_option(f, OPT_THREADS, "2");
    fixture_start(f);
    for (int i = 0; i < 3; i++) {
        run_load(f);
        CHECK(polls > 0 && epoll_waits > 0);
        CHECK(!readable(fd));
        polls = epoll_waits = 0;
        CODE(hijack_queue_poll(&event, f->queue, 1, 300), 0);
        CHECK(polls == 1);
        CHECK(epoll_waits <= 2 * LOOPS); /* each may be on its way to sleep, and have been woken late once */
        CHECK(!readable(fd));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_after_load),
    };

    return RUN_TESTS(tests, argc, argv);
}
