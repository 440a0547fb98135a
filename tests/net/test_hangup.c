/* SPDX-License-Identifier: MIT
 *
 * A peer that ends its sending while nobody reads: HANGUP, once, and nothing is lost by it.
 */
#include "support/exchange.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void hung_up(struct fixture *f, void *handle)
{
    events_only(&f->events, HIJACK_EVENT_HANGUP, handle);
}

/* The loops have looked at everything that has happened to their connections. */
static void pass_loops(struct fixture *f)
{
    for (int i = 0; i < 8; i++) { /* on each of two loops, or it is the one on which a fault would show */
        struct client *c;
        reply(f, request_open(f, &c, "/pass"), "");
        response_expect(c, 200, "");
        client_close(c);
    }
}

static void test_request(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    client_shutdown(c);
    hung_up(f, request);
    pass_loops(f);
    CHECK(events_pending(&f->events, HIJACK_EVENT_HANGUP, NULL) == 0);
    reply(f, request, "still wanted"); /* a half-closed client reads its answer */
    response_expect(c, 200, "still wanted");
    client_eof(c);
}

/* The end was there with the request already, or before its body had ended. */
static void test_request_at_once(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        struct client *c = client_connect(f->port);
        if (i % 2)
            client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
        else
            ask(c, "/");
        client_shutdown(c);
        hijack_request *request = next_request(f);
        hung_up(f, request);
        reply(f, request, "ok");
        response_expect(c, 200, "ok");
        client_eof(c);
    }
}

/* A client that leaves for good: the answer goes nowhere, and the connection does not stay. */
static void test_abandoned(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    client_close(c);
    hung_up(f, request);
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("nobody reads this")));
    events_closed(&f->events, request, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    request = request_open(f, &c, "/");
    client_reset(c);
    events_closed(&f->events, request, HIJACK_ERESET); /* a reset is an end, and no HANGUP */
    request = request_open(f, &c, "/");
    client_close(c);
    hung_up(f, request);
    request_free(f, request);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

/* The end of one that has another request behind the first: seen when that is delivered, for each its own. */
static void test_pipelined(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    client_shutdown(c);
    for (int i = 0; i < 2; i++) {
        hijack_request *request = next_request(f);
        hung_up(f, request);
        reply(f, request, "ok");
        response_expect(c, 200, "ok");
    }
    client_eof(c);
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    response_head(&r, c);
    client_shutdown(c);
    hung_up(f, stream);
    OK(hijack_stream_send(stream, LIT("still ")));
    OK(hijack_stream_send(stream, LIT("there")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_finish(&r);
    BYTES(r.body, r.body_len, "still there", 11);
    response_free(&r);
    CODE(events_only(&f->events, HIJACK_EVENT_CLOSED, stream)->status, 0);
    client_eof(c);
}

/* The client ended before its request became a stream: whoever has the stream hears of it too. */
static void test_stream_of_hung_up(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    client_shutdown(c);
    hung_up(f, request);
    hijack_stream *stream = stream_of(f, request, "");
    hung_up(f, stream);
    request = request_open(f, &c, "/");
    client_shutdown(c);
    hung_up(f, request);
    hijack_socket *socket = socket_of(f, request);
    hung_up(f, socket);
    OK(hijack_socket_read(socket, 1));
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
}

/* Without credit HANGUP; the unread bytes come with credit, then EOF. With credit there is EOF alone. */
static void test_socket(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    client_puts(c, "unread");
    client_shutdown(c);
    hung_up(f, socket);
    pass_loops(f);
    OK(hijack_socket_read(socket, 3));
    free(events_data(&f->events, socket, 3));
    OK(hijack_socket_read(socket, 100));
    free(events_data(&f->events, socket, 3));
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    OK(hijack_socket_send(socket, LIT("bye")));
    client_expect(c, "bye");
    OK(hijack_socket_close(socket));
    CODE(events_only(&f->events, HIJACK_EVENT_CLOSED, socket)->status, 0);

    socket = socket_open(f, &c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    client_puts(c, "x");
    client_shutdown(c);
    free(events_data(&f->events, socket, 1));
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    OK(hijack_socket_abort(socket));
    events_closed(&f->events, socket, HIJACK_EABORTED);
}

/* A relay: its own end is sent, the peer's comes later, and with it CLOSED, whether there is credit or not. */
static void test_after_shutdown(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    for (int credit = 0; credit < 2; credit++) {
        hijack_socket *socket = socket_open(f, &c);
        if (credit)
            OK(hijack_socket_read(socket, UINT64_MAX));
        OK(hijack_socket_send(socket, LIT("last")));
        OK(hijack_socket_shutdown(socket));
        client_expect(c, "last");
        client_eof(c);
        client_shutdown(c);
        if (events_next(&f->events, HIJACK_EVENT_NONE, socket)->type == HIJACK_EVENT_HANGUP)
            events_only(&f->events, HIJACK_EVENT_EOF, socket);
        CODE(events_only(&f->events, HIJACK_EVENT_CLOSED, socket)->status, 0);
    }
}

/* The peer ends first, with bytes that nobody has read, then we do: they still come, then EOF, then CLOSED. */
static void test_shutdown_after_peer(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    client_puts(c, "unread");
    client_shutdown(c);
    hung_up(f, socket);
    OK(hijack_socket_shutdown(socket));
    client_eof(c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    free(events_data(&f->events, socket, 6));
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    CODE(events_only(&f->events, HIJACK_EVENT_CLOSED, socket)->status, 0);
}

/* Members without a handle have nobody to tell: they are closed. One with a handle stays until that is freed. */
static void test_members(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *room = fixture_hold(f, "/held", HIJACK_HOLD_SSE);
    struct client *c, *d, *e;

    fixture_start(f);
    c = client_connect(f->port);
    ask(c, "/held");
    members_wait(room, 1);
    client_shutdown(c);
    members_wait(room, 0);
    client_until_end(c);
    hijack_stream *stream = sse_open(f, &d);
    OK(hijack_broadcaster_add(room, stream, 0, NULL, 0));
    hijack_stream *freed = sse_open(f, &e);
    OK(hijack_broadcaster_add(room, freed, 0, NULL, 0));
    stream_free(f, freed);
    members_wait(room, 2);
    client_shutdown(d);
    hung_up(f, stream);
    client_shutdown(e);
    members_wait(room, 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("news")), 1);
    client_until(d, "data: news\n\n");
    stream_free(f, stream);
    members_wait(room, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request),   TEST(test_request_at_once), TEST(test_abandoned),
        TEST(test_pipelined), TEST(test_stream),          TEST(test_stream_of_hung_up),
        TEST(test_socket),    TEST(test_after_shutdown),  TEST(test_shutdown_after_peer),
        TEST(test_members),
    };

    return RUN_TESTS(tests, argc, argv);
}
