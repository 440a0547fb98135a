/* permessage-deflate; see websocket_deflate.h. Pure; a deflater and an inflater are used by one thread at a time. */
#include "codec/websocket_deflate.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

#include "base/ascii.h"

#define WINDOW_MIN 8      /* RFC 7692 section 7.1.2 */
#define WINDOW_MIN_ZLIB 9 /* zlib makes no raw stream with a window of 256 bytes */
#define WINDOW_MAX 15
#define TAIL_LEN 4

/* A hash table and a symbol buffer of 8 KiB each. deflateReset clears the hash table. With 8 KiB that takes 0.2 us;
 * with zlib's usual 64 KiB (memLevel 8) it takes 0.7 us, a quarter of the cost of a message of 64 bytes. JSON of any
 * length compresses as well with 8 KiB. */
#define MEMORY_LEVEL 5
/* A loop must not stand still for one message. On 64 KiB of JSON, level 1 takes 0.2 ms and leaves 19 %, level 3 takes
 * 0.3 ms and leaves 17 %, level 6 takes 0.8 ms and leaves 15 %. The levels hardly differ below 4 KiB. */
#define LEVEL 3

/* The end of an empty stored block, which is not sent (RFC 7692 section 7.2.1). */
static const uint8_t message_tail[TAIL_LEN] = {0, 0, 0xff, 0xff};

enum parameter {
    SERVER_NO_TAKEOVER,
    CLIENT_NO_TAKEOVER,
    SERVER_WINDOW,
    CLIENT_WINDOW,
    PARAMETERS /* none of them */
};

static const char *const parameter_names[PARAMETERS] = {
    [SERVER_NO_TAKEOVER] = "server_no_context_takeover",
    [CLIENT_NO_TAKEOVER] = "client_no_context_takeover",
    [SERVER_WINDOW] = "server_max_window_bits",
    [CLIENT_WINDOW] = "client_max_window_bits",
};

/* What the parameters of one offer are. */
struct offer {
    bool has[PARAMETERS];
    uint8_t bits[PARAMETERS]; /* 0: no value */
};

/* The next part of a list, without the blanks around it; a separator inside of quotes does not separate. False at the
 * end, where rest->base is NULL. */
static bool next_unquoted_part(struct hj_slice *part, struct hj_slice *rest, char separator)
{
    bool quoted = false;
    size_t n = 0;
    if (rest->base == NULL)
        return false;
    for (; n < rest->len && (quoted || rest->base[n] != separator); ++n) {
        if (rest->base[n] == '"')
            quoted = !quoted;
        else if (quoted && rest->base[n] == '\\' && n + 1 < rest->len)
            ++n;
    }
    *part = hj_ascii_trim(hj_slice(rest->base, n));
    *rest = n == rest->len ? hj_slice(NULL, 0) : hj_slice(rest->base + n + 1, rest->len - n - 1);
    return true;
}

/* The number from 8 to 15, without leading zeros, that a token or a quoted string holds; 0 if it holds anything else.
 */
static uint8_t read_window_bits(struct hj_slice value)
{
    const bool quoted = value.len >= 2 && value.base[0] == '"' && value.base[value.len - 1] == '"';
    unsigned bits = 0;
    if (quoted)
        value = hj_slice(value.base + 1, value.len - 2);
    for (size_t i = 0; i < value.len; ++i) {
        if (quoted && value.base[i] == '\\' && i + 1 < value.len)
            ++i;
        const char digit = value.base[i];
        if (digit < '0' || digit > '9' || (digit == '0' && bits == 0) || bits > WINDOW_MAX)
            return 0;
        bits = bits * 10 + (unsigned)(digit - '0');
    }
    return bits >= WINDOW_MIN && bits <= WINDOW_MAX ? (uint8_t)bits : 0;
}

static enum parameter parameter_of(struct hj_slice name)
{
    int i = 0;
    while (i < PARAMETERS && !hj_slice_equal(name, hj_slice(parameter_names[i], strlen(parameter_names[i]))))
        ++i;
    return (enum parameter)i;
}

/* name, name=value or name="value". False if the offer is to be declined. */
static bool read_parameter(struct offer *offer, struct hj_slice text)
{
    size_t n = 0;
    while (n < text.len && hj_ascii_is(text.base[n], HJ_ASCII_TOKEN))
        ++n;
    const enum parameter parameter = parameter_of(hj_slice(text.base, n));
    const struct hj_slice rest = hj_ascii_trim(hj_slice(text.base + n, text.len - n));
    if (parameter == PARAMETERS || offer->has[parameter])
        return false;
    offer->has[parameter] = true;
    if (rest.len == 0)
        return parameter != SERVER_WINDOW;
    if (rest.base[0] != '=' || parameter == SERVER_NO_TAKEOVER || parameter == CLIENT_NO_TAKEOVER)
        return false;
    const uint8_t bits = read_window_bits(hj_ascii_trim(hj_slice(rest.base + 1, rest.len - 1)));
    offer->bits[parameter] = bits;
    return bits >= (parameter == SERVER_WINDOW ? WINDOW_MIN_ZLIB : WINDOW_MIN);
}

static struct hj_ws_deflate accept_offer(const struct offer *offer, bool takeover)
{
    struct hj_ws_deflate deflate = {
        .accepted = true,
        .server_takeover = takeover && !offer->has[SERVER_NO_TAKEOVER],
        .client_takeover = takeover && !offer->has[CLIENT_NO_TAKEOVER],
        .answers_server_window = offer->has[SERVER_WINDOW],
        .server_window_bits = offer->has[SERVER_WINDOW] ? offer->bits[SERVER_WINDOW] : WINDOW_MAX,
        .client_window_bits = WINDOW_MAX,
    };
    /* Without takeover a smaller window saves nothing: all clients share inflaters of 15 bits. */
    if (takeover && offer->bits[CLIENT_WINDOW] != 0)
        deflate.client_window_bits = offer->bits[CLIENT_WINDOW];
    return deflate;
}

struct hj_ws_deflate hj_ws_deflate_negotiate(struct hj_slice extensions, bool takeover)
{
    struct hj_slice extension, part;
    while (next_unquoted_part(&extension, &extensions, ',')) {
        struct offer offer = {0};
        bool good = next_unquoted_part(&part, &extension, ';') && hj_slice_equal(part, HJ_SLICE("permessage-deflate"));
        while (good && next_unquoted_part(&part, &extension, ';'))
            good = read_parameter(&offer, part);
        if (good)
            return accept_offer(&offer, takeover);
    }
    return (struct hj_ws_deflate){.accepted = false};
}

size_t hj_ws_deflate_answer(char out[HJ_WS_DEFLATE_ANSWER_MAX], const struct hj_ws_deflate *deflate)
{
    char server[32] = "", client[32] = "";
    if (deflate->answers_server_window)
        snprintf(server, sizeof(server), "; server_max_window_bits=%u", deflate->server_window_bits);
    if (deflate->client_window_bits < WINDOW_MAX)
        snprintf(client, sizeof(client), "; client_max_window_bits=%u", deflate->client_window_bits);
    return (size_t)snprintf(out, HJ_WS_DEFLATE_ANSWER_MAX, "permessage-deflate%s%s%s%s",
                            deflate->server_takeover ? "" : "; server_no_context_takeover",
                            deflate->client_takeover ? "" : "; client_no_context_takeover", server, client);
}

/* zlib's memory comes from here, so that the tests of the library's memory see it. */
static voidpf zlib_take(voidpf nobody, uInt items, uInt size)
{
    (void)nobody;
    return malloc((size_t)items * size);
}

static void zlib_give(voidpf nobody, voidpf memory)
{
    (void)nobody;
    free(memory);
}

static uInt at_most_uint(size_t len)
{
    return len < UINT_MAX ? (uInt)len : UINT_MAX;
}

struct hj_deflater {
    z_stream stream;
    bool takeover;
    bool used; /* since it was as new */
};

struct hj_deflater *hj_deflater_new(int window_bits, bool takeover)
{
    struct hj_deflater *deflater = calloc(1, sizeof(*deflater));
    if (deflater == NULL)
        return NULL;
    deflater->takeover = takeover;
    deflater->stream.zalloc = zlib_take;
    deflater->stream.zfree = zlib_give;
    if (deflateInit2(&deflater->stream, LEVEL, Z_DEFLATED, -window_bits, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
        return deflater;
    free(deflater);
    return NULL;
}

void hj_deflater_free(struct hj_deflater *deflater)
{
    if (deflater == NULL)
        return;
    deflateEnd(&deflater->stream);
    free(deflater);
}

/* The end of a stored block's head alone (RFC 7692 section 7.2.3.6); zlib flushes nothing if nothing came since its
 * last flush. */
static struct hj_buf *compress_nothing(size_t room)
{
    struct hj_buf *buf = hj_buf_new(room + 1);
    if (buf != NULL)
        buf->data[room] = 0;
    return buf;
}

struct hj_buf *hj_deflater_compress(struct hj_deflater *deflater, struct hj_slice message, size_t room)
{
    z_stream *stream = &deflater->stream;
    if (message.len == 0)
        return compress_nothing(room);
    if (message.len > UINT32_MAX || room > UINT32_MAX)
        return NULL;
    if (deflater->used && !deflater->takeover)
        deflateReset(stream);
    deflater->used = true;
    stream->next_in = (const Bytef *)message.base;
    stream->avail_in = (uInt)message.len;
    size_t made = 0;
    struct hj_buf *buf = hj_buf_new(room + message.len / 2 + 64); /* enough for most */
    while (buf != NULL) {
        stream->next_out = (Bytef *)buf->data + room + made;
        stream->avail_out = (uInt)(buf->len - room - made);
        deflate(stream, Z_SYNC_FLUSH);
        made = buf->len - room - stream->avail_out;
        if (stream->avail_out != 0)
            return hj_buf_resize(buf, room + made - TAIL_LEN);
        struct hj_buf *larger = hj_buf_resize(buf, 2 * (size_t)buf->len);
        if (larger == NULL)
            hj_buf_unref(buf);
        buf = larger;
    }
    deflateReset(stream); /* the client never sees this message, so none may refer to it */
    return NULL;
}

struct hj_inflater {
    z_stream stream;
    bool takeover;
    bool between;      /* no byte was read since the message began or a final block ended */
    uint8_t tail_used; /* bytes of the message's tail */
};

struct hj_inflater *hj_inflater_new(int window_bits, bool takeover)
{
    struct hj_inflater *inflater = calloc(1, sizeof(*inflater));
    if (inflater == NULL)
        return NULL;
    inflater->takeover = takeover;
    inflater->between = true;
    inflater->stream.zalloc = zlib_take;
    inflater->stream.zfree = zlib_give;
    /* A client whose zlib is older than 1.2.9 uses 9 bits where it promised 8. */
    if (inflateInit2(&inflater->stream, window_bits < WINDOW_MIN_ZLIB ? -WINDOW_MIN_ZLIB : -window_bits) == Z_OK)
        return inflater;
    free(inflater);
    return NULL;
}

void hj_inflater_free(struct hj_inflater *inflater)
{
    if (inflater == NULL)
        return;
    inflateEnd(&inflater->stream);
    free(inflater);
}

void hj_inflater_reset(struct hj_inflater *inflater)
{
    inflateReset(&inflater->stream);
    inflater->between = true;
    inflater->tail_used = 0;
}

static enum hj_inflated end_inflating(struct hj_inflater *inflater)
{
    inflater->between = true;
    inflater->tail_used = 0;
    if (!inflater->takeover)
        inflateReset(&inflater->stream);
    return HJ_INFLATED_DONE;
}

/* Whether zlib stands between two blocks and between two bytes. Only true right after the call that ended a block. */
static bool block_ended(const z_stream *stream)
{
    return (stream->data_type & 128) != 0 && (stream->data_type & 63) == 0;
}

/* What an error, or a lack of input or output, means. */
static enum hj_inflated inflate_stopped(struct hj_inflater *inflater, int result)
{
    if (result == Z_MEM_ERROR)
        return HJ_INFLATED_NO_MEMORY;
    if (result != Z_OK && result != Z_BUF_ERROR)
        return HJ_INFLATED_CORRUPT;
    if (inflater->tail_used == TAIL_LEN && block_ended(&inflater->stream))
        return end_inflating(inflater);
    if (inflater->stream.avail_out == 0)
        return HJ_INFLATED_FULL;
    return inflater->tail_used == TAIL_LEN ? HJ_INFLATED_CORRUPT : HJ_INFLATED_MORE; /* CORRUPT: it was cut off */
}

/* Inflates what comes next in *data, or in the tail if there is no data. */
static int inflate_next(struct hj_inflater *inflater, struct hj_slice *data, bool tail)
{
    z_stream *stream = &inflater->stream;
    const uInt given = tail ? (uInt)(TAIL_LEN - inflater->tail_used) : at_most_uint(data->len);
    stream->next_in = tail ? message_tail + inflater->tail_used : (const Bytef *)data->base;
    stream->avail_in = given;
    const int result = inflate(stream, Z_SYNC_FLUSH);
    const uInt used = given - stream->avail_in;
    if (tail)
        inflater->tail_used = (uint8_t)(inflater->tail_used + used);
    else if (used != 0)
        *data = hj_slice(data->base + used, data->len - used);
    if (used != 0)
        inflater->between = false;
    return result;
}

/* A block with BFINAL set ends a stream for zlib, but not a message (RFC 7692 section 7.2.3.4): blocks follow, from the
 * next byte on, and may refer to what came before; so the window is kept. */
static enum hj_inflated inflate_final_block(struct hj_inflater *inflater)
{
    inflateResetKeep(&inflater->stream);
    inflater->between = true;
    if (inflater->tail_used == 0)
        return HJ_INFLATED_MORE;
    return inflater->tail_used == TAIL_LEN ? end_inflating(inflater) : HJ_INFLATED_CORRUPT;
}

enum hj_inflated hj_inflater_feed(struct hj_inflater *inflater, struct hj_slice *data, bool last, uint8_t *out,
                                  size_t *len)
{
    z_stream *stream = &inflater->stream;
    const uInt room = at_most_uint(*len);
    enum hj_inflated state;
    stream->next_out = out;
    stream->avail_out = room;
    do {
        const bool tail = last && data->len == 0;
        if (tail && inflater->between && inflater->tail_used == 0) {
            state = end_inflating(inflater); /* an empty payload, or one that ends with a final block */
            break;
        }
        const int result = inflate_next(inflater, data, tail);
        state = result == Z_STREAM_END ? inflate_final_block(inflater) : inflate_stopped(inflater, result);
    } while (state == HJ_INFLATED_MORE && (data->len != 0 || last));
    *len = room - stream->avail_out;
    return state;
}
