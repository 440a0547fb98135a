/* SPDX-License-Identifier: MIT
 *
 * The request head parser: what it reads, each refusal with its status, and that it does not matter how a head is cut
 * into pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/head.h"
#include "support/check.h"

#define LIMIT 12288
#define GET "GET / HTTP/1.1\r\nHost: a\r\n"

/* All at once, in exactly as many bytes as given, so that ASan sees a read past the end. */
static int parse(struct hj_head *head, const char *text, size_t len)
{
    static char *copy;
    free(copy);
    copy = malloc(len != 0 ? len : 1);
    memcpy(copy, text, len);
    return hj_head_parse(head, copy, len, 0, LIMIT);
}

static int parse_bytewise(struct hj_head *head, const char *text, size_t len, size_t max_len)
{
    size_t scanned = 0;
    for (size_t n = 0; n <= len; ++n) {
        char *copy = malloc(n != 0 ? n : 1);
        memcpy(copy, text, n);
        int result = hj_head_parse(head, copy, n, scanned, max_len);
        free(copy);
        if (result != 0)
            return result;
        scanned = n;
    }
    return 0;
}

static void check_result(const char *text, size_t len, int expected, const char *why, int line)
{
    struct hj_head head;
    int result = parse(&head, text, len);
    if (result != expected)
        check_fail(__FILE__, line, "%s: %d, not %d (%s)", why, result, expected, head.problem ? head.problem : "-");
    if ((result < 0) != (head.problem != NULL))
        check_fail(__FILE__, line, "%s: a problem is given with a refusal and only then", why);
    result = parse_bytewise(&head, text, len, LIMIT);
    if (result != expected)
        check_fail(__FILE__, line, "%s, byte by byte: %d, not %d", why, result, expected);
}

#define ACCEPTED(text) check_result(text, sizeof(text) - 1, sizeof(text) - 1, text, __LINE__)
#define REFUSED(status, text) check_result(text, sizeof(text) - 1, -(status), text, __LINE__)
#define INCOMPLETE(text) check_result(text, sizeof(text) - 1, 0, text, __LINE__)
#define IS(slice, text) BYTES((slice).base, (slice).len, text, sizeof(text) - 1)
#define PARSE(head, text) CODE(parse(head, text, sizeof(text) - 1), sizeof(text) - 1)

static void reads_every_part(void **state)
{
    (void)state;
    struct hj_head head;
    PARSE(&head, "POST /a/b?c=1?d HTTP/1.1\r\nHost: example.com:80\r\nX-A:\t one  two \t\r\nContent-Length: 5\r\n\r\n");
    IS(head.method, "POST");
    IS(head.target, "/a/b?c=1?d");
    IS(head.path, "/a/b");
    IS(head.version, "HTTP/1.1");
    assert_int_equal(head.minor_version, 1);
    assert_int_equal(head.header_count, 3);
    IS(head.headers[0].name, "Host");
    IS(head.headers[0].value, "example.com:80");
    IS(head.headers[1].name, "X-A");
    IS(head.headers[1].value, "one  two");
    IS(head.headers[2].value, "5");
    assert_true(head.has_content_length);
    assert_int_equal(head.content_length, 5);
    assert_true(head.keep_alive);
    assert_false(head.chunked || head.upgrade || head.expect_continue);
    assert_null(head.problem);
}

static void stops_at_the_end_of_the_head(void **state)
{
    (void)state;
    struct hj_head head;
    const char two[] = GET "\r\nGET /second HTTP/1.1\nbroken";
    CODE(parse(&head, two, sizeof(two) - 1), sizeof(GET "\r\n") - 1);
    const char body[] = "POST / HTTP/1.0\r\n\r\n\r\n\n\0";
    CODE(parse(&head, body, sizeof(body) - 1), 19);
    assert_int_equal(head.header_count, 0);
}

static void one_empty_line_may_come_first(void **state)
{
    (void)state;
    ACCEPTED("\r\n" GET "\r\n");
    REFUSED(400, "\r\n\r\n" GET "\r\n");
    REFUSED(400, "\n" GET "\r\n");
    REFUSED(400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    INCOMPLETE("\r");
    INCOMPLETE("\r\n");
    INCOMPLETE("");
}

static void incomplete_heads(void **state)
{
    (void)state;
    const char whole[] = "\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    struct hj_head head;
    for (size_t n = 0; n < sizeof(whole) - 1; ++n) {
        CODE(parse(&head, whole, n), 0);
        assert_null(head.problem);
    }
    PARSE(&head, whole);
}

static void request_lines(void **state)
{
    (void)state;
    REFUSED(400, " / HTTP/1.1\r\n");
    REFUSED(400, "GET\r\n");
    REFUSED(400, "GET \r\n");
    REFUSED(400, "GET /\r\n");
    REFUSED(400, "GET / \r\n");
    REFUSED(400, "GET  / HTTP/1.1\r\n");
    REFUSED(400, "GET /  HTTP/1.1\r\n");
    REFUSED(400, "GET / HTTP/1.1 \r\n");
    REFUSED(400, "GET\t/ HTTP/1.1\r\n");
    REFUSED(400, "GET /a b HTTP/1.1\r\n");
    REFUSED(400, "GET /a#b HTTP/1.1\r\n");
    REFUSED(400, "GET /a\x01 HTTP/1.1\r\n");
    REFUSED(400, "GET /a\x7f HTTP/1.1\r\n");
    REFUSED(400, "GET /\xc3\xa9 HTTP/1.1\r\n");
    REFUSED(400, "GET /\0 HTTP/1.1\r\n");
    REFUSED(400, "GE(T / HTTP/1.1\r\n");
    REFUSED(400, "G\xc3\xa9T / HTTP/1.1\r\n");
    REFUSED(400, "GET / http/1.1\r\n");
    REFUSED(400, "GET / HTTP/1.1a\r\n");
    REFUSED(400, "GET / HTTP/11\r\n");
    REFUSED(400, "GET / HTTP/1.\r\n");
    REFUSED(400, "GET / HTTPS/1.1\r\n");
    REFUSED(400, "GET / HTTP/+1.1\r\n");
    REFUSED(400, "GET / HTTP/1.1\rX\r\n");
    ACCEPTED("M-SEARCH /a|b{}\"<>\\^`[]%zz HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void refuses_as_soon_as_it_can_be_seen(void **state)
{
    (void)state;
    REFUSED(400, "\x16\x03\x01"); /* TLS */
    REFUSED(400, "GET\n");
    REFUSED(400, "GET / HTTP/1.1\n");
    REFUSED(400, GET "A: b\n");
    REFUSED(505, "GET / HTTP/2.0\r\n");
    REFUSED(501, "CONNECT a:80 HTTP/1.1\r\n");
    REFUSED(501, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456");
    INCOMPLETE("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345");
    ACCEPTED("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 / HTTP/1.0\r\n\r\n");
}

static void versions(void **state)
{
    (void)state;
    struct hj_head head;
    PARSE(&head, "GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(head.minor_version, 0);
    IS(head.version, "HTTP/1.0");
    PARSE(&head, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"); /* RFC 9110 section 2.5: read as the highest we know */
    assert_int_equal(head.minor_version, 1);
    IS(head.version, "HTTP/1.1");
    assert_true(head.keep_alive);
    PARSE(&head, "POST / HTTP/1.9\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(head.minor_version, 1);
    assert_true(head.chunked && head.expect_continue);
    REFUSED(400, "GET / HTTP/1.2\r\n\r\n"); /* without Host */
    REFUSED(400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n");
    REFUSED(505, "GET / HTTP/0.9\r\n\r\n");
    REFUSED(505, "GET / HTTP/2.0\r\n\r\n");
    REFUSED(505, "GET / HTTP/9.9\r\n\r\n");
    REFUSED(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); /* the HTTP/2 preface */
}

static void targets(void **state)
{
    (void)state;
    struct hj_head head;
    PARSE(&head, "GET http://example.com/a/b?c HTTP/1.1\r\nHost: example.com\r\n\r\n");
    IS(head.target, "http://example.com/a/b?c");
    IS(head.path, "/a/b");
    PARSE(&head, "GET HTTPS://[::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n");
    IS(head.path, "/");
    PARSE(&head, "GET http://a?q=/x HTTP/1.1\r\nHost: a\r\n\r\n");
    IS(head.path, "/");
    PARSE(&head, "GET //a?/b HTTP/1.1\r\nHost: a\r\n\r\n");
    IS(head.path, "//a");
    PARSE(&head, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    IS(head.path, "*");
    REFUSED(400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET ?a HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED(501, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    REFUSED(501, "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n");
}

/* As a server reads it that serves CONNECT, whole and byte by byte. */
static void check_connect(const char *text, int expected, int line)
{
    struct hj_head head;
    size_t len = strlen(text), scanned = 0;
    char *copy = malloc(len);
    memcpy(copy, text, len);
    int result = hj_head_parse_with_connect(&head, copy, len, 0, LIMIT);
    if (result != expected)
        check_fail(__FILE__, line, "%s: %d, not %d (%s)", text, result, expected, head.problem ? head.problem : "-");
    if (result > 0 && (!head.connect || head.keep_alive || head.upgrade || head.path.len != head.target.len))
        check_fail(__FILE__, line, "%s: not read as CONNECT", text);
    free(copy);
    for (size_t n = 0; n <= len; scanned = n++) {
        result = hj_head_parse_with_connect(&head, text, n, scanned, LIMIT);
        if (result != 0)
            break;
    }
    if (result != expected)
        check_fail(__FILE__, line, "%s, byte by byte: %d, not %d", text, result, expected);
}

#define CONNECT(text) check_connect(text, (int)strlen(text), __LINE__)
#define NO_CONNECT(status, text) check_connect(text, -(status), __LINE__)

static void connects(void **state)
{
    struct hj_head head;
    (void)state;
    CONNECT("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    CONNECT("CONNECT a:65535 HTTP/1.0\r\n\r\n");
    CONNECT("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: other\r\nConnection: keep-alive\r\n\r\n");
    CONNECT("CONNECT [::1]:22 HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    CONNECT("CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    const char *const targets[] = {"a",     "a:",    ":80",     "a:0",       "a:65536", "a:99999999999999999999",
                                   "/",     "*",     "[]:80",   "[::1]",     "::1:80",  "http://a:80/",
                                   "u@a:1", "a:8/x", "a:80?q",  "a:-1",      "a:+1",    "[::1:80",
                                   "a/b:1", "a:1:2", "[::1]:x", "[x::1]:80", "[::1]a:1"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); ++i) {
        char text[128];
        snprintf(text, sizeof(text), "CONNECT %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
        check_connect(text, -400, __LINE__);
    }
    NO_CONNECT(400, "CONNECT a:80 HTTP/1.1\r\n\r\n");
    NO_CONNECT(400, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    NO_CONNECT(400, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    NO_CONNECT(505, "CONNECT a:80 HTTP/2.0\r\nHost: a\r\n\r\n");
    static const char get[] = GET "\r\n", lower[] = "connect a:80 HTTP/1.1\r\nHost: a\r\n\r\n";
    CODE(hj_head_parse_with_connect(&head, get, sizeof(get) - 1, 0, LIMIT), sizeof(get) - 1);
    assert_false(head.connect);
    assert_true(head.keep_alive);
    CODE(hj_head_parse_with_connect(&head, lower, sizeof(lower) - 1, 0, LIMIT), -400); /* another method */
}

static void hosts(void **state)
{
    (void)state;
    ACCEPTED("GET / HTTP/1.1\r\nhOST:\r\n\r\n"); /* RFC 9112 section 3.2: empty where there is no authority */
    ACCEPTED("GET / HTTP/1.1\r\nHost: a-b_c.d~e%41:0\r\n\r\n");
    ACCEPTED("GET / HTTP/1.1\r\nHost: a:\r\n\r\n");
    ACCEPTED("GET / HTTP/1.1\r\nHost: [fe80::1.2.3.4]:65535\r\n\r\n");
    ACCEPTED("GET / HTTP/1.0\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHosts: a\r\nHos: a\r\n\r\n");
    REFUSED(400, GET "Host: a\r\n\r\n");
    REFUSED(400, GET "host: b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a:8o\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n");
}

static void header_lines(void **state)
{
    (void)state;
    struct hj_head head;
    PARSE(&head, GET "a:\r\nB: \t \r\n!#$%&'*+-.^_`|~09azAZ: x\xc3\xa9\xff\ty\r\n\r\n");
    IS(head.headers[1].value, "");
    IS(head.headers[2].value, "");
    IS(head.headers[3].value, "x\xc3\xa9\xff\ty");
    REFUSED(400, GET " folded\r\n\r\n");
    REFUSED(400, GET "\tfolded\r\n\r\n");
    REFUSED(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
    REFUSED(400, GET "a : b\r\n\r\n");
    REFUSED(400, GET "a\t: b\r\n\r\n");
    REFUSED(400, GET ": b\r\n\r\n");
    REFUSED(400, GET "ab\r\n\r\n");
    REFUSED(400, GET "a b: c\r\n\r\n");
    REFUSED(400, GET "a\xc3\xa9: c\r\n\r\n");
    REFUSED(400, GET "a@b: c\r\n\r\n");
    REFUSED(400, GET "a\0b: c\r\n\r\n");
    REFUSED(400, GET "a: b\0c\r\n\r\n");
    REFUSED(400, GET "a: b\x01\r\n\r\n");
    REFUSED(400, GET "a: b\x7f\r\n\r\n");
    REFUSED(400, GET "a: b\x1b[0m\r\n\r\n");
    REFUSED(400, GET "a: b\rc: d\r\n\r\n"); /* bare CR */
    REFUSED(400, GET "a: b\r\rc: d\r\n\r\n");
    REFUSED(400, GET "a: b\r\r\n\r\n");
    REFUSED(400, GET "a: b\nc: d\r\n\r\n"); /* bare LF */
    REFUSED(400, GET "a: b\r\n\n");
    REFUSED(400, "GET / HTTP/1.1\nHost: a\n\n");
    REFUSED(400, GET "\r\r\n\r\n");
}

static void content_lengths(void **state)
{
    (void)state;
    struct hj_head head;
    PARSE(&head, GET "content-LENGTH: 0\r\n\r\n");
    assert_true(head.has_content_length);
    assert_int_equal(head.content_length, 0);
    PARSE(&head, GET "Content-Length: 18446744073709551615\r\n\r\n");
    assert_true(head.content_length == UINT64_MAX);
    PARSE(&head, GET "Content-Length: 00012\r\n\r\n");
    assert_int_equal(head.content_length, 12);
    PARSE(&head, GET "Content-Length:12 \t \r\n\r\n"); /* RFC 9110 section 5.6.3: white space on either side */
    assert_int_equal(head.content_length, 12);
    PARSE(&head, GET "Content-Length:\t 12\r\n\r\n");
    assert_int_equal(head.content_length, 12);
    PARSE(&head, GET "Content-Lengths: 5\r\nContent_Length: 5\r\n\r\n");
    assert_false(head.has_content_length);
    REFUSED(400, GET "Content-Length: 18446744073709551616\r\n\r\n");
    REFUSED(400, GET "Content-Length: 99999999999999999999999\r\n\r\n");
    REFUSED(400, GET "Content-Length:\r\n\r\n");
    REFUSED(400, GET "Content-Length: +5\r\n\r\n");
    REFUSED(400, GET "Content-Length: -5\r\n\r\n");
    REFUSED(400, GET "Content-Length: 0x5\r\n\r\n");
    REFUSED(400, GET "Content-Length: 5 5\r\n\r\n");
    REFUSED(400, GET "Content-Length: 5, 5\r\n\r\n");
    REFUSED(400, GET "Content-Length: 5.0\r\n\r\n");
    REFUSED(400, GET "Content-Length: 5\r\nContent-Length: 5\r\n\r\n");
    REFUSED(400, GET "Content-Length: 5\r\ncontent-length: 6\r\n\r\n");
}

static void transfer_encodings(void **state)
{
    (void)state;
    struct hj_head head;
    PARSE(&head, GET "transfer-encoding: CHUNKED\r\n\r\n");
    assert_true(head.chunked);
    assert_false(head.has_content_length);
    PARSE(&head, GET "Transfer-Encoding: \tchunked \t\r\n\r\n");
    assert_true(head.chunked);
    REFUSED(400, GET "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n");
    REFUSED(400, GET "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding: identity, chunked\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding: chunked, chunked\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding: gzip, chunked\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding: chunked,\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding: chunked;a=b\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding: \"chunked\"\r\n\r\n");
    REFUSED(400, GET "Transfer-Encoding:\r\n\r\n");
    REFUSED(501, GET "Transfer-Encoding: identity\r\n\r\n");
    REFUSED(501, GET "Transfer-Encoding: gzip\r\n\r\n");
    REFUSED(501, GET "Transfer-Encoding: xchunked\r\n\r\n");
    REFUSED(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void keep_alive(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep;
    } cases[] = {
        {GET "\r\n", true},
        {GET "Connection: keep-alive\r\n\r\n", true},
        {GET "Connection: close\r\n\r\n", false},
        {GET "cOnnection: CLOSE\r\n\r\n", false},
        {GET "Connection: foo, close ,bar\r\n\r\n", false},
        {GET "Connection: foo\r\nConnection: close\r\n\r\n", false},
        {GET "Connection: keep-alive, close\r\n\r\n", false},
        {GET "Connection: closed\r\n\r\n", true},
        {GET "Connection: close-not\r\nConnections: close\r\nConnectiom: close\r\n\r\n", true},
        {GET "Connection: ,, ,\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive,close\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
        struct hj_head head;
        OK(parse(&head, STR(cases[i].text)));
        if (head.keep_alive != cases[i].keep)
            check_fail(__FILE__, __LINE__, "keep_alive is %d for %s", head.keep_alive, cases[i].text);
    }
}

static void expectations(void **state)
{
    (void)state;
    struct hj_head head;
    PARSE(&head, GET "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n");
    assert_true(head.expect_continue);
    PARSE(&head, "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_false(head.expect_continue); /* RFC 9110 section 10.1.1: ignored in HTTP/1.0 */
    PARSE(&head, "POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 5\r\n\r\n");
    PARSE(&head, GET "Expect:100-continue \r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(head.expect_continue);
    PARSE(&head, GET "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    assert_false(head.expect_continue); /* there is no body to wait for */
    PARSE(&head, GET "Expect: 100-continue\r\n\r\n");
    assert_false(head.expect_continue);
    PARSE(&head, GET "Export: x\r\n\r\n");
    assert_false(head.expect_continue);
    REFUSED(417, GET "Expect: 200-ok\r\n\r\n");
    REFUSED(417, GET "Expect:\r\n\r\n");
    REFUSED(417, GET "Expect: 100-continue, x\r\n\r\n");
}

static void upgrades(void **state)
{
    (void)state;
    struct hj_head head;
    PARSE(&head, GET "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n");
    assert_true(head.upgrade);
    PARSE(&head, GET "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n");
    assert_true(head.upgrade);
    PARSE(&head, GET "Upgrade: websocket\r\n\r\n");
    assert_false(head.upgrade);
    PARSE(&head, GET "Connection: upgrade\r\n\r\n");
    assert_false(head.upgrade);
    PARSE(&head, GET "Upgrade: h2c\r\nContent-Length: 5\r\n\r\n");
    assert_false(head.upgrade);
    PARSE(&head, "GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    assert_false(head.upgrade);
    /* Java's HttpClient and curl --http2 -d offer an upgrade with every body: the body counts, the offer does not */
    PARSE(&head, GET "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 1\r\n\r\n");
    assert_false(head.upgrade);
    assert_int_equal(head.content_length, 1);
    PARSE(&head, GET "Upgrade: websocket\r\nConnection: upgrade\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_false(head.upgrade);
    assert_true(head.chunked);
    PARSE(&head, "GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\n");
    assert_false(head.upgrade);
}

static void number_of_headers(void **state)
{
    (void)state;
    char text[4096];
    struct hj_head head;
    for (int headers = 99; headers <= 101; ++headers) {
        size_t len = (size_t)snprintf(text, sizeof(text), "%s", GET);
        for (int i = 1; i < headers; ++i)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "x%d: %d\r\n", i, i);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n");
        if (headers <= HJ_HEAD_MAX_HEADERS) {
            CODE(parse(&head, text, len), (int)len);
            assert_int_equal(head.header_count, headers);
        } else {
            CODE(parse(&head, text, len), -431);
            CODE(parse_bytewise(&head, text, len, LIMIT), -431);
        }
    }
}

/* A head of exactly len bytes: the target fills it up, or a header does. */
static char *make_head(size_t len, bool long_line)
{
    const char *start = long_line ? "GET /" : GET "x: ";
    const char *end = long_line ? " HTTP/1.1\r\nHost: a\r\n\r\n" : "\r\n\r\n";
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    memcpy(text, start, strlen(start));
    memcpy(text + len - strlen(end), end, strlen(end) + 1);
    return text;
}

static void too_long(void **state)
{
    (void)state;
    struct hj_head head;
    for (int long_line = 0; long_line <= 1; ++long_line) {
        char *text = make_head(200, long_line);
        CODE(hj_head_parse(&head, text, 200, 0, 200), 200);
        CODE(parse_bytewise(&head, text, 200, 200), 200);
        CODE(hj_head_parse(&head, text, 200, 0, 199), -431);
        CODE(parse_bytewise(&head, text, 200, 199), -431);
        CODE(hj_head_parse(&head, text, 100, 0, 101), 0);
        CODE(hj_head_parse(&head, text, 100, 0, 100), long_line ? -414 : -431);
        assert_non_null(head.problem);
        CODE(hj_head_parse(&head, text, 200, 0, 100), long_line ? -414 : -431);
        CODE(hj_head_parse(&head, text, 200, 150, 100), long_line ? -414 : -431);
        free(text);
    }
}

/* What comes after the longest head allowed does not change why it is refused. */
static void faults_past_the_limit_are_not_looked_at(void **state)
{
    (void)state;
    struct hj_head head;
    char *text = make_head(400, false);
    text[300] = '\n';
    CODE(hj_head_parse(&head, text, 400, 0, 200), -431);
    CODE(parse_bytewise(&head, text, 400, 200), -431);
    CODE(hj_head_parse(&head, text, 400, 0, 400), -400);
    free(text);
}

/* Counted in processor time, with room: a parser that starts over with each byte is ten times over it. */
static void bytewise_is_linear(void **state)
{
    (void)state;
    struct hj_head head;
    const size_t len = 12000;
    const uint64_t start = clock_cpu_ms();
    for (int round = 0; round < 20; ++round) {
        char *text = make_head(len, round % 2);
        for (size_t n = 1; n < len; ++n)
            assert_int_equal(hj_head_parse(&head, text, n, n - 1, LIMIT), 0);
        CODE(hj_head_parse(&head, text, len, len - 1, LIMIT), (int)len);
        free(text);
    }
    /* 240,000 calls; a rescan of the data in each would be 1.4e9 bytes. */
    const uint64_t spent = clock_cpu_ms() - start;
    if (spent > 400 * clock_scale())
        check_fail(__FILE__, __LINE__, "20 heads of 12,000 bytes took %u ms", (unsigned)spent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_part),
        cmocka_unit_test(stops_at_the_end_of_the_head),
        cmocka_unit_test(one_empty_line_may_come_first),
        cmocka_unit_test(incomplete_heads),
        cmocka_unit_test(request_lines),
        cmocka_unit_test(refuses_as_soon_as_it_can_be_seen),
        cmocka_unit_test(versions),
        cmocka_unit_test(targets),
        cmocka_unit_test(connects),
        cmocka_unit_test(hosts),
        cmocka_unit_test(header_lines),
        cmocka_unit_test(content_lengths),
        cmocka_unit_test(transfer_encodings),
        cmocka_unit_test(keep_alive),
        cmocka_unit_test(expectations),
        cmocka_unit_test(upgrades),
        cmocka_unit_test(number_of_headers),
        cmocka_unit_test(too_long),
        cmocka_unit_test(faults_past_the_limit_are_not_looked_at),
        cmocka_unit_test(bytewise_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
