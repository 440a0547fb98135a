/* The strict decoder of chunked bodies; see chunked.h. Pure; any thread.
 *
 * What always holds: everything except body bytes passes one byte at a time through a state machine that looks at this
 * byte only. A body that is cut into pieces therefore gives the same result as the whole body, and a refusal comes with
 * the first byte that is wrong. */
#include "codec/chunked.h"

#include <string.h>

#include <hijack/hijack.h>

#include "base/ascii.h"
#include "base/sink.h"

enum state {
    REFUSED = -1,  /* only a result */
    SIZE,          /* the digits of a chunk size */
    BEFORE_SEMI,   /* white space before the ';' of an extension */
    BEFORE_NAME,   /* white space after the ';' */
    NAME,          /* the name of an extension */
    BEFORE_EQUALS, /* white space after the name */
    BEFORE_VALUE,  /* white space after the '=' */
    VALUE,         /* a value that is a token */
    QUOTED,        /* a value that is a quoted string */
    ESCAPED,       /* the byte after its backslash */
    AFTER_QUOTED,  /* directly after a quoted string */
    SIZE_LF,       /* the LF that ends a chunk-size line */
    DATA,          /* body bytes */
    DATA_CR,       /* the CR after them */
    DATA_LF,       /* the LF after them */
    TRAILER,       /* the start of a trailer line, or of the empty line that ends the body */
    TRAILER_NAME,  /* up to the colon */
    TRAILER_VALUE, /* up to the CR */
    TRAILER_LF,    /* the LF that ends a trailer line */
    END_LF,        /* the LF of the empty line */
    END
};

void hj_chunked_init(struct hj_chunked *chunked, uint64_t max_body_bytes)
{
    *chunked = (struct hj_chunked){.room = max_body_bytes, .state = SIZE};
}

static int refuse_body(const char **problem, int status, const char *why)
{
    *problem = why;
    return -status;
}

static int take_digit(struct hj_chunked *chunked, unsigned digit, const char **problem)
{
    if (chunked->digits == HJ_CHUNKED_MAX_DIGITS)
        return refuse_body(problem, 400, "a chunk size has more than 16 digits");
    if (digit > chunked->room || chunked->left > (chunked->room - digit) / 16)
        return refuse_body(problem, 413, "the body is over the limit (option max_body_bytes)");
    chunked->left = chunked->left * 16 + digit;
    ++chunked->digits;
    return 0;
}

/* What c may be after a complete size, name or value. white_space: the state that follows a space. */
static enum state after_complete(char c, enum state white_space)
{
    if (c == ' ' || c == '\t')
        return white_space;
    return c == ';' ? BEFORE_NAME : c == '\r' ? SIZE_LF : REFUSED;
}

/* chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ): the state after c. */
static enum state next_in_extension(enum state state, char c)
{
    const bool token = hj_ascii_is(c, HJ_ASCII_TOKEN), space = c == ' ' || c == '\t';
    switch (state) {
    case BEFORE_SEMI:
        return space ? state : c == ';' ? BEFORE_NAME : REFUSED;
    case BEFORE_NAME:
        return space ? state : token ? NAME : REFUSED;
    case NAME:
        return token ? state : c == '=' ? BEFORE_VALUE : after_complete(c, BEFORE_EQUALS);
    case BEFORE_EQUALS:
        return space ? state : c == '=' ? BEFORE_VALUE : c == ';' ? BEFORE_NAME : REFUSED;
    case BEFORE_VALUE:
        return space ? state : token ? VALUE : c == '"' ? QUOTED : REFUSED;
    case VALUE:
        return token ? state : after_complete(c, BEFORE_SEMI);
    case QUOTED:
        return c == '"' ? AFTER_QUOTED : c == '\\' ? ESCAPED : hj_ascii_is(c, HJ_ASCII_VALUE) ? state : REFUSED;
    case ESCAPED:
        return hj_ascii_is(c, HJ_ASCII_VALUE) ? QUOTED : REFUSED;
    default: /* AFTER_QUOTED */
        return after_complete(c, BEFORE_SEMI);
    }
}

/* A byte of a chunk-size line, up to its CR. */
static int take_size_line(struct hj_chunked *chunked, char c, const char **problem)
{
    enum state next;
    if (chunked->state == SIZE) {
        if (hj_ascii_is(c, HJ_ASCII_HEX))
            return take_digit(chunked, hj_ascii_hex_value(c), problem);
        if (chunked->digits == 0)
            return refuse_body(problem, 400, "a chunk does not start with its size in hexadecimal digits");
        next = after_complete(c, BEFORE_SEMI);
        if (next == REFUSED)
            return refuse_body(problem, 400, "a chunk size is not followed by CRLF or an extension");
    } else {
        next = next_in_extension((enum state)chunked->state, c);
        if (next == REFUSED)
            return refuse_body(problem, 400, "a chunk extension is not \";name=value\"");
    }
    if (next != SIZE_LF) {
        if (chunked->extension == HJ_CHUNKED_MAX_EXTENSION || chunked->extensions == HJ_CHUNKED_MAX_EXTENSIONS)
            return refuse_body(problem, 400, "the chunk extensions are too long");
        ++chunked->extension;
        ++chunked->extensions;
    }
    chunked->state = (uint8_t)next;
    return 0;
}

/* A byte of the CRLF after a chunk size or after the bytes of a chunk. */
static int take_line_end(struct hj_chunked *chunked, char c, const char **problem)
{
    if (c != (chunked->state == DATA_CR ? '\r' : '\n'))
        return refuse_body(problem, 400,
                           chunked->state == SIZE_LF ? "a chunk-size line does not end in CRLF"
                                                     : "the bytes of a chunk are not followed by CRLF");
    if (chunked->state == SIZE_LF) {
        chunked->room -= chunked->left;
        chunked->state = chunked->left != 0 ? DATA : TRAILER;
    } else {
        chunked->state = chunked->state == DATA_CR ? DATA_LF : SIZE;
        chunked->digits = 0;
        chunked->extension = 0;
    }
    return 0;
}

/* A byte of the trailer section. */
static int take_trailer(struct hj_chunked *chunked, char c, const char **problem)
{
    enum state next = REFUSED;
    if (chunked->trailer_len == HJ_CHUNKED_MAX_TRAILERS)
        return refuse_body(problem, 431, "the trailer section is too long");
    switch (chunked->state) {
    case TRAILER:
        next = c == '\r' ? END_LF : hj_ascii_is(c, HJ_ASCII_TOKEN) ? TRAILER_NAME : REFUSED;
        break;
    case TRAILER_NAME:
        next = c == ':' ? TRAILER_VALUE : hj_ascii_is(c, HJ_ASCII_TOKEN) ? TRAILER_NAME : REFUSED;
        break;
    case TRAILER_VALUE:
        next = c == '\r' ? TRAILER_LF : hj_ascii_is(c, HJ_ASCII_VALUE) ? TRAILER_VALUE : REFUSED;
        break;
    default: /* TRAILER_LF, END_LF */
        next = c != '\n' ? REFUSED : chunked->state == END_LF ? END : TRAILER;
        break;
    }
    if (next == REFUSED)
        return refuse_body(problem, 400, "a trailer line is not \"name: value\" and CRLF");
    if (chunked->state == TRAILER && next == TRAILER_NAME && chunked->trailer_fields++ == HJ_CHUNKED_MAX_TRAILER_FIELDS)
        return refuse_body(problem, 431, "too many trailer fields");
    ++chunked->trailer_len;
    chunked->state = (uint8_t)next;
    return 0;
}

/* Any byte that is not body. */
static int take_byte(struct hj_chunked *chunked, char c, const char **problem)
{
    if (chunked->state < SIZE_LF)
        return take_size_line(chunked, c, problem);
    if (chunked->state < TRAILER)
        return take_line_end(chunked, c, problem);
    return take_trailer(chunked, c, problem);
}

static int take_data(struct hj_chunked *chunked, struct hj_slice *out, const char *data, size_t len)
{
    if (len >= chunked->left) {
        len = (size_t)chunked->left;
        chunked->state = DATA_CR;
    }
    chunked->left -= len;
    *out = hj_slice(data, len);
    return HJ_CHUNKED_DATA;
}

int hj_chunked_decode(struct hj_chunked *chunked, struct hj_slice *out, size_t *used, const char *data, size_t len,
                      const char **problem)
{
    size_t at = chunked->trailer_len; /* those bytes come again */
    for (; at < len && chunked->state != DATA; ++at) {
        int status = take_byte(chunked, data[at], problem);
        if (status != 0)
            return status;
        if (chunked->state == END) {
            *used = at + 1;
            *out = hj_slice(data + at + 1 - chunked->trailer_len, chunked->trailer_len - 2u);
            return HJ_CHUNKED_END;
        }
    }
    if (at < len) {
        int result = take_data(chunked, out, data + at, len - at);
        *used = at + out->len;
        return result;
    }
    *used = len - chunked->trailer_len;
    return HJ_CHUNKED_MORE;
}

static void put_trailers(struct hj_sink *sink, struct hj_slice trailers)
{
    while (trailers.len != 0) {
        const char *line_end = memchr(trailers.base, '\r', trailers.len);
        struct hj_slice line = hj_slice(trailers.base, (size_t)(line_end - trailers.base));
        const char *colon = memchr(line.base, ':', line.len);
        size_t name_len = (size_t)(colon - line.base);
        for (size_t i = 0; i < name_len; ++i) {
            char c = hj_lower(line.base[i]);
            hj_sink_put(sink, hj_slice(&c, 1));
        }
        hj_sink_put(sink, HJ_SLICE(": "));
        hj_sink_put(sink, hj_ascii_trim(hj_slice(colon + 1, line.len - name_len - 1)));
        hj_sink_put(sink, HJ_SLICE("\r\n"));
        trailers = hj_slice(line_end + 2, trailers.len - line.len - 2);
    }
}

int hj_chunked_trailers(struct hj_buf **out, struct hj_slice trailers)
{
    struct hj_sink sink = {.base = NULL};
    put_trailers(&sink, trailers);
    struct hj_buf *buf = hj_buf_new(sink.len);
    if (buf == NULL)
        return HIJACK_ENOMEM;
    sink = (struct hj_sink){.base = buf->data};
    put_trailers(&sink, trailers);
    *out = buf;
    return 0;
}
