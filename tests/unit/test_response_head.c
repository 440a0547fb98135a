/* SPDX-License-Identifier: MIT
 *
 * Header blocks of programs: what is refused and what is read; and response heads: which lines are written, byte by
 * byte.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/response_head.h"
#include "support/check.h"

#define IS(slice, text) BYTES((slice).base, (slice).len, text, sizeof(text) - 1)

/* Checks a copy of exactly that many bytes, so that ASan sees a read past the end. */
static int check(struct hj_fields *fields, const char *block, size_t len)
{
    char *copy = malloc(len != 0 ? len : 1);
    memcpy(copy, block, len);
    int result = hj_fields_check(fields, copy, len);
    free(copy);
    return result;
}

#define GOOD(fields, block) CODE(check(fields, LIT(block)), 0)
#define BAD(block)                                                                                                     \
    do {                                                                                                               \
        struct hj_fields untouched = {.content_length = 77};                                                           \
        CODE(check(&untouched, LIT(block)), HIJACK_EHEADER);                                                           \
        assert_int_equal(untouched.content_length, 77);                                                                \
    } while (0)

static void blocks_with_faults_are_refused(void **state)
{
    (void)state;
    BAD("a");
    BAD("a:");
    BAD("a: b");
    BAD("a: b\r");
    BAD("a: b\n");
    BAD("a: b\n\n");
    BAD("a: b\x01\n");
    BAD("a\n: b\r\n");
    BAD("\r\n");
    BAD("a: b\r\n\r\n");
    BAD("a: b\r\nc");
    BAD("a: b\r\nc: d");
    BAD(": b\r\n");
    BAD("a\r\n");
    BAD("a b: c\r\n");
    BAD("a : c\r\n");
    BAD(" a: c\r\n");
    BAD("a: b\r\n c\r\n");
    BAD("a\0: b\r\n");
    BAD("\xc3\xa9: b\r\n");
    BAD("a(: b\r\n");
    BAD("a: b\0c\r\n");
    BAD("a: b\rc\r\n");
    BAD("a: b\r\r\n");
    BAD("a: b\nc: d\r\n");
    BAD("a: b\x01\r\n");
    BAD("a: b\x7f\r\n");
    BAD("Content-Length: \r\n");
    BAD("Content-Length: -1\r\n");
    BAD("Content-Length: 1a\r\n");
    BAD("Content-Length: 18446744073709551616\r\n");
    BAD("Content-Length: 5\r\ncontent-length: 5\r\n");
}

static void good_blocks_are_read(void **state)
{
    (void)state;
    struct hj_fields fields;
    CODE(hj_fields_check(&fields, NULL, 0), 0);
    assert_false(fields.has_content_length || fields.has_connection || fields.connection_close || fields.has_date ||
                 fields.has_server || fields.has_transfer_encoding);
    CODE(hj_fields_check(NULL, LIT("a:b\r\n")), 0);
    CODE(hj_fields_check(NULL, LIT("a:b\n")), HIJACK_EHEADER);
    GOOD(&fields, "X-a: \xc3\xa9\tx\r\nempty:\r\nspaces:  \r\n");
    GOOD(&fields, "CONTENT-length: 42 \r\nContent-Type:text/plain\r\nDATE: x\r\nserver: y\r\nTransfer-Encoding: z\r\n");
    assert_true(fields.has_content_length && fields.has_date && fields.has_server && fields.has_transfer_encoding);
    assert_int_equal(fields.content_length, 42);
    assert_false(fields.has_connection);
    GOOD(&fields, "Connection: keep-alive, CLOSE\r\n");
    assert_true(fields.has_connection && fields.connection_close);
    GOOD(&fields, "connection: upgrade\r\n");
    assert_true(fields.has_connection && !fields.connection_close);
    GOOD(&fields, "dates: a\r\nserve: b\r\nConnectiom: close\r\nContent-Lengtx: a\r\nContent-Typo: a\r\n");
    assert_false(fields.has_date || fields.has_server || fields.has_connection || fields.has_content_length);
}

static void fields_come_one_by_one(void **state)
{
    (void)state;
    const char block[] = "a:b\r\nName: \t the value \t\r\nempty:\r\nc: d:e\r\n";
    const char *cursor = block, *const end = block + sizeof(block) - 1;
    struct hj_slice name, value;
    assert_true(hj_fields_next(&name, &value, &cursor, end));
    IS(name, "a");
    IS(value, "b");
    assert_true(hj_fields_next(&name, &value, &cursor, end));
    IS(name, "Name");
    IS(value, "the value");
    assert_true(hj_fields_next(&name, &value, &cursor, end));
    IS(name, "empty");
    IS(value, "");
    assert_true(hj_fields_next(&name, &value, &cursor, end));
    IS(name, "c");
    IS(value, "d:e");
    assert_false(hj_fields_next(&name, &value, &cursor, end));
    cursor = NULL;
    assert_false(hj_fields_next(&name, &value, &cursor, NULL));
}

static void check_head(const struct hj_response_head *head, const char *expected, size_t len, int line)
{
    struct hj_buf *buf = NULL;
    CODE(hj_response_head_encode(&buf, head), 0);
    check_bytes(buf->data, buf->len, expected, len, __FILE__, line);
    hj_buf_unref(buf);
}

#define HEAD(text, ...) check_head(&(struct hj_response_head){__VA_ARGS__}, text, sizeof(text) - 1, __LINE__)

static void plain_heads(void **state)
{
    (void)state;
    HEAD("HTTP/1.1 200 OK\r\n\r\n", .status = 200);
    HEAD("HTTP/1.1 999 Unknown\r\n\r\n", .status = 999);
    HEAD("HTTP/1.1 100 Continue\r\n\r\n", .status = 100);
    HEAD("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .status = 200, .with_length = true);
    HEAD("HTTP/1.1 304 Not Modified\r\nContent-Length: 18446744073709551615\r\n\r\n", .status = 304,
         .with_length = true, .length = UINT64_MAX);
    HEAD("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .status = 200, .chunked = true);
    HEAD("HTTP/1.1 200 OK\r\nConnection: close\r\nX: y\r\nA: b\r\n\r\n", .status = 200,
         .connection = HJ_CONNECTION_CLOSE, .extra = HJ_SLICE("X: y\r\n"), .headers = HJ_SLICE("A: b\r\n"));
    HEAD("HTTP/1.1 200 OK\r\nC: d\r\na: e\r\n\r\n", .status = 200, .connection = HJ_CONNECTION_KEEP,
         .defaults = HJ_SLICE("A: b\r\nC: d\r\n"), .headers = HJ_SLICE("a: e\r\n"));
    HEAD("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", .status = 200, .connection = HJ_CONNECTION_KEEP_EXPLICIT);
    HEAD("HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: libhijack\r\n"
         "Content-Length: 10\r\nA:b\r\n\r\n",
         .status = 404, .date = HJ_SLICE("Sun, 06 Nov 1994 08:49:37 GMT"), .server = HJ_SLICE("libhijack"),
         .with_length = true, .length = 10, .headers = HJ_SLICE("A:b\r\n"));
}

static void lines_of_the_program_that_give_way(void **state)
{
    (void)state;
#define LINES                                                                                                          \
    HJ_SLICE("A: b\r\nConnection: x\r\nContent-Length: 5\r\nTransfer-Encoding: t\r\nCONNECTION: y\r\nC: d\r\n")
    HEAD("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nA: b\r\nC: d\r\n\r\n", .status = 200, .headers = LINES,
         .with_length = true, .length = 7);
    HEAD("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\nC: d\r\n\r\n", .status = 200, .headers = LINES,
         .chunked = true);
    HEAD("HTTP/1.1 200 OK\r\nConnection: close\r\nA: b\r\nContent-Length: 5\r\nTransfer-Encoding: t\r\nC: d\r\n\r\n",
         .status = 200, .headers = LINES, .connection = HJ_CONNECTION_CLOSE);
    HEAD("HTTP/1.1 200 OK\r\nA: b\r\nConnection: x\r\nContent-Length: 5\r\nTransfer-Encoding: t\r\nCONNECTION: y\r\n"
         "C: d\r\n\r\n",
         .status = 200, .headers = LINES, .connection = HJ_CONNECTION_AS_GIVEN);
    HEAD("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nA: b\r\nConnection: x\r\nCONNECTION: y\r\nC: d\r\n\r\n",
         .status = 200, .headers = LINES, .connection = HJ_CONNECTION_AS_GIVEN, .with_length = true, .length = 7);
}

static void upgrade_is_said_in_connection(void **state)
{
    (void)state;
#define UPGRADE HJ_SLICE("Upgrade: x\r\nConnection: y\r\n")
    HEAD("HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", .status = 426,
         .headers = UPGRADE, .connection = HJ_CONNECTION_KEEP);
    HEAD("HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\n", .status = 426,
         .headers = UPGRADE, .connection = HJ_CONNECTION_CLOSE);
    HEAD("HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade, keep-alive\r\nUpgrade: x\r\n\r\n", .status = 426,
         .headers = UPGRADE, .connection = HJ_CONNECTION_KEEP_EXPLICIT);
    HEAD("HTTP/1.1 426 Upgrade Required\r\nUpgrade: x\r\nConnection: y\r\n\r\n", .status = 426, .headers = UPGRADE,
         .connection = HJ_CONNECTION_AS_GIVEN);
    HEAD("HTTP/1.1 200 OK\r\nUpgrad: x\r\nUpgradf: x\r\n\r\n", .status = 200,
         .headers = HJ_SLICE("Upgrad: x\r\nUpgradf: x\r\n"), .connection = HJ_CONNECTION_KEEP);
}

static void lines_of_the_program_that_win(void **state)
{
    (void)state;
    HEAD("HTTP/1.1 200 OK\r\ndate: mine\r\nSERVER: me\r\n\r\n", .status = 200, .date = HJ_SLICE("ours"),
         .server = HJ_SLICE("us"), .headers = HJ_SLICE("date: mine\r\nSERVER: me\r\n"));
    HEAD("HTTP/1.1 200 OK\r\nServer: us\r\nDate: mine\r\n\r\n", .status = 200, .date = HJ_SLICE("ours"),
         .server = HJ_SLICE("us"), .headers = HJ_SLICE("Date: mine\r\n"));
}

/* RFC 9110 section 8.6 and RFC 9112 section 6.1. */
static void no_framing_with_1xx_and_204(void **state)
{
    (void)state;
    HEAD("HTTP/1.1 204 No Content\r\n\r\n", .status = 204, .with_length = true);
    HEAD("HTTP/1.1 204 No Content\r\n\r\n", .status = 204, .chunked = true);
    HEAD("HTTP/1.1 204 No Content\r\n\r\n", .status = 204, .headers = HJ_SLICE("Content-Length: 0\r\n"));
    HEAD("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n", .status = 101, .chunked = true,
         .connection = HJ_CONNECTION_AS_GIVEN,
         .headers = HJ_SLICE("Connection: upgrade\r\nTransfer-Encoding: chunked\r\n"));
}

static void heads_that_cannot_be(void **state)
{
    (void)state;
    struct hj_buf *buf = NULL;
    CODE(hj_response_head_encode(&buf, &(struct hj_response_head){.status = 99}), HIJACK_EINVAL);
    CODE(hj_response_head_encode(&buf, &(struct hj_response_head){.status = 1000}), HIJACK_EINVAL);
    CODE(hj_response_head_encode(&buf, &(struct hj_response_head){.status = 200, .chunked = true, .with_length = true}),
         HIJACK_EINVAL);
    CODE(hj_response_head_encode(&buf, &(struct hj_response_head){.status = 200, .headers = HJ_SLICE("a: b\r\n\r\n")}),
         HIJACK_EHEADER);
    assert_null(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_with_faults_are_refused),
        cmocka_unit_test(good_blocks_are_read),
        cmocka_unit_test(fields_come_one_by_one),
        cmocka_unit_test(plain_heads),
        cmocka_unit_test(lines_of_the_program_that_give_way),
        cmocka_unit_test(upgrade_is_said_in_connection),
        cmocka_unit_test(lines_of_the_program_that_win),
        cmocka_unit_test(no_framing_with_1xx_and_204),
        cmocka_unit_test(heads_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
