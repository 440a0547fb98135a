/* SPDX-License-Identifier: MIT
 *
 * The request as the program sees it, and its one answer as the client sees it.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD(out, function, request)                                                                                   \
    do {                                                                                                               \
        const char *text = NULL;                                                                                       \
        size_t text_len = 0;                                                                                           \
        OK(function(&text, &text_len, request));                                                                       \
        BYTES(text, text_len, out, strlen(out));                                                                       \
    } while (0)

static void test_accessors(void **state)
{
    struct fixture *f = *state;
    char peer[64];
    const char *value = NULL;
    size_t len = 77;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    snprintf(peer, sizeof(peer), "127.0.0.1:%d", client_port(c));
    client_puts(c, "GET /a%20b?q=1&r HTTP/1.1\r\nHost: example\r\nX-Thing: One\r\nEmpty:\r\nX-THING:  two \r\n\r\n");
    hijack_request *request = next_request(f);
    HEAD("GET", hijack_request_method, request);
    HEAD("/a%20b?q=1&r", hijack_request_target, request);
    HEAD("HTTP/1.1", hijack_request_version, request);
    HEAD(peer, hijack_request_peer, request);
    HEAD("host: example\r\nx-thing: One\r\nempty: \r\nx-thing: two\r\n", hijack_request_headers, request);
    HEAD("", hijack_request_body, request);

    CODE(hijack_request_header(&value, &len, request, LIT("x-Thing"), 0), 1);
    BYTES(value, len, "One", 3);
    CODE(hijack_request_header(&value, &len, request, LIT("X-THING"), 1), 1);
    BYTES(value, len, "two", 3);
    CODE(hijack_request_header(&value, &len, request, LIT("empty"), 0), 1);
    CHECK(len == 0);
    value = "untouched";
    len = 9;
    CODE(hijack_request_header(&value, &len, request, LIT("x-thing"), 2), 0);
    CODE(hijack_request_header(&value, &len, request, LIT("x-thin"), 0), 0);
    CODE(hijack_request_header(&value, &len, request, LIT("absent"), 0), 0);
    CODE(hijack_request_header(&value, &len, request, NULL, 0, 0), 0);
    BYTES(value, len, "untouched", 9);
    reply(f, request, "ok");
    response_expect(c, 200, "ok");
    CHECK(stat_of(f->server, HIJACK_STAT_REQUESTS) == 1);
}

static void info_is(hijack_request *request, const char *name, const char *expected)
{
    const char *text = NULL;
    size_t len = 0;

    CODE(hijack_request_info(&text, &len, request, STR(name)), expected != NULL);
    BYTES(text, len, expected, expected == NULL ? 0 : strlen(expected));
}

static void test_info(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    const char *text;
    size_t len;
    char address[64];

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    snprintf(address, sizeof(address), "127.0.0.1:%d", f->port);
    info_is(request, "scheme", transport_scheme());
    info_is(request, "protocol", "HTTP/1.1");
    info_is(request, "local", address);
    info_is(request, "tls_version", transport_is_tls() ? "TLSv1.3" : NULL);
    info_is(request, "tls_server_name", transport_is_tls() ? "localhost" : NULL);
    info_is(request, "tls_subject", NULL);
    info_is(request, "tls_certificate", NULL);
    CODE(hijack_request_info(&text, &len, request, LIT("colour")), HIJACK_EOPTION);
    CODE(hijack_request_info(NULL, &len, request, LIT("scheme")), HIJACK_EINVAL);
    CODE(hijack_request_info(&text, &len, NULL, LIT("scheme")), HIJACK_EHANDLE);
    reply(f, request, "ok");
    response_expect(c, 200, "ok");
}

static void test_accessors_after_answer(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/still");
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("ok")));
    events_closed(&f->events, request, 0);
    response_expect(c, 200, "ok");
    HEAD("/still", hijack_request_target, request);
    HEAD("host: test\r\n", hijack_request_headers, request);
    fixture_stop(f);
    HEAD("/still", hijack_request_target, request);
}

static void test_flat_payload(void **state)
{
    struct fixture *f = *state;
    char expected[512];

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "POST /x?y HTTP/1.1\r\nHOST: h\r\nContent-Length: 5\r\nCookie: a=b; c\r\n\r\nhello");
    struct event *event = events_next(&f->events, HIJACK_EVENT_REQUEST, NULL);
    snprintf(expected, sizeof(expected),
             "POST /x?y HTTP/1.1 127.0.0.1:%d %s\r\nhost: h\r\ncontent-length: 5\r\ncookie: a=b; c\r\n\r\nhello",
             client_port(c), transport_scheme());
    BYTES(event->data, event->len, expected, strlen(expected));
    CHECK(event->status == 0);
    HEAD("hello", hijack_request_body, event->handle);
    reply(f, event->handle, "");
    response_expect(c, 200, "");
}

static void test_user_data(void **state)
{
    struct fixture *f = *state;
    struct client *c = NULL;
    uint64_t value = 0;

    OK(hijack_handle_set_user_data(f->server, 11));
    fixture_start(f);
    c = client_connect(f->port);
    ask(c, "/");
    struct event *event = events_next(&f->events, HIJACK_EVENT_REQUEST, NULL);
    CHECK(event->user_data == 11);
    OK(hijack_handle_user_data(&value, event->handle));
    CHECK(value == 11);
    OK(hijack_handle_set_user_data(event->handle, UINT64_MAX));
    hijack_stream *stream = stream_of(f, event->handle, "");
    OK(hijack_handle_user_data(&value, stream));
    CHECK(value == UINT64_MAX);
    OK(hijack_handle_set_user_data(stream, 22));
    OK(hijack_handle_set_user_data(f->server, 33));
    OK(hijack_stream_finish(stream, NULL, 0));
    CHECK(events_next(&f->events, HIJACK_EVENT_CLOSED, stream)->user_data == 22);
    OK(hijack_server_stop(f->server));
    CHECK(events_next(&f->events, HIJACK_EVENT_STOPPED, f->server)->user_data == 33);
    f->stopped = 1;
}

static void test_respond_once(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    hijack_stream *stream = (void *)5;
    hijack_socket *socket = (void *)5;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_respond(request, 201, LIT("X-A: b\r\nContent-Type: text/plain\r\n"), LIT("made")));
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), HIJACK_ESTATE);
    CODE(hijack_request_stream(&stream, request, 200, NULL, 0), HIJACK_ESTATE);
    CODE(hijack_request_sse(&stream, request, NULL, 0), HIJACK_ESTATE);
    CODE(hijack_request_hijack(&socket, request), HIJACK_ESTATE);
    CODE(hijack_request_hijack_partial(&socket, request, 200, NULL, 0), HIJACK_ESTATE);
    CODE(hijack_request_hold(request, room, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_ESTATE);
    CHECK(stream == (void *)5 && socket == (void *)5);
    events_closed(&f->events, request, 0);

    struct response r;
    response_head(&r, c);
    CHECK(r.status == 201 && r.length == 4);
    CHECK(strcmp(response_header(&r, "x-a"), "b") == 0);
    CHECK(strcmp(response_header(&r, "content-type"), "text/plain") == 0);
    CHECK(response_header(&r, "date") != NULL);
    CHECK(response_header(&r, "connection") == NULL);
    response_finish(&r);
    BYTES(r.body, r.body_len, "made", 4);
    response_free(&r);
}

static void test_head(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    reply(f, next_request(f), "not sent");
    response_head(&r, c);
    CHECK(r.status == 200 && r.length == 8);
    client_puts(c, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    hijack_request *request = next_request(f);
    OK(hijack_request_respond(request, 200, LIT("Content-Length: 12345\r\n"), NULL, 0));
    events_closed(&f->events, request, 0);
    response_head(&r, c);
    CHECK(r.status == 200 && r.length == 12345);
    ask(c, "/after");
    reply(f, next_request(f), "body");
    response_expect(c, 200, "body");
}

static void test_no_body_statuses(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (uint32_t status = 204; status <= 304; status += 100) {
        ask(c, "/");
        hijack_request *request = next_request(f);
        if (status == 304)
            OK(hijack_request_respond(request, status, LIT("Content-Length: 99\r\nETag: \"x\"\r\n"), LIT("unsent")));
        else
            OK(hijack_request_respond(request, status, NULL, 0, LIT("unsent")));
        events_closed(&f->events, request, 0);
        response_head(&r, c);
        CHECK(r.status == (int)status && !r.chunked);
        CHECK(r.length == (status == 304 ? 99 : -1));
        ask(c, "/next");
        reply(f, next_request(f), "next");
        response_expect(c, 200, "next");
    }
}

/* 205 has no body either, but a client reads one as far as the head announces it (RFC 9110 section 15.3.6). */
static void test_reset_content(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (int i = 0; i < 4; i++) {
        hijack_stream *stream;
        ask(c, "/");
        hijack_request *request = next_request(f);
        if (i < 2) {
            OK(hijack_request_respond(request, 205, i == 0 ? NULL : "Content-Length: 6\r\n", i == 0 ? 0 : 19,
                                      LIT("unsent")));
            request_free(f, request);
        } else {
            OK(hijack_request_stream(&stream, request, 205, i == 2 ? NULL : "Content-Length: 6\r\n", i == 2 ? 0 : 19));
            events_note(&f->events, stream, KIND_STREAM);
            request_free(f, request);
            OK(hijack_stream_send(stream, LIT("unsent")));
            OK(hijack_stream_finish(stream, NULL, 0));
            events_closed(&f->events, stream, 0);
            stream_free(f, stream);
        }
        response_head(&r, c);
        CHECK(r.status == 205 && !r.chunked);
        CHECK(r.length == 0);
        ask(c, "/next");
        reply(f, next_request(f), "next");
        response_expect(c, 200, "next");
    }
}

static void test_keep_alive(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (int i = 0; i < 20; i++) {
        ask(c, "/");
        reply(f, next_request(f), "again");
        response_expect(c, 200, "again");
    }
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    reply(f, next_request(f), "last");
    response_head(&r, c);
    CHECK(response_header(&r, "connection") != NULL && strcmp(response_header(&r, "connection"), "close") == 0);
    response_finish(&r);
    client_eof(c);
    response_free(&r);
    CHECK(stat_of(f->server, HIJACK_STAT_ACCEPTED) == 1);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    stat_wait(f->server, HIJACK_STAT_CLOSED_OK, 1);
}

static void test_program_closes(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_respond(request, 200, LIT("Connection: close\r\n"), LIT("bye")));
    events_closed(&f->events, request, 0);
    response_head(&r, c);
    CHECK(strcmp(response_header(&r, "connection"), "close") == 0);
    response_finish(&r);
    client_eof(c);
    response_free(&r);
}

static void test_http10(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    c = client_connect(f->port);
    client_puts(c, "GET /old HTTP/1.0\r\n\r\n");
    hijack_request *request = next_request(f);
    HEAD("HTTP/1.0", hijack_request_version, request);
    reply(f, request, "old");
    response_expect(c, 200, "old");
    client_eof(c);

    c = client_connect(f->port);
    for (int i = 0; i < 2; i++) {
        client_puts(c, "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        reply(f, next_request(f), "kept");
        response_expect(c, 200, "kept");
    }
}

static void test_pipelining(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/1", "/2", "/3"};

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                   "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        hijack_request *request = next_request(f);
        HEAD(paths[i], hijack_request_target, request);
        HEAD(i == 1 ? "abc" : "", hijack_request_body, request);
        reply(f, request, paths[i]);
        response_expect(c, 200, paths[i]);
    }
}

static void test_answer_after_client_shutdown(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    client_shutdown(c);
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("late")));
    events_closed(&f->events, request, 0);
    response_expect(c, 200, "late");
    client_eof(c);
}

static void test_free_unanswered(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;

    fixture_start(f);
    request_free(f, request_open(f, &c, "/"));
    response_head(&r, c);
    CHECK(r.status == 500);
    response_finish(&r);
    response_free(&r);
    events_barrier(&f->events);
}

/* ... and if it was a HEAD, with the head alone. */
static void test_free_unanswered_head(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    ask(c, "/next");
    request_free(f, next_request(f));
    response_head(&r, c);
    CHECK(r.status == 500);
    CHECK(strcmp(response_header(&r, "connection"), "close") == 0);
    client_eof(c); /* the next request is not looked at */
    CHECK(c->len == 0);
}

static void test_client_gone(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        hijack_request *request = request_open(f, &c, "/");
        if (i % 2)
            client_reset(c);
        else
            client_close(c);
        if (i % 4 < 2)
            stat_wait_least(f->server, HIJACK_STAT_REQUESTS, (uint64_t)i + 1);
        int code = hijack_request_respond(request, 200, NULL, 0, LIT("nobody"));
        CHECK(code == 0 || code == HIJACK_ECLOSED);
        events_next(&f->events, HIJACK_EVENT_CLOSED, request);
        CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), code == 0 ? HIJACK_ESTATE : HIJACK_ECLOSED);
    }
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_CLOSED, NULL) == 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

/* An answer that reaches nobody is not reported as written: the reset is there before the answer. */
static void test_answer_after_reset(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    for (int i = 0; i < 100; i++) {
        hijack_request *request = request_open(f, &c, "/");
        client_reset(c);
        int code = hijack_request_respond(request, 200, NULL, 0, LIT("nobody"));
        CHECK(code == 0 || code == HIJACK_ECLOSED); /* whichever the loop sees first */
        events_closed(&f->events, request, HIJACK_ERESET);
        request_free(f, request);
    }
}

static void test_many_connections(void **state)
{
    struct fixture *f = *state;
    struct client *c[200];

    fixture_start(f);
    for (int i = 0; i < 200; i++) {
        c[i] = client_connect(f->port);
        ask(c[i], "/");
    }
    for (int i = 0; i < 200; i++)
        reply(f, next_request(f), "x");
    for (int i = 0; i < 200; i++)
        response_expect(c[i], 200, "x");
    CHECK(stat_of(f->server, HIJACK_STAT_ACCEPTED) == 200);
    CHECK(stat_of(f->server, HIJACK_STAT_CONNECTIONS) == 200);
}

static void test_large_response(void **state)
{
    struct fixture *f = *state;
    struct response r;
    size_t len = 8u << 20;
    char *body = malloc(len);
    struct client *c;

    CHECK(body != NULL);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 31 >> 3);
    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_respond(request, 200, NULL, 0, body, len));
    response_head(&r, c);
    response_finish(&r);
    BYTES(r.body, r.body_len, body, len);
    events_closed(&f->events, request, 0);
    response_free(&r);
    free(body);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accessors),
        TEST(test_info),
        TEST(test_accessors_after_answer),
        TEST(test_flat_payload),
        TEST(test_user_data),
        TEST(test_respond_once),
        TEST(test_head),
        TEST(test_no_body_statuses),
        TEST(test_reset_content),
        TEST(test_keep_alive),
        TEST(test_program_closes),
        TEST(test_http10),
        TEST(test_pipelining),
        TEST(test_answer_after_client_shutdown),
        TEST(test_free_unanswered),
        TEST(test_free_unanswered_head),
        TEST(test_client_gone),
        TEST(test_answer_after_reset),
        TEST(test_many_connections),
        TEST(test_large_response),
    };

    return RUN_TESTS(tests, argc, argv);
}
