/* SPDX-License-Identifier: MIT
 *
 * Header blocks: whatever passes the check makes a response head of the same lines, in every way of encoding it. The
 * first bytes are also a time and a status.
 */
#include <string.h>
#include <time.h>

#include "codec/response_head.h"
#include "fuzz.h"

static size_t count_name(const char *block, size_t len, struct hj_slice wanted)
{
    struct hj_slice name, value;
    size_t count = 0;
    for (const char *cursor = block; hj_fields_next(&name, &value, &cursor, block + len);)
        count += hj_slice_equal_lower(name, wanted);
    return count;
}

static void check_head(const struct hj_response_head *head)
{
    struct hj_buf *buf = NULL;
    HOLDS(hj_response_head_encode(&buf, head) == 0);
    HOLDS(buf->len >= 4 && memcmp(buf->data + buf->len - 4, "\r\n\r\n", 4) == 0);
    const char *block = (const char *)memchr(buf->data, '\n', buf->len) + 1;
    const size_t len = (size_t)(buf->data + buf->len - 2 - block);
    struct hj_fields fields;
    HOLDS(hj_fields_check(&fields, block, len) == 0);
    HOLDS(!head->with_length || head->status == 204 ||
          (fields.has_content_length && fields.content_length == head->length && !fields.has_transfer_encoding));
    HOLDS(!head->chunked || head->status == 204 || !fields.has_content_length);
    HOLDS(!head->chunked || count_name(block, len, HJ_SLICE("transfer-encoding")) == (head->status != 204));
    HOLDS(head->status != 204 || (!fields.has_content_length && !fields.has_transfer_encoding));
    if (head->connection != HJ_CONNECTION_AS_GIVEN)
        HOLDS(count_name(block, len, HJ_SLICE("connection")) ==
              (head->connection != HJ_CONNECTION_KEEP || fields.has_upgrade));
    HOLDS(fields.has_date && fields.has_server);
    hj_buf_unref(buf);
}

static void check_date(int64_t seconds)
{
    const int64_t last = 253402300799; /* 9999-12-31 23:59:59 */
    const time_t bounded = seconds < 0 ? 0 : seconds > last ? last : seconds;
    char date[HJ_HTTP_DATE_LEN], expected[HJ_HTTP_DATE_LEN + 1];
    struct tm tm;
    hj_http_date(date, seconds);
    HOLDS(gmtime_r(&bounded, &tm) != NULL); /* the locale is C */
    HOLDS(strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm) == HJ_HTTP_DATE_LEN);
    HOLDS(memcmp(date, expected, HJ_HTTP_DATE_LEN) == 0);
}

static void check_numbers(const uint8_t *data, size_t size)
{
    int64_t seconds = 0;
    memcpy(&seconds, data, size < sizeof(seconds) ? size : sizeof(seconds));
    check_date(seconds);
    check_date(seconds & 0xffffffffff); /* most of these are years that it can write */
    HOLDS(strlen(hj_status_reason((unsigned)seconds)) != 0 && strlen(hj_status_reason(seconds & 1023)) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hj_fields fields;
    const char *const block = (const char *)data, *const end = block + size;
    if (size != 0)
        check_numbers(data, size);
    if (hj_fields_check(&fields, block, size) != 0)
        return 0;
    struct hj_slice name, value;
    size_t lines = 0, line_ends = 0;
    for (const char *cursor = block; hj_fields_next(&name, &value, &cursor, end); ++lines) {
        HOLDS(name.base >= block && name.len > 0 && value.base + value.len <= end);
        HOLDS(memchr(value.base, '\r', value.len) == NULL && memchr(value.base, '\0', value.len) == NULL);
    }
    for (const char *at = block; at < end; ++at)
        line_ends += *at == '\n';
    HOLDS(lines == line_ends);
    for (unsigned variant = 0; variant < 24; ++variant)
        check_head(&(struct hj_response_head){.status = variant % 2 ? 200 : 204,
                                              .headers = {block, size},
                                              .chunked = variant / 2 % 3 == 1,
                                              .with_length = variant / 2 % 3 == 2,
                                              .length = size,
                                              .connection = (enum hj_connection)(variant / 6),
                                              .date = HJ_SLICE("today"),
                                              .server = HJ_SLICE("fuzz")});
    return 0;
}
