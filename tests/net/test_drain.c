/* SPDX-License-Identifier: MIT
 *
 * Draining: nothing new, what is open may finish, members leave spread over the time, STOPPED is last.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whether a new connection gets nowhere: refused, or ended without an answer. */
static int refuses(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0;

    close(fd);
    return failed;
}

static void stopped(struct fixture *f)
{
    events_next(&f->events, HIJACK_EVENT_STOPPED, f->server);
    f->stopped = 1;
}

static void test_idle_server(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    ask(c, "/");
    reply(f, next_request(f), "x");
    response_expect(c, 200, "x");
    uint64_t start = clock_ms();
    OK(hijack_server_drain(f->server, 60000));
    stopped(f);
    client_eof(c);
    CHECK(clock_ms() - start < clock_limit_ms());
    CHECK(refuses(f->port));
}

static void test_open_request_finishes(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;
    struct response r;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    hijack_stream *stream = stream_open(f, &d);
    OK(hijack_server_drain(f->server, 60000));
    WAIT_FOR(refuses(f->port));
    OK(hijack_stream_send(stream, LIT("part ")));
    reply(f, request, "served");
    response_head(&r, c);
    CHECK(r.status == 200);
    response_finish(&r);
    client_eof(c);
    response_free(&r);
    CHECK(events_pending(&f->events, HIJACK_EVENT_STOPPED, NULL) == 0);
    OK(hijack_stream_send(stream, LIT("end")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_expect(d, 200, "part end");
    client_eof(d);
    events_closed(&f->events, stream, 0);
    stopped(f);
}

static void test_deadline(void **state)
{
    struct fixture *f = *state;
    struct client *c[3];

    fixture_start(f);
    hijack_request *request = request_open(f, &c[0], "/");
    hijack_stream *stream = stream_open(f, &c[1]);
    hijack_socket *socket = socket_open(f, &c[2]);
    uint64_t start = clock_ms();
    OK(hijack_server_drain(f->server, 200));
    events_closed(&f->events, request, HIJACK_ESHUTDOWN);
    events_closed(&f->events, stream, HIJACK_ESHUTDOWN);
    events_closed(&f->events, socket, HIJACK_ESHUTDOWN);
    CHECK(clock_ms() - start >= 150);
    stopped(f);
    for (int i = 0; i < 3; i++)
        client_until_end(c[i]);
}

static void test_members_spread(void **state)
{
    struct fixture *f = *state;
    struct client *c[40];
    int half_seen = 0;

    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    fixture_start(f);
    for (int i = 0; i < 40; i++) {
        c[i] = client_connect(f->port);
        ask(c[i], "/sse");
    }
    members_wait(room, 40);
    uint64_t start = clock_ms();
    OK(hijack_server_drain(f->server, 800));
    for (int left = 40; left > 0 && clock_ms() - start < clock_limit_ms(); clock_tick()) {
        left = OK(hijack_broadcaster_count(room));
        half_seen |= left >= 10 && left <= 30;
    }
    CHECK(half_seen);
    CHECK(clock_ms() - start >= 400);
    for (int i = 0; i < 40; i++) {
        struct response r;
        response_head(&r, c[i]);
        response_finish(&r); /* ended in order: the client knows that it has all */
        response_free(&r);
    }
    stopped(f);
    stat_wait(f->server, HIJACK_STAT_CLOSED_SHUTDOWN, 40);
}

static void test_publish_while_draining(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    ask(c, "/raw");
    members_wait(room, 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("before")), 1);
    OK(hijack_server_drain(f->server, 100));
    client_eof(c);
    CHECK(c->len >= 6 && memcmp(c->buf, "before", 6) == 0);
    stopped(f);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_ESHUTDOWN);
}

static void test_stop_while_draining(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    OK(hijack_server_drain(f->server, 600000));
    WAIT_FOR(refuses(f->port));
    OK(hijack_server_stop(f->server));
    events_closed(&f->events, stream, HIJACK_ESHUTDOWN);
    stopped(f);
    OK(hijack_server_stop(f->server));
}

static void test_drain_zero(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    fixture_start(f);
    ask(client_connect(f->port), "/sse");
    members_wait(room, 1);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_server_drain(f->server, 0));
    events_closed(&f->events, socket, HIJACK_ESHUTDOWN);
    stopped(f);
}

/* A server on its own copy of the listening socket, as a new process has it. */
static hijack_server *take_over(struct fixture *f, int listener)
{
    hijack_server *server = NULL;
    char address[32];

    snprintf(address, sizeof(address), "fd:%d", dup(listener));
    OK(hijack_server_new(&server, f->queue));
    OK(hijack_server_set(server, HIJACK_STR("threads"), HIJACK_STR("2")));
    CHECK(transport_listen(server, address) > 0);
    OK(hijack_server_start(server));
    return server;
}

/* While clients come, server after server takes the listening socket over, and the one before it drains: each client
 * gets its answer from one of them. */
static void test_restart_loses_nothing(void **state)
{
    enum {
        RESTARTS = 20,
        CLIENTS = 30
    };
    struct fixture *f = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 512) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    hijack_server *server = take_over(f, listener), *next = NULL;
    for (int i = 0; i < RESTARTS; i++) {
        struct client *c[CLIENTS];
        for (int j = 0; j < CLIENTS; j++) {
            c[j] = client_connect(ntohs(address.sin_port));
            ask(c[j], "/");
            if (j != CLIENTS / 2)
                continue;
            next = take_over(f, listener);
            OK(hijack_server_drain(server, 60000));
        }
        for (int j = 0; j < CLIENTS; j++)
            reply(f, next_request(f), "served");
        for (int j = 0; j < CLIENTS; j++) {
            response_expect(c[j], 200, "served");
            client_close(c[j]);
        }
        events_next(&f->events, HIJACK_EVENT_STOPPED, server);
        hijack_server_free(server);
        server = next;
    }
    OK(hijack_server_stop(server));
    events_next(&f->events, HIJACK_EVENT_STOPPED, server);
    hijack_server_free(server);
    close(listener);
}

/* What a client has sent when the drain begins is answered, on a new connection and on a kept one; a kept one that is
 * silent ends, and a new one that is silent may still ask. */
static void test_what_has_arrived_is_served(void **state)
{
    struct fixture *f = *state;
    struct client *c[40], *silent;

    fixture_start(f);
    struct client *kept = client_connect(f->port), *idle = client_connect(f->port);
    for (int i = 0; i < 2; i++) {
        ask(i == 0 ? kept : idle, "/");
        reply(f, next_request(f), "first");
        response_expect(i == 0 ? kept : idle, 200, "first");
    }
    silent = client_connect(f->port);
    for (int i = 0; i < 40; i++) {
        c[i] = client_connect(f->port);
        ask(c[i], "/");
    }
    ask(kept, "/");
    transport_settle();
    OK(hijack_server_drain(f->server, 60000));
    client_eof(idle);
    ask(silent, "/");
    for (int i = 0; i < 42; i++)
        reply(f, next_request(f), "served");
    for (int i = 0; i < 40; i++)
        response_expect(c[i], 200, "served");
    response_expect(kept, 200, "served");
    response_expect(silent, 200, "served");
    stopped(f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_idle_server),    TEST(test_open_request_finishes),      TEST(test_deadline),
        TEST(test_members_spread), TEST(test_publish_while_draining),     TEST(test_stop_while_draining),
        TEST(test_drain_zero),     TEST(test_what_has_arrived_is_served), TEST(test_restart_loses_nothing),
    };

    return RUN_TESTS(tests, argc, argv);
}
