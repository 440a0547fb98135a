/* SPDX-License-Identifier: MIT
 *
 * How a response that goes on starts: head and wire form of each kind for HTTP/1.0, for HTTP/1.1, and for HTTP/1.1 with
 * "Connection: close".
 */
#include <stdlib.h>
#include <string.h>

#include "core/response.h"
#include "support/check.h"

#define NONE hj_slice(NULL, 0)

static const struct hj_client http_10 = {0, false, false}, http_10_keep = {0, true, false}, http_11 = {1, true, false},
                              http_11_close = {1, false, false}, http_2 = {1, false, true};

static struct hj_server_options options;

static int setup(void **state)
{
    (void)state;
    hj_options_default(&options, HJ_SCOPE_SERVER);
    return 0;
}

/* Takes the Date line out, which must be there once and be a date; the head as text with a NUL. */
static char *without_date(const struct hj_buf *head, int line)
{
    char *text = calloc(1, head->len + 1), *date, *value;
    memcpy(text, head->data, head->len);
    date = strstr(text, "Date: ");
    if (date == NULL || strstr(date + 1, "Date: ") != NULL)
        check_fail(__FILE__, line, "no Date, or more than one: %s", text);
    value = date + strlen("Date: ");
    if (strncmp(value + 25, " GMT\r\n", 6) != 0 || strncmp(value + 3, ", ", 2) != 0)
        check_fail(__FILE__, line, "not a date: %.31s", value);
    memmove(date, value + 31, strlen(value + 31) + 1);
    return text;
}

/* expected NULL: no head. Frees it. */
static void check_response(struct hj_response response, const char *expected, enum hj_wire wire, bool keep_alive,
                           int line)
{
    if ((response.head == NULL) != (expected == NULL))
        check_fail(__FILE__, line, expected == NULL ? "there is a head" : "there is no head");
    if (expected != NULL) {
        char *text = without_date(response.head, line);
        check_bytes(text, strlen(text), expected, strlen(expected), __FILE__, line);
        free(text);
    }
    if (response.wire != wire || response.keep_alive != keep_alive)
        check_fail(__FILE__, line, "wire %d, keep-alive %d; must be %d, %d", (int)response.wire, response.keep_alive,
                   (int)wire, keep_alive);
    hj_buf_unref(response.head);
}

#define STATUS_200 "HTTP/1.1 200 OK\r\n"
#define SERVER "Server: libhijack\r\n"
#define CLOSE "Connection: close\r\n"
#define KEEP "Connection: keep-alive\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define SSE_TYPE "Content-Type: text/event-stream\r\n"
#define SSE_LINES "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
#define END "\r\n"

static void check_hold(uint32_t kind, struct hj_slice headers, struct hj_client client, const char *expected,
                       enum hj_wire wire, bool keep_alive, int line)
{
    struct hj_response response;
    memset(&response, 0x5a, sizeof(response));
    CODE(hj_response_hold(&response, kind, headers, client, &options), 0);
    check_response(response, expected, wire, keep_alive, line);
}

#define HOLD(kind, headers, client, expected, wire, keep_alive)                                                        \
    check_hold(HIJACK_HOLD_##kind, (headers), (client), (expected), HJ_WIRE_##wire, (keep_alive), __LINE__)

static void raw_members_get_no_head(void **state)
{
    (void)state;
    const struct hj_client *clients[] = {&http_10, &http_10_keep, &http_11, &http_11_close};
    struct hj_response response = {.wire = HJ_WIRE_COUNT};
    for (int i = 0; i < 4; ++i) {
        HOLD(RAW, NONE, *clients[i], NULL, RAW, false);
        HOLD(SSE_BODY, NONE, *clients[i], NULL, SSE, false); /* another server has written it, until close */
        CODE(hj_response_hold(&response, HIJACK_HOLD_RAW, HJ_SLICE("A: b\r\n"), *clients[i], &options), HIJACK_EINVAL);
        CODE(hj_response_hold(&response, HIJACK_HOLD_SSE_BODY, HJ_SLICE("A: b\r\n"), *clients[i], &options),
             HIJACK_EINVAL);
        CODE(hj_response_hold(&response, 0, NONE, *clients[i], &options), HIJACK_EINVAL);
        CODE(hj_response_hold(&response, HIJACK_HOLD_WEBSOCKET, NONE, *clients[i], &options), HIJACK_ENOTSUP);
        CODE(hj_response_hold(&response, HIJACK_HOLD_LONG_POLL + 1, NONE, *clients[i], &options), HIJACK_EINVAL);
    }
    assert_int_equal(response.wire, HJ_WIRE_COUNT); /* untouched on failure */
}

static void stream_members(void **state)
{
    (void)state;
    struct hj_slice headers = HJ_SLICE("X-A: 1\r\nx-b:2\r\n");
    HOLD(STREAM, headers, http_10, STATUS_200 SERVER CLOSE "X-A: 1\r\nx-b:2\r\n" END, RAW, false);
    HOLD(STREAM, headers, http_10_keep, STATUS_200 SERVER CLOSE "X-A: 1\r\nx-b:2\r\n" END, RAW, false);
    HOLD(STREAM, headers, http_11, STATUS_200 SERVER CHUNKED "X-A: 1\r\nx-b:2\r\n" END, CHUNKED, true);
    HOLD(STREAM, NONE, http_11_close, STATUS_200 SERVER CLOSE CHUNKED END, CHUNKED, false);
}

static void sse_members(void **state)
{
    (void)state;
    HOLD(SSE, NONE, http_10, STATUS_200 SERVER CLOSE SSE_TYPE SSE_LINES END, SSE, false);
    HOLD(SSE, NONE, http_10_keep, STATUS_200 SERVER CLOSE SSE_TYPE SSE_LINES END, SSE, false);
    HOLD(SSE, NONE, http_11, STATUS_200 SERVER CHUNKED SSE_TYPE SSE_LINES END, SSE_CHUNKED, true);
    HOLD(SSE, NONE, http_11_close, STATUS_200 SERVER CLOSE CHUNKED SSE_TYPE SSE_LINES END, SSE_CHUNKED, false);
    HOLD(SSE, HJ_SLICE("Access-Control-Allow-Origin: *\r\n"), http_11,
         STATUS_200 SERVER CHUNKED SSE_TYPE SSE_LINES "Access-Control-Allow-Origin: *\r\n" END, SSE_CHUNKED, true);
    /* the program may say the type itself, with a charset for one */
    HOLD(SSE, HJ_SLICE("content-type: text/event-stream; charset=utf-8\r\n"), http_11,
         STATUS_200 SERVER CHUNKED SSE_LINES "content-type: text/event-stream; charset=utf-8\r\n" END, SSE_CHUNKED,
         true);
    HOLD(SSE, HJ_SLICE("cache-control: no-store\r\nX-B: c\r\nX-ACCEL-BUFFERING: yes\r\n"), http_11,
         STATUS_200 SERVER CHUNKED SSE_TYPE "cache-control: no-store\r\nX-B: c\r\nX-ACCEL-BUFFERING: yes\r\n" END,
         SSE_CHUNKED, true);
}

/* A stream of HTTP/2 frames the body: no chunks, and no word on whether the connection stays that anybody obeys. */
static void members_over_http2(void **state)
{
    (void)state;
    struct hj_response response;
    HOLD(STREAM, HJ_SLICE("X-A: 1\r\n"), http_2, STATUS_200 SERVER CLOSE "X-A: 1\r\n" END, RAW, false);
    HOLD(SSE, NONE, http_2, STATUS_200 SERVER CLOSE SSE_TYPE SSE_LINES END, SSE, false);
    CODE(hj_response_hold(&response, HIJACK_HOLD_RAW, NONE, http_2, &options), HIJACK_ENOTSUP);
}

static void sse_streams_start_as_members_do(void **state)
{
    (void)state;
    const struct hj_client *clients[] = {&http_10, &http_10_keep, &http_11, &http_11_close};
    for (int i = 0; i < 4; ++i) {
        struct hj_response stream, member;
        CODE(hj_response_sse(&stream, HJ_SLICE("A: b\r\n"), *clients[i], &options), 0);
        CODE(hj_response_hold(&member, HIJACK_HOLD_SSE, HJ_SLICE("A: b\r\n"), *clients[i], &options), 0);
        char *expected = without_date(member.head, __LINE__);
        check_response(stream, expected, member.wire, member.keep_alive, __LINE__);
        free(expected);
        hj_buf_unref(member.head);
    }
    struct hj_response response;
    CODE(hj_response_sse(&response, HJ_SLICE("A: b\n"), http_11, &options), HIJACK_EHEADER);
}

static void check_stream(unsigned status, const char *headers, struct hj_client client, bool body, const char *expected,
                         enum hj_wire wire, bool keep_alive, int line)
{
    struct hj_response response;
    struct hj_fields fields;
    struct hj_slice block = {headers, strlen(headers)};
    memset(&response, 0x5a, sizeof(response));
    CODE(hj_fields_check(&fields, block.base, block.len), 0);
    CODE(hj_response_stream(&response, status, block, &fields, client, body, &options), 0);
    check_response(response, expected, wire, keep_alive, line);
}

#define STREAM(headers, client, expected, wire, keep_alive)                                                            \
    check_stream(200, (headers), (client), true, (expected), HJ_WIRE_##wire, (keep_alive), __LINE__)
#define BODILESS(status, headers, client, expected, keep_alive)                                                        \
    check_stream((status), (headers), (client), false, (expected), HJ_WIRE_RAW, (keep_alive), __LINE__)

static void streams_of_unknown_length(void **state)
{
    (void)state;
    STREAM("", http_10, STATUS_200 SERVER CLOSE END, RAW, false);
    STREAM("", http_10_keep, STATUS_200 SERVER CLOSE END, RAW, false); /* its end is the connection's */
    STREAM("", http_11, STATUS_200 SERVER CHUNKED END, CHUNKED, true);
    STREAM("", http_11_close, STATUS_200 SERVER CLOSE CHUNKED END, CHUNKED, false);
    STREAM("A: b\r\nConnection: close\r\n", http_11, STATUS_200 SERVER CLOSE CHUNKED "A: b\r\n" END, CHUNKED, false);
}

static void streams_with_a_length(void **state)
{
    (void)state;
    STREAM("Content-Length: 10\r\n", http_10, STATUS_200 SERVER CLOSE "Content-Length: 10\r\n" END, RAW, false);
    STREAM("content-length:10\r\n", http_10_keep, STATUS_200 SERVER KEEP "Content-Length: 10\r\n" END, RAW, true);
    STREAM("content-length: 10\r\nA: b\r\n", http_11, STATUS_200 SERVER "Content-Length: 10\r\nA: b\r\n" END, RAW,
           true);
    STREAM("Content-Length: 0\r\n", http_11_close, STATUS_200 SERVER CLOSE "Content-Length: 0\r\n" END, RAW, false);
    STREAM("Content-Length: 1\r\nConnection: close\r\n", http_10_keep,
           STATUS_200 SERVER CLOSE "Content-Length: 1\r\n" END, RAW, false);
}

static void streams_without_a_body(void **state)
{
    (void)state;
    BODILESS(200, "", http_10, STATUS_200 SERVER CLOSE END, false);
    BODILESS(200, "", http_10_keep, STATUS_200 SERVER KEEP END, true); /* a HEAD ends with its head */
    BODILESS(200, "", http_11, STATUS_200 SERVER END, true);
    BODILESS(200, "", http_11_close, STATUS_200 SERVER CLOSE END, false);
    BODILESS(200, "Content-Length: 5\r\n", http_11, STATUS_200 SERVER "Content-Length: 5\r\n" END, true);
    BODILESS(204, "", http_11, "HTTP/1.1 204 No Content\r\n" SERVER END, true);
    BODILESS(204, "Content-Length: 5\r\n", http_11, "HTTP/1.1 204 No Content\r\n" SERVER END, true);
    BODILESS(304, "ETag: \"a\"\r\n", http_11, "HTTP/1.1 304 Not Modified\r\n" SERVER "ETag: \"a\"\r\n" END, true);
}

static void check_respond(unsigned status, const char *headers, struct hj_client client, bool has_body,
                          const char *body, const char *expected, bool keep_alive, int line)
{
    struct hj_buf *whole = NULL;
    struct hj_fields fields;
    bool kept = !keep_alive;
    struct hj_slice block = {headers, strlen(headers)};
    CODE(hj_fields_check(&fields, block.base, block.len), 0);
    CODE(hj_response_whole(&whole, &kept, status, block, &fields, client, has_body, hj_slice(body, strlen(body)),
                           &options),
         0);
    check_response((struct hj_response){.head = whole, .keep_alive = kept}, expected, HJ_WIRE_RAW, keep_alive, line);
}

#define RESPOND(status, headers, client, has_body, body, expected, keep_alive)                                         \
    check_respond((status), (headers), (client), (has_body), (body), (expected), (keep_alive), __LINE__)

static void whole_responses(void **state)
{
    (void)state;
    RESPOND(200, "A: b\r\n", http_10, true, "hi", STATUS_200 SERVER CLOSE "Content-Length: 2\r\nA: b\r\n" END "hi",
            false);
    RESPOND(200, "", http_10_keep, true, "hi", STATUS_200 SERVER KEEP "Content-Length: 2\r\n" END "hi", true);
    RESPOND(200, "", http_11, true, "hi", STATUS_200 SERVER "Content-Length: 2\r\n" END "hi", true);
    RESPOND(200, "", http_11_close, true, "hi", STATUS_200 SERVER CLOSE "Content-Length: 2\r\n" END "hi", false);
    RESPOND(200, "connection: Close\r\n", http_11, true, "hi", STATUS_200 SERVER CLOSE "Content-Length: 2\r\n" END "hi",
            false);
    RESPOND(200, "Content-Length: 2\r\n", http_11, true, "hi", STATUS_200 SERVER "Content-Length: 2\r\n" END "hi",
            true);
    RESPOND(404, "", http_11, true, "", "HTTP/1.1 404 Not Found\r\n" SERVER "Content-Length: 0\r\n" END, true);
}

static void whole_responses_without_a_body(void **state)
{
    (void)state;
    /* HEAD: what the length would be */
    RESPOND(200, "", http_11, false, "hello", STATUS_200 SERVER "Content-Length: 5\r\n" END, true);
    RESPOND(200, "Content-Length: 99\r\n", http_11, false, "", STATUS_200 SERVER "Content-Length: 99\r\n" END, true);
    RESPOND(204, "", http_11, false, "no", "HTTP/1.1 204 No Content\r\n" SERVER END, true);
    RESPOND(204, "Content-Length: 0\r\n", http_11, false, "", "HTTP/1.1 204 No Content\r\n" SERVER END, true);
    RESPOND(304, "", http_11_close, false, "no", "HTTP/1.1 304 Not Modified\r\n" SERVER CLOSE END, false);
    RESPOND(304, "Content-Length: 99\r\n", http_11, false, "",
            "HTTP/1.1 304 Not Modified\r\n" SERVER "Content-Length: 99\r\n" END, true);
}

static void a_status_out_of_range(void **state)
{
    (void)state;
    static const unsigned bad[] = {0, 99, 1000, UINT32_MAX};
    struct hj_fields fields = {0};
    struct hj_response response = {.wire = HJ_WIRE_COUNT};
    struct hj_buf *buf = NULL;
    bool keep_alive;
    for (int i = 0; i < 4; ++i) {
        CODE(hj_response_stream(&response, bad[i], NONE, &fields, http_11, true, &options), HIJACK_EINVAL);
        CODE(hj_response_hijack(&response, bad[i], NONE, &fields, &options), HIJACK_EINVAL);
        CODE(hj_response_whole(&buf, &keep_alive, bad[i], NONE, &fields, http_11, true, NONE, &options), HIJACK_EINVAL);
    }
    assert_null(buf);
    assert_int_equal(response.wire, HJ_WIRE_COUNT);
}

static void check_hijack(unsigned status, const char *headers, const char *expected, int line)
{
    struct hj_response response;
    struct hj_fields fields;
    struct hj_slice block = {headers, strlen(headers)};
    CODE(hj_fields_check(&fields, block.base, block.len), 0);
    CODE(hj_response_hijack(&response, status, block, &fields, &options), 0);
    check_response(response, expected, HJ_WIRE_RAW, false, line);
}

#define HIJACK(status, headers, expected) check_hijack((status), (headers), (expected), __LINE__)

static void partial_hijacks(void **state)
{
    (void)state;
    HIJACK(200, "", STATUS_200 SERVER CLOSE END);
    HIJACK(200, "A: b\r\n", STATUS_200 SERVER CLOSE "A: b\r\n" END);
    HIJACK(101, "Upgrade: echo\r\nConnection: Upgrade\r\n",
           "HTTP/1.1 101 Switching Protocols\r\n" SERVER "Upgrade: echo\r\nConnection: Upgrade\r\n" END);
    HIJACK(200, "Content-Length: 5\r\n", STATUS_200 SERVER CLOSE "Content-Length: 5\r\n" END); /* the program's own */
    HIJACK(200, "Connection: keep-alive\r\n", STATUS_200 SERVER "Connection: keep-alive\r\n" END);
}

static void the_server_line_is_an_option(void **state)
{
    (void)state;
    CODE(hj_option_set(&options, HJ_SCOPE_SERVER, HJ_SLICE("server_name"), HJ_SLICE("me")), 0);
    HIJACK(200, "", STATUS_200 "Server: me\r\n" CLOSE END);
    HOLD(STREAM, NONE, http_11, STATUS_200 "Server: me\r\n" CHUNKED END, CHUNKED, true);
    CODE(hj_option_set(&options, HJ_SCOPE_SERVER, HJ_SLICE("server_name"), NONE), 0);
    HIJACK(200, "", STATUS_200 CLOSE END);
    HIJACK(200, "Server: mine\r\n", STATUS_200 CLOSE "Server: mine\r\n" END);
}

static void sse_closes_when_asked_to(void **state)
{
    (void)state;
    static const char line[] = "Connection: close\r\n";
    struct hj_response response;
    CODE(hj_response_sse(&response, hj_slice(line, sizeof(line) - 1),
                         (struct hj_client){.minor_version = 1, .keep_alive = true}, &options),
         0);
    bool says = memmem(response.head->data, response.head->len, line, sizeof(line) - 1) != NULL;
    hj_buf_unref(response.head);
    assert_false(response.keep_alive);
    assert_true(says);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sse_closes_when_asked_to),
        TEST(raw_members_get_no_head),
        TEST(stream_members),
        TEST(sse_members),
        TEST(members_over_http2),
        TEST(sse_streams_start_as_members_do),
        TEST(streams_of_unknown_length),
        TEST(streams_with_a_length),
        TEST(streams_without_a_body),
        TEST(whole_responses),
        TEST(whole_responses_without_a_body),
        TEST(a_status_out_of_range),
        TEST(partial_hijacks),
        TEST(the_server_line_is_an_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
