/* SPDX-License-Identifier: MIT
 *
 * Server-Sent Events byte by byte, and read back by the parser of the standard as a browser would; chunks.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/sse.h"
#include "support/check.h"

static void check_event(const struct hj_sse *sse, const char *expected, size_t len, int line)
{
    struct hj_buf *buf = NULL;
    CODE(hj_sse_encode(&buf, sse, false), 0);
    check_bytes(buf->data, buf->len, expected, len, __FILE__, line);
    hj_buf_unref(buf);
}

#define EVENT(text, ...) check_event(&(struct hj_sse){__VA_ARGS__}, text, sizeof(text) - 1, __LINE__)
#define DATA(text, in) EVENT(text, .retry_ms = -1, .has_data = true, .data = HJ_SLICE(in))

static void fields(void **state)
{
    (void)state;
    EVENT("event: tick\nid: 7\nretry: 1500\ndata: x\n\n", .event = HJ_SLICE("tick"), .id = HJ_SLICE("7"),
          .retry_ms = 1500, .has_data = true, .data = HJ_SLICE("x"));
    EVENT("event: a\n\n", .event = HJ_SLICE("a"), .retry_ms = -1);
    EVENT("id: a\n\n", .id = HJ_SLICE("a"), .retry_ms = -1);
    EVENT("id:\n\n", .id = HJ_SLICE(""), .retry_ms = -1); /* resets Last-Event-ID; no pointer leaves the line out */
    EVENT("event: a\nid:\ndata: x\n\n", .event = HJ_SLICE("a"), .id = HJ_SLICE(""), .retry_ms = -1, .has_data = true,
          .data = HJ_SLICE("x"));
    EVENT("\n", .event = HJ_SLICE(""), .retry_ms = -1);
    EVENT("retry: 0\n\n", .retry_ms = 0);
    EVENT("retry: 9223372036854775807\n\n", .retry_ms = INT64_MAX);
    EVENT("\n", .retry_ms = INT64_MIN);
    EVENT("\n", .retry_ms = -1, .data = HJ_SLICE("not used without has_data"));
    EVENT("event:  a:b \nid: \t\n\n", .event = HJ_SLICE(" a:b "), .id = HJ_SLICE("\t"), .retry_ms = -1);
    EVENT("event: \xc3\xa9\0\ndata: \0\xff\n\n", .event = HJ_SLICE("\xc3\xa9\0"), .retry_ms = -1, .has_data = true,
          .data = HJ_SLICE("\0\xff"));
}

static void data_lines(void **state)
{
    (void)state;
    EVENT("data:\n\n", .retry_ms = -1, .has_data = true);
    DATA("data:\n\n", "");
    DATA("data: a\n\n", "a");
    DATA("data:  a\n\n", " a");
    DATA("data: a: b\n\n", "a: b");
    DATA("data: a\ndata: b\n\n", "a\nb");
    DATA("data: a\ndata: b\n\n", "a\rb");
    DATA("data: a\ndata: b\n\n", "a\r\nb");
    DATA("data: a\ndata:\ndata: b\n\n", "a\n\rb");
    DATA("data: a\ndata:\ndata: b\n\n", "a\n\nb");
    DATA("data: a\ndata:\ndata: b\n\n", "a\r\rb");
    DATA("data: a\ndata:\ndata: b\n\n", "a\r\n\r\nb");
    DATA("data: a\ndata:\ndata: b\n\n", "a\r\r\nb");
    DATA("data: a\ndata:\n\n", "a\n");
    DATA("data: a\ndata:\n\n", "a\r");
    DATA("data: a\ndata:\n\n", "a\r\n");
    DATA("data:\ndata: a\n\n", "\na");
    DATA("data:\ndata: a\n\n", "\ra");
    DATA("data:\ndata: a\n\n", "\r\na");
    DATA("data:\ndata:\n\n", "\n");
    DATA("data:\ndata:\ndata:\n\n", "\r\n\n");
    DATA("data: a\ndata: b\ndata: c\ndata: d\ndata: e\n\n", "a\nb\nc\rd\r\ne");
}

static void refused(void **state)
{
    (void)state;
    static const struct hj_sse bad[] = {
        {.event = {"a\nb", 3}, .retry_ms = -1}, {.event = {"a\r", 2}, .retry_ms = -1},
        {.event = {"\n", 1}, .retry_ms = -1},   {.id = {"a\n", 2}, .retry_ms = -1},
        {.id = {"\ra", 2}, .retry_ms = -1},     {.id = {"a\0b", 3}, .retry_ms = -1},
    };
    struct hj_buf *buf = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i)
        CODE(hj_sse_encode(&buf, &bad[i], i % 2), HIJACK_EINVAL);
    CODE(hj_chunk_encode(&buf, HJ_SLICE("")), HIJACK_EINVAL);
    assert_null(buf);
}

static void check_comment(const char *text, size_t len, const char *expected, int line)
{
    struct hj_buf *buf = NULL;
    CODE(hj_sse_comment_encode(&buf, hj_slice(text, len), false), 0);
    check_bytes(buf->data, buf->len, expected, strlen(expected), __FILE__, line);
    hj_buf_unref(buf);
}

#define COMMENT(text, expected) check_comment(LIT(text), expected, __LINE__)

static void comments(void **state)
{
    (void)state;
    check_comment(NULL, 0, ":\n\n", __LINE__);
    COMMENT("", ":\n\n");
    COMMENT("hi", ": hi\n\n");
    COMMENT("a\nb\r\nc\rd\n", ": a\n: b\n: c\n: d\n:\n\n");
    COMMENT("\ndata: x\n\n", ":\n: data: x\n:\n:\n\n");
}

static void chunks(void **state)
{
    (void)state;
    struct hj_buf *buf = NULL;
    CODE(hj_chunk_encode(&buf, HJ_SLICE("x")), 0);
    BYTES(buf->data, buf->len, "1\r\nx\r\n", 6);
    hj_buf_unref(buf);
    CODE(hj_chunk_encode(&buf, HJ_SLICE("0123456789abcdef\r\n\0")), 0);
    BYTES(buf->data, buf->len, "13\r\n0123456789abcdef\r\n\0\r\n", 25);
    hj_buf_unref(buf);
    CODE(hj_sse_encode(&buf, &(struct hj_sse){.retry_ms = -1, .has_data = true, .data = HJ_SLICE("a")}, true), 0);
    BYTES(buf->data, buf->len, "9\r\ndata: a\n\n\r\n", 14);
    hj_buf_unref(buf);
    CODE(hj_sse_encode(&buf, &(struct hj_sse){.retry_ms = -1}, true), 0);
    BYTES(buf->data, buf->len, "1\r\n\n\r\n", 6);
    hj_buf_unref(buf);
    CODE(hj_sse_comment_encode(&buf, HJ_SLICE("0123456789"), true), 0);
    BYTES(buf->data, buf->len, "e\r\n: 0123456789\n\n\r\n", 19);
    hj_buf_unref(buf);
    assert_string_equal(HJ_CHUNK_LAST, "0\r\n\r\n");
}

/* Chunk sizes where the hexadecimal number gets one digit longer. */
static void chunk_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {15, 16, 255, 256, 4095, 4096, 65535, 65536, 1048575, 1048576};
    char *data = calloc(1, 1048576);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
        struct hj_buf *buf = NULL;
        char *end;
        CODE(hj_chunk_encode(&buf, hj_slice(data, sizes[i])), 0);
        assert_int_equal(strtoul(buf->data, &end, 16), sizes[i]);
        assert_memory_equal(end, "\r\n", 2);
        assert_int_equal(end - buf->data + 2 + (long)sizes[i] + 2, buf->len);
        assert_true(buf->len - sizes[i] <= HJ_CHUNK_OVERHEAD);
        assert_memory_equal(buf->data + buf->len - 2, "\r\n", 2);
        hj_buf_unref(buf);
    }
    free(data);
}

/* What a browser keeps while it reads (WHATWG HTML section 9.2.6), for one event. */
struct browser {
    char data[256], event[64], id[64];
    size_t data_len, event_len, id_len;
    int dispatched;
};

static void read_line(struct browser *browser, const char *line, size_t len)
{
    if (len == 0) {
        if (browser->data_len != 0) {
            --browser->data_len; /* the last LF */
            ++browser->dispatched;
        }
        return;
    }
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon != NULL ? (size_t)(colon - line) : len;
    const char *value = colon != NULL ? colon + 1 : line + len;
    if (value < line + len && *value == ' ')
        ++value;
    size_t value_len = (size_t)(line + len - value);
    if (name_len == 4 && memcmp(line, "data", 4) == 0) {
        memcpy(browser->data + browser->data_len, value, value_len);
        browser->data_len += value_len;
        browser->data[browser->data_len++] = '\n';
    } else if (name_len == 5 && memcmp(line, "event", 5) == 0) {
        memcpy(browser->event, value, browser->event_len = value_len);
    } else if (name_len == 2 && memcmp(line, "id", 2) == 0) {
        memcpy(browser->id, value, browser->id_len = value_len);
    }
}

static void read_back(struct browser *browser, const char *text, size_t len)
{
    memset(browser, 0, sizeof(*browser));
    while (len != 0) {
        size_t n = 0;
        while (n < len && text[n] != '\n' && text[n] != '\r')
            ++n;
        assert_true(n < len); /* the encoder ends each line */
        read_line(browser, text, n);
        n += n + 1 < len && text[n] == '\r' && text[n + 1] == '\n' ? 2 : 1;
        text += n;
        len -= n;
    }
}

/* Every text of up to 7 of these bytes comes back as it was, but for each line end being LF. */
static void a_browser_reads_what_was_sent(void **state)
{
    (void)state;
    static const char bytes[] = {'a', ' ', ':', '\n', '\r'};
    for (unsigned number = 0, count = 5 * 5 * 5 * 5 * 5 * 5 * 5; number < count; ++number) {
        char data[8], expected[8];
        size_t len = 0, expected_len = 0;
        for (unsigned rest = number; rest != 0; rest /= 5)
            data[len++] = bytes[rest % 5];
        for (size_t i = 0; i < len; ++i) {
            if (data[i] == '\n' && i != 0 && data[i - 1] == '\r')
                continue;
            expected[expected_len++] = data[i] == '\r' ? '\n' : data[i];
        }
        struct hj_buf *buf = NULL;
        struct browser browser;
        struct hj_sse sse = {
            .event = HJ_SLICE(" e:"), .id = HJ_SLICE("i "), .retry_ms = 5, .has_data = true, .data = {data, len}};
        CODE(hj_sse_encode(&buf, &sse, false), 0);
        read_back(&browser, buf->data, buf->len);
        assert_int_equal(browser.dispatched, 1);
        BYTES(browser.data, browser.data_len, expected, expected_len);
        BYTES(browser.event, browser.event_len, " e:", 3);
        BYTES(browser.id, browser.id_len, "i ", 2);
        hj_buf_unref(buf);
        CODE(hj_sse_comment_encode(&buf, hj_slice(data, len), false), 0);
        read_back(&browser, buf->data, buf->len);
        assert_int_equal(browser.dispatched + (int)browser.event_len + (int)browser.id_len, 0);
        hj_buf_unref(buf);
    }
}

/* A text with one kind of line end only must not be searched for the other again at each line. */
static void many_lines_are_linear(void **state)
{
    (void)state;
    const size_t len = 1 << 20;
    char *data = malloc(len);
    const uint64_t start = clock_cpu_ms();
    for (int cr = 0; cr <= 1; ++cr) {
        struct hj_buf *buf = NULL;
        memset(data, cr ? '\r' : '\n', len);
        struct hj_sse sse = {.retry_ms = -1, .has_data = true, .data = {data, len}};
        CODE(hj_sse_encode(&buf, &sse, true), 0);
        assert_true(buf->len > len * 6);
        hj_buf_unref(buf);
    }
    free(data);
    const uint64_t spent = clock_cpu_ms() - start;
    if (spent > 2000 * clock_scale())
        check_fail(__FILE__, __LINE__, "2 million lines took %u ms", (unsigned)spent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(data_lines),
        cmocka_unit_test(refused),
        cmocka_unit_test(comments),
        cmocka_unit_test(chunks),
        cmocka_unit_test(chunk_sizes),
        cmocka_unit_test(a_browser_reads_what_was_sent),
        cmocka_unit_test(many_lines_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
