/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate, with the input as three things. As a payload: what it inflates to does not depend on the pieces
 * that it comes in or goes out by. As a message: it is the same again after compressing and inflating. As an offer: an
 * answer to it is itself an offer with this answer.
 */
#include <string.h>

#include "codec/websocket_deflate.h"
#include "fuzz.h"

#define LIMIT 4096    /* bytes of output, after which inflating is stopped */
#define MAX_SIZE 8192 /* bytes of an input; longer ones only take longer */
#define STOPPED -1

struct outcome {
    int state; /* an enum hj_inflated, or STOPPED */
    size_t len;
    uint8_t out[LIMIT];
};

/* Feeds one piece, in memory of exactly its size, and takes its output through memory of exactly the room. */
static void inflate_piece(struct outcome *outcome, struct hj_inflater *inflater, const uint8_t *data, size_t len,
                          bool last, size_t room)
{
    char *copy = malloc(len != 0 ? len : 1);
    memcpy(copy, data, len);
    struct hj_slice piece = hj_slice(copy, len);
    do {
        size_t made = room < LIMIT - outcome->len ? room : LIMIT - outcome->len;
        const size_t given = made;
        uint8_t *out = malloc(made);
        outcome->state = hj_inflater_feed(inflater, &piece, last, out, &made);
        HOLDS(made <= given && piece.len <= len);
        HOLDS(outcome->state != HJ_INFLATED_FULL || made == given);
        HOLDS(outcome->state != HJ_INFLATED_MORE || (!last && piece.len == 0));
        HOLDS(outcome->state != HJ_INFLATED_DONE || (last && piece.len == 0));
        HOLDS(outcome->state != HJ_INFLATED_NO_MEMORY);
        memcpy(outcome->out + outcome->len, out, made);
        outcome->len += made;
        free(out);
    } while (outcome->state == HJ_INFLATED_FULL && outcome->len < LIMIT);
    if (outcome->len == LIMIT)
        outcome->state = STOPPED;
    free(copy);
}

static void inflate_all(struct outcome *outcome, struct hj_inflater *inflater, const uint8_t *data, size_t size,
                        size_t step, size_t room)
{
    size_t at = 0;
    outcome->len = 0;
    do {
        const size_t len = step < size - at ? step : size - at;
        inflate_piece(outcome, inflater, data + at, len, at + len == size, room);
        at += len;
    } while (outcome->state == HJ_INFLATED_MORE);
}

static void check_payload(struct hj_inflater *inflater, bool takeover, const uint8_t *data, size_t size)
{
    static const uint8_t hello[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};
    static struct outcome whole, pieces;
    const size_t steps[][2] = {{size + 1, LIMIT}, {1, 7}, {7, 1}, {size / 2 + 1, 300}};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); ++i) {
        struct outcome *outcome = i == 0 ? &whole : &pieces;
        hj_inflater_reset(inflater);
        if (takeover)
            inflate_all(outcome, inflater, hello, sizeof(hello), sizeof(hello), LIMIT);
        inflate_all(outcome, inflater, data, size, steps[i][0], steps[i][1]);
        HOLDS(outcome->state == whole.state && outcome->len == whole.len);
        HOLDS(memcmp(outcome->out, whole.out, whole.len) == 0);
    }
}

static void check_message(struct hj_deflater *deflater, struct hj_inflater *inflater, const uint8_t *data, size_t size)
{
    static struct outcome outcome;
    struct hj_buf *buf = hj_deflater_compress(deflater, hj_slice((const char *)data, size), size % 16);
    HOLDS(buf != NULL && buf->len > size % 16);
    inflate_all(&outcome, inflater, (const uint8_t *)buf->data + size % 16, buf->len - size % 16, size / 3 + 1, 100);
    HOLDS(outcome.state == (size < LIMIT ? HJ_INFLATED_DONE : STOPPED));
    HOLDS(outcome.len == (size < LIMIT ? size : LIMIT) && memcmp(outcome.out, data, outcome.len) == 0);
    hj_buf_unref(buf);
}

/* A payload that is nearly right. */
static void check_damage(struct hj_deflater *deflater, struct hj_inflater *inflater, const uint8_t *data, size_t size)
{
    struct hj_buf *buf = hj_deflater_compress(deflater, hj_slice((const char *)data + 1, size - 1), 0);
    HOLDS(buf != NULL && buf->len > 0);
    buf->data[(data[0] * 7 + size) % buf->len] ^= (char)(1 << data[0] % 8);
    check_payload(inflater, true, (const uint8_t *)buf->data, buf->len);
    hj_buf_unref(buf);
}

static void check_offer(const uint8_t *data, size_t size, bool takeover)
{
    char answer[HJ_WS_DEFLATE_ANSWER_MAX], again[HJ_WS_DEFLATE_ANSWER_MAX];
    const struct hj_ws_deflate deflate = hj_ws_deflate_negotiate(hj_slice((const char *)data, size), takeover);
    if (!deflate.accepted)
        return;
    HOLDS(memmem(data, size, "permessage-deflate", 18) != NULL);
    HOLDS(deflate.server_window_bits >= 9 && deflate.server_window_bits <= 15);
    HOLDS(deflate.client_window_bits >= 8 && deflate.client_window_bits <= 15);
    HOLDS(takeover || (!deflate.server_takeover && !deflate.client_takeover && deflate.client_window_bits == 15));
    const size_t len = hj_ws_deflate_answer(answer, &deflate);
    HOLDS(len < sizeof(answer) && strlen(answer) == len);
    const struct hj_ws_deflate same = hj_ws_deflate_negotiate(hj_slice(answer, len), takeover);
    HOLDS(same.accepted && hj_ws_deflate_answer(again, &same) == len && strcmp(answer, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hj_deflater *deflater;
    static struct hj_inflater *alone, *keeping;
    size = size < MAX_SIZE ? size : MAX_SIZE;
    if (deflater == NULL) {
        HOLDS((deflater = hj_deflater_new(15, false)) != NULL && (alone = hj_inflater_new(15, false)) != NULL);
        HOLDS((keeping = hj_inflater_new(15, true)) != NULL);
    }
    check_offer(data, size, false);
    check_offer(data, size, true);
    check_payload(alone, false, data, size);
    check_payload(keeping, true, data, size);
    if (size != 0)
        check_damage(deflater, keeping, data, size);
    hj_inflater_reset(alone);
    check_message(deflater, alone, data, size);
    struct hj_deflater *small_deflater = hj_deflater_new(9, true);
    struct hj_inflater *small = hj_inflater_new(9, true);
    HOLDS(small_deflater != NULL && small != NULL);
    for (int i = 0; i < 3 && size < LIMIT; ++i)
        check_message(small_deflater, small, data, size / (i + 1));
    hj_deflater_free(small_deflater);
    hj_inflater_free(small);
    return 0;
}
