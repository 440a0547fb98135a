/* SPDX-License-Identifier: MIT
 *
 * Heads that no server should accept: the right 4xx, then the end of the connection, and no event. Each one both as the
 * first request of a connection and after a good one.
 */
#include "support/exchange.h"

#include <stdlib.h>

struct bad {
    const char *name;
    const char *head;
    size_t len;
    int status;
};
#define BAD(name, status, literal)                                                                                     \
    {                                                                                                                  \
        name, literal, sizeof(literal) - 1, status                                                                     \
    }

static const struct bad table[] = {
    BAD("bare LF", 400, "GET / HTTP/1.1\nHost: x\n\n"),
    BAD("bare LF in a header", 400, "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"),
    BAD("bare LF at the end", 400, "GET / HTTP/1.1\r\nHost: x\r\n\n"),
    BAD("bare CR in a value", 400, "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n"),
    BAD("folded header", 400, "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n"),
    BAD("folded by tab", 400, "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\n\r\n"),
    BAD("leading space in the first header", 400, "GET / HTTP/1.1\r\n Host: x\r\n\r\n"),
    BAD("two Host", 400, "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"),
    BAD("no Host", 400, "GET / HTTP/1.1\r\n\r\n"),
    BAD("two Content-Length", 400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    BAD("a list of lengths", 400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\nab"),
    BAD("length with a sign", 400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na"),
    BAD("negative length", 400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na"),
    BAD("length in hex", 400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na"),
    BAD("empty length", 400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"),
    BAD("length and chunks", 400,
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD("chunks and length", 400,
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    BAD("chunks on 1.0", 400, "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD("identity", 501, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n"),
    BAD("identity, chunked", 400,
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
    BAD("two Transfer-Encoding", 400,
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD("chunked twice", 400, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    BAD("chunked not last", 400, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    BAD("unknown coding", 501, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    BAD("space before the colon", 400, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    BAD("CONNECT", 501, "CONNECT example:443 HTTP/1.1\r\nHost: example:443\r\n\r\n"),
    BAD("bad method", 400, "G@T / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD("method with a bracket", 400, "G[T / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD("no method", 400, " / HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD("no target", 400, "GET HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD("empty target", 400, "GET  HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD("target with a space", 400, "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD("target with a control character", 400, "GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD("target that is no path", 400, "GET abc HTTP/1.1\r\nHost: x\r\n\r\n"),
    BAD("HTTP/0.9", 400, "GET /\r\n\r\n"),
    BAD("HTTP/3.7", 505, "GET / HTTP/3.7\r\nHost: x\r\n\r\n"),
    BAD("bad protocol", 400, "GET / HTPT/1.1\r\nHost: x\r\n\r\n"),
    BAD("NUL in a value", 400, "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
    BAD("NUL in a name", 400, "GET / HTTP/1.1\r\nHost: x\r\nX\0Y: a\r\n\r\n"),
    BAD("control character in a value", 400, "GET / HTTP/1.1\r\nHost: x\r\nX: a\x01\r\n\r\n"),
    BAD("header without a colon", 400, "GET / HTTP/1.1\r\nHost: x\r\nwhat\r\n\r\n"),
    BAD("header without a name", 400, "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n"),
    BAD("HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"),
    BAD("TLS hello", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    BAD("binary", 400, "\x00\xff\x80\x01\x02\r\n\r\n"),
};

static void good(struct fixture *f, struct client *c)
{
    ask(c, "/good");
    reply(f, next_request(f), "good");
    response_expect(c, 200, "good");
}

/* Reads the refusal and the end of the connection; no event may have come. */
static void refused(struct fixture *f, struct client *c, const struct bad *bad)
{
    struct response r;

    client_until_end(c);
    if (c->len < 12 || strncmp(c->buf, "HTTP/1.", 7) != 0)
        check_fail(__FILE__, __LINE__, "\"%s\": the server ended without a status (%zu bytes)", bad->name, c->len);
    response_head(&r, c);
    if (r.status != bad->status)
        check_fail(__FILE__, __LINE__, "\"%s\": the status is %d, must be %d", bad->name, r.status, bad->status);
    response_free(&r);
    events_barrier(&f->events);
    if (events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) != 0)
        check_fail(__FILE__, __LINE__, "\"%s\": the program got an event", bad->name);
    client_close(c);
}

static void test_first_request(void **state)
{
    struct fixture *f = *state;
    size_t count = sizeof(table) / sizeof(table[0]);

    fixture_option(f, "http2", "off"); /* one of them is its preface */
    fixture_start(f);
    for (size_t i = 0; i < count; i++) {
        struct client *c = client_connect(f->port);
        client_send(c, table[i].head, table[i].len);
        refused(f, c, &table[i]);
    }
    stat_wait(f->server, HIJACK_STAT_BAD_REQUESTS, count);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

static void test_second_request(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct client *c = client_connect(f->port);
        good(f, c);
        client_send(c, table[i].head, table[i].len);
        refused(f, c, &table[i]);
    }
}

static void test_pipelined_request(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct client *c = client_connect(f->port);
        char both[1024] = "GET /good HTTP/1.1\r\nHost: x\r\n\r\n";
        size_t len = strlen(both);
        memcpy(both + len, table[i].head, table[i].len);
        client_send(c, both, len + table[i].len);
        reply(f, next_request(f), "good");
        response_expect(c, 200, "good");
        refused(f, c, &table[i]);
    }
}

/* No response to HEAD has content (RFC 9110 section 9.3.2), and a refusal is a response. */
static void test_head_request(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct response r;
        char head[1024] = "HEAD";
        if (strncmp(table[i].head, "GET / HTTP", 10) != 0)
            continue;
        memcpy(head + 4, table[i].head + 3, table[i].len - 3);
        struct client *c = client_connect(f->port);
        client_send(c, head, table[i].len + 1);
        client_until_end(c);
        check_context("%s", table[i].name);
        response_head(&r, c);
        CHECK(r.status == table[i].status);
        CHECK(c->len == 0);
        response_free(&r);
        client_close(c);
    }
}

/* In segments of one byte: what is seen late must be refused as well. */
static void test_dribbled(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, "http2", "off"); /* one of them is its preface */
    fixture_start(f);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i += 3) {
        struct client *c = client_connect(f->port);
        client_dribble(c, table[i].head, table[i].len, 1);
        refused(f, c, &table[i]);
    }
}

static void test_long_head(void **state)
{
    struct fixture *f = *state;
    char line[2000];
    struct bad what = {"long head", NULL, 0, 431};

    fixture_option(f, OPT_MAX_HEAD, "4096");
    fixture_start(f);
    memset(line, 'x', sizeof(line));
    memcpy(line, LIT("X-Long: "));
    memcpy(line + sizeof(line) - 2, LIT("\r\n"));
    for (int second = 0; second < 2; second++) {
        struct client *c = client_connect(f->port);
        if (second)
            good(f, c);
        client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\n");
        client_send(c, line, sizeof(line));
        client_send(c, line, sizeof(line));
        client_send(c, line, 200);
        refused(f, c, &what);
    }
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\n");
    client_send(c, line, sizeof(line));
    client_puts(c, "\r\n");
    reply(f, next_request(f), "fits");
    response_expect(c, 200, "fits");
}

static void test_long_target(void **state)
{
    struct fixture *f = *state;
    char target[6000];
    struct bad what = {"long target", NULL, 0, 414};

    fixture_option(f, OPT_MAX_HEAD, "4096");
    fixture_start(f);
    memset(target, 'x', sizeof(target));
    struct client *c = client_connect(f->port);
    client_puts(c, "GET /");
    client_send(c, target, 4200);
    refused(f, c, &what);
}

static void test_many_headers(void **state)
{
    struct fixture *f = *state;
    struct bad what = {"very many headers", NULL, 0, 431};

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 150; i++)
        client_puts(c, "A: b\r\n");
    client_puts(c, "\r\n");
    refused(f, c, &what);
}

/* Leading empty lines are for robustness (RFC 9112 section 2.2); everything split at every byte. */
static void test_split_everywhere(void **state)
{
    struct fixture *f = *state;
    static const char whole[] = "POST /p?q HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nX-A: b\r\n\r\nbody";

    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (size_t at = 1; at < sizeof(whole) - 1; at++) {
        client_send(c, whole, at);
        clock_tick();
        client_send(c, whole + at, sizeof(whole) - 1 - at);
        struct event *event = events_next(&f->events, HIJACK_EVENT_REQUEST, NULL);
        CHECK(event->len > 4 && memcmp(event->data + event->len - 4, "body", 4) == 0);
        CHECK(strncmp(event->data, LIT("POST /p?q HTTP/1.1 ")) == 0);
        reply(f, event->handle, "ok");
        response_expect(c, 200, "ok");
    }
    CHECK(stat_of(f->server, HIJACK_STAT_BAD_REQUESTS) == 0);
}

static void test_no_request_at_all(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (int i = 0; i < 50; i++) {
        struct client *c = client_connect(f->port);
        if (i % 3 == 1)
            client_puts(c, "GET / HT");
        if (i % 3 == 2)
            client_reset(c);
        else
            client_close(c);
    }
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    struct client *c = client_connect(f->port);
    good(f, c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first_request),     TEST(test_second_request), TEST(test_pipelined_request),
        TEST(test_head_request),      TEST(test_dribbled),       TEST(test_long_head),
        TEST(test_long_target),       TEST(test_many_headers),   TEST(test_split_everywhere),
        TEST(test_no_request_at_all),
    };

    return RUN_TESTS(tests, argc, argv);
}
