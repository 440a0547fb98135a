/* SPDX-License-Identifier: MIT
 *
 * Requests that another server has read: adopted with their connection, then answered like any other.
 */
#include "support/exchange.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET "GET /events?x=1 HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 7\r\n\r\n"

/* Two connected sockets: the client's end, and what the other server has. */
static int make_pair(struct client **client)
{
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    *client = client_wrap(fds[0]);
    return fds[1];
}

static hijack_request *adopt(struct fixture *f, struct client **client, const char *head, const char *unread)
{
    hijack_request *request = NULL;

    OK(hijack_server_adopt_request(&request, f->server, make_pair(client), STR(head), STR(unread)));
    CHECK(request != NULL);
    events_note(&f->events, request, KIND_REQUEST);
    return request;
}

static void test_accessors(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    const char *text;
    size_t len;
    uint64_t number = 0;

    OK(hijack_handle_set_user_data(f->server, 42));
    fixture_start(f);
    hijack_request *request = adopt(f, &c, GET, "");
    OK(hijack_request_method(&text, &len, request));
    BYTES(text, len, "GET", 3);
    OK(hijack_request_target(&text, &len, request));
    BYTES(text, len, "/events?x=1", 11);
    OK(hijack_request_version(&text, &len, request));
    BYTES(text, len, "HTTP/1.1", 8);
    OK(hijack_request_peer(&text, &len, request));
    BYTES(text, len, "unix:", 5);
    CODE(hijack_request_header(&text, &len, request, LIT("last-event-id"), 0), 1);
    BYTES(text, len, "7", 1);
    OK(hijack_request_body(&text, &len, request));
    CHECK(len == 0);
    OK(hijack_handle_user_data(&number, request));
    CHECK(number == 42);
    CODE(hijack_request_read(request, 1), HIJACK_ESTATE);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
    stat_wait(f->server, HIJACK_STAT_ADOPTED, 1);
    reply(f, request, "hello");
    response_expect(c, 200, "hello");
    client_eof(c);
}

/* The connection closes after the answer, and the answer says so. */
static void test_respond(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_request *request = adopt(f, &c, GET, "GET /pipelined HTTP/1.1\r\nHost: x\r\n\r\n");
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("hello")));
    events_closed(&f->events, request, 0);
    response_head(&r, c);
    CHECK(strcmp(response_header(&r, "connection"), "close") == 0);
    response_finish(&r);
    BYTES(r.body, r.body_len, "hello", 5);
    response_free(&r);
    client_eof(c);
    CHECK(c->len == 0);
}

static void test_head(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_stream *stream = NULL;
    struct client *c;

    fixture_start(f);
    for (int way = 0; way < 3; way++) {
        hijack_request *request = adopt(f, &c, head, "");
        if (way == 0) {
            OK(hijack_request_respond(request, 200, NULL, 0, LIT("not sent")));
        } else if (way == 1) {
            OK(hijack_request_sse(&stream, request, NULL, 0));
            events_note(&f->events, stream, KIND_STREAM);
            OK(hijack_stream_send(stream, LIT("not sent")));
            OK(hijack_stream_finish(stream, NULL, 0));
            events_closed(&f->events, stream, 0);
        } else {
            OK(hijack_request_hold(request, room, HIJACK_HOLD_SSE, 0, NULL, 0, NULL, 0, NULL, 0));
        }
        events_closed(&f->events, request, 0);
        client_eof(c);
        size_t end = client_until(c, "\r\n\r\n") + 4;
        CHECK(memcmp(c->buf, "HTTP/1.1 200", 12) == 0);
        CHECK(c->len == end);
    }
    CODE(hijack_broadcaster_count(room), 0);
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    for (int minor = 0; minor < 2; minor++) {
        hijack_request *request = adopt(f, &c, minor == 0 ? "GET / HTTP/1.0\r\n\r\n" : GET, "");
        hijack_stream *stream = stream_of(f, request, "A: b\r\n");
        OK(hijack_stream_send(stream, LIT("one")));
        OK(hijack_stream_send(stream, LIT("two")));
        OK(hijack_stream_finish(stream, NULL, 0));
        response_head(&r, c);
        CHECK(r.chunked == minor && r.length == -1);
        CHECK(strcmp(response_header(&r, "a"), "b") == 0);
        response_finish(&r);
        BYTES(r.body, r.body_len, "onetwo", 6);
        response_free(&r);
        events_closed(&f->events, stream, 0);
        client_eof(c);
    }
}

static void test_sse_and_hold(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_stream *stream = NULL;
    struct client *c, *d;
    struct response r, s;

    fixture_start(f);
    hijack_request *request = adopt(f, &c, GET, "");
    OK(hijack_request_sse(&stream, request, NULL, 0));
    events_note(&f->events, stream, KIND_STREAM);
    OK(hijack_broadcaster_add(room, stream, 0, NULL, 0));
    request = adopt(f, &d, "GET / HTTP/1.0\r\n\r\n", "");
    OK(hijack_request_hold(request, room, HIJACK_HOLD_SSE, 0, NULL, 0, NULL, 0, NULL, 0));
    events_closed(&f->events, request, 0);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("news")), 2);
    response_head(&r, c);
    response_head(&s, d);
    CHECK(strcmp(response_header(&r, "content-type"), "text/event-stream") == 0);
    CHECK(r.chunked && !s.chunked);
    response_until(&r, "data: news\n\n");
    response_until(&s, "data: news\n\n");
    OK(hijack_broadcaster_close(room));
    response_finish(&r);
    response_finish(&s);
    response_free(&r);
    response_free(&s);
    client_eof(c);
    client_eof(d);
}

/* What the other server had read already comes first. */
static void test_hijack(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = adopt(f, &c, GET, "left over");
    hijack_socket *socket = socket_of(f, request);
    client_puts(c, " and new");
    OK(hijack_socket_read(socket, 4));
    free(events_data(&f->events, socket, 4));
    OK(hijack_socket_read(socket, UINT64_MAX));
    char *data = events_data(&f->events, socket, 13);
    BYTES(data, 13, " over and new", 13);
    free(data);
    OK(hijack_socket_send(socket, LIT("raw")));
    client_expect(c, "raw");
    request = adopt(f, &c, GET, "left over");
    OK(hijack_request_hijack_partial(&socket, request, 101, LIT("Connection: Upgrade\r\nUpgrade: x\r\n")));
    events_note(&f->events, socket, KIND_SOCKET);
    client_until(c, "\r\n\r\n");
    CHECK(memcmp(c->buf, "HTTP/1.1 101", 12) == 0);
    OK(hijack_socket_detach(socket));
    struct event *event = events_next(&f->events, HIJACK_EVENT_DETACHED, socket);
    BYTES(event->data, event->len, "left over", 9);
    close(event->status);
}

static void test_freed(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_request *request = adopt(f, &c, GET, "");
    request_free(f, request);
    response_head(&r, c);
    CODE(r.status, 500);
    response_finish(&r);
    response_free(&r);
    client_eof(c);
}

static void test_gone(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = adopt(f, &c, GET, "");
    client_close(c);
    events_closed(&f->events, request, HIJACK_ECLOSED); /* a unix socket that closes ends both ways */
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), HIJACK_ECLOSED);
    request = adopt(f, &c, GET, "");
    client_shutdown(c);
    events_only(&f->events, HIJACK_EVENT_HANGUP, request);
    reply(f, request, "still");
    response_expect(c, 200, "still");
    /* one that had left before it was adopted */
    hijack_request *late = NULL;
    int fd = make_pair(&c);
    client_shutdown(c);
    OK(hijack_server_adopt_request(&late, f->server, fd, LIT(GET), NULL, 0));
    events_note(&f->events, late, KIND_REQUEST);
    events_only(&f->events, HIJACK_EVENT_HANGUP, late);
    fixture_stop(f);
    events_closed(&f->events, late, HIJACK_ESHUTDOWN);
}

/* Every failure leaves the descriptor to the program, and out as it was. */
static void test_errors(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",
                                      "GET",
                                      "GET / HTTP/1.1\r\nHost: x\r\n",
                                      "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
                                      "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
                                      "GET / HTTP/1.1\r\n\r\n",
                                      "GET / HTTP/1.1\nHost: x\n\n",
                                      "GET / HTTP/1.1\r\nHost: x\r\n\r\nbody",
                                      "HTTP/1.1 200 OK\r\n\r\n"};
    hijack_request *out = (void *)7;
    hijack_server *idle = NULL;
    struct client *c;
    int fd = make_pair(&c), pipes[2];

    CODE(hijack_server_adopt_request(&out, f->server, fd, LIT(GET), NULL, 0), HIJACK_ESTATE);
    fixture_start(f);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_context("head %zu", i);
        CODE(hijack_server_adopt_request(&out, f->server, fd, STR(bad[i]), NULL, 0), HIJACK_EHEADER);
    }
    check_context("%s", "");
    CODE(hijack_server_adopt_request(NULL, f->server, fd, LIT(GET), NULL, 0), HIJACK_EINVAL);
    CODE(hijack_server_adopt_request(&out, f->server, fd, NULL, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_server_adopt_request(&out, f->server, fd, LIT(GET), NULL, 1), HIJACK_EINVAL);
    CODE(hijack_server_adopt_request(&out, NULL, fd, LIT(GET), NULL, 0), HIJACK_EHANDLE);
    CODE(hijack_server_adopt_request(&out, f->server, -1, LIT(GET), NULL, 0), HIJACK_ENOTSOCK);
    CHECK(pipe(pipes) == 0);
    CODE(hijack_server_adopt_request(&out, f->server, pipes[0], LIT(GET), NULL, 0), HIJACK_ENOTSOCK);
    CHECK(close(pipes[0]) == 0 && close(pipes[1]) == 0);
    OK(hijack_server_new(&idle, NULL));
    OK(hijack_server_start(idle));
    CODE(hijack_server_adopt_request(&out, idle, fd, LIT(GET), NULL, 0), HIJACK_ESTATE); /* it has no queue */
    OK(hijack_server_stop(idle));
    hijack_server_free(idle);
    fixture_stop(f);
    CODE(hijack_server_adopt_request(&out, f->server, fd, LIT(GET), NULL, 0), HIJACK_ESHUTDOWN);
    CHECK(out == (void *)7);
    CHECK(write(fd, "mine", 4) == 4 && close(fd) == 0);
    client_expect(c, "mine");
    client_eof(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accessors), TEST(test_respond), TEST(test_head), TEST(test_stream), TEST(test_sse_and_hold),
        TEST(test_hijack),    TEST(test_freed),   TEST(test_gone), TEST(test_errors),
    };

    return RUN_TESTS(tests, argc, argv);
}
