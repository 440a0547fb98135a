/* SPDX-License-Identifier: MIT
 *
 * Response headers: what is invalid, or the library's own, is refused with a code and leaves nothing on the wire.
 */
#include "support/exchange.h"

#include <stdlib.h>

struct block {
    const char *text;
    size_t len;
};
#define BLOCK(literal)                                                                                                 \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static const struct block bad[] = {
    BLOCK("X-A: b\r\nX-Evil: a\nInjected: 1\r\n"),
    BLOCK("X-Evil: a\rInjected: 1\r\n"),
    BLOCK("X-Evil: a\0b\r\n"),
    BLOCK("X-Evil: a\x01\r\n"),
    BLOCK("X-Evil: a\x7f\r\n"),
    BLOCK("X-Evil: a\r\n\r\nbody"),
    BLOCK("\r\n"),
    BLOCK("X-Evil\r\n"),
    BLOCK(": value\r\n"),
    BLOCK("X Evil: a\r\n"),
    BLOCK("X-Evil : a\r\n"),
    BLOCK(" X-Evil: a\r\n"),
    BLOCK("X-A: b\r\n folded\r\n"),
    BLOCK("X-\0Evil: a\r\n"),
    BLOCK("X-Ev\xc3\xa4l: a\r\n"),
    BLOCK("X-Evil(: a\r\n"),
    BLOCK("X-A: b"),
    BLOCK("X-A: b\n"),
    BLOCK("X-A: b\r"),
    BLOCK("Transfer-Encoding: chunked\r\n"),
    BLOCK("transfer-encoding: identity\r\n"),
    BLOCK("Content-Length: 3\r\n"),
    BLOCK("Content-Length: 2x\r\n"),
    BLOCK("Content-Length: -2\r\n"),
    BLOCK("Content-Length: \r\n"),
    BLOCK("Content-Length: 2\r\nContent-Length: 3\r\n"),
    BLOCK("Content-Length: 99999999999999999999\r\n"),
};

static void test_refused(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        hijack_request *request = request_open(f, &c, "/");
        int code = hijack_request_respond(request, 200, bad[i].text, bad[i].len, "ok", 2);
        if (code != HIJACK_EHEADER)
            check_fail(__FILE__, __LINE__, "header block %zu gives %s, must give EHEADER", i, hijack_errname(code));
        OK(hijack_request_respond(request, 200, LIT("X-Good: yes\r\n"), LIT("ok")));
        events_closed(&f->events, request, 0);
        response_head(&r, c);
        CHECK(r.status == 200 && r.length == 2);
        CHECK(strcasestr(r.head, "evil") == NULL && strcasestr(r.head, "injected") == NULL);
        CHECK(response_header(&r, "x-a") == NULL);
        response_finish(&r);
        response_free(&r);
        client_close(c);
        request_free(f, request);
    }
}

/* Every other function that takes a header block refuses the same way, and the request can still be answered. */
static void test_refused_everywhere(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    hijack_stream *stream = (void *)7;
    hijack_socket *socket = (void *)7;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_request *request = request_open(f, &c, "/");
    for (size_t i = 0; i < 19; i++) {
        CODE(hijack_request_stream(&stream, request, 200, bad[i].text, bad[i].len), HIJACK_EHEADER);
        CODE(hijack_request_sse(&stream, request, bad[i].text, bad[i].len), HIJACK_EHEADER);
        CODE(hijack_request_hijack_partial(&socket, request, 200, bad[i].text, bad[i].len), HIJACK_EHEADER);
        CODE(hijack_request_hold(request, room, HIJACK_HOLD_SSE, 0, bad[i].text, bad[i].len, NULL, 0, NULL, 0),
             HIJACK_EHEADER);
        CODE(hijack_request_hold(request, room, HIJACK_HOLD_STREAM, 0, bad[i].text, bad[i].len, NULL, 0, NULL, 0),
             HIJACK_EHEADER);
    }
    CODE(hijack_request_stream(&stream, request, 200, LIT("Transfer-Encoding: gzip\r\n")), HIJACK_EHEADER);
    CODE(hijack_request_sse(&stream, request, LIT("Transfer-Encoding: gzip\r\n")), HIJACK_EHEADER);
    CHECK(stream == (void *)7 && socket == (void *)7);
    CHECK(client_peek(c) == 0);
    reply(f, request, "clean");
    response_expect(c, 200, "clean");
}

static void test_hold_refused(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *room = fixture_broadcaster(f);

    for (size_t i = 0; i < 19; i++)
        CODE(hijack_server_hold(f->server, LIT("/h"), HIJACK_HOLD_SSE, bad[i].text, bad[i].len, room), HIJACK_EHEADER);
}

static void test_statuses(void **state)
{
    struct fixture *f = *state;
    static const uint32_t wrong[] = {0, 1, 99, 100, 101, 199, 1000, 65536 + 200, UINT32_MAX};
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CODE(hijack_request_respond(request, wrong[i], NULL, 0, NULL, 0), HIJACK_EINVAL);
    OK(hijack_request_respond(request, 999, NULL, 0, NULL, 0));
    response_head(&r, c);
    CHECK(r.status == 999);
    events_closed(&f->events, request, 0);
}

static void test_null_with_length(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    CODE(hijack_request_respond(request, 200, NULL, 5, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 5), HIJACK_EINVAL);
    OK(hijack_request_respond(request, 200, "", 0, "", 0));
    response_expect(c, 200, "");
    events_closed(&f->events, request, 0);
}

static void test_many_headers(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;
    char block[6000] = "Content-Length: 2\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty:\r\nX-Text: \xc3\xa4 \"\r\n";

    fixture_start(f);
    for (int i = 0; i < 100; i++)
        strcat(block, "X-Same-Name: a value of some length\r\n");
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_respond(request, 200, STR(block), LIT("ok")));
    events_closed(&f->events, request, 0);
    response_head(&r, c);
    CHECK(strstr(r.head, "a=1") != NULL && strstr(r.head, "b=2") != NULL);
    CHECK(strcmp(response_header(&r, "x-empty"), "") == 0);
    CHECK(strcmp(response_header(&r, "x-text"), "\xc3\xa4 \"") == 0);
    CHECK(r.length == 2);
    response_finish(&r);
    response_free(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refused),  TEST(test_refused_everywhere), TEST(test_hold_refused),
        TEST(test_statuses), TEST(test_null_with_length),   TEST(test_many_headers),
    };

    return RUN_TESTS(tests, argc, argv);
}
