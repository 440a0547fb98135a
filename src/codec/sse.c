/* SSE and chunk encoding; see sse.h. Pure; any thread.
 *
 * What always holds: each encoder runs twice over the same code, first without room to count the bytes, then with a
 * buffer of exactly that many. */
#include "codec/sse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hijack/hijack.h>

#include "base/sink.h"

/* The next c in [at, end), or end; known: what this gave for an earlier at, or NULL. */
static const char *find_next(const char *known, const char *at, const char *end, char c)
{
    if (known != NULL && known >= at)
        return known;
    const char *found = memchr(at, c, (size_t)(end - at));
    return found != NULL ? found : end;
}

/* One "name: line" for each line of text, "name:" where it is empty. Remembering both next line ends keeps text that
 * has one kind only linear. */
static void put_lines(struct hj_sink *sink, struct hj_slice name, struct hj_slice text)
{
    const char *at = text.len != 0 ? text.base : "", *const end = at + text.len;
    const char *cr = NULL, *lf = NULL;
    for (;;) {
        cr = find_next(cr, at, end, '\r');
        lf = find_next(lf, at, end, '\n');
        const char *stop = cr < lf ? cr : lf;
        hj_sink_put(sink, name);
        if (stop != at) {
            hj_sink_put(sink, HJ_SLICE(" "));
            hj_sink_put(sink, hj_slice(at, (size_t)(stop - at)));
        }
        hj_sink_put(sink, HJ_SLICE("\n"));
        if (stop == end)
            return;
        at = stop + (lf != end && stop + 1 == lf ? 2 : 1); /* CRLF is one line end */
    }
}

static void put_sse_field(struct hj_sink *sink, struct hj_slice name, struct hj_slice value)
{
    hj_sink_put(sink, name);
    hj_sink_put(sink, value);
    hj_sink_put(sink, HJ_SLICE("\n"));
}

typedef void put_body(struct hj_sink *sink, const void *what);

static void put_event(struct hj_sink *sink, const void *what)
{
    const struct hj_sse *sse = what;
    if (sse->event.len != 0)
        put_sse_field(sink, HJ_SLICE("event: "), sse->event);
    if (sse->id.base != NULL)
        put_sse_field(sink, sse->id.len != 0 ? HJ_SLICE("id: ") : HJ_SLICE("id:"), sse->id);
    if (sse->retry_ms >= 0) {
        char digits[24];
        int len = snprintf(digits, sizeof(digits), "%" PRId64, sse->retry_ms);
        put_sse_field(sink, HJ_SLICE("retry: "), hj_slice(digits, (size_t)len));
    }
    if (sse->has_data)
        put_lines(sink, HJ_SLICE("data:"), sse->data);
    hj_sink_put(sink, HJ_SLICE("\n"));
}

static void put_comment(struct hj_sink *sink, const void *what)
{
    put_lines(sink, HJ_SLICE(":"), *(const struct hj_slice *)what);
    hj_sink_put(sink, HJ_SLICE("\n"));
}

static void put_plain(struct hj_sink *sink, const void *what)
{
    hj_sink_put(sink, *(const struct hj_slice *)what);
}

static void put_hex(struct hj_sink *sink, size_t number)
{
    char digits[sizeof(number) * 2], *at = digits + sizeof(digits);
    do {
        *--at = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number != 0);
    hj_sink_put(sink, hj_slice(at, (size_t)(digits + sizeof(digits) - at)));
}

static void put_chunk(struct hj_sink *sink, put_body *body, const void *what, size_t len)
{
    put_hex(sink, len);
    hj_sink_put(sink, HJ_SLICE("\r\n"));
    body(sink, what);
    hj_sink_put(sink, HJ_SLICE("\r\n"));
}

static int encode_framed(struct hj_buf **out, put_body *body, const void *what, bool chunked)
{
    struct hj_sink count = {NULL, 0};
    body(&count, what);
    const size_t body_len = count.len;
    if (chunked) {
        count.len = 0;
        put_hex(&count, body_len);
        count.len += 4 + body_len;
    }
    struct hj_buf *buf = hj_buf_new(count.len);
    if (buf == NULL)
        return HIJACK_ENOMEM;
    struct hj_sink sink = {buf->data, 0};
    if (chunked)
        put_chunk(&sink, body, what, body_len);
    else
        body(&sink, what);
    *out = buf;
    return 0;
}

static bool has_byte(struct hj_slice text, char c)
{
    return text.len != 0 && memchr(text.base, c, text.len) != NULL;
}

int hj_sse_encode(struct hj_buf **out, const struct hj_sse *sse, bool chunked)
{
    if (has_byte(sse->event, '\r') || has_byte(sse->event, '\n') || has_byte(sse->id, '\r') ||
        has_byte(sse->id, '\n') || has_byte(sse->id, '\0'))
        return HIJACK_EINVAL;
    return encode_framed(out, put_event, sse, chunked);
}

int hj_sse_comment_encode(struct hj_buf **out, struct hj_slice text, bool chunked)
{
    return encode_framed(out, put_comment, &text, chunked);
}

int hj_chunk_encode(struct hj_buf **out, struct hj_slice data)
{
    if (data.len == 0)
        return HIJACK_EINVAL;
    return encode_framed(out, put_plain, &data, true);
}

int hj_chunk_encode_last(struct hj_buf **out, struct hj_slice trailers)
{
    struct hj_buf *buf = hj_buf_new(3 + trailers.len + 2);
    if (buf == NULL)
        return HIJACK_ENOMEM;
    struct hj_sink sink = {.base = buf->data};
    hj_sink_put(&sink, HJ_SLICE("0\r\n"));
    hj_sink_put(&sink, trailers);
    hj_sink_put(&sink, HJ_SLICE("\r\n"));
    *out = buf;
    return 0;
}
