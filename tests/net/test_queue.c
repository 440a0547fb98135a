/* SPDX-License-Identifier: MIT
 *
 * The event queue: its descriptor, waiting, waking, its bound, and whose the payloads are.
 */
#include "support/exchange.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

static int readable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    return poll(&poller, 1, 0) == 1;
}

static void test_descriptor(void **state)
{
    struct fixture *f = *state;
    hijack_event event;
    int fd = OK(hijack_queue_fd(f->queue));

    CODE(hijack_queue_fd(f->queue), fd);
    CHECK(!readable(fd));
    OK(hijack_queue_wake(f->queue));
    CHECK(readable(fd) && readable(fd));
    CODE(hijack_queue_poll(&event, f->queue, 1, 0), 1);
    CHECK(event.type == HIJACK_EVENT_WAKE && event.handle == NULL && event.len == 0);
    CODE(hijack_queue_poll(&event, f->queue, 1, 0), 0);
    CHECK(!readable(fd));
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        ask(client_connect(f->port), "/");
    stat_wait(f->server, HIJACK_STAT_EVENTS_QUEUED, 3);
    for (int i = 0; i < 3; i++) {
        CHECK(readable(fd)); /* as long as one is left */
        CODE(hijack_queue_poll(&event, f->queue, 1, 0), 1);
        CHECK(event.type == HIJACK_EVENT_REQUEST);
        events_note(&f->events, event.handle, KIND_REQUEST);
    }
    CODE(hijack_queue_poll(&event, f->queue, 1, 0), 0);
    CHECK(!readable(fd));
}

static void test_wake_once(void **state)
{
    struct fixture *f = *state;
    hijack_event events[8];

    for (int i = 0; i < 1000; i++)
        OK(hijack_queue_wake(f->queue));
    CODE(hijack_queue_poll(events, f->queue, 8, 0), 1);
    CODE(hijack_queue_poll(events, f->queue, 8, 0), 0);
    OK(hijack_queue_wake(f->queue));
    CODE(hijack_queue_poll(events, f->queue, 8, 0), 1);
}

static void test_timeout(void **state)
{
    struct fixture *f = *state;
    hijack_event event;

    uint64_t start = clock_ms();
    CODE(hijack_queue_poll(&event, f->queue, 1, 0), 0);
    CHECK(clock_ms() - start < 1000);
    start = clock_ms();
    CODE(hijack_queue_poll(&event, f->queue, 1, 120), 0);
    CHECK(clock_ms() - start >= 119);
    CODE(hijack_queue_poll(&event, f->queue, 0, 0), HIJACK_EINVAL);
}

static void *wake_soon(void *queue)
{
    poll(NULL, 0, 30);
    hijack_queue_wake(queue);
    return NULL;
}

static void test_wake_ends_wait(void **state)
{
    struct fixture *f = *state;
    hijack_event event;
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, wake_soon, f->queue) == 0);
    CODE(hijack_queue_poll(&event, f->queue, 1, -1), 1);
    CHECK(event.type == HIJACK_EVENT_WAKE);
    pthread_join(thread, NULL);
}

static void on_signal(int number)
{
    (void)number;
}

static void test_signal_ends_wait(void **state)
{
    struct fixture *f = *state;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    struct sigevent to = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec often = {.it_value = {.tv_nsec = 50000000}, .it_interval = {.tv_nsec = 50000000}};
    hijack_event event;
    timer_t timer;

    fixture_start(f); /* its threads must leave the signal to this one */
    CHECK(sigaction(SIGUSR1, &action, &old) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &to, &timer) == 0 && timer_settime(timer, 0, &often, NULL) == 0);
    CODE(hijack_queue_poll(&event, f->queue, 1, -1), 0);
    timer_delete(timer);
    sigaction(SIGUSR1, &old, NULL);
}

struct poller {
    hijack_queue *queue;
    int code;
    hijack_event event;
};

static void *poll_forever(void *argument)
{
    struct poller *poller = argument;

    do {
        poller->code = hijack_queue_poll(&poller->event, poller->queue, 1, 60000);
    } while (poller->code == HIJACK_EBUSY); /* the other one was there at that moment */
    return NULL;
}

static void test_two_pollers(void **state)
{
    struct fixture *f = *state;
    struct poller poller = {.queue = f->queue};
    hijack_event event;
    pthread_t thread;
    int code;

    CHECK(pthread_create(&thread, NULL, poll_forever, &poller) == 0);
    WAIT_FOR((code = hijack_queue_poll(&event, f->queue, 1, 0)) != 0);
    OK(hijack_queue_wake(f->queue));
    pthread_join(thread, NULL);
    CODE(code, HIJACK_EBUSY);
    CHECK(poller.code == 1 && poller.event.type == HIJACK_EVENT_WAKE);
}

static void test_payload_lifetime(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    hijack_event event;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    client_puts(c, "payload");
    CODE(hijack_queue_poll(&event, f->queue, 1, (int)clock_limit_ms()), 1);
    CHECK(event.type == HIJACK_EVENT_DATA);
    client_reset(c);
    socket_free(f, socket);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    CHECK(event.len >= 1 && memcmp(event.data, "payload", event.len) == 0);
    events_barrier(&f->events);
}

/* A full queue stops the reading; polling makes it go on; nothing is lost, no CLOSED either. */
static void test_full(void **state)
{
    enum {
        CLIENTS = 40
    };
    struct fixture *f = *state;
    struct client *c[CLIENTS];
    hijack_socket *sockets[CLIENTS];
    static char block[65536];
    size_t got[CLIENTS] = {0}, sent[CLIENTS] = {0}, total = 0, have = 0;

    fixture_capacity(f, "16");
    fixture_start(f);
    for (int i = 0; i < CLIENTS; i++) {
        sockets[i] = socket_open(f, &c[i]);
        OK(hijack_handle_set_user_data(sockets[i], (uint64_t)i));
        OK(hijack_socket_read(sockets[i], UINT64_MAX));
    }
    for (int round = 0; round < 8; round++)
        for (int i = 0; i < CLIENTS; i++) {
            ssize_t n = send(c[i]->fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
            sent[i] += n > 0 ? (size_t)n : 0;
            clock_tick();
        }
    for (int i = 0; i < CLIENTS; i++) {
        total += sent[i];
        client_shutdown(c[i]);
    }
    CHECK(stat_of(f->server, HIJACK_STAT_EVENTS_QUEUED) <= 16 + 4);
    struct client *late = client_connect(f->port);
    ask(late, "/late");
    while (have < total) {
        struct event *event = events_next(&f->events, HIJACK_EVENT_DATA, NULL);
        got[event->user_data] += event->len;
        have += event->len;
    }
    for (int i = 0; i < CLIENTS; i++) {
        CHECK(got[i] == sent[i]);
        events_next(&f->events, HIJACK_EVENT_EOF, sockets[i]);
    }
    reply(f, next_request(f), "served");
    response_expect(late, 200, "served");
    for (int i = 0; i < CLIENTS; i++) /* more last events than the queue has room for */
        OK(hijack_socket_abort(sockets[i]));
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 0);
    for (int i = 0; i < CLIENTS; i++)
        events_closed(&f->events, sockets[i], HIJACK_EABORTED);
}

/* A full queue keeps back what is for it, and nothing else: the requests of another queue come. */
static void test_full_alone(void **state)
{
    enum {
        SLOW = 4
    };
    struct fixture *f = *state;
    struct client *slow[SLOW], *c;
    hijack_queue *full = NULL;
    struct events events;

    OK(hijack_queue_new(&full));
    OK(hijack_queue_set(full, LIT(OPT_CAPACITY), LIT("1")));
    events_init(&events, full);
    fixture_option(f, OPT_THREADS, "1");
    OK(hijack_server_route(f->server, LIT("/slow"), full));
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    for (int i = 0; i < SLOW; i++) {
        slow[i] = client_connect(f->port);
        ask(slow[i], "/slow");
        ask(client_connect(f->port), "/raw"); /* once it is a member, the loop has looked at what came before */
        members_wait(room, i + 1);
    }
    for (int i = 0; i < 3; i++) {
        reply(f, request_open(f, &c, "/fast"), "fast");
        response_expect(c, 200, "fast");
    }
    for (int i = 0; i < SLOW; i++) {
        hijack_request *request = events_next(&events, HIJACK_EVENT_REQUEST, NULL)->handle;
        OK(hijack_request_respond(request, 200, NULL, 0, LIT("slow")));
        events_closed(&events, request, 0);
    }
    for (int i = 0; i < SLOW; i++)
        response_expect(slow[i], 200, "slow");
    fixture_stop(f);
    events_free(&events);
    hijack_queue_free(full);
}

/* Queue and server go while events wait in the queue and nobody has seen them. */
static void test_free_undelivered(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (int i = 0; i < 10; i++) {
        struct client *c = client_connect(f->port);
        client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    }
    stat_wait(f->server, HIJACK_STAT_EVENTS_QUEUED, 10);
    hijack_queue_free(f->queue);
    hijack_server_free(f->server);
    f->released = 1;
}

static void test_options(void **state)
{
    struct fixture *f = *state;

    hijack_queue *queue = NULL;
    OK(hijack_queue_new(&queue));
    OK(hijack_queue_set(queue, LIT(OPT_CAPACITY), LIT("100")));
    CODE(hijack_queue_set(queue, LIT(OPT_CAPACITY), LIT("0")), HIJACK_ERANGE);
    CODE(hijack_queue_set(queue, LIT(OPT_CAPACITY), LIT("many")), HIJACK_ERANGE);
    CODE(hijack_queue_set(queue, LIT("nonsense"), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_queue_set(f->queue, LIT(OPT_CAPACITY), LIT("100")), HIJACK_ESTATE);
    hijack_queue_free(queue);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_descriptor),       TEST(test_wake_once),
        TEST(test_timeout),          TEST(test_wake_ends_wait),
        TEST(test_signal_ends_wait), TEST(test_two_pollers),
        TEST(test_payload_lifetime), TEST(test_full),
        TEST(test_full_alone),       TEST(test_free_undelivered),
        TEST(test_options),
    };

    return RUN_TESTS(tests, argc, argv);
}
