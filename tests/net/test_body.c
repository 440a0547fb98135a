/* SPDX-License-Identifier: MIT
 *
 * Bodies of requests: by length, by chunks, in dribbles, asked for by 100-continue, over the limit.
 */
#include "support/exchange.h"

#include <stdio.h>
#include <stdlib.h>

static void body_is(hijack_request *request, const char *expected, size_t expected_len)
{
    const char *body = NULL;
    size_t len = 0;

    OK(hijack_request_body(&body, &len, request));
    BYTES(body, len, expected, expected_len);
}

static void test_length(void **state)
{
    struct fixture *f = *state;
    static const char whole[] = "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz";

    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (size_t step = 1; step < sizeof(whole); step = step * 3) {
        client_dribble(c, whole, sizeof(whole) - 1, step);
        hijack_request *request = next_request(f);
        body_is(request, LIT("abcdefghijklmnopqrstuvwxyz"));
        reply(f, request, "got");
        response_expect(c, 200, "got");
    }
}

static void test_length_zero(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    hijack_request *request = next_request(f);
    body_is(request, NULL, 0);
    reply(f, request, "0");
    response_expect(c, 200, "0");
    ask(c, "/");
    reply(f, next_request(f), "1");
    response_expect(c, 200, "1");
}

static void test_chunked(void **state)
{
    struct fixture *f = *state;
    static const char plain[] = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "5\r\nhello\r\n1;name=value\r\n \r\n00000005\r\nworld\r\n0\r\n\r\n";

    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (size_t step = 1; step < sizeof(plain); step = step * 4) {
        client_dribble(c, plain, sizeof(plain) - 1, step);
        struct event *event = events_next(&f->events, HIJACK_EVENT_REQUEST, NULL);
        body_is(event->handle, LIT("hello world"));
        CHECK(event->len > 11 && memcmp(event->data + event->len - 15, LIT("\r\n\r\nhello world")) == 0);
        reply(f, event->handle, "got");
        response_expect(c, 200, "got");
    }
}

static void test_chunked_trailers(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nabc\r\n0\r\nX-Trailer: later\r\n\r\n"
                   "GET /second HTTP/1.1\r\nHost: x\r\n\r\n");
    hijack_request *request = next_request(f);
    body_is(request, LIT("abc"));
    reply(f, request, "one");
    response_expect(c, 200, "one");
    reply(f, next_request(f), "two");
    response_expect(c, 200, "two");
}

static void test_bad_chunks(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {"zz\r\nabc\r\n", "-1\r\nabc\r\n", "fffffffffffffffff\r\n", "3\r\nabcdef\r\n"};

    fixture_start(f);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct client *c = client_connect(f->port);
        client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        client_puts(c, bodies[i]);
        response_expect(c, bodies[i][0] == 'f' ? 413 : 400, NULL);
        client_eof(c);
    }
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
}

static void test_binary_large(void **state)
{
    struct fixture *f = *state;
    size_t len = 700000;
    char *body = malloc(len);
    char head[128];

    CHECK(body != NULL);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 7 ^ i >> 8);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", len);
    client_puts(c, head);
    client_send(c, body, len);
    hijack_request *request = next_request(f);
    body_is(request, body, len);
    reply(f, request, "big");
    response_expect(c, 200, "big");
    free(body);
}

static void test_continue(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (int i = 0; i < 2; i++) {
        client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        client_expect(c, "HTTP/1.1 100 Continue\r\n\r\n");
        client_puts(c, "data");
        hijack_request *request = next_request(f);
        body_is(request, LIT("data"));
        reply(f, request, "ok");
        response_expect(c, 200, "ok");
    }
}

/* 413, and no event; then the connection ends, since what follows is the rest of the body. */
static void expect_413(struct fixture *f, struct client *c)
{
    struct response r;

    response_head(&r, c);
    CHECK(r.status == 413);
    response_finish(&r);
    response_free(&r);
    client_eof(c);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
}

static void test_limit_length(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_MAX_BODY, "1024");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1025\r\n\r\n");
    expect_413(f, c);
    c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999999\r\n\r\n");
    response_expect(c, 400, NULL); /* a length that is no number of bytes at all */
    client_eof(c);
    c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n");
    expect_413(f, c);
    stat_wait(f->server, HIJACK_STAT_BAD_REQUESTS, 3);
}

static void test_limit_chunked(void **state)
{
    struct fixture *f = *state;
    char chunk[600];

    memset(chunk, 'x', sizeof(chunk));
    fixture_option(f, OPT_MAX_BODY, "1024");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n");
    client_send(c, chunk, 600);
    client_puts(c, "\r\n258\r\n");
    client_send(c, chunk, 600);
    expect_413(f, c);
}

static void test_limit_exact(void **state)
{
    struct fixture *f = *state;
    char body[1024];

    memset(body, 'y', sizeof(body));
    fixture_option(f, OPT_MAX_BODY, "1024");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1024\r\n\r\n");
    client_send(c, body, sizeof(body));
    hijack_request *request = next_request(f);
    body_is(request, body, sizeof(body));
    reply(f, request, "fits");
    response_expect(c, 200, "fits");
}

static void test_gone_in_mid_body(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (int i = 0; i < 10; i++) {
        struct client *c = client_connect(f->port);
        client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
        stat_wait_least(f->server, HIJACK_STAT_ACCEPTED, (uint64_t)i + 1);
        if (i % 2)
            client_reset(c);
        else
            client_close(c);
    }
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
}

/* In pieces, the part that is wrong is met when the program asks for it: here, in what came with the head. */
static void test_bad_chunk_in_pieces(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_option(f, "request_body", "pieces");
    fixture_start(f);
    for (int bad = 0; bad < 2; bad++) {
        struct client *c = client_connect(f->port);
        client_puts(c, bad ? "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nabcde"
                           : "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0x5\r\n");
        hijack_request *request = next_request(f);
        OK(hijack_request_read(request, 65536));
        if (!bad)
            free(events_data(&f->events, request, 3));
        events_closed(&f->events, request, HIJACK_EPROTOCOL);
        response_head(&r, c);
        CHECK(r.status == 400);
        response_free(&r);
        client_until_end(c);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_length),        TEST(test_length_zero),  TEST(test_chunked),          TEST(test_chunked_trailers),
        TEST(test_bad_chunks),    TEST(test_binary_large), TEST(test_continue),         TEST(test_limit_length),
        TEST(test_limit_chunked), TEST(test_limit_exact),  TEST(test_gone_in_mid_body), TEST(test_bad_chunk_in_pieces),
    };

    return RUN_TESTS(tests, argc, argv);
}
