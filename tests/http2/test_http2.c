/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 with prior knowledge: requests, streams, held routes and their ends, on a listener that also serves HTTP/1.
 */
#include <stdlib.h>

#include "h2client.h"
#include "support/exchange.h"

#define H2_CANCEL 8
#define H2_CALM 11
#define H2_PROTOCOL 1

/* A fixture with HTTP/2. */
static struct fixture *setup(void **state)
{
    struct fixture *f = *state;
    fixture_option(f, "http2", "on");
    return f;
}

static void test_request(void **state)
{
    struct fixture *f = setup(state);
    const char *text;
    size_t len;

    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_request(c, "GET", "/a?b=c", "x-one: 1\ncookie: a=1\ncookie: b=2\n", NULL, 0);
    hijack_request *request = next_request(f);
    OK(hijack_request_target(&text, &len, request));
    BYTES(text, len, "/a?b=c", sizeof("/a?b=c") - 1);
    OK(hijack_request_version(&text, &len, request));
    BYTES(text, len, "HTTP/2", sizeof("HTTP/2") - 1);
    OK(hijack_request_headers(&text, &len, request));
    BYTES(text, len, "host: test\r\nx-one: 1\r\ncookie: a=1; b=2\r\n", 40);
    OK(hijack_request_peer(&text, &len, request));
    CHECK(len > 10 && memcmp(text, "127.0.0.1:", 10) == 0);
    OK(hijack_request_respond(request, 201, LIT("X-Up: yes\r\nConnection: close\r\nServer: mine\r\n"), LIT("done")));
    events_closed(&f->events, request, 0);
    request_free(f, request);
    h2_expect(c, s, 201, "done");
    CHECK(strcmp(h2_field(s, "x-up"), "yes") == 0 && strcmp(h2_field(s, "server"), "mine") == 0);
    CHECK(strcmp(h2_field(s, "content-length"), "4") == 0 && h2_field(s, "connection") == NULL);
    CHECK(strlen(h2_field(s, "date")) == 29);
    /* the connection goes on, in spite of Connection: close */
    s = h2_get(c, "/next");
    reply(f, next_request(f), "next");
    h2_expect(c, s, 200, "next");
    /* and the listener still serves HTTP/1 */
    struct client *plain = client_connect(f->port);
    ask(plain, "/");
    reply(f, next_request(f), "plain");
    response_expect(plain, 200, "plain");
    h2_close(c);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 1);
}

static void test_date_and_head(void **state)
{
    struct fixture *f = setup(state);

    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_request(c, "HEAD", "/", NULL, NULL, 0);
    hijack_request *request = next_request(f);
    OK(hijack_request_respond(request, 200, LIT("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), LIT("not sent")));
    events_closed(&f->events, request, 0);
    request_free(f, request);
    h2_expect(c, s, 200, "");
    CHECK(strcmp(h2_field(s, "date"), "Sun, 06 Nov 1994 08:49:37 GMT") == 0);
    CHECK(strcmp(h2_field(s, "content-length"), "8") == 0);
    s = h2_get(c, "/");
    request = next_request(f);
    OK(hijack_request_respond(request, 204, NULL, 0, NULL, 0));
    events_closed(&f->events, request, 0);
    request_free(f, request);
    h2_expect(c, s, 204, "");
    CHECK(strcmp(h2_field(s, "date"), "Sun, 06 Nov 1994 08:49:37 GMT") != 0);
    h2_close(c);
}

/* A client without a table for header fields, and one with a small one. */
static void test_table_size(void **state)
{
    struct fixture *f = setup(state);

    fixture_start(f);
    for (uint32_t size = 0; size <= 100; size += 100) {
        struct h2client *c = h2_connect_table(f->port, size);
        for (int i = 0; i < 3; i++) {
            struct h2stream *s = h2_get(c, "/");
            hijack_request *request = next_request(f);
            OK(hijack_request_respond(request, 200, LIT("X-Long: a value that a table would keep\r\n"), LIT("x")));
            events_closed(&f->events, request, 0);
            request_free(f, request);
            h2_expect(c, s, 200, "x");
            CHECK(strcmp(h2_field(s, "x-long"), "a value that a table would keep") == 0);
        }
        CHECK(h2_ended(c) == 0 && h2_goaway(c) == 0);
        h2_close(c);
    }
}

/* A head of more than one frame, of which the first is full, for a client without a table. */
static void test_long_head(void **state)
{
    struct fixture *f = setup(state);
    static char headers[20][1000];

    for (int i = 0; i < 20; i++) {
        memset(headers[i], 'x', sizeof(headers[i]));
        memcpy(headers[i], "X-A: ", 5);
        headers[i][2] = (char)('A' + i);
        memcpy(headers[i] + sizeof(headers[i]) - 2, "\r\n", 2);
    }
    fixture_start(f);
    for (uint32_t size = 0; size <= 4096; size += 4096) {
        struct h2client *c = h2_connect_table(f->port, size);
        for (int i = 0; i < 2; i++) {
            struct h2stream *s = h2_get(c, "/");
            hijack_request *request = next_request(f);
            OK(hijack_request_respond(request, 200, headers[0], sizeof(headers), LIT("long")));
            events_closed(&f->events, request, 0);
            request_free(f, request);
            h2_expect(c, s, 200, "long");
            CHECK(strlen(h2_field(s, "x-t")) == 993);
        }
        h2_close(c);
    }
}

#define HEAD_OF(method) "\x02\x04" method "\x84\x86\x01\x01x" /* method, path "/", scheme http, authority x */

/* The time of a request counts from its head, also on a connection that was idle for most of its own time. */
static void test_request_after_idling(void **state)
{
    struct fixture *f = setup(state);
    const unsigned limit = 1000;
    static const char first[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\4\0\0\0\0\0"
                                "\0\0\xb\1\5\0\0\0\1" HEAD_OF("HEAD");
    static const char second[] = "\0\0\xb\1\4\0\0\0\3" HEAD_OF("POST");
    static const char body[] = "\0\0\5\0\1\0\0\0\3hello";

    fixture_option(f, OPT_REQUEST_TIMEOUT, "1000");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_send(c, first, sizeof(first) - 1);
    uint64_t before = clock_ms();
    reply(f, next_request(f), "");
    while (clock_ms() - before < limit * 3 / 4)
        clock_tick();
    client_send(c, second, sizeof(second) - 1);
    while (clock_ms() - before < limit * 5 / 4)
        clock_tick();
    client_send(c, body, sizeof(body) - 1);
    hijack_request *request = next_request(f);
    const char *got;
    size_t len;
    OK(hijack_request_body(&got, &len, request));
    BYTES(got, len, "hello", 5);
    reply(f, request, "");
    /* and a body that does not come in that time ends the connection */
    client_send(c, "\0\0\xb\1\4\0\0\0\5" HEAD_OF("POST"), 20);
    client_until_end(c);
    CHECK(stat_of(f->server, HIJACK_STAT_REQUESTS) == 2);
}

/* The preface may come in any pieces; what only begins like it is HTTP/1. */
static void test_preface(void **state)
{
    struct fixture *f = setup(state);
    static const char settings[] = "\0\0\0\4\0\0\0\0\0";
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_dribble(c, preface, sizeof(preface) - 1, 1);
    client_send(c, settings, sizeof(settings) - 1);
    client_want(c, 9);
    CHECK(c->buf[3] == 4); /* SETTINGS */
    client_close(c);
    c = client_connect(f->port);
    client_dribble(c, preface, 18, 1);
    client_puts(c, "XX\r\n\r\n");
    client_until(c, "HTTP/1.1 505 ");
    client_eof(c);
    c = client_connect(f->port); /* not as a later request */
    ask(c, "/");
    reply(f, next_request(f), "first");
    response_expect(c, 200, "first");
    client_puts(c, preface);
    client_until(c, "HTTP/1.1 505 ");
    client_eof(c);
}

/* What follows the preface in the same segment breaks the rules: the connection ends, and leaves nothing behind in
 * libh2o's loop. (Its code is not instrumented: AddressSanitizer fills freed memory, so that using it is noticed.) */
static void test_broken_at_once(void **state)
{
    struct fixture *f = setup(state);
    static const char text[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                               "\0\0\0\4\0\0\0\0\0"
                               "\0\0\1\4\0\0\0\0\0x"; /* SETTINGS of one byte */

    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        struct client *c = client_connect(f->port);
        client_send(c, text, sizeof(text) - 1);
        client_until_end(c);
        client_close(c);
    }
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_get(c, "/");
    reply(f, next_request(f), "good");
    h2_expect(c, s, 200, "good");
    h2_close(c);
}

static void test_off(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client_until(c, "HTTP/1.1 505 ");
    client_eof(c);
}

static void test_bodies(void **state)
{
    struct fixture *f = setup(state);
    size_t len = 300000;
    char *body = malloc(len + 1);
    const char *got;
    size_t got_len;

    fixture_option(f, OPT_MAX_BODY, "300000");
    fixture_start(f);
    for (size_t i = 0; i <= len; i++)
        body[i] = (char)('a' + i % 23);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_request(c, "POST", "/", NULL, body, len);
    H2_UNTIL(c, events_poll(&f->events, 0) > 0 || events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) != 0);
    hijack_request *request = next_request(f);
    OK(hijack_request_body(&got, &got_len, request));
    BYTES(got, got_len, body, len);
    CODE(hijack_request_header(&got, &got_len, request, LIT("content-length"), 0), 1);
    BYTES(got, got_len, "300000", sizeof("300000") - 1);
    reply(f, request, "taken");
    h2_expect(c, s, 200, "taken");
    /* one byte more is refused, with a length and without, and the connection goes on */
    s = h2_request(c, "POST", "/", NULL, body, len + 1);
    H2_UNTIL(c, s->closed);
    CHECK(s->status == 413 && strstr(s->body, "max_body_bytes") != NULL);
    s = h2_request(c, "POST", "/", "content-length: 300001\n", body, len + 1);
    H2_UNTIL(c, s->closed);
    CHECK(s->status == 413);
    s = h2_get(c, "/");
    reply(f, next_request(f), "on");
    h2_expect(c, s, 200, "on");
    CHECK(stat_of(f->server, HIJACK_STAT_BAD_REQUESTS) == 2);
    h2_close(c);
    free(body);
}

static void test_body_in_pieces(void **state)
{
    struct fixture *f = setup(state);

    fixture_option(f, "request_body", "pieces");
    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_request(c, "POST", "/", NULL, "0123456789", 10);
    hijack_request *request = next_request(f);
    OK(hijack_request_read(request, 4));
    struct event *event = events_next(&f->events, HIJACK_EVENT_DATA, request);
    BYTES(event->data, event->len, "0123", sizeof("0123") - 1);
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("early"))); /* complete for the client before the body is */
    h2_expect(c, s, 200, "early");
    OK(hijack_request_read(request, 100));
    event = events_next(&f->events, HIJACK_EVENT_DATA, request);
    BYTES(event->data, event->len, "456789", sizeof("456789") - 1);
    events_next(&f->events, HIJACK_EVENT_EOF, request);
    events_closed(&f->events, request, 0);
    request_free(f, request);
    h2_close(c);
}

/* What HTTP/1 refuses is refused, and what HTTP/2 calls malformed is reset. */
static void test_refused(void **state)
{
    struct fixture *f = setup(state);
    char many[20000] = "";

    fixture_start(f);
    for (int i = 0; i < 60; i++) {
        strcat(many, "x-long: ");
        memset(many + strlen(many), 'x', 250);
        strcat(many, "\n");
    }
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_get(c, "/with space");
    H2_UNTIL(c, s->closed);
    CHECK(s->error == H2_PROTOCOL && s->status == 0);
    s = h2_get(c, "no-slash");
    H2_UNTIL(c, s->closed);
    CHECK(s->error == 0 && s->status == 400);
    s = h2_request(c, "GET", "/", "expect: something\n", NULL, 0);
    H2_UNTIL(c, s->closed);
    CHECK(s->status == 417);
    s = h2_request(c, "GET", "/", many, NULL, 0);
    H2_UNTIL(c, s->closed);
    CHECK(s->status == 431);
    s = h2_request(c, "GET", "/", "content-length: 5\n", NULL, 0);
    H2_UNTIL(c, s->closed);
    CHECK(s->error == H2_PROTOCOL);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
    h2_close(c);
}

static void test_not_over_http2(void **state)
{
    struct fixture *f = setup(state);
    hijack_socket *socket = NULL;

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_get(c, "/");
    hijack_request *request = next_request(f);
    CODE(hijack_request_hijack(&socket, request), HIJACK_ENOTSUP);
    CODE(hijack_request_hijack_partial(&socket, request, 101, NULL, 0), HIJACK_ENOTSUP);
    CODE(hijack_request_hold(request, room, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_ENOTSUP);
    reply(f, request, "still open");
    h2_expect(c, s, 200, "still open");
    s = h2_get(c, "/raw");
    H2_UNTIL(c, s->closed);
    CHECK(s->status == 505);
    h2_close(c);
}

static void test_stream(void **state)
{
    struct fixture *f = setup(state);
    hijack_stream *stream = NULL;

    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_get(c, "/");
    hijack_request *request = next_request(f);
    OK(hijack_request_sse(&stream, request, NULL, 0));
    events_note(&f->events, stream, KIND_STREAM);
    request_free(f, request);
    H2_UNTIL(c, s->status != 0);
    CHECK(strcmp(h2_field(s, "content-type"), "text/event-stream") == 0);
    CHECK(h2_field(s, "transfer-encoding") == NULL);
    for (int i = 0; i < 100; i++)
        OK(hijack_stream_send_sse(stream, NULL, 0, NULL, 0, LIT("hello"), -1));
    H2_UNTIL(c, s->len == 1300);
    OK(hijack_stream_finish(stream, NULL, 0));
    events_closed(&f->events, stream, 0);
    H2_UNTIL(c, s->closed);
    CHECK(s->error == 0 && s->len == 1300);
    stream_free(f, stream);
    /* an abort is a reset, which the client can tell from an end */
    s = h2_get(c, "/");
    stream = stream_of(f, next_request(f), "");
    OK(hijack_stream_send(stream, LIT("some")));
    H2_UNTIL(c, s->len == 4);
    OK(hijack_stream_abort(stream));
    events_closed(&f->events, stream, HIJACK_EABORTED);
    H2_UNTIL(c, s->closed);
    CHECK(s->error == H2_CANCEL);
    stream_free(f, stream);
    /* and so is the end of a body that is shorter than its Content-Length */
    s = h2_get(c, "/");
    stream = stream_of(f, next_request(f), "Content-Length: 10\r\n");
    OK(hijack_stream_send(stream, LIT("12345")));
    H2_UNTIL(c, s->len == 5);
    OK(hijack_stream_finish(stream, NULL, 0));
    H2_UNTIL(c, s->closed);
    CHECK(s->error == H2_CANCEL);
    events_closed(&f->events, stream, HIJACK_EABORTED);
    stream_free(f, stream);
    h2_close(c);
}

static void test_client_leaves(void **state)
{
    struct fixture *f = setup(state);

    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *pending = h2_get(c, "/pending");
    hijack_request *request = next_request(f);
    struct h2stream *streaming = h2_get(c, "/stream");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    H2_UNTIL(c, streaming->status == 200);
    h2_reset(c, pending, H2_CANCEL);
    events_closed(&f->events, request, HIJACK_ERESET);
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), HIJACK_ECLOSED);
    request_free(f, request);
    h2_reset(c, streaming, H2_CANCEL);
    events_closed(&f->events, stream, HIJACK_ERESET);
    stream_free(f, stream);
    /* the whole connection: by FIN, then by RST */
    streaming = h2_get(c, "/stream");
    stream = stream_of(f, next_request(f), "");
    H2_UNTIL(c, streaming->status == 200); /* with bytes unread the kernel would send a RST */
    h2_close(c);
    events_closed(&f->events, stream, HIJACK_ECLOSED);
    stream_free(f, stream);
    c = h2_connect(f->port);
    h2_get(c, "/");
    request = next_request(f);
    h2_abort(c);
    events_closed(&f->events, request, HIJACK_ERESET);
    request_free(f, request);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

/* One stream of a connection that is not read holds up neither the others nor the program. */
static void test_flow_control(void **state)
{
    struct fixture *f = setup(state);
    size_t len = 1000000;
    char *big = malloc(len + 1);

    fixture_start(f);
    memset(big, 'x', len);
    big[len] = '\0';
    struct h2client *c = h2_connect(f->port);
    struct h2stream *slow = h2_get(c, "/big");
    slow->paused = 1;
    hijack_request *request = next_request(f);
    OK(hijack_request_respond(request, 200, NULL, 0, big, len));
    events_closed(&f->events, request, 0);
    request_free(f, request);
    H2_UNTIL(c, slow->len == 65535); /* the window */
    struct h2stream *streaming = h2_get(c, "/stream");
    streaming->paused = 1;
    hijack_stream *stream = stream_of(f, next_request(f), "");
    size_t sent = 0;
    int rc = 0;
    while (rc == 0) { /* until the marks are reached */
        rc = hijack_stream_send(stream, big, 10000);
        sent += rc == 0 ? 10000 : 0;
        CHECK(sent < 10000000);
        h2_work(c);
    }
    CODE(rc, HIJACK_EAGAIN);
    for (int i = 0; i < 20; i++) {
        struct h2stream *s = h2_get(c, "/quick");
        reply(f, next_request(f), "quick");
        h2_expect(c, s, 200, "quick");
    }
    h2_resume(c, slow);
    h2_expect(c, slow, 200, big);
    h2_resume(c, streaming);
    H2_UNTIL(c, streaming->len == sent);
    events_next(&f->events, HIJACK_EVENT_DRAINED, stream);
    OK(hijack_stream_finish(stream, NULL, 0));
    events_closed(&f->events, stream, 0);
    H2_UNTIL(c, streaming->closed);
    stream_free(f, stream);
    h2_close(c);
    free(big);
}

static void test_fanout(void **state)
{
    struct fixture *f = setup(state);
    struct h2client *c[10];
    struct h2stream *s[10][10];

    fixture_option(f, OPT_THREADS, "2");
    hijack_broadcaster *room = fixture_hold(f, "/events", HIJACK_HOLD_SSE);
    fixture_start(f);
    struct client *plain = client_connect(f->port);
    ask(plain, "/events");
    for (int i = 0; i < 10; i++) {
        c[i] = h2_connect(f->port);
        for (int j = 0; j < 10; j++)
            s[i][j] = h2_get(c[i], "/events");
    }
    members_wait(room, 101);
    for (int k = 0; k < 100; k++)
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("hello")), 101);
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 10; j++)
            H2_UNTIL(c[i], s[i][j]->len == 1300);
    CHECK(memcmp(s[3][4]->body, "data: hello\n\n", 13) == 0);
    /* a request that is held, one that leaves, and the end of all */
    struct h2stream *held = h2_get(c[0], "/held");
    hijack_request *request = next_request(f);
    OK(hijack_request_hold(request, room, HIJACK_HOLD_STREAM, 0, NULL, 0, NULL, 0, NULL, 0));
    events_closed(&f->events, request, 0);
    request_free(f, request);
    h2_reset(c[1], s[1][1], H2_CANCEL);
    members_wait(room, 101);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("more")), 101);
    OK(hijack_broadcaster_close(room));
    h2_expect(c[0], held, 200, "more");
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 10; j++) {
            H2_UNTIL(c[i], s[i][j]->closed);
            CHECK(i == 1 && j == 1 ? s[i][j]->len == 1300 : s[i][j]->len == 1312 && s[i][j]->error == 0);
        }
        h2_close(c[i]);
    }
}

/* A member that does not read is dropped by the broadcaster's policy; the others of its connection are not. */
static void test_slow_member(void **state)
{
    struct fixture *f = setup(state);
    char text[4001];

    memset(text, 'y', 4000);
    text[4000] = '\0';
    hijack_broadcaster *room = fixture_hold(f, "/events", HIJACK_HOLD_STREAM);
    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *slow = h2_get(c, "/events"), *quick = h2_get(c, "/events");
    slow->paused = 1;
    members_wait(room, 2);
    size_t sent = 0;
    while (hijack_broadcaster_count(room) == 2) {
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, text, 4000));
        sent += 4000;
        CHECK(sent < 20000000);
        H2_UNTIL(c, quick->len == sent);
    }
    H2_UNTIL(c, slow->closed);
    CHECK(slow->error == H2_CALM);
    CHECK(stat_of(f->server, HIJACK_STAT_CLOSED_SLOW) == 0); /* that counts connections */
    CHECK(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_CLOSED) == 1);
    h2_close(c);
}

static void test_heartbeat_and_deadlines(void **state)
{
    struct fixture *f = setup(state);

    fixture_option(f, OPT_HEARTBEAT, "50");
    fixture_option(f, OPT_HEAD_TIMEOUT, "200");
    fixture_option(f, OPT_REQUEST_TIMEOUT, "300");
    hijack_broadcaster *room = fixture_hold(f, "/events", HIJACK_HOLD_SSE);
    fixture_start(f);
    struct h2client *silent = h2_connect(f->port), *c = h2_connect(f->port);
    struct h2stream *s = h2_get(c, "/events");
    members_wait(room, 1);
    H2_UNTIL(silent, h2_ended(silent));
    CHECK(h2_goaway(silent));
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 1);
    H2_UNTIL(c, s->len >= 6);
    CHECK(h2_ended(c) == 0);
    h2_reset(c, s, H2_CANCEL);
    H2_UNTIL(c, h2_ended(c));
    CHECK(h2_goaway(c));
    stat_wait(f->server, HIJACK_STAT_CLOSED_OK, 1);
    h2_close(c);
    h2_close(silent);
}

static void test_drain(void **state)
{
    struct fixture *f = setup(state);

    fixture_start(f);
    struct h2client *idle = h2_connect(f->port), *c = h2_connect(f->port);
    struct h2stream *first = h2_get(idle, "/");
    reply(f, next_request(f), "idle");
    h2_expect(idle, first, 200, "idle");
    struct h2stream *s = h2_get(c, "/");
    hijack_request *request = next_request(f);
    OK(hijack_server_drain(f->server, 20000));
    H2_UNTIL(idle, h2_ended(idle));
    CHECK(h2_goaway(idle));
    H2_UNTIL(c, h2_goaway(c));
    CHECK(h2_ended(c) == 0);
    reply(f, request, "finished");
    h2_expect(c, s, 200, "finished");
    H2_UNTIL(c, h2_ended(c));
    fixture_stop(f);
    h2_close(c);
    h2_close(idle);
}

static void test_stop(void **state)
{
    struct fixture *f = setup(state);
    struct h2client *c[10];
    struct h2stream *s[10][20];
    size_t len = 1000000;
    char *big = calloc(1, len);

    fixture_option(f, OPT_THREADS, "2");
    hijack_broadcaster *room = fixture_hold(f, "/events", HIJACK_HOLD_SSE);
    fixture_start(f);
    for (int i = 0; i < 10; i++) {
        c[i] = h2_connect(f->port);
        for (int j = 0; j < 20; j++) {
            s[i][j] = h2_get(c[i], j % 2 == 0 ? "/events" : "/");
            s[i][j]->paused = j % 4 < 2;
        }
    }
    members_wait(room, 100);
    for (int i = 0; i < 50; i++)
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("under load")));
    for (int i = 0; i < 100; i++) {
        hijack_request *request = next_request(f);
        if (i % 3 == 0)
            OK(hijack_request_respond(request, 200, NULL, 0, big, len));
        else if (i % 3 == 1)
            stream_of(f, request, "");
    }
    fixture_stop(f);
    for (int i = 0; i < 10; i++) {
        H2_UNTIL(c[i], h2_ended(c[i]));
        h2_close(c[i]);
    }
    free(big);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request),        TEST(test_date_and_head),
        TEST(test_table_size),     TEST(test_preface),
        TEST(test_broken_at_once), TEST(test_off),
        TEST(test_bodies),         TEST(test_body_in_pieces),
        TEST(test_refused),        TEST(test_not_over_http2),
        TEST(test_stream),         TEST(test_client_leaves),
        TEST(test_flow_control),   TEST(test_fanout),
        TEST(test_slow_member),    TEST(test_heartbeat_and_deadlines),
        TEST(test_drain),          TEST(test_stop),
        TEST(test_long_head),      TEST(test_request_after_idling),
    };
    return RUN_TESTS(tests, argc, argv);
}
