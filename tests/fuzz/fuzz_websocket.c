/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames: what a reader finds does not depend on the pieces that the bytes come in, and is what RFC 6455
 * permits.
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

static struct found read_in_pieces(const uint8_t *data, size_t size, size_t step)
{
    struct hj_ws_reader reader = {.max_message = MAX_MESSAGE};
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct found whole = read_in_pieces(data, size, size == 0 ? 1 : size);
    const size_t steps[] = {1, 2, 7, size / 2 + 1};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); ++i) {
        struct found pieces = read_in_pieces(data, size, steps[i]);
        HOLDS(pieces.failed == whole.failed);
        /* a failure may be found before a piece of the same message is given out */
        HOLDS(whole.failed || (pieces.len == whole.len && memcmp(pieces.text, whole.text, whole.len) == 0));
        free(pieces.text);
    }
    free(whole.text);
    return 0;
}
