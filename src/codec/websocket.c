/* WebSocket frames; see websocket.h. Pure. */
#include "codec/websocket.h"

#include <string.h>

#define FIN 0x80
#define RSV1 0x40
#define RSV2_RSV3 0x30
#define MASKED 0x80
#define LEN_7 0x7f
#define LEN_16 126
#define LEN_64 127

static bool is_control(unsigned opcode)
{
    return opcode >= HJ_WS_CLOSE;
}

/* Whether the first two bytes of a head are right by themselves. */
static bool may_begin(const uint8_t *data, size_t len, bool may_compress)
{
    const unsigned opcode = data[0] & 15;
    if ((data[0] & RSV2_RSV3) != 0 || opcode > HJ_WS_PONG || (opcode > HJ_WS_BINARY && !is_control(opcode)))
        return false;
    if ((data[0] & RSV1) != 0 && (!may_compress || is_control(opcode) || opcode == HJ_WS_CONTINUATION))
        return false;
    if (is_control(opcode) && (data[0] & FIN) == 0)
        return false;
    if (len < 2)
        return true;
    return (data[1] & MASKED) != 0 && (!is_control(opcode) || (data[1] & LEN_7) <= HJ_WS_CONTROL_MAX);
}

static uint64_t read_number(const uint8_t *data, int bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < bytes; ++i)
        number = number << 8 | data[i];
    return number;
}

int hj_ws_parse_head(struct hj_ws_head *out, const uint8_t *data, size_t len, bool may_compress)
{
    if (len == 0)
        return 0;
    if (!may_begin(data, len, may_compress))
        return -HJ_WS_PROTOCOL_ERROR;
    if (len < 2)
        return 0;
    const unsigned short_len = data[1] & LEN_7;
    const int bytes = short_len == LEN_16 ? 2 : short_len == LEN_64 ? 8 : 0;
    const size_t head_len = 2 + (size_t)bytes + 4;
    if (bytes == 8 && len > 2 && (data[2] & 0x80) != 0)
        return -HJ_WS_PROTOCOL_ERROR;
    if (len < head_len)
        return 0;
    out->len = bytes == 0 ? short_len : read_number(data + 2, bytes);
    if ((bytes == 2 && out->len < LEN_16) || (bytes == 8 && out->len <= UINT16_MAX))
        return -HJ_WS_PROTOCOL_ERROR; /* the shortest form must be used (RFC 6455 section 5.2) */
    out->fin = (data[0] & FIN) != 0;
    out->compressed = (data[0] & RSV1) != 0;
    out->opcode = data[0] & 15;
    memcpy(out->mask, data + head_len - 4, 4);
    return (int)head_len;
}

size_t hj_ws_put_head(uint8_t out[HJ_WS_SERVER_HEAD_MAX], bool fin, bool compressed, enum hj_ws_opcode opcode,
                      uint64_t len)
{
    const int bytes = len < LEN_16 ? 0 : len <= UINT16_MAX ? 2 : 8;
    out[0] = (uint8_t)((fin ? FIN : 0) | (compressed ? RSV1 : 0) | (unsigned)opcode);
    out[1] = bytes == 0 ? (uint8_t)len : bytes == 2 ? LEN_16 : LEN_64;
    for (int i = 0; i < bytes; ++i)
        out[2 + i] = (uint8_t)(len >> (8 * (bytes - 1 - i)));
    return 2 + (size_t)bytes;
}

void hj_ws_unmask(uint8_t *out, const uint8_t *data, size_t len, const uint8_t mask[4], uint64_t offset)
{
    uint8_t turned[8];
    uint64_t key, word;
    for (unsigned i = 0; i < sizeof(turned); ++i)
        turned[i] = mask[(offset + i) & 3];
    memcpy(&key, turned, sizeof(key));
    size_t i = 0;
    for (; len - i >= sizeof(word); i += sizeof(word)) { /* the compiler makes vectors of it */
        memcpy(&word, data + i, sizeof(word));
        word ^= key;
        memcpy(out + i, &word, sizeof(word));
    }
    for (; i < len; ++i)
        out[i] = data[i] ^ turned[i & 7];
}

bool hj_ws_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != HJ_WS_NO_CODE && code != HJ_WS_ABNORMAL) ||
           (code >= 3000 && code <= 4999);
}

static struct hj_ws_item fail_with(struct hj_ws_reader *reader, unsigned code)
{
    reader->over = true;
    return (struct hj_ws_item){.found = HJ_WS_FAILED, .code = code};
}

/* What a head means for the message under way: 0 or the code to fail with. */
static unsigned begin_frame(struct hj_ws_reader *reader)
{
    const struct hj_ws_head *head = &reader->head;
    reader->in_frame = true;
    reader->left = head->len;
    reader->have = 0;
    if (is_control(head->opcode))
        return 0;
    if ((head->opcode == HJ_WS_CONTINUATION) == (reader->kind == 0))
        return HJ_WS_PROTOCOL_ERROR;
    if (head->opcode != HJ_WS_CONTINUATION) {
        reader->kind = head->opcode;
        reader->compressed = head->compressed;
        reader->message = 0;
        reader->began = false;
        reader->utf8 = (struct hj_utf8){0};
    }
    if (head->len > reader->max_message - reader->message)
        return HJ_WS_TOO_BIG;
    reader->message += head->len;
    return 0;
}

/* Collects the head of the next frame. True once it is there; *code: what to fail with. */
static bool read_frame_head(struct hj_ws_reader *reader, const uint8_t *data, size_t len, size_t *used, unsigned *code)
{
    int n = 0;
    if (reader->have == 0 && (n = hj_ws_parse_head(&reader->head, data + *used, len - *used, reader->may_compress)) > 0)
        *used += (size_t)n; /* the usual case: it came in one piece */
    while (n == 0 && *used < len) {
        reader->held[reader->have++] = data[(*used)++];
        n = hj_ws_parse_head(&reader->head, reader->held, reader->have, reader->may_compress);
    }
    *code = n < 0 ? (unsigned)-n : n > 0 ? begin_frame(reader) : 0;
    return n != 0;
}

static struct hj_ws_item take_close(struct hj_ws_reader *reader, size_t len)
{
    struct hj_ws_item item = {.found = HJ_WS_CONTROL, .kind = HJ_WS_CLOSE, .code = HJ_WS_NO_CODE};
    reader->over = true;
    if (len == 0)
        return item;
    if (len == 1)
        return fail_with(reader, HJ_WS_PROTOCOL_ERROR);
    item.code = (unsigned)reader->held[0] << 8 | reader->held[1];
    item.piece = hj_slice((const char *)reader->held + 2, len - 2);
    if (!hj_ws_code_is_valid(item.code))
        return fail_with(reader, HJ_WS_PROTOCOL_ERROR);
    return hj_utf8_check(item.piece.base, item.piece.len) ? item : fail_with(reader, HJ_WS_INVALID_DATA);
}

/* The whole payload of a control frame is collected: it may come between the frames of a message. */
static struct hj_ws_item read_control(struct hj_ws_reader *reader, const uint8_t *data, size_t len, size_t *used)
{
    size_t part = len - *used < reader->left ? len - *used : (size_t)reader->left;
    hj_ws_unmask(reader->held + reader->have, data + *used, part, reader->head.mask, reader->have);
    *used += part;
    reader->have = (uint8_t)(reader->have + part);
    reader->left -= part;
    if (reader->left != 0)
        return (struct hj_ws_item){.found = HJ_WS_NOTHING};
    const size_t payload = reader->have;
    reader->in_frame = false;
    reader->have = 0;
    if (reader->head.opcode == HJ_WS_CLOSE)
        return take_close(reader, payload);
    return (struct hj_ws_item){.found = HJ_WS_CONTROL,
                               .kind = (enum hj_ws_opcode)reader->head.opcode,
                               .piece = hj_slice((const char *)reader->held, payload)};
}

static struct hj_ws_item read_piece_of_message(struct hj_ws_reader *reader, uint8_t *data, size_t len, size_t *used)
{
    const size_t part = len - *used < reader->left ? len - *used : (size_t)reader->left;
    uint8_t *piece = data + *used;
    hj_ws_unmask(piece, piece, part, reader->head.mask, reader->head.len - reader->left);
    *used += part;
    reader->left -= part;
    const bool frame_ends = reader->left == 0, last = frame_ends && reader->head.fin;
    if (reader->kind == HJ_WS_TEXT && !reader->compressed &&
        (!hj_utf8_feed(&reader->utf8, piece, part) || (last && !hj_utf8_is_whole(&reader->utf8))))
        return fail_with(reader, HJ_WS_INVALID_DATA);
    struct hj_ws_item item = {
        .found = part != 0 || last ? HJ_WS_PIECE : HJ_WS_NOTHING,
        .kind = (enum hj_ws_opcode)reader->kind,
        .piece = hj_slice((const char *)piece, part),
        .first = !reader->began,
        .last = last,
        .compressed = reader->compressed,
    };
    reader->began |= item.found == HJ_WS_PIECE;
    if (frame_ends)
        reader->in_frame = false;
    if (last)
        reader->kind = 0;
    return item;
}

struct hj_ws_item hj_ws_read(struct hj_ws_reader *reader, uint8_t *data, size_t len, size_t *used)
{
    struct hj_ws_item item = {.found = HJ_WS_NOTHING};
    *used = 0;
    /* an empty frame has all of its payload as soon as its head is there */
    while (!reader->over && item.found == HJ_WS_NOTHING) {
        unsigned code = 0;
        if (!reader->in_frame && !read_frame_head(reader, data, len, used, &code))
            break;
        if (code != 0)
            return fail_with(reader, code);
        if (*used == len && reader->left != 0)
            break;
        item = is_control(reader->head.opcode) ? read_control(reader, data, len, used)
                                               : read_piece_of_message(reader, data, len, used);
    }
    return item;
}

size_t hj_ws_put_close(uint8_t *out, unsigned code, struct hj_slice reason)
{
    const size_t payload = code == HJ_WS_NO_CODE ? 0 : 2 + reason.len;
    size_t n = hj_ws_put_head(out, true, false, HJ_WS_CLOSE, payload);
    if (payload == 0)
        return n;
    out[n++] = (uint8_t)(code >> 8);
    out[n++] = (uint8_t)code;
    if (reason.len != 0)
        memcpy(out + n, reason.base, reason.len);
    return n + reason.len;
}

struct hj_buf *hj_ws_frame(enum hj_ws_opcode opcode, bool fin, struct hj_slice data)
{
    uint8_t head[HJ_WS_SERVER_HEAD_MAX];
    const size_t head_len = hj_ws_put_head(head, fin, false, opcode, data.len);
    struct hj_buf *frame = hj_buf_new(head_len + data.len);
    if (frame == NULL)
        return NULL;
    memcpy(frame->data, head, head_len);
    if (data.len != 0)
        memcpy(frame->data + head_len, data.base, data.len);
    return frame;
}

struct hj_buf *hj_ws_close_frame(unsigned code, struct hj_slice reason)
{
    uint8_t frame[2 + HJ_WS_CONTROL_MAX];
    return hj_buf_copy((const char *)frame, hj_ws_put_close(frame, code, reason));
}
