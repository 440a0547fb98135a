/* SPDX-License-Identifier: MIT
 *
 * The decoder of chunked bodies: a body may be cut anywhere, and what is accepted is within its bounds. Its trailers
 * make a header block that a program may send.
 */
#include <string.h>

#include "codec/chunked.h"
#include "codec/response_head.h"
#include "fuzz.h"

/* What came out of a body: its bytes are folded into a hash. */
struct outcome {
    int result;
    const char *problem;
    size_t used;
    uint64_t body_len, trailers_len;
    uint32_t hash;
};

static void fold(struct outcome *outcome, struct hj_slice bytes)
{
    for (size_t i = 0; i < bytes.len; ++i)
        outcome->hash = (outcome->hash ^ (unsigned char)bytes.base[i]) * 16777619u;
}

/* Decodes data[0, end) from what was used on, in memory of exactly that size. */
static int decode_piece(struct outcome *outcome, struct hj_chunked *chunked, const uint8_t *data, size_t end)
{
    const size_t len = end - outcome->used;
    char *copy = malloc(len != 0 ? len : 1);
    size_t at = 0;
    int result;
    memcpy(copy, data + outcome->used, len);
    do {
        struct hj_slice out = {NULL, 0};
        size_t used = 0;
        result = hj_chunked_decode(chunked, &out, &used, copy + at, len - at, &outcome->problem);
        HOLDS((result < 0) == (outcome->problem != NULL) && used <= len - at);
        HOLDS(result != HJ_CHUNKED_MORE || len - at - used <= HJ_CHUNKED_MAX_TRAILERS);
        if (result == HJ_CHUNKED_DATA || result == HJ_CHUNKED_END) {
            HOLDS(out.base >= copy + at && out.base + out.len <= copy + at + used);
            HOLDS((result == HJ_CHUNKED_END || out.len != 0) && used != 0);
            fold(outcome, out);
            *(result == HJ_CHUNKED_DATA ? &outcome->body_len : &outcome->trailers_len) += out.len;
        }
        at += used;
    } while (result == HJ_CHUNKED_DATA);
    free(copy);
    outcome->used += at;
    return result;
}

/* step: the most bytes that a piece adds. */
static struct outcome decode(const uint8_t *data, size_t size, uint64_t room, uint32_t step)
{
    struct outcome outcome = {.hash = 2166136261u};
    struct hj_chunked chunked;
    uint32_t random = (uint32_t)size * 2654435761u;
    size_t end = step == 0 ? size : 0;
    hj_chunked_init(&chunked, room);
    for (;;) {
        outcome.result = decode_piece(&outcome, &chunked, data, end);
        if (outcome.result != HJ_CHUNKED_MORE || end == size)
            return outcome;
        random = random * 1664525 + 1013904223;
        end += 1 + (random >> 16) % step;
        end = end < size ? end : size;
    }
}

/* The trailers end with the empty line at end. */
static void check_trailers(const char *end, size_t len)
{
    struct hj_buf *block = NULL;
    HOLDS(hj_chunked_trailers(&block, hj_slice(end - len, len)) == 0 && block->len <= len + len / 2);
    HOLDS(hj_fields_check(NULL, block->data, block->len) == 0);
    for (const char *cursor = block->data; cursor < block->data + block->len;) {
        struct hj_slice name, value;
        HOLDS(hj_fields_next(&name, &value, &cursor, block->data + block->len));
        for (size_t i = 0; i < name.len; ++i)
            HOLDS(name.base[i] < 'A' || name.base[i] > 'Z');
    }
    hj_buf_unref(block);
}

static void check(const uint8_t *data, size_t size, uint64_t room)
{
    const struct outcome whole = decode(data, size, room, 0), pieces = decode(data, size, room, 24);
    HOLDS(whole.result == HJ_CHUNKED_MORE || whole.result == HJ_CHUNKED_END || whole.result == -400 ||
          whole.result == -413 || whole.result == -431);
    HOLDS(pieces.result == whole.result && pieces.problem == whole.problem && pieces.hash == whole.hash);
    HOLDS(pieces.body_len == whole.body_len && pieces.trailers_len == whole.trailers_len);
    HOLDS(whole.body_len <= room && whole.trailers_len + 2 <= HJ_CHUNKED_MAX_TRAILERS);
    if (whole.result >= 0)
        HOLDS(pieces.used == whole.used);
    if (whole.result == HJ_CHUNKED_END) {
        HOLDS(whole.used >= 5 + whole.body_len + whole.trailers_len);
        HOLDS(memcmp(data + whole.used - 4, "\r\n\r\n", 4) == 0);
        check_trailers((const char *)data + whole.used - 2, whole.trailers_len);
        HOLDS(decode(data, whole.used - 1, room, 0).result == HJ_CHUNKED_MORE);
        HOLDS(whole.body_len == 0 || decode(data, whole.used, whole.body_len - 1, 0).result == -413);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size, UINT64_MAX);
    check(data, size, 16);
    return 0;
}
