/* SPDX-License-Identifier: MIT
 *
 * CONNECT, with option connect_method: a request whose target is host:port, taken by the program or refused by it, and
 * never answered with a success that has a body.
 */
#include "support/exchange.h"

#include <stdlib.h>
#include <string.h>

#define ASK "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n"

static void serve_connect(struct fixture *f)
{
    fixture_option(f, "connect_method", "on");
    fixture_start(f);
}

static hijack_request *asked(struct fixture *f, struct client **client, const char *text)
{
    const char *method, *target;
    size_t method_len, target_len;
    *client = client_connect(f->port);
    client_puts(*client, text);
    hijack_request *request = next_request(f);
    OK(hijack_request_method(&method, &method_len, request));
    OK(hijack_request_target(&target, &target_len, request));
    BYTES(method, method_len, "CONNECT", 7);
    BYTES(target, target_len, "db.example:5432", 15);
    return request;
}

/* The 200 has neither a length nor a Connection; what came behind the head is the tunnel's. */
static void test_taken(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    hijack_socket *socket;
    serve_connect(f);
    hijack_request *request = asked(f, &c, ASK "GET / HTTP/1.1\r\n");
    CODE(hijack_request_hijack_partial(&socket, request, 200, LIT("Content-Length: 0\r\n")), HIJACK_EHEADER);
    CODE(hijack_request_hijack_partial(&socket, request, 299, LIT("Transfer-Encoding: chunked\r\n")), HIJACK_EHEADER);
    OK(hijack_request_hijack_partial(&socket, request, 200, LIT("x: y\r\n")));
    request_free(f, request);
    OK(hijack_socket_send(socket, LIT("hello")));
    OK(hijack_socket_read(socket, 16));
    char *got = events_data(&f->events, socket, 16);
    BYTES(got, 16, "GET / HTTP/1.1\r\n", 16);
    free(got);
    size_t end = client_until(c, "\r\n\r\nhello");
    c->buf[end] = '\0';
    CHECK(strncmp(c->buf, "HTTP/1.1 200 OK\r\n", 17) == 0 && strstr(c->buf, "\r\nx: y") != NULL);
    CHECK(strcasestr(c->buf, "\r\ncontent-length:") == NULL && strcasestr(c->buf, "\r\ntransfer-enc") == NULL);
    CHECK(strcasestr(c->buf, "\r\nconnection:") == NULL);
    OK(hijack_socket_close(socket));
    client_eof(c);
    events_closed(&f->events, socket, 0);
    socket_free(f, socket);
    client_close(c);
}

/* A refusal ends the connection: what a hopeful client sent behind the head is never read as a request. */
static void test_refused(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    serve_connect(f);
    hijack_request *request = asked(f, &c, ASK "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    OK(hijack_request_respond(request, 403, NULL, 0, LIT("not here")));
    request_free(f, request);
    response_expect(c, 403, "not here");
    client_eof(c);
    client_close(c);
    CODE(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL), 0);
    request = asked(f, &c, "CONNECT db.example:5432 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    OK(hijack_request_respond(request, 502, NULL, 0, NULL, 0));
    request_free(f, request);
    response_expect(c, 502, "");
    client_eof(c);
    client_close(c);
}

static void test_no_success_with_a_body(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    hijack_stream *stream;
    hijack_socket *socket;
    hijack_broadcaster *room = fixture_broadcaster(f);
    serve_connect(f);
    hijack_request *request = asked(f, &c, ASK);
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_respond(request, 204, NULL, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_stream(&stream, request, 200, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_sse(&stream, request, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_hold(request, room, HIJACK_HOLD_STREAM, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_hold(request, room, HIJACK_HOLD_LONG_POLL, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_websocket(&socket, request, NULL, 0, NULL, 0), HIJACK_EPROTOCOL);
    request_free(f, request);
    response_expect(c, 405, NULL);
    client_close(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_taken),
        TEST(test_refused),
        TEST(test_no_success_with_a_body),
    };
    return RUN_TESTS(tests, argc, argv);
}
