/* SPDX-License-Identifier: MIT
 *
 * Server-Sent Events: data comes back as it was, but for its line ends, and nothing in it can become another field.
 */
#include <string.h>

#include "codec/sse.h"
#include "fuzz.h"

/* Cuts input at the first ';'. */
static struct hj_slice cut(struct hj_slice *rest)
{
    const char *mark = rest->len != 0 ? memchr(rest->base, ';', rest->len) : NULL;
    if (mark == NULL)
        return hj_slice(NULL, 0);
    struct hj_slice first = hj_slice(rest->base, (size_t)(mark - rest->base));
    *rest = hj_slice(mark + 1, rest->len - first.len - 1);
    return first;
}

/* text with CRLF and CR as LF, and one LF at its end. */
static struct hj_buf *normalise(struct hj_slice text)
{
    struct hj_buf *buf = hj_buf_new(text.len + 1);
    uint32_t len = 0;
    for (size_t i = 0; i < text.len; ++i)
        if (text.base[i] != '\n' || i == 0 || text.base[i - 1] != '\r')
            buf->data[len++] = text.base[i] == '\r' ? '\n' : text.base[i];
    buf->data[len++] = '\n';
    buf->len = len;
    return buf;
}

/* The lines of one block, each starting with prefix, against text; an empty line ends both. */
static void check_lines(struct hj_slice block, struct hj_slice prefix, struct hj_slice text)
{
    struct hj_buf *expected = normalise(text);
    size_t matched = 0;
    while (block.len > 1) {
        const char *lf = memchr(block.base, '\n', block.len);
        HOLDS(lf != NULL && (size_t)(lf - block.base) >= prefix.len &&
              memcmp(block.base, prefix.base, prefix.len) == 0);
        const char *line = block.base + prefix.len;
        HOLDS(line == lf || *line == ' ');
        line += line != lf;
        const size_t len = (size_t)(lf + 1 - line);
        HOLDS(matched + len <= expected->len && memcmp(expected->data + matched, line, len) == 0);
        matched += len;
        block = hj_slice(lf + 1, (size_t)(block.base + block.len - (lf + 1)));
    }
    HOLDS(block.len == 1 && *block.base == '\n' && matched == expected->len);
    hj_buf_unref(expected);
}

static struct hj_slice after(struct hj_slice block, struct hj_slice prefix, struct hj_slice value)
{
    if (value.base == NULL || (value.len == 0 && prefix.base[0] != 'i'))
        return block;
    prefix.len -= value.len == 0; /* "id:" alone */
    const size_t len = prefix.len + value.len + 1;
    HOLDS(block.len >= len && memcmp(block.base, prefix.base, prefix.len) == 0);
    HOLDS(memcmp(block.base + prefix.len, value.base, value.len) == 0 && block.base[len - 1] == '\n');
    return hj_slice(block.base + len, block.len - len);
}

static void check_chunk(const struct hj_buf *chunk, const struct hj_buf *plain)
{
    char *end;
    HOLDS(chunk->len <= plain->len + HJ_CHUNK_OVERHEAD && strtoul(chunk->data, &end, 16) == plain->len);
    HOLDS(memcmp(end, "\r\n", 2) == 0 && (size_t)(end - chunk->data) + plain->len + 4 == chunk->len);
    HOLDS(memcmp(end + 2, plain->data, plain->len) == 0 && memcmp(end + 2 + plain->len, "\r\n", 2) == 0);
}

/* The chunks of a body that ends with trailers; both are the input. */
static void check_body(struct hj_slice input)
{
    struct hj_buf *buf = NULL;
    const struct hj_buf *const untouched = buf;
    if (input.len == 0) {
        HOLDS(hj_chunk_encode(&buf, input) != 0 && buf == untouched);
    } else {
        struct hj_buf *plain = hj_buf_copy(input.base, input.len);
        HOLDS(plain != NULL && hj_chunk_encode(&buf, input) == 0);
        check_chunk(buf, plain);
        hj_buf_unref(plain);
        hj_buf_unref(buf);
    }
    HOLDS(hj_chunk_encode_last(&buf, input) == 0 && buf->len == input.len + 5);
    HOLDS(memcmp(buf->data, "0\r\n", 3) == 0 && memcmp(buf->data + buf->len - 2, "\r\n", 2) == 0);
    HOLDS(input.len == 0 || memcmp(buf->data + 3, input.base, input.len) == 0);
    hj_buf_unref(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hj_slice rest = hj_slice((const char *)data, size);
    struct hj_sse sse = {.retry_ms = size % 2 == 0 ? -1 : (int64_t)size, .has_data = true};
    sse.event = cut(&rest);
    sse.id = cut(&rest);
    sse.data = rest;
    struct hj_buf *plain = NULL, *chunk = NULL;
    if (hj_sse_encode(&plain, &sse, false) == 0) {
        HOLDS(hj_sse_encode(&chunk, &sse, true) == 0);
        check_chunk(chunk, plain);
        struct hj_slice block = hj_slice(plain->data, plain->len);
        block = after(after(block, HJ_SLICE("event: "), sse.event), HJ_SLICE("id: "), sse.id);
        char retry[32];
        const int retry_len = snprintf(retry, sizeof(retry), "retry: %zu\n", size);
        if (sse.retry_ms >= 0) {
            HOLDS(block.len > (size_t)retry_len && memcmp(block.base, retry, (size_t)retry_len) == 0);
            block = hj_slice(block.base + retry_len, block.len - (size_t)retry_len);
        }
        check_lines(block, HJ_SLICE("data:"), sse.data);
        hj_buf_unref(plain);
        hj_buf_unref(chunk);
    }
    HOLDS(hj_sse_comment_encode(&plain, rest, false) == 0 && hj_sse_comment_encode(&chunk, rest, true) == 0);
    check_chunk(chunk, plain);
    check_lines(hj_slice(plain->data, plain->len), HJ_SLICE(":"), rest);
    hj_buf_unref(plain);
    hj_buf_unref(chunk);
    check_body(rest);
    return 0;
}
