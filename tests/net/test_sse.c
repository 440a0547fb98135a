/* SPDX-License-Identifier: MIT
 *
 * Server-Sent Events of one stream: fields, lines, comments, heartbeats.
 */
#include "support/exchange.h"

#include <stdlib.h>

/* What the client got after the head must be exactly this. */
#define BODY(r, literal)                                                                                               \
    do {                                                                                                               \
        response_want(r, sizeof(literal) - 1);                                                                         \
        BYTES((r)->body, (r)->body_len, literal, sizeof(literal) - 1);                                                 \
        (r)->body_len = 0;                                                                                             \
    } while (0)

static void test_head(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;
    hijack_stream *stream = NULL;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_sse(&stream, request, LIT("X-Room: 7\r\n")));
    events_note(&f->events, stream, KIND_STREAM);
    response_head(&r, c);
    CHECK(r.status == 200);
    CHECK(strncmp(response_header(&r, "content-type"), "text/event-stream", 17) == 0);
    CHECK(strstr(response_header(&r, "cache-control"), "no-cache") != NULL);
    CHECK(strcmp(response_header(&r, "x-room"), "7") == 0);
    OK(hijack_stream_finish(stream, NULL, 0));
    response_finish(&r);
    events_closed(&f->events, stream, 0);
    response_free(&r);
}

static void test_fields(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "0");
    fixture_start(f);
    hijack_stream *s = sse_open(f, &c);
    response_head(&r, c);
    OK(hijack_stream_send_sse(s, NULL, 0, NULL, 0, LIT("plain"), -1));
    BODY(&r, "data: plain\n\n");
    OK(hijack_stream_send_sse(s, LIT("tick"), LIT("17"), LIT("x"), 2500));
    response_until(&r, "\n\n");
    CHECK(strstr(r.body, "event: tick\n") && strstr(r.body, "id: 17\n") && strstr(r.body, "data: x\n"));
    CHECK(strstr(r.body, "retry: 2500\n") != NULL);
    CHECK(r.body_len == strlen("event: tick\nid: 17\nretry: 2500\ndata: x\n\n"));
    r.body_len = 0;
    OK(hijack_stream_send_sse(s, NULL, 0, LIT(""), LIT("reset"), -1));
    BODY(&r, "id:\ndata: reset\n\n");
    OK(hijack_stream_send_sse(s, LIT(""), NULL, 0, LIT("a\nb\r\nc\rd"), -1));
    BODY(&r, "data: a\ndata: b\ndata: c\ndata: d\n\n");
    OK(hijack_stream_send_sse(s, NULL, 0, NULL, 0, LIT("\n\nx\n"), -1));
    BODY(&r, "data:\ndata:\ndata: x\ndata:\n\n");
    OK(hijack_stream_send_sse(s, NULL, 0, NULL, 0, LIT(" led by a space"), -1));
    BODY(&r, "data:  led by a space\n\n");
    OK(hijack_stream_send_sse(s, NULL, 0, NULL, 0, LIT("z\xc3\xa4\0z"), -1));
    BODY(&r, "data: z\xc3\xa4\0z\n\n");
    OK(hijack_stream_send_comment(s, LIT("hello")));
    BODY(&r, ": hello\n\n");
    OK(hijack_stream_send_comment(s, LIT("a\nb\r\nc")));
    BODY(&r, ": a\n: b\n: c\n\n");
    response_free(&r);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "0");
    fixture_start(f);
    hijack_stream *s = sse_open(f, &c);
    CODE(hijack_stream_send_sse(s, LIT("a\nb"), NULL, 0, LIT("x"), -1), HIJACK_EINVAL);
    CODE(hijack_stream_send_sse(s, LIT("a\rb"), NULL, 0, LIT("x"), -1), HIJACK_EINVAL);
    CODE(hijack_stream_send_sse(s, NULL, 0, LIT("1\n2"), LIT("x"), -1), HIJACK_EINVAL);
    CODE(hijack_stream_send_sse(s, NULL, 0, LIT("1\r"), LIT("x"), -1), HIJACK_EINVAL);
    CODE(hijack_stream_send_sse(s, NULL, 0, LIT("1\0"), LIT("x"), -1), HIJACK_EINVAL);
    OK(hijack_stream_send_sse(s, NULL, 0, NULL, 0, LIT("good"), -1));
    response_head(&r, c);
    BODY(&r, "data: good\n\n");
    response_free(&r);
}

static void test_last_event_id(void **state)
{
    struct fixture *f = *state;
    const char *value = NULL;
    size_t len = 0;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET /sse HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: 4711\r\n\r\n");
    hijack_request *request = next_request(f);
    CODE(hijack_request_header(&value, &len, request, LIT("last-event-id"), 0), 1);
    BYTES(value, len, "4711", 4);
    request_free(f, request);
}

static void test_heartbeat(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "50");
    fixture_start(f);
    uint64_t start = clock_ms();
    hijack_stream *s = sse_open(f, &c);
    response_head(&r, c);
    response_until(&r, ":");
    CHECK(clock_ms() - start >= 40);
    size_t first = r.body_len;
    response_want(&r, first * 3);
    CHECK(clock_ms() - start >= 120);
    for (size_t i = 0; i < r.body_len; i++)
        CHECK(r.body[i] == ':' || r.body[i] == '\n' || r.body[i] == ' ');
    stat_wait_least(f->server, HIJACK_STAT_HEARTBEATS, 3);
    OK(hijack_stream_send_sse(s, NULL, 0, NULL, 0, LIT("x"), -1));
    response_until(&r, "data: x\n\n");
    OK(hijack_stream_finish(s, NULL, 0));
    response_finish(&r);
    events_closed(&f->events, s, 0);
    response_free(&r);
}

/* A stream that is not silent needs no heartbeat; one that is plain has none. */
static void test_no_heartbeat(void **state)
{
    struct fixture *f = *state;
    struct client *busy_client, *plain_client;
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "400");
    fixture_start(f);
    hijack_stream *busy = sse_open(f, &busy_client);
    hijack_stream *plain = stream_open(f, &plain_client);
    uint64_t end = clock_ms() + 1000, longest = 0, last = clock_ms();
    while (clock_ms() < end) {
        OK(hijack_stream_send_sse(busy, NULL, 0, NULL, 0, LIT("x"), -1));
        clock_tick();
        longest = clock_ms() - last > longest ? clock_ms() - last : longest;
        last = clock_ms();
        client_peek(busy_client);
    }
    if (longest < 200)
        CHECK(stat_of(f->server, HIJACK_STAT_HEARTBEATS) == 0);
    OK(hijack_stream_finish(plain, NULL, 0));
    response_head(&r, plain_client);
    response_finish(&r);
    CHECK(r.body_len == 0);
    response_free(&r);
}

static void test_http10(void **state)
{
    struct fixture *f = *state;
    struct response r;
    hijack_stream *stream = NULL;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET /sse HTTP/1.0\r\n\r\n");
    hijack_request *request = next_request(f);
    OK(hijack_request_sse(&stream, request, NULL, 0));
    events_note(&f->events, stream, KIND_STREAM);
    OK(hijack_stream_send_sse(stream, NULL, 0, NULL, 0, LIT("old"), -1));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_head(&r, c);
    CHECK(!r.chunked);
    response_finish(&r);
    BYTES(r.body, r.body_len, "data: old\n\n", 11);
    events_closed(&f->events, stream, 0);
    response_free(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_head),      TEST(test_fields),       TEST(test_refused), TEST(test_last_event_id),
        TEST(test_heartbeat), TEST(test_no_heartbeat), TEST(test_http10),
    };

    return RUN_TESTS(tests, argc, argv);
}
