/* Header blocks and response heads; see response.h. Pure; any thread.
 *
 * What always holds: nothing but a checked block, and text made here, ever gets into a head. */
#include "codec/response_head.h"

#include <string.h>

#include <hijack/hijack.h>

#include "base/ascii.h"
#include "base/sink.h"

bool hj_fields_next(struct hj_slice *name, struct hj_slice *value, const char **cursor, const char *end)
{
    const char *line = *cursor;
    if (line == end)
        return false;
    const char *lf = memchr(line, '\n', (size_t)(end - line));
    const char *colon = memchr(line, ':', (size_t)(lf - line));
    *name = hj_slice(line, (size_t)(colon - line));
    *value = hj_ascii_trim(hj_slice(colon + 1, (size_t)(lf - 1 - (colon + 1))));
    *cursor = lf + 1;
    return true;
}

/* One line of an unchecked block; *cursor moves past its CRLF. */
static bool check_line(struct hj_slice *name, struct hj_slice *value, const char **cursor, const char *end)
{
    const char *line = *cursor, *at = line;
    while (at < end && hj_ascii_is(*at, HJ_ASCII_TOKEN))
        ++at;
    if (at == line || at == end || *at != ':')
        return false;
    *name = hj_slice(line, (size_t)(at - line));
    const char *start = ++at;
    while (at < end && hj_ascii_is(*at, HJ_ASCII_VALUE))
        ++at;
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return false;
    *value = hj_ascii_trim(hj_slice(start, (size_t)(at - start)));
    *cursor = at + 2;
    return true;
}

static bool note_content_length(struct hj_fields *fields, struct hj_slice value)
{
    if (fields->has_content_length || !hj_ascii_number(&fields->content_length, value))
        return false;
    fields->has_content_length = true;
    return true;
}

/* False where the field makes the block invalid. */
static bool note_field(struct hj_fields *fields, struct hj_slice name, struct hj_slice value)
{
    switch (name.len) {
    case 4:
        fields->has_date |= hj_slice_equal_lower(name, HJ_SLICE("date"));
        return true;
    case 6:
        fields->has_server |= hj_slice_equal_lower(name, HJ_SLICE("server"));
        return true;
    case 7:
        fields->has_upgrade |= hj_slice_equal_lower(name, HJ_SLICE("upgrade"));
        return true;
    case 10:
        if (hj_slice_equal_lower(name, HJ_SLICE("connection"))) {
            fields->has_connection = true;
            fields->connection_close |= hj_ascii_list_has(value, HJ_SLICE("close"));
        }
        return true;
    case 14:
        return !hj_slice_equal_lower(name, HJ_SLICE("content-length")) || note_content_length(fields, value);
    case 17:
        fields->has_transfer_encoding |= hj_slice_equal_lower(name, HJ_SLICE("transfer-encoding"));
        return true;
    default:
        return true;
    }
}

int hj_fields_check(struct hj_fields *fields, const char *block, size_t len)
{
    struct hj_fields found = {0};
    struct hj_slice name, value;
    if (len != 0) {
        const char *const end = block + len;
        while (block < end)
            if (!check_line(&name, &value, &block, end) || !note_field(&found, name, value))
                return HIJACK_EHEADER;
    }
    if (fields != NULL)
        *fields = found;
    return 0;
}

static void put_line(struct hj_sink *sink, struct hj_slice name, struct hj_slice value)
{
    hj_sink_put(sink, name);
    hj_sink_put(sink, value);
    hj_sink_put(sink, HJ_SLICE("\r\n"));
}

static void put_number_line(struct hj_sink *sink, struct hj_slice name, uint64_t number)
{
    char digits[20], *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    put_line(sink, name, hj_slice(at, (size_t)(digits + sizeof(digits) - at)));
}

static void put_status_line(struct hj_sink *sink, unsigned status)
{
    const char *reason = hj_status_reason(status);
    const char digits[] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10), ' '};
    hj_sink_put(sink, HJ_SLICE("HTTP/1.1 "));
    hj_sink_put(sink, hj_slice(digits, sizeof(digits)));
    put_line(sink, hj_slice(reason, strlen(reason)), hj_slice(NULL, 0));
}

struct plan {
    bool chunked, with_length, own_framing; /* own_framing: the program's own framing lines may stay */
    struct hj_fields fields;
};

static bool is_replaced(const struct hj_response_head *head, const struct plan *plan, struct hj_slice name)
{
    switch (name.len) {
    case 10:
        return head->connection != HJ_CONNECTION_AS_GIVEN && hj_slice_equal_lower(name, HJ_SLICE("connection"));
    case 14:
        return !plan->own_framing && hj_slice_equal_lower(name, HJ_SLICE("content-length"));
    case 17:
        return !plan->own_framing && hj_slice_equal_lower(name, HJ_SLICE("transfer-encoding"));
    default:
        return false;
    }
}

static void put_headers(struct hj_sink *sink, const struct hj_response_head *head, const struct plan *plan)
{
    const bool filter = (plan->fields.has_connection && head->connection != HJ_CONNECTION_AS_GIVEN) ||
                        (!plan->own_framing && (plan->fields.has_content_length || plan->fields.has_transfer_encoding));
    if (!filter) {
        hj_sink_put(sink, head->headers);
        return;
    }
    struct hj_slice name, value;
    const char *cursor = head->headers.base, *const end = cursor + head->headers.len;
    for (const char *line = cursor; hj_fields_next(&name, &value, &cursor, end); line = cursor)
        if (!is_replaced(head, plan, name))
            hj_sink_put(sink, hj_slice(line, (size_t)(cursor - line)));
}

static bool has_field(struct hj_slice block, struct hj_slice wanted)
{
    struct hj_slice name, value;
    const char *cursor = block.base, *const end = cursor + block.len;
    while (hj_fields_next(&name, &value, &cursor, end))
        if (hj_slice_equal_nocase(name, wanted))
            return true;
    return false;
}

static void put_defaults(struct hj_sink *sink, const struct hj_response_head *head)
{
    struct hj_slice name, value;
    const char *cursor = head->defaults.base, *const end = cursor + head->defaults.len;
    for (const char *line = cursor; hj_fields_next(&name, &value, &cursor, end); line = cursor)
        if (!has_field(head->headers, name))
            hj_sink_put(sink, hj_slice(line, (size_t)(cursor - line)));
}

/* Whoever sends Upgrade says so in Connection (RFC 9110 section 7.8). */
static void put_connection(struct hj_sink *sink, enum hj_connection connection, bool upgrade)
{
    static const char *const lines[][2] = {
        [HJ_CONNECTION_KEEP] = {"", "Connection: upgrade\r\n"},
        [HJ_CONNECTION_CLOSE] = {"Connection: close\r\n", "Connection: upgrade, close\r\n"},
        [HJ_CONNECTION_AS_GIVEN] = {"", ""},
        [HJ_CONNECTION_KEEP_EXPLICIT] = {"Connection: keep-alive\r\n", "Connection: upgrade, keep-alive\r\n"},
    };
    const char *line = lines[connection][upgrade];
    hj_sink_put(sink, hj_slice(line, strlen(line)));
}

static void put_response_head(struct hj_sink *sink, const struct hj_response_head *head, const struct plan *plan)
{
    put_status_line(sink, head->status);
    if (head->date.len != 0 && !plan->fields.has_date)
        put_line(sink, HJ_SLICE("Date: "), head->date);
    if (head->server.len != 0 && !plan->fields.has_server)
        put_line(sink, HJ_SLICE("Server: "), head->server);
    put_connection(sink, head->connection, plan->fields.has_upgrade);
    if (plan->chunked)
        hj_sink_put(sink, HJ_SLICE("Transfer-Encoding: chunked\r\n"));
    else if (plan->with_length)
        put_number_line(sink, HJ_SLICE("Content-Length: "), head->length);
    hj_sink_put(sink, head->extra);
    put_defaults(sink, head);
    put_headers(sink, head, plan);
    hj_sink_put(sink, HJ_SLICE("\r\n"));
}

int hj_response_head_encode(struct hj_buf **out, const struct hj_response_head *head)
{
    if (head->status < 100 || head->status > 999 || (head->chunked && head->with_length))
        return HIJACK_EINVAL;
    const bool bodiless = head->status < 200 || head->status == 204;
    struct plan plan = {.chunked = head->chunked && !bodiless, .with_length = head->with_length && !bodiless};
    plan.own_framing = !bodiless && !head->chunked && !head->with_length;
    if (hj_fields_check(&plan.fields, head->headers.base, head->headers.len) != 0)
        return HIJACK_EHEADER;
    struct hj_sink count = {NULL, 0};
    put_response_head(&count, head, &plan);
    struct hj_buf *buf = hj_buf_new(count.len);
    if (buf == NULL)
        return HIJACK_ENOMEM;
    struct hj_sink sink = {buf->data, 0};
    put_response_head(&sink, head, &plan);
    *out = buf;
    return 0;
}
