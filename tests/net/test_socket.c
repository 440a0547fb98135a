/* SPDX-License-Identifier: MIT
 *
 * The hijacked connection: whose the first byte is, what had already come, credit, half-close, close and abort.
 */
#include "support/exchange.h"

#include <stdlib.h>
#include <sys/socket.h>

static void test_full_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    hijack_socket *socket = NULL;
    OK(hijack_request_hijack(&socket, request));
    events_note(&f->events, socket, KIND_SOCKET);
    events_closed(&f->events, request, 0);
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 1);
    OK(hijack_socket_send(socket, LIT("raw bytes")));
    client_expect(c, "raw bytes");
    OK(hijack_socket_close(socket));
    client_eof(c);
    CHECK(c->len == 0);
    events_closed(&f->events, socket, 0);
    stat_wait(f->server, HIJACK_STAT_CLOSED_OK, 1);
}

static void test_full_then_close(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_close(socket));
    client_eof(c);
    CHECK(c->len == 0);
    events_closed(&f->events, socket, 0);
}

static void test_partial(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;
    hijack_socket *socket = NULL;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_hijack_partial(&socket, request, 200, LIT("X-A: b\r\n")));
    events_note(&f->events, socket, KIND_SOCKET);
    OK(hijack_socket_send(socket, LIT("mine")));
    response_head(&r, c);
    CHECK(r.status == 200 && !r.chunked && r.length == -1);
    CHECK(strcmp(response_header(&r, "x-a"), "b") == 0);
    CHECK(strcmp(response_header(&r, "connection"), "close") == 0);
    client_expect(c, "mine");
    OK(hijack_socket_close(socket));
    client_eof(c);
    events_closed(&f->events, socket, 0);
}

static void test_partial_101(void **state)
{
    struct fixture *f = *state;
    struct client *c = NULL;
    struct response r;
    hijack_socket *socket = NULL;

    fixture_start(f);
    c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    hijack_request *request = next_request(f);
    OK(hijack_request_hijack_partial(&socket, request, 101, LIT("Connection: Upgrade\r\nUpgrade: echo\r\n")));
    events_note(&f->events, socket, KIND_SOCKET);
    response_head(&r, c);
    CHECK(r.status == 101);
    CHECK(strcasecmp(response_header(&r, "connection"), "upgrade") == 0);
    CHECK(strcmp(response_header(&r, "upgrade"), "echo") == 0);
    CHECK(strcasestr(strcasestr(r.head, "connection:") + 1, "connection:") == NULL);
    OK(hijack_socket_read(socket, 4));
    client_puts(c, "ping");
    free(events_data(&f->events, socket, 4));
    OK(hijack_socket_send(socket, LIT("pong")));
    client_expect(c, "pong");
}

static void test_leftover(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\nleftover");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_read(socket, 4));
    char *data = events_data(&f->events, socket, 4);
    BYTES(data, 4, "left", 4);
    free(data);
    client_puts(c, " and more");
    OK(hijack_socket_read(socket, UINT64_MAX));
    data = events_data(&f->events, socket, 13);
    BYTES(data, 13, "over and more", 13);
    free(data);
}

/* The leftover is larger than what one read takes in. */
static void test_leftover_large(void **state)
{
    struct fixture *f = *state;
    size_t len = 300000;
    char *sent = malloc(len);

    CHECK(sent != NULL);
    for (size_t i = 0; i < len; i++)
        sent[i] = (char)(i * 11 >> 2);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client_send(c, sent, len);
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_read(socket, UINT64_MAX));
    char *data = events_data(&f->events, socket, len);
    BYTES(data, len, sent, len);
    free(data);
    free(sent);
}

/* A body belongs to the request, what follows it to the socket. */
static void test_leftover_after_body(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbodyrest");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_read(socket, UINT64_MAX));
    char *data = events_data(&f->events, socket, 4);
    BYTES(data, 4, "rest", 4);
    free(data);
    c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\nREST");
    socket = socket_of(f, next_request(f));
    OK(hijack_socket_read(socket, UINT64_MAX));
    data = events_data(&f->events, socket, 4);
    BYTES(data, 4, "REST", 4);
    free(data);
}

/* What the server sent and the client has read is a proof that the loop had its turn. */
static void loop_turn(struct fixture *f, hijack_socket *socket, struct client *c)
{
    for (int i = 0; i < 3; i++) {
        OK(hijack_socket_send(socket, LIT("turn")));
        client_expect(c, "turn");
    }
    events_barrier(&f->events);
}

static void test_credit(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    client_puts(c, "0123456789abcdefghij");
    loop_turn(f, socket, c);
    CHECK(events_pending(&f->events, HIJACK_EVENT_DATA, socket) == 0);
    OK(hijack_socket_read(socket, 7));
    char *data = events_data(&f->events, socket, 7);
    BYTES(data, 7, "0123456", 7);
    free(data);
    loop_turn(f, socket, c);
    CHECK(events_pending(&f->events, HIJACK_EVENT_DATA, socket) == 0);
    OK(hijack_socket_read(socket, 1));
    OK(hijack_socket_read(socket, 2));
    data = events_data(&f->events, socket, 3);
    BYTES(data, 3, "789", 3);
    free(data);
    OK(hijack_socket_read(socket, 100));
    data = events_data(&f->events, socket, 10);
    BYTES(data, 10, "abcdefghij", 10);
    free(data);
    client_puts(c, "more");
    free(events_data(&f->events, socket, 4));
    OK(hijack_socket_read(socket, 0));
    events_next(&f->events, HIJACK_EVENT_PAUSED, socket);
    client_puts(c, "later");
    loop_turn(f, socket, c);
    CHECK(events_pending(&f->events, HIJACK_EVENT_DATA, socket) == 0);
    OK(hijack_socket_read(socket, 5));
    data = events_data(&f->events, socket, 5);
    BYTES(data, 5, "later", 5);
    free(data);
}

/* Without credit the kernel's buffers fill and the client has to wait: the library takes nothing in. */
static void test_no_credit_holds_client(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    static char block[65536];
    size_t sent = 0;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    uint64_t before = stat_of(f->server, HIJACK_STAT_BYTES_IN);
    for (int full = 0; full < 20 && sent < (64u << 20);) {
        ssize_t n = send(c->fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        full = n > 0 ? 0 : full + 1;
        if (n <= 0)
            clock_tick();
    }
    CHECK(sent < (64u << 20));
    loop_turn(f, socket, c);
    CHECK(stat_of(f->server, HIJACK_STAT_BYTES_IN) - before <= 65536);
    OK(hijack_socket_read(socket, UINT64_MAX));
    free(events_data(&f->events, socket, sent));
}

static void test_peer_half_close(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    client_puts(c, "last words");
    client_shutdown(c);
    free(events_data(&f->events, socket, 10));
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    OK(hijack_socket_send(socket, LIT("still here")));
    client_expect(c, "still here");
    OK(hijack_socket_send(socket, LIT("bye")));
    OK(hijack_socket_close(socket));
    client_expect(c, "bye");
    client_eof(c);
    events_closed(&f->events, socket, 0);
}

static void test_own_half_close(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    OK(hijack_socket_send(socket, LIT("all")));
    OK(hijack_socket_shutdown(socket));
    CODE(hijack_broadcaster_add(fixture_broadcaster(f), socket, 0, NULL, 0), HIJACK_ECLOSED);
    CODE(hijack_socket_send(socket, LIT("no")), HIJACK_ECLOSED);
    client_eof(c);
    BYTES(c->buf, c->len, "all", 3);
    client_puts(c, "answer");
    free(events_data(&f->events, socket, 6));
    client_shutdown(c);
    for (;;) {
        struct event *event = events_next(&f->events, HIJACK_EVENT_NONE, socket);
        if (event->type == HIJACK_EVENT_EOF)
            continue;
        CHECK(event->type == HIJACK_EVENT_CLOSED && event->status == 0);
        break;
    }
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 0);
}

static void test_shutdown_after_eof(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    client_shutdown(c);
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    OK(hijack_socket_send(socket, LIT("end")));
    OK(hijack_socket_shutdown(socket));
    client_eof(c);
    BYTES(c->buf, c->len, "end", 3);
    events_closed(&f->events, socket, 0);
}

static void test_abort_is_reset(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_send(socket, LIT("x")));
    client_expect(c, "x");
    OK(hijack_socket_abort(socket));
    CODE(hijack_socket_send(socket, LIT("x")), HIJACK_ECLOSED);
    client_rst(c);
    events_closed(&f->events, socket, HIJACK_EABORTED);
    CODE(hijack_socket_abort(socket), HIJACK_ECLOSED);
    CODE(hijack_socket_close(socket), HIJACK_ECLOSED);
    CODE(hijack_socket_read(socket, 1), HIJACK_ECLOSED);
    CODE(hijack_socket_shutdown(socket), HIJACK_ECLOSED);
    CODE(hijack_socket_detach(socket), HIJACK_ECLOSED);
    stat_wait(f->server, HIJACK_STAT_CLOSED_ABORTED, 1);
}

/* abort from every state ends in one CLOSED and a reset. */
static void test_abort_in_every_state(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    size_t len = 16u << 20;
    char *much = calloc(1, len);

    fixture_start(f);
    CHECK(much != NULL);
    for (int step = 0; step < 7; step++) {
        hijack_socket *socket = socket_open(f, &c);
        if (step == 1)
            OK(hijack_socket_read(socket, UINT64_MAX));
        if (step == 2) {
            OK(hijack_socket_shutdown(socket));
            client_eof(c);
        }
        if (step == 3) {
            OK(hijack_socket_read(socket, 1));
            client_shutdown(c);
            events_next(&f->events, HIJACK_EVENT_EOF, socket);
        }
        if (step == 4)
            client_puts(c, "unread");
        if (step == 5)
            OK(hijack_socket_send(socket, LIT("unsent, maybe")));
        if (step == 6) { /* waits until all is written */
            OK(hijack_socket_send(socket, much, len));
            OK(hijack_socket_close(socket));
        }
        OK(hijack_socket_abort(socket));
        events_closed(&f->events, socket, HIJACK_EABORTED);
        CODE(client_until_end(c), step == 2 ? 1 : 2);
    }
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    free(much);
}

static void test_free_aborts(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    socket_free(f, socket);
    client_rst(c);
    CODE(hijack_socket_send(socket, LIT("x")), HIJACK_EHANDLE);

    socket = socket_open(f, &c);
    OK(hijack_socket_send(socket, LIT("whole")));
    OK(hijack_socket_close(socket));
    socket_free(f, socket);
    client_eof(c);
    BYTES(c->buf, c->len, "whole", 5);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    events_barrier(&f->events);
}

static void test_peer_leaves(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    client_reset(c);
    events_closed(&f->events, socket, HIJACK_ERESET);

    socket = socket_open(f, &c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    client_close(c);
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    OK(hijack_socket_close(socket));
    events_closed(&f->events, socket, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

static void test_idle_timeout(void **state)
{
    struct fixture *f = *state;
    struct client *c, *busy;

    fixture_option(f, OPT_IDLE_TIMEOUT, "300");
    fixture_start(f);
    uint64_t start = clock_ms();
    hijack_socket *socket = socket_open(f, &c);
    hijack_socket *kept = socket_open(f, &busy);
    OK(hijack_socket_read(kept, UINT64_MAX));
    while (!c->ended) {
        client_puts(busy, "x");
        client_peek(c);
        clock_tick();
        CHECK(clock_ms() - start < clock_limit_ms());
    }
    OK(hijack_socket_close(kept)); /* before its own time is up, however slow this machine is */
    CHECK(clock_ms() - start >= 250);
    events_closed(&f->events, socket, HIJACK_ETIMEDOUT);
    events_closed(&f->events, kept, 0);
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 1);
}

static void test_echo_many(void **state)
{
    struct fixture *f = *state;
    struct client *c[50];
    hijack_socket *sockets[50];

    fixture_start(f);
    for (int i = 0; i < 50; i++) {
        sockets[i] = socket_open(f, &c[i]);
        OK(hijack_handle_set_user_data(sockets[i], (uint64_t)i));
        OK(hijack_socket_read(sockets[i], UINT64_MAX));
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 50; i++)
            client_puts(c[i], "ping");
        for (int left = 50 * 4; left > 0;) {
            struct event *event = events_next(&f->events, HIJACK_EVENT_DATA, NULL);
            CHECK(event->user_data < 50 && sockets[event->user_data] == event->handle);
            OK(hijack_socket_send(event->handle, event->data, event->len));
            left -= (int)event->len;
        }
        for (int i = 0; i < 50; i++)
            client_expect(c[i], "ping");
    }
    CHECK(stat_of(f->server, HIJACK_STAT_SOCKETS) == 50);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_full_writes_nothing),
        TEST(test_full_then_close),
        TEST(test_partial),
        TEST(test_partial_101),
        TEST(test_leftover),
        TEST(test_leftover_large),
        TEST(test_leftover_after_body),
        TEST(test_credit),
        TEST(test_no_credit_holds_client),
        TEST(test_peer_half_close),
        TEST(test_own_half_close),
        TEST(test_shutdown_after_eof),
        TEST(test_abort_is_reset),
        TEST(test_abort_in_every_state),
        TEST(test_free_aborts),
        TEST(test_peer_leaves),
        TEST(test_idle_timeout),
        TEST(test_echo_many),
    };

    return RUN_TESTS(tests, argc, argv);
}
