/* SPDX-License-Identifier: MIT
 *
 * Relayed sockets, of one loop and of two: bytes and back-pressure pass from one to the other, what comes before both
 * are open waits, and what the program may ask for.
 */
#include "support/pair.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void both_ways(struct fixture *f, const char *threads)
{
    int port, listener = pair_start(f, threads, &port);
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
    int port, listener = pair_start(f, "2", &port);
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

/* What the program asks for in a wrong moment changes nothing. */
static void test_states(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
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
    int port, elsewhere, listener = pair_start(f, "1", &port), unused = listen_here(&elsewhere, 1);
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
    int port, listener = pair_start(f, "2", &port);
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
    int port, listener = pair_start(f, threads, &port);
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

/* Who has read ahead takes the credit back, passes on what came by then, and relays the rest: not a byte is lost. */
static void test_read_ahead(void **state)
{
    struct fixture *f = *state;
    static char ahead[1 << 20];
    int port, listener = pair_start(f, "2", &port);
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
    int port, listener = pair_start(f, "1", &port);
    struct pair p = pair_relayed(f, listener, port);
    size_t sent = pair_fill(p.client);
    CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) <= 2 * 262144);
    client_puts(p.origin, "the other way is free");
    client_expect(p.client, "the other way is free");
    client_want(p.origin, sent);
    CHECK(client_peek(p.origin) == sent);
    close(listener);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_ways_in_one_loop),
        TEST(test_both_ways_between_loops),
        TEST(test_unread_bytes),
        TEST(test_states),
        TEST(test_other_server),
        TEST(test_before_it_is_open),
        TEST(test_much),
        TEST(test_much_between_loops),
        TEST(test_read_ahead),
        TEST(test_back_pressure),
    };
    return RUN_TESTS(tests, argc, argv);
}
