/* Published messages; see message.h. Any thread: an encoding is put in place with one compare-and-swap, and whoever
 * comes second frees its own. */
#include "core/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <hijack/hijack.h>

#include "codec/sse.h"
#include "codec/utf8.h"
#include "codec/websocket.h"
#include "core/compressor.h"
#include "core/option.h"

/* A field that is not there stays so: an empty id means something, no id does not. */
static struct hj_slice copy_field(char **cursor, struct hj_slice from)
{
    struct hj_slice to = {from.base != NULL ? *cursor : NULL, from.len};
    if (from.len != 0)
        memcpy(*cursor, from.base, from.len);
    *cursor += from.len;
    return to;
}

static bool contains_byte(struct hj_slice text, char c)
{
    return text.len != 0 && memchr(text.base, c, text.len) != NULL;
}

static bool is_sound(const struct hj_message_parts *parts)
{
    return !contains_byte(parts->event, '\r') && !contains_byte(parts->event, '\n') &&
           !contains_byte(parts->id, '\r') && !contains_byte(parts->id, '\n') && !contains_byte(parts->id, '\0') &&
           (parts->binary || hj_utf8_check(parts->data.base, parts->data.len));
}

int hj_message_new(struct hj_message **out, struct hj_compressor *compressor, const struct hj_message_parts *parts)
{
    if (!is_sound(parts))
        return HIJACK_EINVAL;
    const size_t room = parts->positioned ? HJ_POSITION_SIZE : 0;
    struct hj_message *message = malloc(sizeof(*message) + parts->event.len + parts->id.len + parts->key.len + room);
    struct hj_buf *buf = hj_buf_copy(parts->data.base, parts->data.len);
    if (message == NULL || buf == NULL) {
        free(message);
        hj_buf_unref(buf);
        return HIJACK_ENOMEM;
    }
    char *cursor = message->fields;
    atomic_init(&message->refs, 1);
    message->compressor = compressor;
    message->binary = parts->binary;
    message->event = copy_field(&cursor, parts->event);
    message->id = copy_field(&cursor, parts->id);
    message->key = copy_field(&cursor, parts->key);
    message->retry_ms = parts->retry_ms;
    message->offset = 0;
    message->room = room != 0 ? cursor : NULL;
    message->data = buf;
    for (int i = 0; i < HJ_WIRE_COUNT; ++i)
        atomic_init(&message->wire[i], NULL);
    *out = message;
    return 0;
}

void hj_message_set_position(struct hj_message *message, const char *epoch, uint64_t offset)
{
    if (message->room == NULL || message->id.base != NULL)
        return;
    int len = snprintf(message->room, HJ_POSITION_SIZE, "%s-%" PRIu64, epoch, offset);
    message->id = hj_slice(message->room, (size_t)len);
}

struct hj_message *hj_message_ref(struct hj_message *message)
{
    atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
    return message;
}

void hj_message_unref(struct hj_message *message)
{
    if (message == NULL || atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < HJ_WIRE_COUNT; ++i)
        hj_buf_unref(atomic_load_explicit(&message->wire[i], memory_order_relaxed));
    hj_buf_unref(message->data);
    free(message);
}

static bool compresses(const struct hj_message *message, enum hj_wire wire)
{
    return message->compressor != NULL && hj_wire_is_compressed(wire);
}

static struct hj_buf *encode_message(struct hj_message *message, enum hj_wire wire)
{
    struct hj_slice data = {message->data->data, message->data->len};
    struct hj_buf *buf = NULL;
    if (wire == HJ_WIRE_CHUNKED) {
        if (data.len == 0)
            return hj_buf_ref(message->data); /* an empty chunk would end the body */
        hj_chunk_encode(&buf, data);
        return buf;
    }
    if (hj_wire_is_websocket(wire)) {
        const enum hj_ws_opcode opcode = message->binary ? HJ_WS_BINARY : HJ_WS_TEXT;
        if (!compresses(message, wire))
            return hj_ws_frame(opcode, true, data);
        return hj_compressor_frame(message->compressor, hj_wire_window(wire), opcode, data);
    }
    struct hj_sse sse = {
        .event = message->event, .id = message->id, .data = data, .retry_ms = message->retry_ms, .has_data = true};
    hj_sse_encode(&buf, &sse, wire == HJ_WIRE_SSE_CHUNKED);
    return buf;
}

/* Makes an encoding that is not there yet. */
static struct hj_buf *put_encoded(struct hj_message *message, enum hj_wire wire)
{
    struct hj_buf *buf = NULL;
    struct hj_buf *made = encode_message(message, wire);
    if (made == NULL)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&message->wire[wire], &buf, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    hj_buf_unref(made);
    return buf;
}

struct hj_buf *hj_message_encoded(struct hj_message *message, enum hj_wire wire)
{
    if (wire == HJ_WIRE_RAW)
        return message->data;
    struct hj_buf *buf = atomic_load_explicit(&message->wire[wire], memory_order_acquire);
    if (buf != NULL)
        return buf;
    if (!compresses(message, wire))
        return put_encoded(message, wire);
    /* once for all loops: compressing costs more than the wait of the others */
    pthread_mutex_t *turn = hj_compressor_turn(message->compressor, message);
    pthread_mutex_lock(turn);
    if ((buf = atomic_load_explicit(&message->wire[wire], memory_order_acquire)) == NULL)
        buf = put_encoded(message, wire);
    pthread_mutex_unlock(turn);
    return buf;
}

uint64_t hj_message_cost(const struct hj_message *message)
{
    return sizeof(*message) + 128 + message->data->len + message->event.len + message->id.len + message->key.len;
}

bool hj_message_same_key(const struct hj_message *a, const struct hj_message *b)
{
    return a->key.len != 0 && hj_slice_equal(a->key, b->key);
}
