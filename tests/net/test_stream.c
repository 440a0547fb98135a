/* SPDX-License-Identifier: MIT
 *
 * Responses in pieces: order, framing, the difference between a finished and a broken body, what follows on the
 * connection.
 */
#include "support/exchange.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void test_chunked(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    response_head(&r, c);
    CHECK(r.status == 200 && r.chunked && r.length == -1);
    CHECK(response_header(&r, "date") != NULL);
    OK(hijack_stream_send(stream, LIT("one")));
    response_want(&r, 3);
    OK(hijack_stream_send(stream, NULL, 0));
    OK(hijack_stream_send(stream, LIT("two")));
    response_want(&r, 6);
    CHECK(stat_of(f->server, HIJACK_STAT_STREAMS) == 1);
    OK(hijack_stream_finish(stream, NULL, 0));
    response_finish(&r);
    BYTES(r.body, r.body_len, "onetwo", 6);
    events_closed(&f->events, stream, 0);
    CODE(hijack_stream_send(stream, LIT("late")), HIJACK_ECLOSED);
    CODE(hijack_stream_finish(stream, NULL, 0), HIJACK_ECLOSED);
    CODE(hijack_stream_abort(stream), HIJACK_ECLOSED);
    stat_wait(f->server, HIJACK_STAT_STREAMS, 0);
    response_free(&r);
}

/* Between finish and CLOSED nothing more is taken. */
static void test_send_after_finish(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    OK(hijack_stream_send(stream, LIT("all")));
    OK(hijack_stream_finish(stream, NULL, 0));
    CODE(hijack_stream_send(stream, LIT("more")), HIJACK_ECLOSED);
    CODE(hijack_stream_finish(stream, NULL, 0), HIJACK_ECLOSED);
    response_expect(c, 200, "all");
    events_closed(&f->events, stream, 0);
}

static void test_request_closes_first(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    hijack_stream *stream = NULL;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_stream(&stream, request, 202, LIT("X-A: b\r\n")));
    events_note(&f->events, stream, KIND_STREAM);
    events_closed(&f->events, request, 0);
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), HIJACK_ESTATE);
    OK(hijack_stream_send(stream, LIT("x")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_expect(c, 202, "x");
    events_closed(&f->events, stream, 0);
}

struct sender {
    hijack_stream *stream;
    int number;
    int failed;
    pthread_t thread;
};

/* Pieces "<thread>:<n>;" in order of n. A full stream is tried again: the client reads on. */
static void *send_pieces(void *argument)
{
    struct sender *sender = argument;

    for (int n = 0; n < 500 && !sender->failed; n++) {
        char piece[32];
        int len = snprintf(piece, sizeof(piece), "%d:%d;", sender->number, n);
        int code;
        while ((code = hijack_stream_send(sender->stream, piece, (size_t)len)) == HIJACK_EAGAIN)
            clock_tick();
        sender->failed = code != 0;
    }
    return NULL;
}

static void test_threads_in_order(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct sender senders[4];
    struct response r;
    int next[4] = {0};

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    for (int i = 0; i < 4; i++) {
        senders[i] = (struct sender){.stream = stream, .number = i};
        CHECK(pthread_create(&senders[i].thread, NULL, send_pieces, &senders[i]) == 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(senders[i].thread, NULL);
    for (int i = 0; i < 4; i++)
        CHECK(!senders[i].failed);
    OK(hijack_stream_finish(stream, NULL, 0));
    response_head(&r, c);
    response_finish(&r);
    for (char *at = r.body; at < r.body + r.body_len; at = strchr(at, ';') + 1) {
        int number = -1, n = -1;
        CHECK(sscanf(at, "%d:%d;", &number, &n) == 2 && number >= 0 && number < 4);
        CHECK(n == next[number]);
        next[number]++;
    }
    for (int i = 0; i < 4; i++)
        CHECK(next[i] == 500);
    events_closed(&f->events, stream, 0);
    response_free(&r);
}

static void test_http10(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    OK(hijack_stream_send(stream, LIT("un")));
    OK(hijack_stream_send(stream, LIT("framed")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_head(&r, c);
    CHECK(!r.chunked && r.length == -1);
    response_finish(&r);
    BYTES(r.body, r.body_len, "unframed", 8);
    client_eof(c);
    events_closed(&f->events, stream, 0);
    response_free(&r);
}

static void test_http10_abort_is_reset(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.0\r\n\r\n");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    OK(hijack_stream_send(stream, LIT("part")));
    response_head(&r, c);
    response_want(&r, 4);
    OK(hijack_stream_abort(stream));
    client_rst(c);
    events_closed(&f->events, stream, HIJACK_EABORTED);
    response_free(&r);
}

static void test_content_length(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_stream *stream = stream_of(f, request_open(f, &c, "/"), "Content-Length: 10\r\n");
    response_head(&r, c);
    CHECK(!r.chunked && r.length == 10);
    OK(hijack_stream_send(stream, LIT("12345")));
    CODE(hijack_stream_send(stream, LIT("678901")), HIJACK_ETOOBIG);
    OK(hijack_stream_send(stream, LIT("67890")));
    CODE(hijack_stream_send(stream, LIT("1")), HIJACK_ETOOBIG);
    OK(hijack_stream_finish(stream, NULL, 0));
    response_finish(&r);
    BYTES(r.body, r.body_len, "1234567890", 10);
    events_closed(&f->events, stream, 0);
    response_free(&r);
    ask(c, "/next");
    reply(f, next_request(f), "next");
    response_expect(c, 200, "next");
}

static void test_content_length_short(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_stream *stream = stream_of(f, request_open(f, &c, "/"), "Content-Length: 10\r\n");
    OK(hijack_stream_send(stream, LIT("12345")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_head(&r, c);
    response_broken(&r);
    events_closed(&f->events, stream, HIJACK_EABORTED);
    response_free(&r);
}

static void test_abort(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    OK(hijack_stream_send(stream, LIT("half")));
    response_head(&r, c);
    response_want(&r, 4);
    OK(hijack_stream_abort(stream));
    CODE(hijack_stream_send(stream, LIT("x")), HIJACK_ECLOSED);
    response_broken(&r);
    events_closed(&f->events, stream, HIJACK_EABORTED);
    stat_wait(f->server, HIJACK_STAT_CLOSED_ABORTED, 1);
    response_free(&r);
}

static void test_abort_at_once(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    OK(hijack_stream_abort(stream));
    events_closed(&f->events, stream, HIJACK_EABORTED);
    client_until_end(c);
    CHECK(c->len < 5 || memcmp(c->buf + c->len - 5, "0\r\n\r\n", 5) != 0);
}

static void test_free_open(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    OK(hijack_stream_send(stream, LIT("half")));
    response_head(&r, c);
    response_want(&r, 4);
    stream_free(f, stream);
    response_broken(&r);
    events_barrier(&f->events);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    stat_wait(f->server, HIJACK_STAT_CLOSED_ABORTED, 1);
    response_free(&r);
}

/* Finished, then freed without waiting: the body still gets there whole. */
static void test_free_finished(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    size_t len = 200000;
    char *body = calloc(1, len);
    struct response r;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    OK(hijack_stream_send(stream, body, len));
    OK(hijack_stream_finish(stream, NULL, 0));
    stream_free(f, stream);
    response_head(&r, c);
    response_finish(&r);
    CHECK(r.body_len == len);
    response_free(&r);
    free(body);
}

static void test_next_requests(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_stream *stream = stream_open(f, &c);
    OK(hijack_stream_finish(stream, NULL, 0));
    response_expect(c, 200, "");
    events_closed(&f->events, stream, 0);
    ask(c, "/second");
    ask(c, "/third");
    reply(f, next_request(f), "second");
    stream = stream_of(f, next_request(f), "");
    OK(hijack_stream_send(stream, LIT("third")));
    ask(c, "/fourth");
    OK(hijack_stream_finish(stream, NULL, 0));
    response_expect(c, 200, "second");
    response_expect(c, 200, "third");
    events_closed(&f->events, stream, 0);
    reply(f, next_request(f), "fourth");
    response_expect(c, 200, "fourth");
    CHECK(stat_of(f->server, HIJACK_STAT_ACCEPTED) == 1);
}

static void test_connection_close(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    OK(hijack_stream_send(stream, LIT("x")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_head(&r, c);
    CHECK(response_header(&r, "connection") != NULL && strcmp(response_header(&r, "connection"), "close") == 0);
    response_finish(&r);
    CHECK(r.chunked);
    client_eof(c);
    events_closed(&f->events, stream, 0);
    response_free(&r);
}

static void client_leaves(struct fixture *f, int reset)
{
    struct client *c;
    hijack_stream *stream = stream_open(f, &c);

    client_until(c, "\r\n\r\n");
    if (reset) {
        client_reset(c);
    } else {
        client_close(c);
        events_next(&f->events, HIJACK_EVENT_HANGUP, stream);
        OK(hijack_stream_send(stream, LIT("x"))); /* it might read on; this one does not, as its reset then says */
    }
    events_closed(&f->events, stream, HIJACK_ERESET);
    CODE(hijack_stream_send(stream, LIT("x")), HIJACK_ECLOSED);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    events_barrier(&f->events);
}

static void test_client_leaves(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    client_leaves(f, 0);
    client_leaves(f, 1);
    stat_wait(f->server, HIJACK_STAT_CLOSED_PEER, 2);
}

/* A client that has sent its request and half-closes gets all of a body that is finished; where it is not, the program
 * hears of it and decides. */
static void test_client_half_closes(void **state)
{
    struct fixture *f = *state;
    static const char *const headers[] = {"", "Content-Length: 8388608\r\n"};
    size_t len = 8u << 20;
    char *data = malloc(len);
    struct client *c, *d;
    struct response r;

    CHECK(data != NULL);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 7 >> 3);
    fixture_option(f, OPT_THREADS, "1");
    fixture_option(f, OPT_HIGH_WATER, "16m");
    fixture_start(f);
    for (int i = 0; i < 2; i++) {
        c = client_connect_slow(f->port);
        ask(c, "/");
        hijack_stream *stream = stream_of(f, next_request(f), headers[i]);
        OK(hijack_stream_send(stream, data, len));
        OK(hijack_stream_finish(stream, NULL, 0));
        stat_wait_least(f->server, HIJACK_STAT_BACKLOG_BYTES, 1);
        reply(f, request_open(f, &d, "/turn"), "turn"); /* the loop has seen the finish */
        client_shutdown(c);
        response_head(&r, c);
        response_finish(&r);
        BYTES(r.body, r.body_len, data, len);
        response_free(&r);
        events_closed(&f->events, stream, 0);
        client_eof(c);
        CHECK(c->len == 0);
        clock_until_idle();
    }
    hijack_stream *stream = stream_open(f, &c);
    client_shutdown(c);
    events_next(&f->events, HIJACK_EVENT_HANGUP, stream);
    OK(hijack_stream_send(stream, LIT("x")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_head(&r, c);
    response_finish(&r);
    BYTES(r.body, r.body_len, "x", 1);
    response_free(&r);
    events_closed(&f->events, stream, 0);
    free(data);
}

/* A client that ends its side before its request becomes a stream or socket: what it became is told, even if the
 * request's own HANGUP went with the request. */
static void test_client_ends_before_it(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    for (int told = 0; told < 2; told++) {
        for (int raw = 0; raw < 2; raw++) {
            hijack_request *request = request_open(f, &c, "/");
            client_shutdown(c);
            if (told)
                events_next(&f->events, HIJACK_EVENT_HANGUP, request);
            else
                stat_wait_least(f->server, HIJACK_STAT_EVENTS_QUEUED, 1);
            if (raw) {
                hijack_socket *socket = socket_of(f, request);
                events_next(&f->events, HIJACK_EVENT_HANGUP, socket);
                OK(hijack_socket_read(socket, 1));
                events_next(&f->events, HIJACK_EVENT_EOF, socket);
                OK(hijack_socket_close(socket));
                events_closed(&f->events, socket, 0);
            } else {
                hijack_stream *stream = stream_of(f, request, "");
                events_next(&f->events, HIJACK_EVENT_HANGUP, stream);
                OK(hijack_stream_finish(stream, NULL, 0));
                events_closed(&f->events, stream, 0);
            }
        }
    }
}

/* The same when the end comes right after finish has returned: that was before it. */
static void test_client_half_closes_at_once(void **state)
{
    struct fixture *f = *state;
    size_t len = 4u << 20;
    char *data = calloc(1, len);

    CHECK(data != NULL);
    fixture_option(f, OPT_THREADS, "1");
    fixture_option(f, OPT_HIGH_WATER, "16m");
    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        struct client *c = client_connect_slow(f->port);
        struct response r;
        ask(c, "/");
        hijack_stream *stream = stream_of(f, next_request(f), "");
        OK(hijack_stream_send(stream, data, len));
        stat_wait_least(f->server, HIJACK_STAT_BACKLOG_BYTES, 1);
        OK(hijack_stream_finish(stream, NULL, 0));
        client_shutdown(c);
        response_head(&r, c);
        response_finish(&r);
        CHECK(r.body_len == len);
        response_free(&r);
        events_closed(&f->events, stream, 0);
        stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    }
    free(data);
}

static void test_head_request(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    OK(hijack_stream_send(stream, LIT("unsent")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_head(&r, c);
    CHECK(r.status == 200);
    events_closed(&f->events, stream, 0);
    ask(c, "/next");
    reply(f, next_request(f), "next");
    response_expect(c, 200, "next");
}

static void test_no_body_status(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;
    hijack_stream *stream = NULL;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_stream(&stream, request, 204, NULL, 0));
    events_note(&f->events, stream, KIND_STREAM);
    OK(hijack_stream_finish(stream, NULL, 0));
    response_head(&r, c);
    CHECK(r.status == 204 && !r.chunked);
    events_closed(&f->events, stream, 0);
    ask(c, "/next");
    reply(f, next_request(f), "next");
    response_expect(c, 200, "next");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chunked),
        TEST(test_send_after_finish),
        TEST(test_request_closes_first),
        TEST(test_threads_in_order),
        TEST(test_http10),
        TEST(test_http10_abort_is_reset),
        TEST(test_content_length),
        TEST(test_content_length_short),
        TEST(test_abort),
        TEST(test_abort_at_once),
        TEST(test_free_open),
        TEST(test_free_finished),
        TEST(test_next_requests),
        TEST(test_connection_close),
        TEST(test_client_leaves),
        TEST(test_client_half_closes),
        TEST(test_client_ends_before_it),
        TEST(test_client_half_closes_at_once),
        TEST(test_head_request),
        TEST(test_no_body_status),
    };

    return RUN_TESTS(tests, argc, argv);
}
