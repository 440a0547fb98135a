/* SPDX-License-Identifier: MIT
 *
 * Relayed sockets: one that a client has opened and one that the server has, of one loop and of two. Bytes, ends,
 * resets and back-pressure pass from one to the other; handles may go; what comes before both are open waits.
 */
#include "support/exchange.h"
#include "support/outgoing.h"
#include "support/transport.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client's socket, near, and an outgoing one, far, with both other ends. */
struct pair {
    hijack_socket *near, *far;
    struct client *client, *origin;
};

/* Not related yet. */
static struct pair pair_open(struct fixture *f, int listener, int port)
{
    struct pair p;
    p.near = socket_open(f, &p.client);
    p.far = connect_to_port(f, "127.0.0.1", port);
    p.origin = accept_client(listener);
    events_next(&f->events, HIJACK_EVENT_CONNECTED, p.far);
    return p;
}

static struct pair pair_relayed(struct fixture *f, int listener, int port)
{
    struct pair p = pair_open(f, listener, port);
    OK(hijack_socket_relay(p.near, p.far));
    return p;
}

static void pair_free(struct fixture *f, struct pair *p)
{
    socket_free(f, p->near);
    socket_free(f, p->far);
    client_close(p->client);
    client_close(p->origin);
}

/* Connections are spread over the loops in turn: with two of them, both cases come. */
static int start_with(struct fixture *f, const char *threads, int *port)
{
    fixture_option(f, "threads", threads);
    fixture_start(f);
    return listen_here(port, 100);
}

static void both_ways(struct fixture *f, const char *threads)
{
    int port, listener = start_with(f, threads, &port);
    for (int round = 0; round < 4; round++) {
        struct pair p = pair_open(f, listener, port);
        OK(hijack_socket_send(p.near, LIT("welcome ")));
        OK(hijack_socket_send(p.far, LIT("greetings ")));
        client_puts(p.client, "sent before");
        OK(hijack_socket_read(p.near, 5));
        free(events_data(&f->events, p.near, 5));
        OK(hijack_socket_relay(p.near, p.far));
        client_expect(p.origin, "greetings before");
        client_puts(p.origin, "answer");
        client_expect(p.client, "welcome answer");
        for (int i = 0; i < 20; i++) {
            client_puts(p.client, "ping");
            client_expect(p.origin, "ping");
            client_puts(p.origin, "pong!");
            client_expect(p.client, "pong!");
        }
        stat_wait(f->server, HIJACK_STAT_RELAYED, 2);
        client_shutdown(p.client);
        client_eof(p.origin);
        client_puts(p.origin, "half open");
        client_expect(p.client, "half open");
        client_close(p.origin);
        client_eof(p.client);
        events_closed(&f->events, p.near, 0);
        events_closed(&f->events, p.far, 0);
        CHECK(events_pending(&f->events, HIJACK_EVENT_DATA, NULL) == 0);
        CHECK(events_pending(&f->events, HIJACK_EVENT_EOF, NULL) == 0);
        pair_free(f, &p);
    }
    CHECK(stat_of(f->server, HIJACK_STAT_RELAYED_BYTES) == 4 * (20 * 9 + 6 + 6 + 9));
    close(listener);
}

static void test_both_ways_in_one_loop(void **state)
{
    both_ways(*state, "1");
}

static void test_both_ways_between_loops(void **state)
{
    both_ways(*state, "3");
}

static void test_unread_bytes(void **state)
{
    struct fixture *f = *state;
    int port, listener = start_with(f, "2", &port);
    for (int i = 0; i < 4; i++) {
        struct pair p;
        p.near = socket_adopted(f, &p.client, "what was read already");
        p.far = connect_to_port(f, "127.0.0.1", port);
        OK(hijack_socket_relay(i % 2 == 0 ? p.near : p.far, i % 2 == 0 ? p.far : p.near)); /* not open yet */
        p.origin = accept_client(listener);
        client_expect(p.origin, "what was read already");
        client_puts(p.origin, "back");
        client_expect(p.client, "back");
        client_close(p.client);
        client_eof(p.origin);
        client_close(p.origin);
        events_next(&f->events, HIJACK_EVENT_CLOSED, p.near);
        events_next(&f->events, HIJACK_EVENT_CLOSED, p.far);
        socket_free(f, p.near);
        socket_free(f, p.far);
    }
    close(listener);
}

static void test_resets_pass_on(void **state)
{
    struct fixture *f = *state;
    int port, listener = start_with(f, "2", &port);
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
    int port, listener = start_with(f, "2", &port);
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
    int port, listener = start_with(f, "2", &port);
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

/* What the program asks for in a wrong moment changes nothing. */
static void test_states(void **state)
{
    struct fixture *f = *state;
    int port, listener = start_with(f, "2", &port);
    hijack_broadcaster *room = fixture_broadcaster(f);
    struct pair p = pair_open(f, listener, port);
    struct client *unused;
    hijack_stream *stream = stream_open(f, &unused);

    CODE(hijack_socket_relay(p.near, p.near), HIJACK_EINVAL);
    CODE(hijack_socket_relay(NULL, p.far), HIJACK_EHANDLE);
    CODE(hijack_socket_relay(p.near, NULL), HIJACK_EHANDLE);
    CODE(hijack_socket_relay(p.near, (hijack_socket *)stream), HIJACK_EHANDLE);
    OK(hijack_broadcaster_add(room, p.far, 0, NULL, 0));
    CODE(hijack_socket_relay(p.near, p.far), HIJACK_ESTATE);
    CODE(hijack_socket_relay(p.far, p.near), HIJACK_ESTATE);
    OK(hijack_broadcaster_remove(room, p.far));
    OK(hijack_socket_relay(p.near, p.far));
    for (int i = 0; i < 2; i++) {
        hijack_socket *socket = i == 0 ? p.near : p.far;
        CODE(hijack_socket_read(socket, 1), HIJACK_ESTATE);
        CODE(hijack_socket_send(socket, LIT("x")), HIJACK_ESTATE);
        CODE(hijack_socket_shutdown(socket), HIJACK_ESTATE);
        CODE(hijack_socket_detach(socket), HIJACK_ESTATE);
        CODE(hijack_broadcaster_add(room, socket, 0, NULL, 0), HIJACK_ESTATE);
        CODE(hijack_socket_relay(p.near, p.far), HIJACK_ESTATE);
    }
    client_puts(p.client, "goes on");
    client_expect(p.origin, "goes on");
    struct pair q = pair_open(f, listener, port);
    CODE(hijack_socket_relay(q.near, p.far), HIJACK_ESTATE);
    OK(hijack_socket_read(q.near, 3)); /* it is as before */
    client_puts(q.client, "abc");
    free(events_data(&f->events, q.near, 3));
    OK(hijack_socket_shutdown(q.far));
    CODE(hijack_socket_relay(q.near, q.far), HIJACK_ECLOSED);
    OK(hijack_socket_close(q.near));
    CODE(hijack_socket_relay(q.near, q.far), HIJACK_ECLOSED);
    close(listener);
}

static void test_other_server(void **state)
{
    struct fixture *f = *state;
    hijack_server *server;
    hijack_socket *foreign;
    char address[64];
    int port, elsewhere, listener = start_with(f, "1", &port), unused = listen_here(&elsewhere, 1);
    snprintf(address, sizeof(address), "127.0.0.1:%d", elsewhere);
    hijack_socket *own = connect_to_port(f, "127.0.0.1", port);

    OK(hijack_server_new(&server, f->queue));
    OK(hijack_server_start(server));
    OK(hijack_server_connect(&foreign, server, STR(address), 0));
    CODE(hijack_socket_relay(own, foreign), HIJACK_EINVAL);
    CODE(hijack_socket_relay(foreign, own), HIJACK_EINVAL);
    hijack_socket_free(foreign);
    hijack_server_free(server);
    OK(hijack_socket_send(own, LIT("it is as before")));
    client_expect(accept_client(listener), "it is as before");
    close(unused);
    close(listener);
}

/* Of the second socket, the first one and both, before they are open; those that never open end the other one. */
static void test_before_it_is_open(void **state)
{
    struct fixture *f = *state;
    int port, listener = start_with(f, "2", &port);
    for (int i = 0; i < 4; i++) {
        hijack_socket *a = connect_to_port(f, "localhost", port), *b = connect_to_port(f, "127.0.0.1", port);
        OK(hijack_socket_relay(a, b));
        if (i % 2 == 1) {
            socket_free(f, a);
            socket_free(f, b);
        }
        struct client *c = accept_client(listener), *d = accept_client(listener);
        client_puts(c, "between two origins");
        client_expect(d, "between two origins");
        client_close(d);
        client_eof(c);
        client_close(c);
        if (i % 2 == 0) {
            events_next(&f->events, HIJACK_EVENT_CLOSED, a);
            events_next(&f->events, HIJACK_EVENT_CLOSED, b);
        }
    }
    close(listener);
    for (int i = 0; i < 40; i++) {
        struct client *c;
        hijack_socket *near = socket_open(f, &c), *far = connect_to_port(f, "127.0.0.1", port);
        int rc = hijack_socket_relay(i % 2 == 0 ? near : far, i % 2 == 0 ? far : near);
        CHECK(rc == 0 || rc == HIJACK_ECLOSED); /* it may be refused already */
        events_closed(&f->events, far, HIJACK_EREFUSED);
        if (rc != 0)
            OK(hijack_socket_close(near));
        CHECK(client_until_end(c) != 0);
        events_closed(&f->events, near, rc == 0 ? HIJACK_EREFUSED : 0);
        client_close(c);
    }
}

/* One that has ended already, and one that is not open yet. */
static void test_an_end_before(void **state)
{
    struct fixture *f = *state;
    int port, listener = start_with(f, "2", &port);
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
    int port, listener = start_with(f, "2", &port);
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

#define MANY (24u << 20)

struct flood {
    struct client *from;
    size_t sent;
};

static char byte_at(size_t i)
{
    return (char)(i * 31 + i / 4099);
}

static void *send_flood(void *arg)
{
    struct flood *flood = arg;
    char data[8192];
    while (flood->sent < MANY) {
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = byte_at(flood->sent + i);
        client_send(flood->from, data, sizeof(data));
        flood->sent += sizeof(data);
    }
    shutdown(flood->from->fd, SHUT_WR);
    return NULL;
}

static void expect_flood(struct client *c)
{
    size_t have = 0;
    while (have < MANY) {
        client_want(c, 1);
        size_t len = client_peek(c);
        for (size_t i = 0; i < len; i++)
            if (c->buf[i] != byte_at(have + i))
                check_fail(__FILE__, __LINE__, "byte %zu is wrong", have + i);
        have += len;
        client_consume(c, len);
    }
    CHECK(have == MANY);
    client_eof(c);
}

static void much(struct fixture *f, const char *threads)
{
    int port, listener = start_with(f, threads, &port);
    struct pair p = pair_relayed(f, listener, port);
    for (int i = 0; i < 2; i++) {
        struct flood flood = {i == 0 ? p.client : p.origin, 0};
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, send_flood, &flood) == 0);
        expect_flood(i == 0 ? p.origin : p.client);
        pthread_join(thread, NULL);
    }
    events_closed(&f->events, p.near, 0);
    events_closed(&f->events, p.far, 0);
    CHECK(stat_of(f->server, HIJACK_STAT_RELAYED_BYTES) == 2ull * MANY);
    close(listener);
}

static void test_much(void **state)
{
    much(*state, "1");
}

static void test_much_between_loops(void **state)
{
    much(*state, "2");
}

/* Sends until nothing has moved for a while; how many bytes went. */
static size_t fill(struct client *c)
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

/* Who has read ahead takes the credit back, passes on what came by then, and relays the rest: not a byte is lost. */
static void test_read_ahead(void **state)
{
    struct fixture *f = *state;
    static char ahead[1 << 20];
    int port, listener = start_with(f, "2", &port);
    for (int i = 0; i < 4; i++) {
        struct pair p = pair_open(f, listener, port);
        struct flood flood = {p.client, 0};
        pthread_t thread;
        OK(hijack_socket_read(p.near, sizeof(ahead)));
        CHECK(pthread_create(&thread, NULL, send_flood, &flood) == 0);
        struct event *event = events_only(&f->events, HIJACK_EVENT_DATA, p.near);
        OK(hijack_socket_read(p.near, 0));
        size_t len = 0;
        for (; event->type == HIJACK_EVENT_DATA; event = events_next(&f->events, HIJACK_EVENT_NONE, p.near)) {
            memcpy(ahead + len, event->data, event->len);
            len += event->len;
        }
        CHECK(event->type == HIJACK_EVENT_PAUSED);
        OK(hijack_socket_send(p.far, ahead, len));
        OK(hijack_socket_relay(i % 2 == 0 ? p.near : p.far, i % 2 == 0 ? p.far : p.near));
        expect_flood(p.origin);
        pthread_join(thread, NULL);
        client_shutdown(p.origin);
        events_closed(&f->events, p.near, 0);
        events_closed(&f->events, p.far, 0);
        pair_free(f, &p);
    }
    close(listener);
}

/* Who does not read stops who sends, and memory does not grow. */
static void test_back_pressure(void **state)
{
    struct fixture *f = *state;
    int port, listener = start_with(f, "1", &port);
    struct pair p = pair_relayed(f, listener, port);
    size_t sent = fill(p.client);
    CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) <= 2 * 262144);
    client_puts(p.origin, "the other way is free");
    client_expect(p.client, "the other way is free");
    client_want(p.origin, sent);
    CHECK(client_peek(p.origin) == sent);
    close(listener);
}

/* What was taken of one side and waits for the other, slow one: it is delivered by a close, and
 * before a reset that comes after it. */
static void test_ends_while_bytes_wait(void **state)
{
    struct fixture *f = *state;
    int port, listener = start_with(f, "1", &port);
    for (int i = 0; i < 6; i++) {
        struct pair p = pair_relayed(f, listener, port);
        size_t sent = fill(p.client), taken = stat_of(f->server, HIJACK_STAT_RELAYED_BYTES);
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
    int port, listener = start_with(f, "1", &port);
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
    int port, listener = start_with(f, "3", &port);
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
            usleep(1000);
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
    struct flood *flood = arg;
    static char data[65536];
    for (int i = 0; i < 200; i++) {
        client_send(flood->from, data, sizeof(data));
        flood->sent += sizeof(data);
        if (i == 100)
            CHECK(send(flood->from->fd, "!", 1, MSG_OOB) == 1);
    }
    shutdown(flood->from->fd, SHUT_WR);
    return NULL;
}

/* An urgent byte among many, which splice does not pass: the rest goes on, and no loop turns for nothing. */
static void test_urgent_byte(void **state)
{
    struct fixture *f = *state;
    int port, listener = start_with(f, "1", &port);
    pthread_t thread;
    struct pair p;
    p.near = socket_adopted(f, &p.client, "");
    p.far = connect_to_port(f, "127.0.0.1", port);
    p.origin = accept_client(listener);
    OK(hijack_socket_relay(p.near, p.far));
    struct flood flood = {p.origin, 0};
    CHECK(pthread_create(&thread, NULL, send_urgent, &flood) == 0);
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
    int port, listener = start_with(f, "2", &port);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_ways_in_one_loop),
        TEST(test_both_ways_between_loops),
        TEST(test_unread_bytes),
        TEST(test_resets_pass_on),
        TEST(test_close_ends_both),
        TEST(test_handles_may_go),
        TEST(test_states),
        TEST(test_other_server),
        TEST(test_before_it_is_open),
        TEST(test_an_end_before),
        TEST(test_ends_before_they_meet),
        TEST(test_much),
        TEST(test_read_ahead),
        TEST(test_much_between_loops),
        TEST(test_back_pressure),
        TEST(test_ends_while_bytes_wait),
        TEST(test_idle),
        TEST(test_stop),
        TEST(test_gone_while_bytes_wait),
        TEST(test_urgent_byte),
        TEST(test_gone_before_it_is_open),
    };
    return RUN_TESTS(tests, argc, argv);
}
