/* SPDX-License-Identifier: MIT
 *
 * Free in every order, in every state, from many threads; what a freed handle answers.
 */
#include "support/exchange.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    QUEUE,
    SERVER,
    BROADCASTER,
    REQUEST,
    STREAM,
    SOCKET,
    KINDS
};

/* One of everything, without the fixture's checks of last events: frees are what is tested. */
struct set {
    struct fixture fixture;
    void *handle[KINDS];
    struct client *client[KINDS];
};

static void set_free_one(struct set *set, int kind)
{
    void *handle = set->handle[kind];

    if (kind == QUEUE)
        hijack_queue_free(handle);
    else if (kind == SERVER)
        hijack_server_free(handle);
    else if (kind == BROADCASTER)
        hijack_broadcaster_free(handle);
    else if (kind == REQUEST)
        hijack_request_free(handle);
    else if (kind == STREAM)
        hijack_stream_free(handle);
    else
        hijack_socket_free(handle);
}

static void set_init(struct set *set, int state)
{
    struct fixture *f = &set->fixture;

    memset(set, 0, sizeof(*set));
    fixture_init(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    fixture_start(f);
    set->handle[QUEUE] = f->queue;
    set->handle[SERVER] = f->server;
    set->handle[BROADCASTER] = room;
    set->handle[REQUEST] = request_open(f, &set->client[REQUEST], "/");
    set->handle[STREAM] = stream_open(f, &set->client[STREAM]);
    set->handle[SOCKET] = socket_open(f, &set->client[SOCKET]);
    if (state >= 1) {
        OK(hijack_broadcaster_add(room, set->handle[STREAM], 0, NULL, 0));
        OK(hijack_broadcaster_add(room, set->handle[SOCKET], 0, NULL, 0));
        OK(hijack_socket_read(set->handle[SOCKET], UINT64_MAX));
        client_puts(set->client[SOCKET], "unpolled");
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("message")));
    }
    if (state == 2) {
        OK(hijack_stream_finish(set->handle[STREAM], NULL, 0));
        OK(hijack_socket_close(set->handle[SOCKET]));
        OK(hijack_request_respond(set->handle[REQUEST], 200, NULL, 0, NULL, 0));
    }
    if (state == 3)
        for (int i = REQUEST; i < KINDS; i++)
            client_reset(set->client[i]);
    if (state == 4)
        OK(hijack_server_stop(f->server));
    if (state == 5)
        OK(hijack_socket_detach(set->handle[SOCKET]));
    if (state == 6)
        OK(hijack_server_drain(f->server, 60000));
}

static void set_end(struct set *set)
{
    set->fixture.released = 1;
    fixture_end(&set->fixture);
}

static void stale(struct set *set, int kind)
{
    void *handle = set->handle[kind];
    uint64_t number;
    const char *text;
    size_t len;

    CODE(hijack_handle_user_data(&number, handle), HIJACK_EHANDLE);
    if (kind == QUEUE)
        CODE(hijack_queue_wake(handle), HIJACK_EHANDLE);
    else if (kind == SERVER)
        CODE(hijack_server_stop(handle), HIJACK_EHANDLE);
    else if (kind == BROADCASTER)
        CODE(hijack_broadcaster_publish(handle, HIJACK_MESSAGE_TEXT, "x", 1), HIJACK_EHANDLE);
    else if (kind == REQUEST)
        CODE(hijack_request_target(&text, &len, handle), HIJACK_EHANDLE);
    else if (kind == STREAM)
        CODE(hijack_stream_send(handle, "x", 1), HIJACK_EHANDLE);
    else
        CODE(hijack_socket_send(handle, "x", 1), HIJACK_EHANDLE);
}

/* The number-th order of the kinds (0 to 719). */
static void permutation(int order[KINDS], int number)
{
    int left[KINDS];

    for (int i = 0; i < KINDS; i++)
        left[i] = i;
    for (int i = 0, count = KINDS; count > 0; i++, count--) {
        int at = number % count;
        number /= count;
        order[i] = left[at];
        left[at] = left[count - 1];
    }
}

static void free_orders(int state)
{
    int step = clock_scale() > 1 ? 41 : 11; /* enough that each pair comes in both orders */

    for (int number = state; number < 720; number += step) {
        struct set set;
        int order[KINDS];
        set_init(&set, state);
        permutation(order, number);
        for (int i = 0; i < KINDS; i++) {
            set_free_one(&set, order[i]);
            for (int k = 0; k <= i; k++)
                stale(&set, order[k]);
            set_free_one(&set, order[i]);
        }
        set_end(&set);
    }
}

static void test_orders_open(void **state)
{
    (void)state;
    free_orders(0);
}

static void test_orders_members(void **state)
{
    (void)state;
    free_orders(1);
}

static void test_orders_ending(void **state)
{
    (void)state;
    free_orders(2);
}

static void test_orders_peer_gone(void **state)
{
    (void)state;
    free_orders(3);
}

static void test_orders_stopped(void **state)
{
    (void)state;
    free_orders(4);
}

static void test_orders_detaching(void **state)
{
    (void)state;
    free_orders(5);
}

static void test_orders_draining(void **state)
{
    (void)state;
    free_orders(6);
}

struct freer {
    struct set *set;
    int kind;
    pthread_t thread;
    pthread_barrier_t *start;
};

static void *free_at_once(void *argument)
{
    struct freer *freer = argument;

    pthread_barrier_wait(freer->start);
    set_free_one(freer->set, freer->kind);
    return NULL;
}

/* Each handle by two threads, all at the same moment. */
static void test_free_from_threads(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct set set;
        struct freer freers[KINDS * 2];
        pthread_barrier_t start;
        set_init(&set, round % 7);
        CHECK(pthread_barrier_init(&start, NULL, KINDS * 2) == 0);
        for (int i = 0; i < KINDS * 2; i++) {
            freers[i] = (struct freer){.set = &set, .kind = i % KINDS, .start = &start};
            CHECK(pthread_create(&freers[i].thread, NULL, free_at_once, &freers[i]) == 0);
        }
        for (int i = 0; i < KINDS * 2; i++)
            pthread_join(freers[i].thread, NULL);
        pthread_barrier_destroy(&start);
        for (int kind = 0; kind < KINDS; kind++)
            stale(&set, kind);
        set_end(&set);
    }
}

struct caller {
    hijack_socket *socket;
    hijack_stream *stream;
    hijack_broadcaster *broadcaster;
    int unexpected;
    pthread_t thread;
};

static int is_expected(int code)
{
    return code >= 0 || code == HIJACK_EHANDLE || code == HIJACK_ECLOSED || code == HIJACK_EAGAIN ||
           code == HIJACK_ESTATE || code == HIJACK_ESHUTDOWN;
}

/* Calls on until every handle is gone. */
static void *call_on(void *argument)
{
    struct caller *caller = argument;
    int code = 0;

    for (int i = 0; i < 200000 && !caller->unexpected; i++) {
        int codes[] = {hijack_socket_send(caller->socket, "x", 1),
                       hijack_stream_send(caller->stream, "x", 1),
                       hijack_broadcaster_publish(caller->broadcaster, HIJACK_MESSAGE_TEXT, "x", 1),
                       hijack_broadcaster_add(caller->broadcaster, caller->stream, 0, NULL, 0),
                       hijack_broadcaster_remove(caller->broadcaster, caller->stream),
                       hijack_broadcaster_count(caller->broadcaster)};
        int gone = 0;
        for (size_t n = 0; n < sizeof(codes) / sizeof(codes[0]); n++) {
            code = codes[n];
            if (!is_expected(code))
                caller->unexpected = code;
            gone += code == HIJACK_EHANDLE;
        }
        if (gone == 6)
            break;
    }
    return NULL;
}

static void test_free_while_called(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct set set;
        struct caller callers[3];
        set_init(&set, round % 2);
        for (int i = 0; i < 3; i++) {
            callers[i] = (struct caller){
                .socket = set.handle[SOCKET], .stream = set.handle[STREAM], .broadcaster = set.handle[BROADCASTER]};
            CHECK(pthread_create(&callers[i].thread, NULL, call_on, &callers[i]) == 0);
        }
        client_until_at(set.client[SOCKET], "xxxxx", 5, __FILE__, __LINE__);
        for (int kind = KINDS - 1; kind >= 0; kind--)
            set_free_one(&set, kind);
        for (int i = 0; i < 3; i++) {
            pthread_join(callers[i].thread, NULL);
            CODE(callers[i].unexpected, 0);
        }
        set_end(&set);
    }
}

static void test_free_null(void **state)
{
    (void)state;
    hijack_queue_free(NULL);
    hijack_server_free(NULL);
    hijack_broadcaster_free(NULL);
    hijack_request_free(NULL);
    hijack_stream_free(NULL);
    hijack_socket_free(NULL);
}

/* A running server that is freed takes its connections with it, and the request's answer is still 500 or an end. */
static void test_server_free_closes(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d, *e;

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    c = client_connect(f->port);
    ask(c, "/raw");
    members_wait(room, 1);
    socket_open(f, &d);
    request_open(f, &e, "/");
    hijack_server_free(f->server);
    client_until_end(c);
    client_until_end(d);
    client_until_end(e);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_STOPPED, NULL) == 0);
    hijack_queue_free(f->queue);
    f->released = 1;
}

enum {
    WAITING = 32
};

struct stopping {
    hijack_request *requests[WAITING];
    pthread_barrier_t together;
};

static void *free_requests(void *arg)
{
    struct stopping *stopping = arg;

    pthread_barrier_wait(&stopping->together);
    for (int i = 0; i < WAITING; i++)
        hijack_request_free(stopping->requests[i]);
    return NULL;
}

/* Requests that are freed while the server stops: each client hears the one or the other. */
static void test_free_while_stopping(void **state)
{
    struct fixture *f = *state;
    struct client *clients[WAITING];
    struct stopping stopping;
    pthread_t thread;

    fixture_start(f);
    for (int i = 0; i < WAITING; i++) {
        stopping.requests[i] = request_open(f, &clients[i], "/");
        events_freed(&f->events, stopping.requests[i]);
    }
    pthread_barrier_init(&stopping.together, NULL, 2);
    CODE(pthread_create(&thread, NULL, free_requests, &stopping), 0);
    pthread_barrier_wait(&stopping.together);
    OK(hijack_server_stop(f->server));
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&stopping.together);
    for (int i = 0; i < WAITING; i++) {
        struct response r;
        response_head(&r, clients[i]);
        CHECK(r.status == 500 || r.status == 503);
        response_free(&r);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_open),
        cmocka_unit_test(test_orders_members),
        cmocka_unit_test(test_orders_ending),
        cmocka_unit_test(test_orders_peer_gone),
        cmocka_unit_test(test_orders_stopped),
        cmocka_unit_test(test_orders_detaching),
        cmocka_unit_test(test_orders_draining),
        cmocka_unit_test(test_free_from_threads),
        cmocka_unit_test(test_free_while_called),
        cmocka_unit_test(test_free_null),
        TEST(test_server_free_closes),
        TEST(test_free_while_stopping),
    };

    return RUN_TESTS(tests, argc, argv);
}
