/* SPDX-License-Identifier: MIT
 *
 * A client that resets the connection while bytes of it are unread: the socket ends, whatever it was doing.
 */
#include "support/exchange.h"

#include <stdlib.h>

/* A socket with more to send than the client takes in, and something from the client that nobody has asked for. */
static hijack_socket *clogged(struct fixture *f, struct client **client)
{
    size_t len = 8u << 20;
    char *data = calloc(1, len);

    CHECK(data != NULL);
    *client = client_connect_slow(f->port);
    ask(*client, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_send(socket, data, len));
    stat_wait_least(f->server, HIJACK_STAT_BACKLOG_BYTES, 1);
    client_puts(*client, "junk");
    free(data);
    return socket;
}

/* What the client gets is a proof that the loop has had its turn and holds the connection as a socket. */
static void loop_turn(hijack_socket *socket, struct client *c)
{
    OK(hijack_socket_send(socket, LIT("turn")));
    client_expect(c, "turn");
}

/* The last event, which is a reset, after nothing but DATA; how many bytes those had. */
static size_t ended_reset_at(struct fixture *f, hijack_socket *socket, const char *file, int line)
{
    size_t bytes = 0;
    struct event *event;

    while ((event = events_next_at(&f->events, HIJACK_EVENT_NONE, socket, file, line))->type == HIJACK_EVENT_DATA)
        bytes += event->len;
    if (event->type != HIJACK_EVENT_CLOSED)
        check_fail(file, line, "%s (status %d), must be CLOSED", hijack_event_name(event->type), event->status);
    if (event->status != HIJACK_ERESET)
        check_fail(file, line, "CLOSED has status %s, must be ERESET", hijack_errname(event->status));
    return bytes;
}
#define ended_reset(f, socket) ended_reset_at((f), (socket), __FILE__, __LINE__)

static void all_gone(struct fixture *f)
{
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    clock_until_idle();
}

static void test_detaching(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = clogged(f, &c);
    OK(hijack_socket_detach(socket));
    client_reset(c);
    CHECK(ended_reset(f, socket) == 0);
    all_gone(f);
}

static void test_writing(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = clogged(f, &c);
    client_reset(c);
    CHECK(ended_reset(f, socket) == 0);
    CODE(hijack_socket_send(socket, LIT("x")), HIJACK_ECLOSED);
    all_gone(f);
}

static void test_closing(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    for (int i = 0; i < 2; i++) {
        hijack_socket *socket = clogged(f, &c);
        OK(i == 0 ? hijack_socket_close(socket) : hijack_socket_shutdown(socket));
        client_reset(c);
        ended_reset(f, socket);
    }
    all_gone(f);
}

/* Nothing is under way in either direction, and there is no credit. */
static void test_idle(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    for (int i = 0; i < 2; i++) {
        hijack_socket *socket = socket_open(f, &c);
        client_puts(c, "junk");
        if (i == 1) {
            OK(hijack_socket_read(socket, 4));
            free(events_data(&f->events, socket, 4));
            client_puts(c, "more");
        }
        client_reset(c);
        CHECK(ended_reset(f, socket) == 0);
        CODE(hijack_socket_read(socket, 4), HIJACK_ECLOSED);
    }
    all_gone(f);
}

/* The credit comes after the reset, or at the same time: the bytes may come or be lost, the end is a reset. */
static void test_late_credit(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        hijack_socket *socket = socket_open(f, &c);
        loop_turn(socket, c);
        client_puts(c, "more");
        client_reset(c);
        if (i % 2)
            clock_tick();
        int code = hijack_socket_read(socket, 4);
        CHECK(code == 0 || code == HIJACK_ECLOSED);
        size_t bytes = ended_reset(f, socket);
        CHECK(bytes == 0 || bytes == 4);
    }
    all_gone(f);
}

/* The program has given credit and is only late in polling: it gets what was sent, then the reset, and no EOF. */
static void test_late_poll(void **state)
{
    struct fixture *f = *state;
    static const uint64_t credits[] = {10, 100, UINT64_MAX};
    struct client *c;

    fixture_capacity(f, "1");
    fixture_start(f);
    for (int i = 0; i < 3; i++) {
        hijack_socket *socket = socket_open(f, &c);
        OK(hijack_queue_wake(f->queue)); /* the queue is full */
        OK(hijack_socket_read(socket, credits[i]));
        client_puts(c, "last words");
        loop_turn(socket, c);
        client_reset(c);
        events_next(&f->events, HIJACK_EVENT_WAKE, NULL);
        CHECK(ended_reset(f, socket) == 10);
    }
    all_gone(f);
}

/* The loop may learn of the reset before the request that became a socket reaches it: the reason is the same. */
static void test_before_the_hijack(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (int i = 0; i < 500; i++) {
        struct client *c = client_connect(f->port);
        hijack_socket *socket;
        ask(c, "/");
        hijack_request *request = next_request(f);
        client_reset(c);
        int code = hijack_request_hijack(&socket, request);
        if (code != HIJACK_ECLOSED) {
            OK(code);
            events_note(&f->events, socket, KIND_SOCKET);
            ended_reset(f, socket);
            socket_free(f, socket);
        }
        request_free(f, request);
    }
    all_gone(f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_detaching),   TEST(test_writing),   TEST(test_closing),           TEST(test_idle),
        TEST(test_late_credit), TEST(test_late_poll), TEST(test_before_the_hijack),
    };

    return RUN_TESTS(tests, argc, argv);
}
