/* SPDX-License-Identifier: MIT
 *
 * Peers that do not take what is sent to them. Who only pauses lives, however long, within stall_timeout_ms; who
 * acknowledges nothing ends after ack_timeout_ms, and who takes nothing after stall_timeout_ms.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    ACK = 400,
    STALL = 1000,
    MUCH = 2000000 /* bytes; more than a client that does not read takes */
};

/* Bytes: more than the receive buffers of a slow client and its tunnel, less than what our kernel takes. */
static size_t little(void)
{
    return transport_is_tls() ? 120000 : 30000;
}

static void limits(struct fixture *f, const char *ack, const char *stall)
{
    fixture_option(f, "ack_timeout_ms", ack);
    fixture_option(f, "stall_timeout_ms", stall);
    fixture_option(f, OPT_HEARTBEAT, "0");
}

static char *letters(size_t len)
{
    char *data = malloc(len);

    CHECK(data != NULL);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + i / 100 % 26);
    return data;
}

/* Lets time pass in which nothing may end. */
static void pass(struct fixture *f, unsigned ms)
{
    for (uint64_t end = clock_ms() + ms; clock_ms() < end; clock_tick())
        CHECK(stat_of(f->server, HIJACK_STAT_CLOSED_TIMEOUT) == 0);
}

/* Ends once, not before least milliseconds have passed since start, with the reason that is counted. */
static void ends_late(struct fixture *f, uint64_t start, unsigned least)
{
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 1);
    CHECK(clock_ms() - start >= least);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
}

/* A user presses pause in the middle of a response: the whole of it comes afterwards. */
static void test_a_paused_response(void **state)
{
    struct fixture *f = *state;
    struct response r;
    char *body = letters(MUCH);

    limits(f, "400", "60000");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_request *request = next_request(f);
    OK(hijack_request_respond(request, 200, NULL, 0, body, MUCH));
    pass(f, 4 * ACK);
    response_head(&r, c);
    response_finish(&r);
    BYTES(r.body, r.body_len, body, MUCH);
    events_closed(&f->events, request, 0);
    request_free(f, request);
    response_free(&r);
    free(body);
}

static void test_a_paused_socket(void **state)
{
    struct fixture *f = *state;
    char *data = letters(MUCH);

    limits(f, "400", "60000");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_send(socket, data, MUCH));
    pass(f, 4 * ACK);
    client_want(c, MUCH);
    BYTES(c->buf, c->len, data, MUCH);
    OK(hijack_socket_close(socket));
    client_eof(c);
    events_closed(&f->events, socket, 0);
    free(data);
}

/* Nobody has anything to acknowledge where nothing was sent; what is sent after a long silence is not late. */
static void test_a_silent_peer(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    limits(f, "100", "100");
    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    for (int i = 0; i < 3; i++) {
        pass(f, 300);
        OK(hijack_socket_send(socket, LIT("x")));
        client_expect(c, "x");
    }
}

static void test_a_vanished_socket(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    limits(f, "400", "0");
    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    client_vanish(c);
    pass(f, 2 * ACK); /* nothing was sent, nothing is missing */
    uint64_t start = clock_ms();
    OK(hijack_socket_send(socket, LIT("hello")));
    events_closed(&f->events, socket, HIJACK_ETIMEDOUT);
    ends_late(f, start, ACK);
}

/* New bytes all the time are no sign of life; the other members are not touched. */
static void test_a_vanished_member(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);

    limits(f, "400", "0");
    fixture_start(f);
    struct client *lost = client_connect(f->port), *here = client_connect(f->port);
    ask(lost, "/raw");
    ask(here, "/raw");
    members_wait(room, 2);
    client_vanish(lost);
    uint64_t start = clock_ms(), end = start + clock_limit_ms();
    while (stat_of(f->server, HIJACK_STAT_CLOSED_TIMEOUT) == 0 && clock_ms() < end) {
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_BINARY, LIT("tick")));
        client_expect(here, "tick");
        clock_tick(); /* as fast as can be, the backlog would end it sooner than ack_timeout_ms */
    }
    CHECK(clock_ms() - start >= ACK);
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 1);
    members_wait(room, 1);
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_BINARY, LIT("last")));
    client_until(here, "last");
}

/* The peer vanishes while its window is shut. */
static void test_vanished_while_paused(void **state)
{
    struct fixture *f = *state;
    char *data = letters(little());

    limits(f, "400", "0");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    uint64_t start = clock_ms();
    OK(hijack_socket_send(socket, data, little()));
    pass(f, ACK / 2);
    client_vanish(c);
    events_closed(&f->events, socket, HIJACK_ETIMEDOUT);
    ends_late(f, start, ACK);
    free(data);
}

/* A little that our kernel takes whole, or so much that it waits in the backlog. */
static void check_stalled(struct fixture *f, size_t len)
{
    char *data = letters(len);

    limits(f, "400", "1000");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    uint64_t start = clock_ms();
    OK(hijack_socket_send(socket, data, len));
    events_closed(&f->events, socket, HIJACK_ETIMEDOUT);
    client_rst(c); /* and no megabytes wait for it in our kernel */
    ends_late(f, start, STALL);
    free(data);
}

static void test_stalled_with_little(void **state)
{
    check_stalled(*state, little());
}

static void test_stalled_with_much(void **state)
{
    check_stalled(*state, 4 * MUCH);
}

/* Whoever takes a little now and then lives. */
static void test_a_slow_reader(void **state)
{
    struct fixture *f = *state;
    char *data = letters(MUCH);
    size_t had = 0;

    limits(f, "400", "3000");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_send(socket, data, MUCH));
    for (uint64_t end = clock_ms() + 4000; clock_ms() < end;) {
        pass(f, 200);
        client_want(c, c->len + 10000);
        CHECK(c->len > had && c->len < MUCH);
        had = c->len;
    }
    client_want(c, MUCH);
    BYTES(c->buf, c->len, data, MUCH);
    free(data);
}

static void test_a_stalled_local_socket(void **state)
{
    struct fixture *f = *state;
    char *data = letters(MUCH);
    hijack_socket *socket;
    int fds[2];

    limits(f, "400", "1000");
    fixture_start(f);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    struct client *c = client_wrap(fds[0]);
    OK(hijack_server_adopt(&socket, f->server, fds[1], NULL, 0));
    events_note(&f->events, socket, KIND_SOCKET);
    OK(hijack_socket_send(socket, LIT("hello")));
    client_expect(c, "hello");
    uint64_t start = clock_ms();
    OK(hijack_socket_send(socket, data, MUCH));
    events_closed(&f->events, socket, HIJACK_ETIMEDOUT);
    ends_late(f, start, STALL);
    free(data);
}

/* The program has ended it and let it go: nobody but the loop can end the wait for its last bytes. */
static void test_stalled_at_the_end(void **state)
{
    struct fixture *f = *state;
    char *data = letters(4 * MUCH);

    limits(f, "400", "1000");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    uint64_t start = clock_ms();
    OK(hijack_socket_send(socket, data, 4 * MUCH));
    OK(hijack_socket_close(socket));
    socket_free(f, socket);
    ends_late(f, start, STALL);
    client_rst(c);
    free(data);
}

/* A peer that has reset takes nothing any more, which is no news: the program still gets what it had sent, and why. */
static void test_a_reset_while_bytes_wait(void **state)
{
    struct fixture *f = *state;
    char *data = letters(little());

    fixture_capacity(f, "1");
    limits(f, "100", "300");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_queue_wake(f->queue)); /* the queue is full: nothing is read */
    OK(hijack_socket_read(socket, 100));
    OK(hijack_socket_send(socket, data, little()));
    client_puts(c, "last words");
    stat_wait_least(f->server, HIJACK_STAT_BYTES_OUT, little());
    client_reset(c);
    pass(f, 1000);
    events_next(&f->events, HIJACK_EVENT_WAKE, NULL);
    char *got = events_data(&f->events, socket, 10);
    BYTES(got, 10, "last words", 10);
    events_closed(&f->events, socket, HIJACK_ERESET);
    free(got);
    free(data);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_paused_response),      TEST(test_a_paused_socket),    TEST(test_a_silent_peer),
        TEST(test_a_vanished_socket),      TEST(test_a_vanished_member),  TEST(test_vanished_while_paused),
        TEST(test_stalled_with_little),    TEST(test_stalled_with_much),  TEST(test_a_slow_reader),
        TEST(test_a_stalled_local_socket), TEST(test_stalled_at_the_end), TEST(test_a_reset_while_bytes_wait),
    };

    return RUN_TESTS(tests, argc, argv);
}
