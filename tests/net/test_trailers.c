/* SPDX-License-Identifier: MIT
 *
 * Trailers at the end of a stream: after all that was sent where the body is chunked, left out everywhere else.
 */
#include "support/exchange.h"

#include <stdlib.h>

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

/* The stream of this request, its response's head consumed. */
static hijack_stream *open_stream(struct fixture *f, struct client *c, const char *text, const char *headers)
{
    client_puts(c, text);
    hijack_stream *stream = stream_of(f, next_request(f), headers);
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    return stream;
}

static void test_chunked(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (int i = 0; i < 2; i++) {
        hijack_stream *stream = open_stream(f, c, GET, "Trailer: X-Sum\r\n");
        OK(hijack_stream_send(stream, LIT("hello")));
        OK(hijack_stream_finish(stream, LIT("X-Sum: 1\r\nx-empty:\r\n")));
        client_expect(c, "5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-empty:\r\n\r\n");
        events_closed(&f->events, stream, 0);
        CODE(hijack_stream_finish(stream, LIT("A: b\r\n")), HIJACK_ECLOSED);
        stream_free(f, stream);
    }
    hijack_stream *stream = open_stream(f, c, GET, "");
    OK(hijack_stream_finish(stream, LIT("Only: this\r\n")));
    client_expect(c, "0\r\nOnly: this\r\n\r\n");
    ask(c, "/next"); /* the connection goes on */
    reply(f, next_request(f), "next");
    response_expect(c, 200, "next");
}

static void test_sse(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_stream *stream = sse_open(f, &c);
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    OK(hijack_stream_send_sse(stream, NULL, 0, NULL, 0, LIT("x"), -1));
    OK(hijack_stream_finish(stream, LIT("A: b\r\n")));
    client_expect(c, "9\r\ndata: x\n\n\r\n0\r\nA: b\r\n\r\n");
}

/* Much waits to be written: the trailers come after it. */
static void test_after_backlog(void **state)
{
    struct fixture *f = *state;
    size_t len = 8u << 20;
    char *data = malloc(len);

    CHECK(data != NULL);
    memset(data, 'd', len);
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    hijack_stream *stream = open_stream(f, c, GET, "");
    OK(hijack_stream_send(stream, data, len));
    OK(hijack_stream_finish(stream, LIT("A: b\r\n")));
    client_expect(c, "800000\r\n");
    client_expect_bytes(c, data, len);
    client_expect(c, "\r\n0\r\nA: b\r\n\r\n");
    events_closed(&f->events, stream, 0);
    free(data);
}

static void test_left_out(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    hijack_stream *stream = open_stream(f, c, GET, "Content-Length: 5\r\n");
    OK(hijack_stream_send(stream, LIT("hello")));
    OK(hijack_stream_finish(stream, LIT("A: b\r\n")));
    events_closed(&f->events, stream, 0);
    stream = open_stream(f, c, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "");
    CHECK(c->len == 0);
    OK(hijack_stream_finish(stream, LIT("A: b\r\n")));
    events_closed(&f->events, stream, 0);
    ask(c, "/next");
    reply(f, next_request(f), "next");
    response_expect(c, 200, "next");
    c = client_connect(f->port);
    stream = open_stream(f, c, "GET / HTTP/1.0\r\n\r\n", "");
    OK(hijack_stream_send(stream, LIT("hello")));
    OK(hijack_stream_finish(stream, LIT("A: b\r\n")));
    client_eof(c);
    BYTES(c->buf, c->len, "hello", 5);
}

/* What cannot be sent is refused, and the stream goes on. */
static void test_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"A: b",
                                      "A b\r\n",
                                      "A : b\r\n",
                                      ": b\r\n",
                                      "A: b\nC: d\r\n",
                                      "A: b\r\n\r\n",
                                      "A: \x01\r\n",
                                      "Content-Length: 5\r\n",
                                      "A: b\r\ntransfer-encoding: chunked\r\n"};

    fixture_start(f);
    for (int minor = 0; minor < 2; minor++) {
        struct client *c = client_connect(f->port);
        hijack_stream *stream = open_stream(f, c, minor == 0 ? "GET / HTTP/1.0\r\n\r\n" : GET, "");
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            check_context("HTTP/1.%d, trailers %zu", minor, i);
            CODE(hijack_stream_finish(stream, STR(bad[i])), HIJACK_EHEADER);
        }
        check_context("%s", "");
        CODE(hijack_stream_finish(stream, NULL, 4), HIJACK_EINVAL);
        OK(hijack_stream_send(stream, LIT("open")));
        OK(hijack_stream_finish(stream, LIT("A: b\r\n")));
        if (minor == 0) {
            client_expect(c, "open");
            client_eof(c);
        } else {
            client_expect(c, "4\r\nopen\r\n0\r\nA: b\r\n\r\n");
        }
        events_closed(&f->events, stream, 0);
    }
    CODE(hijack_stream_finish(NULL, LIT("A: b\r\n")), HIJACK_EHANDLE);
}

/* Of a member: what was published before comes before. */
static void test_member(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *room = fixture_broadcaster(f);

    fixture_start(f);
    struct client *c = client_connect(f->port);
    hijack_stream *stream = open_stream(f, c, GET, "");
    OK(hijack_broadcaster_add(room, stream, 0, NULL, 0));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("news")), 1);
    OK(hijack_stream_finish(stream, LIT("A: b\r\n")));
    client_expect(c, "4\r\nnews\r\n0\r\nA: b\r\n\r\n");
    events_closed(&f->events, stream, 0);
    members_wait(room, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chunked),  TEST(test_sse),     TEST(test_after_backlog),
        TEST(test_left_out), TEST(test_refused), TEST(test_member),
    };

    return RUN_TESTS(tests, argc, argv);
}
