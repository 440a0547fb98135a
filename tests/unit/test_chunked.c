/* SPDX-License-Identifier: MIT
 *
 * The decoder of chunked bodies: what it reads, each refusal with its status, its bounds, and that it does not matter
 * how a body is cut into pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/chunked.h"
#include "support/check.h"

#define ROOM 65536

/* What came out of one body. */
struct outcome {
    int result; /* the last */
    size_t used, calls, runs;
    const char *problem;
    char body[2 * ROOM], trailers[2 * HJ_CHUNKED_MAX_TRAILERS];
    size_t body_len, trailers_len;
};

static void put(char *to, size_t *to_len, size_t size, struct hj_slice from)
{
    assert_true(from.len <= size - *to_len);
    memcpy(to + *to_len, from.base, from.len);
    *to_len += from.len;
}

/* Decodes data[0, end) from *used on, in memory of exactly that size, where a sanitizer sees a read past it. */
static int decode_piece(struct outcome *outcome, struct hj_chunked *chunked, const char *data, size_t end)
{
    const size_t len = end - outcome->used;
    char *copy = malloc(len != 0 ? len : 1);
    size_t at = 0;
    int result;
    memcpy(copy, data + outcome->used, len);
    do {
        struct hj_slice out = {NULL, 0};
        size_t used = SIZE_MAX;
        result = hj_chunked_decode(chunked, &out, &used, copy + at, len - at, &outcome->problem);
        ++outcome->calls;
        if (result < 0)
            break;
        assert_true(used <= len - at);
        if (result != HJ_CHUNKED_MORE)
            assert_true(out.base >= copy + at && out.base + out.len <= copy + at + used);
        if (result == HJ_CHUNKED_DATA) {
            assert_true(out.len != 0);
            ++outcome->runs;
            put(outcome->body, &outcome->body_len, sizeof(outcome->body), out);
        } else if (result == HJ_CHUNKED_END) {
            put(outcome->trailers, &outcome->trailers_len, sizeof(outcome->trailers), out);
        }
        at += used;
    } while (result == HJ_CHUNKED_DATA);
    free(copy);
    outcome->used += at;
    return result;
}

/* Feeds data so that a piece ends after first bytes, and then after each further step bytes. */
static void decode(struct outcome *outcome, const char *data, size_t len, size_t first, size_t step, uint64_t room)
{
    struct hj_chunked chunked;
    memset(outcome, 0, sizeof(*outcome));
    hj_chunked_init(&chunked, room);
    for (size_t end = first;; end = end + step < len ? end + step : len) {
        outcome->result = decode_piece(outcome, &chunked, data, end);
        if (outcome->result != HJ_CHUNKED_MORE || end == len)
            return;
    }
}

static struct outcome whole, pieces;

static void same(const char *how, const char *file, int line)
{
    if (pieces.result != whole.result || pieces.problem != whole.problem)
        check_fail(file, line, "%s: %d (%s), not %d (%s)", how, pieces.result, pieces.problem ? pieces.problem : "-",
                   whole.result, whole.problem ? whole.problem : "-");
    if (whole.result >= 0 && pieces.used != whole.used)
        check_fail(file, line, "%s: %zu bytes used, not %zu", how, pieces.used, whole.used);
    check_bytes(pieces.body, pieces.body_len, whole.body, whole.body_len, file, line);
    check_bytes(pieces.trailers, pieces.trailers_len, whole.trailers, whole.trailers_len, file, line);
}

static void decode_all_ways(const char *data, size_t len, uint64_t room, const char *file, int line)
{
    decode(&pieces, data, len, 0, 1, room);
    decode(&whole, data, len, len, 1, room);
    same("byte by byte", file, line);
    for (size_t half = 0; half <= len && len < 512; ++half) {
        decode(&pieces, data, len, half, len, room);
        same("in halves", file, line);
    }
}

static void check_refused(int status, const char *data, size_t len, uint64_t room, int line)
{
    decode_all_ways(data, len, room, __FILE__, line);
    if (whole.result != -status)
        check_fail(__FILE__, line, "%d, not %d (%s)", whole.result, -status, whole.problem ? whole.problem : "-");
    if (whole.problem == NULL)
        check_fail(__FILE__, line, "a refusal without a problem");
}

static void check_accepted(const char *data, size_t len, const char *body, const char *trailers, size_t rest, int line)
{
    decode_all_ways(data, len, ROOM, __FILE__, line);
    if (whole.result != HJ_CHUNKED_END)
        check_fail(__FILE__, line, "%d (%s)", whole.result, whole.problem ? whole.problem : "-");
    check_bytes(whole.body, whole.body_len, body, strlen(body), __FILE__, line);
    check_bytes(whole.trailers, whole.trailers_len, trailers, strlen(trailers), __FILE__, line);
    if (len - whole.used != rest)
        check_fail(__FILE__, line, "%zu bytes left, not %zu", len - whole.used, rest);
}

#define END_OF_BODY "0\r\n\r\n"
#define ACCEPTED(text, body, trailers) check_accepted(LIT(text), body, trailers, 0, __LINE__)
#define ACCEPTED_BEFORE(text, rest, body)                                                                              \
    check_accepted(text rest, sizeof(text rest) - 1, body, "", sizeof(rest) - 1, __LINE__)
#define REFUSED(status, text) check_refused(status, LIT(text), ROOM, __LINE__)

static void reads_chunks(void **state)
{
    (void)state;
    ACCEPTED(END_OF_BODY, "", "");
    ACCEPTED("5\r\nhello\r\n" END_OF_BODY, "hello", "");
    ACCEPTED("3\r\nabc\r\n2\r\nde\r\n" END_OF_BODY, "abcde", "");
    ACCEPTED("a\r\n0123456789\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n" END_OF_BODY,
             "0123456789abcdefghijklmnopqrstuvwxyz", "");
    ACCEPTED("0000005\r\nhello\r\n000\r\n\r\n", "hello", "");
    ACCEPTED("0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello", "");
    ACCEPTED("6\r\n\r\n0\r\n\r\r\n" END_OF_BODY, "\r\n0\r\n\r", "");
}

static void stops_at_the_end_of_the_body(void **state)
{
    (void)state;
    ACCEPTED_BEFORE("5\r\nhello\r\n" END_OF_BODY, "GET / HTTP/1.1\r\n", "hello");
    ACCEPTED_BEFORE(END_OF_BODY, "\r\n", "");
    ACCEPTED_BEFORE(END_OF_BODY, "0\r\n\r\n", "");
}

static void waits_for_the_rest(void **state)
{
    (void)state;
    const char text[] = "5;a=\"b\\c\"\r\nhello\r\n0\r\nA: b\r\n\r\n";
    const size_t len = sizeof(text) - 1;
    for (size_t n = 0; n < len; ++n) {
        decode_all_ways(text, n, ROOM, __FILE__, __LINE__);
        assert_int_equal(whole.result, HJ_CHUNKED_MORE);
        assert_null(whole.problem);
        const size_t trailers = len - sizeof("A: b\r\n\r\n") + 1;
        assert_int_equal(whole.used, n < trailers ? n : trailers);
    }
}

static void sizes(void **state)
{
    (void)state;
    REFUSED(400, "\r\n");
    REFUSED(400, ";a\r\n");
    REFUSED(400, " 5\r\nhello\r\n");
    REFUSED(400, "+5\r\nhello\r\n");
    REFUSED(400, "-5\r\nhello\r\n");
    REFUSED(400, "0x5\r\nhello\r\n");
    REFUSED(400, "5g\r\nhello\r\n");
    REFUSED(400, "5zz\r\nhello\r\n");
    REFUSED(400, "5 zzz\r\nhello\r\n");
    REFUSED(400, "5 \r\nhello\r\n");
    REFUSED(400, "5.0\r\nhello\r\n");
    REFUSED(400, "5\0\r\nhello\r\n");
    REFUSED(400, "\xef\xbc\x95\r\nhello\r\n"); /* a full-width 5 */
    REFUSED(400, "00000000000000005\r\nhello\r\n");
    REFUSED(400, "5\r\nhello\r\n\r\n");
    REFUSED(413, "10000000000000005\r\nhello\r\n");
}

static void line_ends(void **state)
{
    (void)state;
    REFUSED(400, "5\nhello\r\n");
    REFUSED(400, "5\rhello\r\n");
    REFUSED(400, "5\r\r\nhello\r\n");
    REFUSED(400, "5\r\nhello\n");
    REFUSED(400, "5\r\nhello\r0");
    REFUSED(400, "5\r\nhello\r\r\n");
    REFUSED(400, "5\r\nhello0\r\n");
    REFUSED(400, "5\r\nhelloXX0\r\n\r\n");
    REFUSED(400, "0\n\n");
    REFUSED(400, "0\r\n\n");
    REFUSED(400, "0\r\n\r\r\n");
    REFUSED(400, "0\r\n\rX");
}

static void extensions(void **state)
{
    (void)state;
    ACCEPTED("5;a\r\nhello\r\n" END_OF_BODY, "hello", "");
    ACCEPTED("5;a=b;c;d=\"e f\"\r\nhello\r\n0;x\r\n\r\n", "hello", "");
    ACCEPTED("5 ;\ta = b ; c\t=\t\"\" ;d\r\nhello\r\n" END_OF_BODY, "hello", "");
    ACCEPTED("5;a ;b ; c=d\r\nhello\r\n" END_OF_BODY, "hello", "");
    ACCEPTED("5;a=\"\\\"\\\\;\xc3\xa9\tb\"\r\nhello\r\n" END_OF_BODY, "hello", "");
    REFUSED(400, "5;\r\n");
    REFUSED(400, "5;a;\r\n");
    REFUSED(400, "5;=b\r\n");
    REFUSED(400, "5;a=\r\n");
    REFUSED(400, "5;a b\r\n");
    REFUSED(400, "5;a \r\n");
    REFUSED(400, "5;a=b c\r\n");
    REFUSED(400, "5;a=b \r\n");
    REFUSED(400, "5;a=b=c\r\n");
    REFUSED(400, "5;a=\"b\"c\r\n");
    REFUSED(400, "5;a=b\"c\"\r\n");
    REFUSED(400, "5;a/b\r\n");
    REFUSED(400, "5;\nhello");
    REFUSED(400, "5;a\nhello");
    REFUSED(400, "5;a=b\nhello");
    REFUSED(400, "5;a=\"\n");
    REFUSED(400, "5;a=\"\r\n");
    REFUSED(400, "5;a=\"\\\r\n");
    REFUSED(400, "5;a\rb\r\n");
    REFUSED(400, "5;a\0\r\n");
    REFUSED(400, "5;a=\"\x01\"\r\n");
    REFUSED(400, "5;a=\"\\\0\"\r\n");
    REFUSED(400, "5;a=\"\x7f\"\r\n");
    REFUSED(400, "5;\xc3\xa9\r\n");
    /* a parser that skips to CRLF reads chunks of 2 and 0x4c bytes here, one that ends lines at LF the second request
     */
    REFUSED(400, "2;\nxx\r\n4c\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void trailers(void **state)
{
    (void)state;
    ACCEPTED("0\r\nA: b\r\n\r\n", "", "A: b\r\n");
    ACCEPTED("1\r\nx\r\n0\r\nA:\r\nB:\t c \xff\t\r\n!#$%&'*+-.^_`|~09azAZ:d:e\r\n\r\n", "x",
             "A:\r\nB:\t c \xff\t\r\n!#$%&'*+-.^_`|~09azAZ:d:e\r\n");
    REFUSED(400, "0\r\nGET /swallowed HTTP/1.1\r\n");
    REFUSED(400, "0\r\njunk\r\n\r\n");
    REFUSED(400, "0\r\nA : b\r\n\r\n");
    REFUSED(400, "0\r\nA\t: b\r\n\r\n");
    REFUSED(400, "0\r\n: b\r\n\r\n");
    REFUSED(400, "0\r\n A: b\r\n\r\n");
    REFUSED(400, "0\r\nA: b\r\n c\r\n\r\n");
    REFUSED(400, "0\r\nA: b\r\n\tc\r\n\r\n");
    REFUSED(400, "0\r\nA\0B: c\r\n\r\n");
    REFUSED(400, "0\r\nA: \0\r\n\r\n");
    REFUSED(400, "0\r\nA: \x1b[0m\r\n\r\n");
    REFUSED(400, "0\r\nA: \x7f\r\n\r\n");
    REFUSED(400, "0\r\nA\xc3\xa9: b\r\n\r\n");
    REFUSED(400, "0\r\nA: b\nC: d\r\n\r\n");
    REFUSED(400, "0\r\nA: b\rC: d\r\n\r\n");
    REFUSED(400, "0\r\nA: b\r\r\n\r\n");
    REFUSED(400, "0\r\nA: b\r\n\n");
    REFUSED(400, "0\r\nA\r\n: b\r\n\r\n");
}

#define LIMITED(status, limit, text) check_refused(status, LIT(text), limit, __LINE__)

static void body_limit(void **state)
{
    (void)state;
    LIMITED(413, 4, "5");
    LIMITED(413, 4, "3\r\nabc\r\n2");
    LIMITED(413, 0, "1");
    LIMITED(413, 255, "100");
    LIMITED(413, UINT64_MAX, "5\r\nhello\r\nFFFFFFFFFFFFFFFC"); /* the sum is over 64 bits */
    LIMITED(413, INT64_MAX, "8000000000000000");
    LIMITED(400, UINT64_MAX, "10000000000000005");
    decode(&whole, LIT("FFFFFFFFFFFFFFFF\r\nx"), 19, 1, UINT64_MAX);
    assert_int_equal(whole.result, HJ_CHUNKED_MORE);
    assert_int_equal(whole.body_len, 1);
    decode(&whole, LIT("2\r\nab\r\n2\r\ncd\r\n" END_OF_BODY), 19, 1, 4);
    assert_int_equal(whole.result, HJ_CHUNKED_END);
    decode(&whole, LIT(END_OF_BODY), 5, 1, 0);
    assert_int_equal(whole.result, HJ_CHUNKED_END);
}

/* Text that is longer than a literal may be. */
static char text[4 * HJ_CHUNKED_MAX_EXTENSIONS];
static size_t text_len;

static void add(const char *string)
{
    text_len += (size_t)snprintf(text + text_len, sizeof(text) - text_len, "%s", string);
    assert_true(text_len < sizeof(text));
}

static void add_many(char c, size_t count)
{
    assert_true(text_len + count < sizeof(text));
    memset(text + text_len, c, count);
    text_len += count;
}

static void a_line_has_bounded_extensions(void **state)
{
    (void)state;
    for (size_t over = 0; over <= 1; ++over) {
        text_len = 0;
        add("5;");
        add_many('a', HJ_CHUNKED_MAX_EXTENSION - 1 + over);
        add("\r\nhello\r\n" END_OF_BODY);
        if (over == 0)
            check_accepted(text, text_len, "hello", "", 0, __LINE__);
        else
            check_refused(400, text, text_len, ROOM, __LINE__);
    }
}

static void a_body_has_bounded_extensions(void **state)
{
    (void)state;
    text_len = 0;
    for (size_t i = 0; i < HJ_CHUNKED_MAX_EXTENSIONS / 4; ++i)
        add("1;abc\r\nx\r\n");
    const size_t within = text_len;
    decode(&whole, text, within, within, 1, ROOM);
    assert_int_equal(whole.result, HJ_CHUNKED_MORE);
    assert_int_equal(whole.body_len, HJ_CHUNKED_MAX_EXTENSIONS / 4);
    add("1;");
    check_refused(400, text, text_len, ROOM, __LINE__);
    text_len = within;
    add("1\r\nx\r\n" END_OF_BODY);
    decode(&whole, text, text_len, text_len, 1, ROOM);
    assert_int_equal(whole.result, HJ_CHUNKED_END);
}

static void trailers_are_bounded(void **state)
{
    (void)state;
    for (size_t over = 0; over <= 1; ++over) {
        text_len = 0;
        add("0\r\nA:");
        add_many('b', HJ_CHUNKED_MAX_TRAILERS - 6 + over);
        add("\r\n\r\n");
        decode_all_ways(text, text_len, ROOM, __FILE__, __LINE__);
        CODE(whole.result, over == 0 ? HJ_CHUNKED_END : -431);
    }
    for (int fields = HJ_CHUNKED_MAX_TRAILER_FIELDS; fields <= HJ_CHUNKED_MAX_TRAILER_FIELDS + 1; ++fields) {
        text_len = 0;
        add("0\r\n");
        for (int i = 0; i < fields; ++i)
            add("A: b\r\n");
        add("\r\n");
        decode_all_ways(text, text_len, ROOM, __FILE__, __LINE__);
        CODE(whole.result, fields == HJ_CHUNKED_MAX_TRAILER_FIELDS ? HJ_CHUNKED_END : -431);
    }
}

static void a_large_chunk_is_one_run(void **state)
{
    (void)state;
    text_len = 0;
    add("8000\r\n");
    add_many('x', 0x8000);
    add("\r\n" END_OF_BODY);
    decode(&whole, text, text_len, text_len, 1, ROOM);
    assert_int_equal(whole.result, HJ_CHUNKED_END);
    assert_int_equal(whole.body_len, 0x8000);
    assert_int_equal(whole.runs, 1);
    assert_int_equal(whole.calls, 2);
}

static void state_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct hj_chunked) <= 40);
}

static void trailers_become_a_header_block(void **state)
{
    (void)state;
    struct hj_buf *buf;
    CODE(hj_chunked_trailers(&buf, HJ_SLICE("X-Sum:12\r\nEMPTY:  \r\nx-both: \t a b \r\n")), 0);
    BYTES(buf->data, buf->len, "x-sum: 12\r\nempty: \r\nx-both: a b\r\n", 33);
    hj_buf_unref(buf);
    CODE(hj_chunked_trailers(&buf, HJ_SLICE("")), 0);
    assert_int_equal(buf->len, 0);
    hj_buf_unref(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trailers_become_a_header_block),
        cmocka_unit_test(reads_chunks),
        cmocka_unit_test(stops_at_the_end_of_the_body),
        cmocka_unit_test(waits_for_the_rest),
        cmocka_unit_test(sizes),
        cmocka_unit_test(line_ends),
        cmocka_unit_test(extensions),
        cmocka_unit_test(trailers),
        cmocka_unit_test(body_limit),
        cmocka_unit_test(a_line_has_bounded_extensions),
        cmocka_unit_test(a_body_has_bounded_extensions),
        cmocka_unit_test(trailers_are_bounded),
        cmocka_unit_test(a_large_chunk_is_one_run),
        cmocka_unit_test(state_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
