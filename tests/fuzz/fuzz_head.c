/* SPDX-License-Identifier: MIT
 *
 * The request head parser: it may be cut anywhere, and what it lets through is unambiguous.
 */
#include <string.h>

#include "codec/head.h"
#include "fuzz.h"

typedef int parser(struct hj_head *head, const char *data, size_t len, size_t scanned, size_t max_len);

static int in_pieces(parser *parse, const uint8_t *data, size_t size, size_t max_len)
{
    struct hj_head head;
    uint32_t random = (uint32_t)size * 2654435761u;
    for (size_t n = 0, scanned = 0;;) {
        char *copy = malloc(n != 0 ? n : 1);
        memcpy(copy, data, n);
        int result = parse(&head, copy, n, scanned, max_len);
        free(copy);
        if (result != 0 || n == size)
            return result;
        scanned = n;
        random = random * 1664525 + 1013904223;
        n += 1 + (random >> 16) % 24;
        n = n < size ? n : size;
    }
}

static int is_inside(struct hj_slice slice, const char *data, int len)
{
    return slice.base >= data && slice.base + slice.len <= data + len && memchr(slice.base, '\r', slice.len) == NULL &&
           memchr(slice.base, '\n', slice.len) == NULL && memchr(slice.base, '\0', slice.len) == NULL;
}

static void check_accepted(parser *parse, const struct hj_head *head, const char *data, int len)
{
    struct hj_head again;
    size_t hosts = 0, lengths = 0, encodings = 0;
    HOLDS(len >= 4 && memcmp(data + len - 4, "\r\n\r\n", 4) == 0);
    HOLDS(is_inside(head->method, data, len) && head->method.len > 0 && head->method.len <= HJ_HEAD_MAX_METHOD);
    HOLDS(is_inside(head->target, data, len) && head->target.len > 0);
    HOLDS(head->connect == hj_slice_equal(head->method, HJ_SLICE("CONNECT")));
    HOLDS(!head->connect || (parse == hj_head_parse_with_connect && !head->keep_alive && !head->upgrade &&
                             !head->chunked && head->content_length == 0 && hj_slice_equal(head->path, head->target)));
    HOLDS(head->path.len > 0 && (head->connect || head->path.base[0] == '/' || head->path.base[0] == '*'));
    HOLDS(memchr(head->path.base, '?', head->path.len) == NULL);
    HOLDS(hj_slice_equal(head->version, head->minor_version == 1 ? HJ_SLICE("HTTP/1.1") : HJ_SLICE("HTTP/1.0")));
    HOLDS(head->header_count <= HJ_HEAD_MAX_HEADERS);
    for (size_t i = 0; i < head->header_count; ++i) {
        HOLDS(is_inside(head->headers[i].name, data, len) && head->headers[i].name.len > 0);
        HOLDS(is_inside(head->headers[i].value, data, len));
        hosts += hj_slice_equal_lower(head->headers[i].name, HJ_SLICE("host"));
        lengths += hj_slice_equal_lower(head->headers[i].name, HJ_SLICE("content-length"));
        encodings += hj_slice_equal_lower(head->headers[i].name, HJ_SLICE("transfer-encoding"));
    }
    HOLDS(hosts <= 1 && (hosts == 1 || head->minor_version == 0));
    HOLDS(lengths + encodings <= 1 && head->has_content_length == (lengths == 1) && head->chunked == (encodings == 1));
    HOLDS(!head->chunked || head->minor_version == 1);
    HOLDS(!head->upgrade || (!head->chunked && head->content_length == 0 && head->minor_version == 1));
    HOLDS(parse(&again, data, (size_t)len, 0, (size_t)len) == len);
    HOLDS(parse(&again, data, (size_t)len - 1, 0, (size_t)len) == 0);
    HOLDS(parse(&again, data, (size_t)len, 0, (size_t)len - 1) < 0);
}

static void check(parser *parse, const uint8_t *data, size_t size, size_t max_len)
{
    struct hj_head head;
    const int result = parse(&head, (const char *)data, size, 0, max_len);
    HOLDS(result <= (int)size && (result <= 0 || (size_t)result <= max_len));
    HOLDS((head.problem != NULL) == (result < 0));
    HOLDS(result >= 0 || result == -400 || result == -414 || result == -417 || result == -431 || result == -501 ||
          result == -505);
    HOLDS(result != 0 || size < max_len);
    HOLDS(in_pieces(parse, data, size, max_len) == result);
    if (result > 0)
        check_accepted(parse, &head, (const char *)data, result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(hj_head_parse, data, size, 12288);
    check(hj_head_parse, data, size, 48);
    check(hj_head_parse_with_connect, data, size, 12288);
    return 0;
}
