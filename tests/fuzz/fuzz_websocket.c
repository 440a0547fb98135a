/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames: what a reader finds does not depend on the pieces that the bytes come in, and is what RFC 6455
 * permits. What a server writes, with the input as payload, is read again as what it was, once a client has masked it.
 */
#include <string.h>

#include "codec/websocket.h"
#include "fuzz.h"

#define MAX_MESSAGE 4096

/* What was found, as a text: its pieces of one message joined. */
struct found {
    char *text;
    size_t len;
    bool failed;
};

static void note(struct found *found, const void *data, size_t len)
{
    if (len != 0)
        memcpy(found->text + found->len, data, len);
    found->len += len;
}

static void check_item(const struct hj_ws_item *item, const struct hj_ws_reader *reader)
{
    if (item->found == HJ_WS_PIECE)
        HOLDS((item->kind == HJ_WS_TEXT || item->kind == HJ_WS_BINARY) && reader->message <= MAX_MESSAGE);
    if (item->found == HJ_WS_CONTROL) {
        HOLDS(item->kind >= HJ_WS_CLOSE && item->piece.len <= HJ_WS_CONTROL_MAX);
        if (item->kind == HJ_WS_CLOSE)
            HOLDS((item->code == HJ_WS_NO_CODE || hj_ws_code_is_valid(item->code)) &&
                  hj_utf8_check(item->piece.base, item->piece.len));
    }
    if (item->found == HJ_WS_FAILED)
        HOLDS(item->code == HJ_WS_PROTOCOL_ERROR || item->code == HJ_WS_INVALID_DATA || item->code == HJ_WS_TOO_BIG);
}

static struct found read_in_pieces(const uint8_t *data, size_t size, size_t step, bool may_compress)
{
    struct hj_ws_reader reader = {.max_message = MAX_MESSAGE, .may_compress = may_compress};
    struct found found = {.text = malloc(4 * size + 64)};
    for (size_t at = 0; at < size && !reader.over; at += step) {
        const size_t len = step < size - at ? step : size - at;
        uint8_t *piece = malloc(len);
        size_t done = 0;
        memcpy(piece, data + at, len);
        for (;;) {
            size_t used;
            struct hj_ws_item item = hj_ws_read(&reader, piece + done, len - done, &used);
            check_item(&item, &reader);
            done += used;
            HOLDS(done <= len);
            if (item.found == HJ_WS_NOTHING)
                break;
            if (item.found == HJ_WS_FAILED)
                found.failed = true;
            if (item.found != HJ_WS_PIECE || item.first)
                note(&found, "[", 1);
            if (item.found != HJ_WS_FAILED)
                note(&found, item.piece.base, item.piece.len);
            if (item.found == HJ_WS_CONTROL || item.last)
                note(&found, "]", 1);
        }
        HOLDS(reader.over || done == len);
        free(piece);
    }
    return found;
}

static void check_pieces(const uint8_t *data, size_t size, bool may_compress)
{
    struct found whole = read_in_pieces(data, size, size == 0 ? 1 : size, may_compress);
    const size_t steps[] = {1, 2, 7, size / 2 + 1};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); ++i) {
        struct found pieces = read_in_pieces(data, size, steps[i], may_compress);
        HOLDS(pieces.failed == whole.failed);
        /* a failure may be found before a piece of the same message is given out */
        HOLDS(whole.failed || (pieces.len == whole.len && memcmp(pieces.text, whole.text, whole.len) == 0));
        free(pieces.text);
    }
    free(whole.text);
}

/* A frame of a server, as its client would send it. */
static struct hj_buf *mask_frame(const struct hj_buf *frame, size_t payload)
{
    static const uint8_t mask[4] = {0x12, 0xa5, 0xff, 0x07};
    const size_t head = frame->len - payload;
    struct hj_buf *masked = hj_buf_new(frame->len + sizeof(mask));
    HOLDS(masked != NULL && ((uint8_t)frame->data[1] & 0x80) == 0);
    memcpy(masked->data, frame->data, head);
    masked->data[1] = (char)(masked->data[1] | 0x80);
    memcpy(masked->data + head, mask, sizeof(mask));
    hj_ws_unmask((uint8_t *)masked->data + head + sizeof(mask), (const uint8_t *)frame->data + head, payload, mask, 0);
    return masked;
}

static void check_written(struct hj_buf *frame, enum hj_ws_opcode kind, struct hj_slice payload, unsigned code)
{
    size_t used;
    HOLDS(frame != NULL);
    struct hj_ws_reader reader = {.max_message = UINT64_MAX};
    struct hj_buf *masked = mask_frame(frame, payload.len + (code != HJ_WS_NO_CODE ? 2 : 0));
    const struct hj_ws_item item = hj_ws_read(&reader, (uint8_t *)masked->data, masked->len, &used);
    HOLDS(item.found == (kind == HJ_WS_BINARY ? HJ_WS_PIECE : HJ_WS_CONTROL) && item.kind == kind);
    HOLDS(used == masked->len && item.piece.len == payload.len);
    HOLDS(payload.len == 0 || memcmp(item.piece.base, payload.base, payload.len) == 0);
    HOLDS(kind != HJ_WS_CLOSE || item.code == code);
    hj_buf_unref(masked);
    hj_buf_unref(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct hj_slice input = hj_slice((const char *)data, size);
    check_pieces(data, size, false);
    check_pieces(data, size, true);
    check_written(hj_ws_frame(HJ_WS_BINARY, true, input), HJ_WS_BINARY, input, HJ_WS_NO_CODE);
    check_written(hj_ws_close_frame(HJ_WS_NO_CODE, hj_slice(NULL, 0)), HJ_WS_CLOSE, hj_slice(NULL, 0), HJ_WS_NO_CODE);
    if (size <= HJ_WS_REASON_MAX && hj_utf8_check(data, size))
        check_written(hj_ws_close_frame(HJ_WS_GOING_AWAY, input), HJ_WS_CLOSE, input, HJ_WS_GOING_AWAY);
    return 0;
}
