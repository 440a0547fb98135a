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

/* Requests whose bodies come in pieces, by credit that is used up again and again. */
static void run_pieces(struct fixture *f, struct client *c)
{
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n");
    hijack_request *request = next_request(f);
    for (int i = 0; i < 20; i++) {
        client_puts(c, "0123456789");
        OK(hijack_request_read(request, i % 2 ? 3 : 17));
    }
    free(events_data(&f->events, request, 200));
    events_next(&f->events, HIJACK_EVENT_EOF, request);
    reply(f, request, "got");
    response_expect(c, 200, "got");
}

/* Nothing has anything to do for a second. */
static void expect_sleep(struct fixture *f)
{
    hijack_event event;

    clock_until_idle();
    polls = epoll_waits = 0;
    uint64_t start = clock_ms();
    CODE(hijack_queue_poll(&event, f->queue, 1, 1000), 0);
    CHECK(polls == 1);
    /* a loop with connections looks at their deadlines once a second */
    CHECK(epoll_waits <= LOOPS * (3 + (int)((clock_ms() - start) / 1000)));
}

/* Everything that stays open: members that read and one that does not, a body that waits for credit, one that waits for
 * its peer, a request, a stream and a socket whose peers have ended. */
static void test_what_stays(void **state)
{
    struct fixture *f = *state;
    struct client *members[CLIENTS], *c, *waiting, *slow;
    hijack_broadcaster *room = fixture_hold(f, "/held", HIJACK_HOLD_SSE);
    static char message[60000];

    memset(message, 'm', sizeof(message));
    fixture_option(f, "request_body", "pieces");
    OK(hijack_broadcaster_set(room, LIT(OPT_OVERFLOW), LIT("drop_newest")));
    fixture_start(f);
    c = client_connect(f->port);
    for (int i = 0; i < ROUNDS; i++)
        run_pieces(f, c);
    for (int i = 0; i < CLIENTS; i++) {
        members[i] = i == 0 ? client_connect_slow(f->port) : client_connect(f->port);
        ask(members[i], "/held");
    }
    members_wait(room, CLIENTS);
    while (broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED) == 0) {
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, message, sizeof(message)), CLIENTS);
        for (int i = 1; i < CLIENTS; i++)
            client_consume(members[i], client_until(members[i], "\n\n"));
    }
    waiting = client_connect(f->port);
    client_puts(waiting, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n0123456789");
    hijack_request *unread = next_request(f);
    OK(hijack_request_read(unread, 5));
    free(events_data(&f->events, unread, 5));
    slow = client_connect(f->port);
    client_puts(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n0123456789");
    hijack_request *starved = next_request(f);
    OK(hijack_request_read(starved, UINT64_MAX));
    free(events_data(&f->events, starved, 10));
    void *ended[3];
    struct client *clients[3];
    ended[0] = request_open(f, &clients[0], "/");
    ended[1] = stream_open(f, &clients[1]);
    ended[2] = socket_open(f, &clients[2]);
    for (int i = 0; i < 3; i++) {
        client_puts(clients[i], "unread");
        client_shutdown(clients[i]);
        events_next(&f->events, HIJACK_EVENT_HANGUP, ended[i]);
    }
    expect_sleep(f);
}

/* Long polls with a short deadline, which is looked at often, while one with a long one waits. */
static void test_after_long_polls(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *brief = fixture_hold(f, "/brief", HIJACK_HOLD_LONG_POLL);
    hijack_broadcaster *patient = fixture_hold(f, "/patient", HIJACK_HOLD_LONG_POLL);

    OK(hijack_broadcaster_set(brief, LIT("long_poll_ms"), LIT("20")));
    fixture_start(f);
    struct client *c = client_connect(f->port), *waiting = client_connect(f->port);
    ask(waiting, "/patient");
    members_wait(patient, 1);
    for (int i = 0; i < 3; i++) {
        ask(c, "/brief");
        client_until(c, "204");
        client_consume(c, client_until(c, "\r\n\r\n") + 4);
    }
    members_wait(brief, 0);
    CODE(hijack_broadcaster_count(patient), 1);
    expect_sleep(f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_after_load),
        TEST(test_what_stays),
        TEST(test_after_long_polls),
    };

    return RUN_TESTS(tests, argc, argv);
}
