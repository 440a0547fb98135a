/* SPDX-License-Identifier: MIT
 *
 * Request bodies in pieces: by credit, to their end, answered or freed before it, and every way in which they break
 * off.
 */
#include "support/exchange.h"

#include <stdio.h>
#include <stdlib.h>

#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define LENGTH(n) POST "Content-Length: " n "\r\n\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void start(struct fixture *f)
{
    fixture_option(f, "request_body", "pieces");
    fixture_start(f);
}

/* The request of what this client sends, which has a body to come. */
static hijack_request *begin(struct fixture *f, struct client *client, const char *text)
{
    client_puts(client, text);
    struct event *event = events_next(&f->events, HIJACK_EVENT_REQUEST, NULL);
    CODE(event->status, 1);
    CHECK(event->len > 4 && memcmp(event->data + event->len - 4, "\r\n\r\n", 4) == 0);
    return event->handle;
}

static void data_is(struct fixture *f, hijack_request *request, const char *expected)
{
    char *data = events_data(&f->events, request, strlen(expected));

    BYTES(data, strlen(expected), expected, strlen(expected));
    free(data);
}

static void eof_is(struct fixture *f, hijack_request *request, const char *trailers)
{
    struct event *event = events_only(&f->events, HIJACK_EVENT_EOF, request);

    BYTES(event->data, event->len, trailers, strlen(trailers));
}

static void test_length(void **state)
{
    struct fixture *f = *state;

    start(f);
    struct client *c = client_connect(f->port);
    for (int i = 0; i < 3; i++) {
        hijack_request *request = begin(f, c, LENGTH("10") "01234");
        OK(hijack_request_read(request, UINT64_MAX));
        data_is(f, request, "01234");
        client_puts(c, "56789");
        data_is(f, request, "56789");
        eof_is(f, request, "");
        reply(f, request, "got");
        response_expect(c, 200, "got");
    }
}

/* The one loop has done what it was asked for before. */
static void pass_loop(struct fixture *f, struct client *other)
{
    ask(other, "/");
    reply(f, next_request(f), "");
    response_expect(other, 200, "");
}

/* Each byte as one event, and never one more than there is credit for. */
static void byte_by_byte(struct fixture *f, const char *text, const char *trailers)
{
    struct client *c = client_connect(f->port), *other = client_connect(f->port);
    hijack_request *request = begin(f, c, text);

    for (int i = 0; i < 5; i++) {
        char expected[2] = {"hello"[i], 0};
        int credits = 0;
        do { /* the framing costs credit too: what comes is never more than was asked for */
            CHECK(credits++ < 40);
            OK(hijack_request_read(request, 1));
            pass_loop(f, other);
        } while (events_pending(&f->events, HIJACK_EVENT_DATA, request) == 0);
        CHECK(events_pending(&f->events, HIJACK_EVENT_DATA, request) == 1);
        data_is(f, request, expected);
    }
    OK(hijack_request_read(request, 100));
    eof_is(f, request, trailers);
    reply(f, request, "ok");
    response_expect(c, 200, "ok");
}

static void test_byte_by_byte(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_THREADS, "1");
    start(f);
    byte_by_byte(f, LENGTH("5") "hello", "");
    byte_by_byte(f, CHUNKED "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\nC: d\r\n\r\n", "a: b\r\nc: d\r\n");
}

static void test_chunked(void **state)
{
    struct fixture *f = *state;
    static const char body[] = "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n";

    start(f);
    struct client *c = client_connect(f->port);
    for (size_t step = 1; step < sizeof(body); step *= 3) {
        hijack_request *request = begin(f, c, CHUNKED);
        OK(hijack_request_read(request, UINT64_MAX));
        client_dribble(c, body, sizeof(body) - 1, step);
        data_is(f, request, "hello world");
        eof_is(f, request, "x-sum: 1\r\n");
        reply(f, request, "got");
        response_expect(c, 200, "got");
    }
}

/* A body without a byte has an end all the same. */
static void test_empty(void **state)
{
    struct fixture *f = *state;

    start(f);
    struct client *c = client_connect(f->port);
    hijack_request *request = begin(f, c, CHUNKED "0\r\n\r\n");
    OK(hijack_request_read(request, 1));
    OK(hijack_request_read(request, 100));
    eof_is(f, request, "");
    CODE(hijack_request_read(request, 1), 0); /* nothing more will come, and to ask for it is no fault */
    reply(f, request, "ok");
    response_expect(c, 200, "ok");
}

/* A peer that waits for 100 is not asked to send before the program wants it. */
static void test_continue(void **state)
{
    struct fixture *f = *state;

    start(f);
    struct client *c = client_connect(f->port);
    hijack_request *request = begin(f, c, POST "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    struct client *other = client_connect(f->port);
    ask(other, "/");
    reply(f, next_request(f), "meanwhile");
    response_expect(other, 200, "meanwhile");
    CHECK(client_peek(c) == 0);
    OK(hijack_request_read(request, 2));
    client_expect(c, "HTTP/1.1 100 Continue\r\n\r\n");
    client_puts(c, "data");
    data_is(f, request, "da");
    OK(hijack_request_read(request, 2));
    data_is(f, request, "ta");
    eof_is(f, request, "");
    reply(f, request, "ok");
    response_expect(c, 200, "ok"); /* and no second 100 before it */
    request = begin(f, c, POST "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    OK(hijack_request_respond(request, 403, NULL, 0, LIT("no")));
    response_expect(c, 403, "no"); /* refused without being asked for */
    request_free(f, request);
}

static void test_errors(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;
    hijack_socket *socket = NULL;

    OK(hijack_server_route_set(f->server, LIT("/up/*"), LIT("request_body"), LIT("pieces")));
    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    CODE(hijack_request_read(request, 1), HIJACK_ESTATE);
    CODE(hijack_request_read(request, 0), HIJACK_EINVAL);
    CODE(hijack_request_read(NULL, 1), HIJACK_EHANDLE);
    reply(f, request, "whole");
    CODE(hijack_request_read(request, 1), HIJACK_EHANDLE);

    d = client_connect(f->port);
    request = begin(f, d, "PUT /up/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    CODE(hijack_request_read(request, 0), HIJACK_EINVAL);
    CODE(hijack_request_hijack(&socket, request), HIJACK_ESTATE);
    CODE(hijack_request_hijack_partial(&socket, request, 101, NULL, 0), HIJACK_ESTATE);
    CHECK(socket == NULL);
    client_puts(d, "body");
    OK(hijack_request_read(request, UINT64_MAX));
    data_is(f, request, "body");
    eof_is(f, request, "");
    OK(hijack_request_hijack(&socket, request));
    events_note(&f->events, socket, KIND_SOCKET);
    events_closed(&f->events, request, 0);
    CODE(hijack_request_read(request, 1), HIJACK_ECLOSED);
    OK(hijack_socket_send(socket, LIT("mine")));
    client_expect(d, "mine");
}

/* The answer is read while the body goes on; CLOSED comes when both have ended. */
static void test_answered_early(void **state)
{
    struct fixture *f = *state;

    start(f);
    struct client *c = client_connect(f->port);
    hijack_request *request = begin(f, c, LENGTH("6") "abc");
    OK(hijack_request_read(request, UINT64_MAX));
    data_is(f, request, "abc");
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("early")));
    response_expect(c, 200, "early");
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_CLOSED, request) == 0);
    client_puts(c, "def");
    data_is(f, request, "def");
    eof_is(f, request, "");
    events_closed(&f->events, request, 0);
    request_free(f, request);
    ask(c, "/next");
    reply(f, next_request(f), "next");
    response_expect(c, 200, "next");
}

/* A stream that echoes: what comes in goes out at the same time. */
static void test_streamed(void **state)
{
    struct fixture *f = *state;
    hijack_stream *stream = NULL;
    struct response r;

    start(f);
    struct client *c = client_connect(f->port);
    for (int stream_first = 0; stream_first < 2; stream_first++) {
        hijack_request *request = begin(f, c, CHUNKED);
        OK(hijack_request_stream(&stream, request, 200, NULL, 0));
        events_note(&f->events, stream, KIND_STREAM);
        response_head(&r, c);
        for (int i = 0; i < 3; i++) {
            client_puts(c, "2\r\nhi\r\n");
            OK(hijack_request_read(request, UINT64_MAX));
            data_is(f, request, "hi");
            OK(hijack_stream_send(stream, LIT("hi")));
            response_want(&r, 2 * (size_t)(i + 1));
        }
        if (stream_first) {
            OK(hijack_stream_finish(stream, NULL, 0));
            response_finish(&r);
        }
        client_puts(c, "0\r\n\r\n");
        eof_is(f, request, "");
        if (!stream_first) {
            OK(hijack_stream_finish(stream, NULL, 0));
            response_finish(&r);
        }
        events_closed(&f->events, request, 0);
        events_closed(&f->events, stream, 0);
        BYTES(r.body, r.body_len, "hihihi", 6);
        response_free(&r);
        request_free(f, request);
        stream_free(f, stream);
    }
}

/* What the program does not want of a body is thrown away, and the connection goes on. */
static void test_freed_early(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {LENGTH("6") "ab", CHUNKED "2\r\nab\r\n"};
    static const char *const rests[] = {"cdef", "4\r\ncdef\r\n0\r\nA: b\r\n\r\n"};

    start(f);
    for (int i = 0; i < 2; i++) {
        struct client *c = client_connect(f->port);
        hijack_request *request = begin(f, c, bodies[i]);
        OK(hijack_request_respond(request, 200, NULL, 0, LIT("enough")));
        request_free(f, request);
        response_expect(c, 200, "enough");
        client_puts(c, rests[i]);
        ask(c, "/next");
        reply(f, next_request(f), "next");
        response_expect(c, 200, "next");
    }
    struct client *c = client_connect(f->port);
    hijack_request *request = begin(f, c, LENGTH("6") "ab");
    request_free(f, request); /* unanswered */
    struct response r;
    response_head(&r, c);
    CODE(r.status, 500);
    response_finish(&r);
    response_free(&r);
    client_eof(c);
}

/* Too much to throw away: the answer arrives whole, however large it is, then the connection ends. */
static void too_much(struct fixture *f, const char *head, size_t sent, size_t answer_len)
{
    struct client *c = client_connect(f->port);
    struct response r;
    char *answer = malloc(answer_len), *body = malloc(sent);

    CHECK(answer != NULL && body != NULL);
    memset(answer, 'a', answer_len);
    memset(body, 'b', sent);
    hijack_request *request = begin(f, c, head);
    OK(hijack_request_respond(request, 200, NULL, 0, answer, answer_len));
    request_free(f, request);
    client_send(c, body, sent);
    response_head(&r, c);
    CODE(r.status, 200);
    response_finish(&r);
    CHECK(r.body_len == answer_len);
    response_free(&r);
    client_eof(c);
    free(answer);
    free(body);
}

static void test_freed_too_early(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_MAX_BODY, "10000000");
    start(f);
    too_much(f, LENGTH("8000000"), 1000, 6);
    too_much(f, LENGTH("8000000"), 400000, 6);
    too_much(f, LENGTH("8000000"), 400000, 8000000);
    too_much(f, CHUNKED "7a0000\r\n", 400000, 8000000);
}

/* The client ends in the middle: with credit it is the end of the request, without it HANGUP comes first. */
static void test_gone(void **state)
{
    struct fixture *f = *state;

    start(f);
    struct client *c = client_connect(f->port);
    hijack_request *request = begin(f, c, LENGTH("10") "half");
    OK(hijack_request_read(request, UINT64_MAX));
    data_is(f, request, "half");
    client_close(c);
    CODE(events_only(&f->events, HIJACK_EVENT_CLOSED, request)->status, HIJACK_ECLOSED);
    CODE(hijack_request_read(request, 1), HIJACK_ECLOSED);
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), HIJACK_ECLOSED);

    c = client_connect(f->port);
    request = begin(f, c, LENGTH("10") "half");
    client_reset(c);
    events_closed(&f->events, request, HIJACK_ERESET);

    c = client_connect(f->port);
    request = begin(f, c, LENGTH("10") "half");
    client_close(c);
    events_only(&f->events, HIJACK_EVENT_HANGUP, request);
    OK(hijack_request_read(request, 2)); /* what has come can still be read */
    data_is(f, request, "ha");
    OK(hijack_request_read(request, UINT64_MAX));
    data_is(f, request, "lf");
    events_closed(&f->events, request, HIJACK_ECLOSED);
}

static void test_bad_chunk(void **state)
{
    struct fixture *f = *state;
    struct response r;

    start(f);
    for (int answered = 0; answered < 2; answered++) {
        struct client *c = client_connect(f->port);
        hijack_request *request = begin(f, c, CHUNKED "3\r\nabc\r\n");
        OK(hijack_request_read(request, UINT64_MAX));
        data_is(f, request, "abc");
        if (answered) {
            OK(hijack_request_respond(request, 200, NULL, 0, LIT("early")));
            response_expect(c, 200, "early");
        }
        client_puts(c, "0x5\r\n");
        CODE(events_only(&f->events, HIJACK_EVENT_CLOSED, request)->status, HIJACK_EPROTOCOL);
        if (!answered) {
            response_head(&r, c);
            CODE(r.status, 400);
            response_finish(&r);
            response_free(&r);
        }
        client_eof(c); /* one answer to one request: nothing follows it */
        CHECK(c->len == 0);
    }
}

/* Trailers cost no credit, wherever the credit or the segment before them ended. */
static void test_trailers_and_credit(void **state)
{
    struct fixture *f = *state;

    start(f);
    struct client *c = client_connect(f->port);
    for (uint64_t credit = 1; credit <= 40; credit++) {
        check_context("credit %u", (unsigned)credit);
        hijack_request *request = begin(f, c, CHUNKED "1\r\nx\r\n0\r\nA: bbbbbbbbbb\r\nC: d\r\n\r\n");
        OK(hijack_request_read(request, credit));
        data_is(f, request, "x");
        OK(hijack_request_read(request, credit));
        eof_is(f, request, "a: bbbbbbbbbb\r\nc: d\r\n");
        reply(f, request, "ok");
        response_expect(c, 200, "ok");
    }
    hijack_request *request = begin(f, c, CHUNKED "0\r\nA: b");
    OK(hijack_request_read(request, 1));
    client_dribble(c, LIT("bbb\r\nC: d\r\n\r\n"), 3);
    eof_is(f, request, "a: bbbb\r\nc: d\r\n");
    reply(f, request, "ok");
    response_expect(c, 200, "ok");
}

/* The program has answered and is gone when the body breaks: the connection ends, and does not go on to the next
 * request. The fixture finds it counted twice otherwise. */
static void test_bad_chunk_freed(void **state)
{
    struct fixture *f = *state;

    start(f);
    struct client *c = client_connect(f->port);
    hijack_request *request = begin(f, c, CHUNKED);
    client_puts(c, "0x5\r\n");
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("early")));
    request_free(f, request);
    response_expect(c, 200, "early");
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client_eof(c);
    CHECK(c->len == 0);
    client_close(c);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

static void test_limit(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_option(f, OPT_MAX_BODY, "8");
    start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, LENGTH("9"));
    response_head(&r, c);
    CODE(r.status, 413);
    response_free(&r);
    client_eof(c);
    c = client_connect(f->port);
    hijack_request *request = begin(f, c, CHUNKED "5\r\nabcde\r\n");
    OK(hijack_request_read(request, UINT64_MAX));
    data_is(f, request, "abcde");
    client_puts(c, "4\r\n");
    events_closed(&f->events, request, HIJACK_EPROTOCOL);
    response_head(&r, c);
    CODE(r.status, 413);
    response_free(&r);
    client_eof(c);
}

/* The next request waits behind the body, however it is read. */
static void test_pipelined(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {LENGTH("5") "hello", CHUNKED "5\r\nhello\r\n0\r\n\r\n"};
    char text[400];

    start(f);
    for (int i = 0; i < 2; i++) {
        struct client *c = client_connect(f->port);
        snprintf(text, sizeof(text), "%s%sGET /third HTTP/1.1\r\nHost: x\r\n\r\n", texts[i], texts[1 - i]);
        hijack_request *request = begin(f, c, text);
        OK(hijack_request_respond(request, 200, NULL, 0, LIT("one")));
        events_barrier(&f->events);
        CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
        OK(hijack_request_read(request, UINT64_MAX));
        data_is(f, request, "hello");
        eof_is(f, request, "");
        events_closed(&f->events, request, 0);
        request = begin(f, c, "");
        OK(hijack_request_read(request, UINT64_MAX));
        data_is(f, request, "hello");
        eof_is(f, request, "");
        reply(f, request, "two");
        struct event *third = events_next(&f->events, HIJACK_EVENT_REQUEST, NULL);
        CODE(third->status, 0);
        reply(f, third->handle, "three");
        response_expect(c, 200, "one");
        response_expect(c, 200, "two");
        response_expect(c, 200, "three");
    }
}

/* The peer's time is counted while the program waits for it, and not while the peer waits for the program. */
static void test_timeout(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_option(f, OPT_REQUEST_TIMEOUT, "150");
    start(f);
    struct client *c = client_connect(f->port), *d = client_connect(f->port);
    hijack_request *idle = begin(f, c, LENGTH("10") "half");
    for (int i = 0; i < 3; i++) { /* each of these takes the whole time */
        struct client *e = i == 0 ? d : client_connect(f->port);
        hijack_request *request = begin(f, e, LENGTH("10"));
        uint64_t before = clock_ms();
        OK(hijack_request_read(request, UINT64_MAX));
        events_closed(&f->events, request, HIJACK_ETIMEDOUT);
        CHECK(clock_ms() - before >= 100);
        response_head(&r, e);
        CODE(r.status, 408);
        response_free(&r);
        client_eof(e);
    }
    CHECK(client_peek(c) == 0 && !c->ended);
    client_puts(c, "rest!!");
    OK(hijack_request_read(idle, UINT64_MAX));
    data_is(f, idle, "halfrest!!");
    eof_is(f, idle, "");
    reply(f, idle, "ok");
    response_expect(c, 200, "ok");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_length),
        TEST(test_byte_by_byte),
        TEST(test_chunked),
        TEST(test_empty),
        TEST(test_continue),
        TEST(test_errors),
        TEST(test_answered_early),
        TEST(test_streamed),
        TEST(test_freed_early),
        TEST(test_freed_too_early),
        TEST(test_gone),
        TEST(test_bad_chunk),
        TEST(test_bad_chunk_freed),
        TEST(test_trailers_and_credit),
        TEST(test_limit),
        TEST(test_pipelined),
        TEST(test_timeout),
    };

    return RUN_TESTS(tests, argc, argv);
}
