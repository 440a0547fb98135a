/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames (RFC 6455 section 5): heads, masks, messages in frames and pieces, control frames between them, and
 * what each violation is failed with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/websocket.h"
#include "support/check.h"

#define MASK "\x37\xfa\x21\x3d"

/* A client's frame. */
static size_t put_frame(uint8_t *out, unsigned first, const void *payload, size_t len)
{
    uint8_t head[HJ_WS_SERVER_HEAD_MAX];
    size_t n = hj_ws_put_head(head, false, false, HJ_WS_CONTINUATION, len);

    head[0] = (uint8_t)first;
    head[1] |= 0x80;
    memcpy(out, head, n);
    memcpy(out + n, MASK, 4);
    hj_ws_unmask(out + n + 4, payload, len, (const uint8_t *)MASK, 0);
    return n + 4 + len;
}

/* What a reader finds in the bytes, given in pieces of this size: "t[Hel" "lo]" as "t[Hello]", "<ping Hello>",
 * "<close 1000 bye>", "<fail 1002>". */
static void read_all(char *out, size_t size, const uint8_t *data, size_t len, size_t step)
{
    struct hj_ws_reader reader = {.max_message = 1000000};
    uint8_t *copy = malloc(len + 1);
    size_t at = 0, n = 0;

    CHECK(copy != NULL);
    out[0] = 0;
    memcpy(copy, data, len);
    while (at < len && !reader.over) {
        size_t end = at + step < len ? at + step : len;
        for (;;) {
            size_t used;
            struct hj_ws_item item = hj_ws_read(&reader, copy + at, end - at, &used);
            at += used;
            if (item.found == HJ_WS_NOTHING)
                break;
            if (item.found == HJ_WS_FAILED)
                n += (size_t)snprintf(out + n, size - n, "<fail %u>", item.code);
            else if (item.found == HJ_WS_CONTROL)
                n += (size_t)snprintf(out + n, size - n, "<%s%.0u%s%.*s>",
                                      item.kind == HJ_WS_CLOSE  ? "close "
                                      : item.kind == HJ_WS_PING ? "ping "
                                                                : "pong ",
                                      item.code, item.code != 0 ? " " : "", (int)item.piece.len, item.piece.base);
            else
                n += (size_t)snprintf(out + n, size - n, "%s%.*s%s",
                                      !item.first               ? ""
                                      : item.kind == HJ_WS_TEXT ? "t["
                                                                : "b[",
                                      (int)item.piece.len, item.piece.base, item.last ? "]" : "");
        }
        if (!reader.over)
            CHECK(at == end);
    }
    free(copy);
}

static void finds_at(const uint8_t *data, size_t len, const char *expected, int line)
{
    char found[4096];

    for (size_t step = 1; step <= len + 1; step++) {
        read_all(found, sizeof found, data, len, step);
        if (strcmp(found, expected) != 0)
            check_fail(__FILE__, line, "in pieces of %zu: %s, must be %s", step, found, expected);
    }
}

#define FINDS(data, len, expected) finds_at((data), (len), (expected), __LINE__)

static void examples_of_the_rfc(void **state)
{
    (void)state;
    FINDS((const uint8_t *)"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, "t[Hello]");
    FINDS((const uint8_t *)"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, "<ping Hello>");
    FINDS((const uint8_t *)"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, "<pong Hello>");
}

static void messages_in_frames(void **state)
{
    uint8_t data[1024];
    size_t n = 0;

    (void)state;
    n += put_frame(data + n, 0x01, "Hel", 3);
    n += put_frame(data + n, 0x89, "now", 3);
    n += put_frame(data + n, 0x00, "", 0);
    n += put_frame(data + n, 0x80, "lo", 2);
    n += put_frame(data + n, 0x82, "", 0);
    n += put_frame(data + n, 0x02, "", 0);
    n += put_frame(data + n, 0x80, "x", 1);
    n += put_frame(data + n, 0x88,
                   "\x03\xe8"
                   "bye",
                   5);
    FINDS(data, n, "t[Hel<ping now>lo]b[]b[x]<close 1000 bye>");
    n = put_frame(data, 0x88, "", 0);
    FINDS(data, n, "<close 1005 >");
}

static void lengths(void **state)
{
    static const size_t edges[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};

    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        uint8_t *payload = malloc(edges[i] + 1), *data = malloc(edges[i] + HJ_WS_HEAD_MAX);
        struct hj_ws_reader reader = {.max_message = edges[i]};
        size_t used, len;
        CHECK(payload != NULL && data != NULL);
        for (size_t k = 0; k < edges[i]; k++)
            payload[k] = (uint8_t)(k * 7);
        len = put_frame(data, 0x82, payload, edges[i]);
        struct hj_ws_item item = hj_ws_read(&reader, data, len, &used);
        CHECK(item.found == HJ_WS_PIECE && used == len && item.piece.len == edges[i] && item.first && item.last);
        CHECK(memcmp(item.piece.base, payload, edges[i]) == 0);
        reader = (struct hj_ws_reader){.max_message = edges[i] == 0 ? 0 : edges[i] - 1};
        len = put_frame(data, 0x82, payload, edges[i]);
        item = hj_ws_read(&reader, data, len, &used);
        CHECK(edges[i] == 0 || (item.found == HJ_WS_FAILED && item.code == HJ_WS_TOO_BIG));
        free(payload);
        free(data);
    }
}

static void unmasking_at_each_offset(void **state)
{
    uint8_t data[64], whole[64], pieces[64];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31);
    hj_ws_unmask(whole, data, sizeof data, (const uint8_t *)MASK, 0);
    for (size_t i = 0; i < sizeof data; i++)
        CHECK(whole[i] == (uint8_t)(data[i] ^ (uint8_t)MASK[i & 3]));
    for (size_t cut = 0; cut <= sizeof data; cut++) {
        hj_ws_unmask(pieces, data, cut, (const uint8_t *)MASK, 0);
        hj_ws_unmask(pieces + cut, data + cut, sizeof data - cut, (const uint8_t *)MASK, cut);
        CHECK(memcmp(pieces, whole, sizeof data) == 0);
    }
}

static void violations(void **state)
{
    static const struct {
        const char *data;
        size_t len;
        const char *found;
    } cases[] = {
        {"\x81\x05Hello", 7, "<fail 1002>"},    /* not masked */
        {"\xc1\x80\0\0\0\0", 6, "<fail 1002>"}, /* RSV1, RSV2, RSV3 */
        {"\xa1\x80\0\0\0\0", 6, "<fail 1002>"},
        {"\x91\x80\0\0\0\0", 6, "<fail 1002>"},
        {"\x83\x80\0\0\0\0", 6, "<fail 1002>"}, /* reserved opcodes */
        {"\x8b\x80\0\0\0\0", 6, "<fail 1002>"},
        {"\x09\x80\0\0\0\0", 6, "<fail 1002>"}, /* a control frame in parts, too long */
        {"\x89\xfe\0\x7e\0\0\0\0", 8, "<fail 1002>"},
        {"\x80\x80\0\0\0\0", 6, "<fail 1002>"},                      /* continues nothing */
        {"\x01\x81\0\0\0\0x\x81\x80\0\0\0\0", 13, "t[x<fail 1002>"}, /* begins within a message */
        {"\x82\xfe\0\x7d\0\0\0\0", 8, "<fail 1002>"},                /* a length in too many bytes */
        {"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14, "<fail 1002>"},
        {"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, "<fail 1002>"}, /* the highest bit */
        {"\x82\xff\x7f\0\0\0\0\0\0\0\0\0\0\0", 14, "<fail 1009>"},
        {"\x88\x81\0\0\0\0\x03", 7, "<fail 1002>"},     /* half a code */
        {"\x88\x82\0\0\0\0\x03\xe7", 8, "<fail 1002>"}, /* 999 */
        {"\x88\x82\0\0\0\0\x03\xed", 8, "<fail 1002>"}, /* 1005 */
        {"\x88\x82\0\0\0\0\x0b\xb7", 8, "<fail 1002>"}, /* 2999 */
        {"\x88\x83\0\0\0\0\x03\xe8\xff", 9, "<fail 1007>"},
        {"\x81\x81\0\0\0\0\xff", 7, "<fail 1007>"},
        {"\x81\x81\0\0\0\0\xc3", 7, "<fail 1007>"}, /* ends within a character */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        finds_at((const uint8_t *)cases[i].data, cases[i].len, cases[i].found, __LINE__);
}

static void utf8(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "12345678901234567\xc3\xa4\x31\x32\x33"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xf0\x9f\x98",
                                      "\xc3\xc3",
                                      "12345678\xe2\x82\x31"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const size_t len = strlen(good[i]);
        CHECK(hj_utf8_check(good[i], len));
        for (size_t cut = 0; cut <= len; cut++) {
            struct hj_utf8 utf8 = {0};
            CHECK(hj_utf8_feed(&utf8, good[i], cut) && hj_utf8_feed(&utf8, good[i] + cut, len - cut));
            CHECK(hj_utf8_is_whole(&utf8));
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!hj_utf8_check(bad[i], strlen(bad[i])));
}

static void close_frames(void **state)
{
    uint8_t out[2 + HJ_WS_CONTROL_MAX];

    (void)state;
    CHECK(hj_ws_put_close(out, 1001, HJ_SLICE("away")) == 8 && memcmp(out,
                                                                      "\x88\x06\x03\xe9"
                                                                      "away",
                                                                      8) == 0);
    CHECK(hj_ws_put_close(out, HJ_WS_NO_CODE, HJ_SLICE("")) == 2 && memcmp(out, "\x88\0", 2) == 0);
    for (unsigned code = 0; code < 6000; code++) {
        const int valid =
            (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
        CHECK(hj_ws_code_is_valid(code) == valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc),
        cmocka_unit_test(messages_in_frames),
        cmocka_unit_test(lengths),
        cmocka_unit_test(unmasking_at_each_offset),
        cmocka_unit_test(violations),
        cmocka_unit_test(utf8),
        cmocka_unit_test(close_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
