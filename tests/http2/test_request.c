/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 with prior knowledge: requests, from the preface to the answer, on a listener that also serves HTTP/1.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "h2client.h"
#include "support/exchange.h"
#include "support/transport.h"

static void test_request(void **state)
{
    struct fixture *f = h2_fixture(state);
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
    struct fixture *f = h2_fixture(state);

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
    struct fixture *f = h2_fixture(state);

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
    struct fixture *f = h2_fixture(state);
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
    struct fixture *f = h2_fixture(state);
    const unsigned limit = 1000;
    static const char first[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\4\0\0\0\0\0"
                                "\0\0\xb\1\5\0\0\0\1" HEAD_OF("HEAD");
    static const char second[] = "\0\0\xb\1\4\0\0\0\3" HEAD_OF("POST");
    static const char body[] = "\0\0\5\0\1\0\0\0\3hello";

    fixture_option(f, OPT_REQUEST_TIMEOUT, "1000");
    fixture_start(f);
    struct client *c = h2_connect_raw(f->port);
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

/* A connection on which a request is coming in is not idle, and gives way to nobody; afterwards it does. */
static void test_upload_does_not_give_way(void **state)
{
    struct fixture *f = h2_fixture(state);
    static const char first[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\4\0\0\0\0\0"
                                "\0\0\xb\1\5\0\0\0\1" HEAD_OF("HEAD");
    static const char second[] = "\0\0\xb\1\4\0\0\0\3" HEAD_OF("POST");
    static const char body[] = "\0\0\5\0\1\0\0\0\3hello";

    fixture_option(f, OPT_THREADS, "1");
    fixture_option(f, OPT_MAX_CONNECTIONS, "1");
    fixture_start(f);
    struct client *c = h2_connect_raw(f->port);
    client_send(c, first, sizeof(first) - 1);
    reply(f, next_request(f), "");
    client_send(c, second, sizeof(second) - 1);
    client_send(c, "\0\0\x8\6\0\0\0\0\0pingpong", 17);
    client_until(c, "pingpong"); /* the head was looked at */
    struct client *other = client_connect(f->port);
    ask(other, "/");
    uint64_t before = clock_ms(); /* it looks for one that can go every 50 ms */
    while (clock_ms() - before < 500)
        clock_tick();
    client_send(c, body, sizeof(body) - 1);
    reply(f, next_request(f), "");
    reply(f, next_request(f), "other");
    response_expect(other, 200, "other");
    client_until_end(c);
}

/* The preface may come in any pieces; what only begins like it is HTTP/1. */
static void test_preface(void **state)
{
    struct fixture *f = h2_fixture(state);
    static const char settings[] = "\0\0\0\4\0\0\0\0\0";
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    if (transport_is_tls())
        skip(); /* there ALPN decides */
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
    struct fixture *f = h2_fixture(state);
    static const char text[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                               "\0\0\0\4\0\0\0\0\0"
                               "\0\0\1\4\0\0\0\0\0x"; /* SETTINGS of one byte */

    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        struct client *c = h2_connect_raw(f->port);
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

/* libh2o ends the process when it finds no descriptor for its loop: it has them before there is a connection. */
static void test_no_descriptor_left(void **state)
{
    struct fixture *f = h2_fixture(state);
    static const char text[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                               "\0\0\0\4\0\0\0\0\0";
    struct rlimit before, low;
    int taken[512], count = 0, fd;

    fixture_start(f);
    struct client *c = h2_connect_raw(f->port);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 1);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    low = before;
    low.rlim_cur = 512;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while ((fd = dup(c->fd)) != -1)
        taken[count++] = fd;
    client_send(c, text, sizeof(text) - 1);
    client_want(c, 9);
    CHECK(c->buf[3] == 4); /* SETTINGS */
    while (count != 0)
        close(taken[--count]);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

static void test_off(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, "http2", "off");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client_until(c, "HTTP/1.1 505 ");
    client_eof(c);
}

static void test_bodies(void **state)
{
    struct fixture *f = h2_fixture(state);
    size_t len = 300000;
    char *body = malloc(len + 1);
    const char *got;
    size_t got_len;

    fixture_option(f, OPT_MAX_BODY, "300000");
    fixture_start(f);
    for (size_t i = 0; i <= len; i++)
        body[i] = (char)('a' + i % 23);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_request(c, "POST", "/", "content-length: 300000\n", body, len);
    H2_UNTIL(c, events_poll(&f->events, 0) > 0 || events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) != 0);
    hijack_request *request = next_request(f);
    OK(hijack_request_body(&got, &got_len, request));
    BYTES(got, got_len, body, len);
    CODE(hijack_request_header(&got, &got_len, request, LIT("content-length"), 0), 1);
    BYTES(got, got_len, "300000", sizeof("300000") - 1);
    reply(f, request, "taken");
    h2_expect(c, s, 200, "taken");
    /* without a length there is none, as with chunks */
    s = h2_request(c, "POST", "/", NULL, body, len);
    H2_UNTIL(c, events_poll(&f->events, 0) > 0 || events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) != 0);
    request = next_request(f);
    OK(hijack_request_body(&got, &got_len, request));
    BYTES(got, got_len, body, len);
    CODE(hijack_request_header(&got, &got_len, request, LIT("content-length"), 0), 0);
    CODE(hijack_request_header(&got, &got_len, request, LIT("transfer-encoding"), 0), 0);
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
    struct fixture *f = h2_fixture(state);

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
    struct fixture *f = h2_fixture(state);
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
    s = h2_get(c, "http://elsewhere/path"); /* what HTTP/1 knows as a proxy's form is no path */
    H2_UNTIL(c, s->closed);
    CHECK(s->error == 0 && s->status == 400);
    s = h2_request(c, "OPTIONS", "*", NULL, NULL, 0);
    reply(f, next_request(f), "all of it");
    h2_expect(c, s, 200, "all of it");
    s = h2_request(c, "GET", "/", "expect: something\n", NULL, 0);
    H2_UNTIL(c, s->closed);
    CHECK(s->status == 417);
    s = h2_request(c, "GET", "/", many, NULL, 0);
    H2_UNTIL(c, s->closed);
    CHECK(s->status == 431);
    s = h2_request(c, "HEAD", "/", "expect: something\n", NULL, 0);
    h2_expect(c, s, 417, "");
    s = h2_request(c, "GET", "/", "content-length: 5\n", NULL, 0);
    H2_UNTIL(c, s->closed);
    CHECK(s->error == H2_PROTOCOL);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
    h2_close(c);
}

/* After so many requests GOAWAY; what was on its way is served, what comes much later is not, and the connection ends
 * when it has nothing left. */
static void test_requests_of_a_connection(void **state)
{
    struct fixture *f = h2_fixture(state);

    fixture_option(f, "http2_requests", "3");
    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s[3];
    for (int i = 0; i < 3; i++)
        s[i] = h2_get(c, "/");
    for (int i = 0; i < 3; i++)
        reply(f, next_request(f), "on");
    for (int i = 0; i < 3; i++)
        h2_expect(c, s[i], 200, "on");
    H2_UNTIL(c, h2_goaway(c));
    H2_UNTIL(c, h2_ended(c) == 1);
    h2_close(c);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

static void test_not_over_http2(void **state)
{
    struct fixture *f = h2_fixture(state);
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
    s = h2_request(c, "HEAD", "/raw", NULL, NULL, 0);
    h2_expect(c, s, 505, "");
    h2_close(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request),
        TEST(test_date_and_head),
        TEST(test_table_size),
        TEST(test_long_head),
        TEST(test_request_after_idling),
        TEST(test_preface),
        TEST(test_broken_at_once),
        TEST(test_no_descriptor_left),
        TEST(test_upload_does_not_give_way),
        TEST(test_off),
        TEST(test_bodies),
        TEST(test_body_in_pieces),
        TEST(test_refused),
        TEST(test_requests_of_a_connection),
        TEST(test_not_over_http2),
    };
    return RUN_TESTS(tests, argc, argv);
}
