/* SPDX-License-Identifier: MIT
 *
 * How relayed sockets end: in order, by a reset, by the program, before they have met and while bytes wait; and that
 * handles may go.
 */
#include "support/pair.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_resets_pass_on(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int i = 0; i < 6; i++) {
        struct pair p = pair_relayed(f, listener, port);
        client_puts(p.client, "x");
        client_expect(p.origin, "x");
        struct client *dies = i % 2 == 0 ? p.client : p.origin, *other = i % 2 == 0 ? p.origin : p.client;
        if (i < 4)
            client_reset(dies);
        else
            OK(hijack_socket_abort(i % 2 == 0 ? p.near : p.far));
        client_rst(other);
        int status = i < 4 ? HIJACK_ERESET : HIJACK_EABORTED;
        events_closed(&f->events, p.near, status);
        events_closed(&f->events, p.far, status);
        pair_free(f, &p);
    }
    close(listener);
}

static void test_close_ends_both(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int i = 0; i < 4; i++) {
        struct pair p = pair_relayed(f, listener, port);
        client_puts(p.client, "to the origin");
        client_puts(p.origin, "to the client");
        client_expect(p.origin, "to the origin");
        client_expect(p.client, "to the client");
        OK(hijack_socket_close(i % 2 == 0 ? p.near : p.far));
        client_eof(p.client);
        client_eof(p.origin);
        events_closed(&f->events, p.near, 0);
        events_closed(&f->events, p.far, 0);
        CODE(hijack_socket_close(p.near), HIJACK_ECLOSED);
        pair_free(f, &p);
    }
    close(listener);
}

static void test_handles_may_go(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int i = 0; i < 8; i++) {
        struct pair p = pair_relayed(f, listener, port);
        if (i % 4 != 1)
            socket_free(f, p.near);
        if (i % 4 != 2)
            socket_free(f, p.far);
        client_puts(p.client, "alive");
        client_expect(p.origin, "alive");
        client_shutdown(p.origin);
        client_eof(p.client);
        client_puts(p.client, "still");
        client_expect(p.origin, "still");
        client_close(p.client);
        client_eof(p.origin);
        if (i % 4 == 1)
            events_closed(&f->events, p.near, 0);
        if (i % 4 == 2)
            events_closed(&f->events, p.far, 0);
        client_close(p.origin);
    }
    stat_wait(f->server, HIJACK_STAT_RELAYED, 0);
    close(listener);
}

/* One that has ended already, and one that is not open yet. */
static void test_an_end_before(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int i = 0; i < 8; i++) {
        struct pair p = {.near = socket_open(f, &p.client)};
        client_shutdown(p.client);
        events_next(&f->events, HIJACK_EVENT_EOF, p.near);
        p.far = connect_to_port(f, i < 4 ? "127.0.0.1" : "localhost", port);
        OK(hijack_socket_relay(i % 2 == 0 ? p.near : p.far, i % 2 == 0 ? p.far : p.near));
        p.origin = accept_client(listener);
        client_eof(p.origin);
        client_puts(p.origin, "it still listens");
        client_expect(p.client, "it still listens");
        client_close(p.origin);
        client_eof(p.client);
        events_closed(&f->events, p.near, 0);
        events_closed(&f->events, p.far, 0);
        pair_free(f, &p);
    }
    close(listener);
}

/* The program ends a pair of which one is not there yet. */
static void test_ends_before_they_meet(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int i = 0; i < 16; i++) {
        struct client *c;
        hijack_socket *near = socket_open(f, &c), *far = connect_to_port(f, "127.0.0.1", port);
        int swap = i % 2;
        if (i >= 8)
            client_reset(c); /* before, or while, they are paired */
        int rc = hijack_socket_relay(swap ? far : near, swap ? near : far);
        CHECK(rc == 0 || (i >= 8 && rc == HIJACK_ECLOSED));
        if (rc != 0)
            hijack_socket_abort(far);
        else if (i < 4)
            OK(hijack_socket_abort(i % 4 < 2 ? near : far));
        else if (i < 8)
            OK(hijack_socket_close(i % 4 < 2 ? near : far));
        events_next(&f->events, HIJACK_EVENT_CLOSED, near);
        events_next(&f->events, HIJACK_EVENT_CLOSED, far);
        client_close(c);
    }
    close(listener);
}

/* What was taken of one side and waits for the other, slow one: it is delivered by a close, and
 * before a reset that comes after it. */
static void test_ends_while_bytes_wait(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "1", &port);
    for (int i = 0; i < 6; i++) {
        struct pair p = pair_relayed(f, listener, port);
        size_t sent = pair_fill(p.client), taken = stat_of(f->server, HIJACK_STAT_RELAYED_BYTES);
        CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) > 0);
        if (i == 0)
            OK(hijack_socket_close(p.near));
        else if (i == 1)
            OK(hijack_socket_close(p.far));
        else if (i == 2)
            client_reset(p.client);
        else if (i == 3)
            client_reset(p.origin);
        else if (i == 4)
            OK(hijack_socket_abort(p.near));
        else
            client_shutdown(p.client);
        if (i < 2) {
            client_eof(p.origin);
            CHECK(p.origin->len > 0 && p.origin->len <= sent && p.origin->len <= taken);
        } else if (i == 2 || i == 4) {
            client_rst(p.origin); /* behind what was received before it: that is passed on */
            CHECK(p.origin->len <= sent);
        } else if (i == 5) {
            client_eof(p.origin);
            CHECK(p.origin->len == sent);
            client_close(p.origin);
        }
        CHECK(i == 2 || client_until_end(p.client) != 0);
        events_next(&f->events, HIJACK_EVENT_CLOSED, p.near);
        pair_free(f, &p);
        stat_wait(f->server, HIJACK_STAT_RELAYED, 0);
        stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    }
    close(listener);
}

static void test_idle(void **state)
{
    struct fixture *f = *state;
    fixture_option(f, "relay_idle_ms", "300");
    int port, listener = pair_start(f, "1", &port);
    struct pair p = pair_relayed(f, listener, port);
    for (int i = 0; i < 10; i++) {
        struct pollfd nothing = {p.client->fd, POLLIN, 0};
        CHECK(poll(&nothing, 1, 60) == 0); /* twice as long as the limit in all */
        client_puts(p.origin, "x");
        client_expect(p.client, "x");
    }
    events_closed(&f->events, p.near, HIJACK_ETIMEDOUT);
    events_closed(&f->events, p.far, HIJACK_ETIMEDOUT);
    CHECK(client_until_end(p.client) != 0);
    CHECK(client_until_end(p.origin) != 0);
    close(listener);
}

/* Some between loops, some with their handles, some on the way: the stop ends them all. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "3", &port);
    for (int i = 0; i < 12; i++) {
        struct pair p = pair_open(f, listener, port);
        client_puts(p.client, "data");
        OK(hijack_socket_relay(p.near, p.far));
        if (i % 3 == 0)
            socket_free(f, p.near);
        if (i % 2 == 0)
            socket_free(f, p.far);
    }
    fixture_stop(f);
    close(listener);
}

/* Sends little at a time, so that nothing is spliced, until nothing has moved for a while. */
static void fill_gently(struct fixture *f, struct client *c)
{
    static const char data[4096];
    struct pollfd room = {c->fd, POLLOUT, 0};
    uint64_t before = stat_of(f->server, HIJACK_STAT_RELAYED_BYTES);
    while (poll(&room, 1, 200) == 1) {
        ssize_t n = send(c->fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);
        CHECK(n > 0);
        for (int i = 0; i < 100 && stat_of(f->server, HIJACK_STAT_RELAYED_BYTES) < before + (uint64_t)n; i++)
            clock_tick();
        before = stat_of(f->server, HIJACK_STAT_RELAYED_BYTES);
    }
}

/* A unix socket's peer that has gone without an error while bytes wait for it: the other one must hear of it. */
static void test_gone_while_bytes_wait(void **state)
{
    struct fixture *f = *state;
    fixture_option(f, "threads", "1");
    fixture_start(f);
    for (int i = 0; i < 2; i++) {
        struct client *c, *d;
        hijack_socket *a = socket_adopted(f, &c, ""), *b = socket_adopted(f, &d, "");
        OK(hijack_socket_relay(i == 0 ? a : b, i == 0 ? b : a));
        fill_gently(f, d);
        CHECK(shutdown(c->fd, SHUT_RDWR) == 0);
        CHECK(client_until_end(d) != 0);
        client_close(d);
        events_next(&f->events, HIJACK_EVENT_CLOSED, a);
        events_next(&f->events, HIJACK_EVENT_CLOSED, b);
        stat_wait(f->server, HIJACK_STAT_RELAYED, 0);
        socket_free(f, a);
        socket_free(f, b);
        client_close(c);
    }
}

/* Sends what is flooded with one urgent byte in the middle. */
static void *send_urgent(void *arg)
{
    struct client *from = arg;
    static char data[65536];
    for (int i = 0; i < 200; i++) {
        client_send(from, data, sizeof(data));
        if (i == 100)
            CHECK(send(from->fd, "!", 1, MSG_OOB) == 1);
    }
    shutdown(from->fd, SHUT_WR);
    return NULL;
}

/* An urgent byte among many, which splice does not pass: the rest goes on, and no loop turns for nothing. */
static void test_urgent_byte(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "1", &port);
    pthread_t thread;
    struct pair p;
    p.near = socket_adopted(f, &p.client, "");
    p.far = connect_to_port(f, "127.0.0.1", port);
    p.origin = accept_client(listener);
    OK(hijack_socket_relay(p.near, p.far));
    CHECK(pthread_create(&thread, NULL, send_urgent, p.origin) == 0);
    client_want(p.client, 200u * 65536);
    client_eof(p.client);
    pthread_join(thread, NULL);
    pair_free(f, &p);
    close(listener);
}

/* The client has sent all and gone before the other one is open: what it sent is passed on, in one loop and in two. */
static void test_gone_before_it_is_open(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int i = 0; i < 4; i++) {
        struct pair p;
        p.near = socket_adopted(f, &p.client, "");
        p.far = connect_to_port(f, "localhost", port); /* whose name takes its time */
        OK(hijack_socket_relay(p.near, p.far));
        client_puts(p.client, "all that there is");
        client_close(p.client);
        p.origin = accept_client(listener);
        client_expect(p.origin, "all that there is");
        client_eof(p.origin);
        client_close(p.origin);
        events_closed(&f->events, p.near, 0);
        events_closed(&f->events, p.far, 0);
        socket_free(f, p.near);
        socket_free(f, p.far);
    }
    close(listener);
}

/* A reset that comes while the two are about to meet is one for the other side too, and no end in order. */
static void test_resets_pass_on_at_once(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int i = 0; i < 60; i++) {
        struct pair p = pair_open(f, listener, port);
        OK(hijack_socket_relay(i % 2 == 0 ? p.near : p.far, i % 2 == 0 ? p.far : p.near));
        client_reset(p.client);
        client_rst(p.origin);
        events_closed(&f->events, p.near, HIJACK_ERESET);
        events_closed(&f->events, p.far, HIJACK_ERESET);
        pair_free(f, &p);
    }
    close(listener);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_resets_pass_on),
        TEST(test_resets_pass_on_at_once),
        TEST(test_close_ends_both),
        TEST(test_handles_may_go),
        TEST(test_an_end_before),
        TEST(test_ends_before_they_meet),
        TEST(test_ends_while_bytes_wait),
        TEST(test_gone_while_bytes_wait),
        TEST(test_gone_before_it_is_open),
        TEST(test_urgent_byte),
        TEST(test_idle),
        TEST(test_stop),
    };
    return RUN_TESTS(tests, argc, argv);
}
