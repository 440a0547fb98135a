/* The ClientHello; see client_hello.h. Pure.
 *
 * OpenSSL reads the message again and judges it; here only what is needed is looked at, and every length is checked. */
#include "codec/client_hello.h"

#include <string.h>

#include "base/slice.h"

#define RECORD_HEADER 5
#define RECORD_HANDSHAKE 22
#define RECORD_MAX 16384
#define CLIENT_HELLO 1
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN 16

enum alert {
    UNEXPECTED_MESSAGE = 10,
    RECORD_OVERFLOW = 22,
    DECODE_ERROR = 50
};

/* What is left to read; broken once more was asked for than there is. */
struct cursor {
    const uint8_t *at, *end;
    bool broken;
};

static size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static struct cursor take_bytes(struct cursor *cursor, size_t len)
{
    if (cursor->broken || len > left(cursor)) {
        cursor->broken = true;
        cursor->at = cursor->end;
        return (struct cursor){cursor->end, cursor->end, true};
    }
    cursor->at += len;
    return (struct cursor){cursor->at - len, cursor->at, false};
}

static size_t take_number(struct cursor *cursor, int bytes)
{
    size_t number = 0;
    struct cursor digits = take_bytes(cursor, (size_t)bytes);
    while (digits.at != digits.end)
        number = number << 8 | *digits.at++;
    return number;
}

/* A vector with its length before it. */
static struct cursor take_vector(struct cursor *cursor, int length_bytes)
{
    return take_bytes(cursor, take_number(cursor, length_bytes));
}

/* Puts the message together from the records that it came in: 1, 0 for more, or minus an alert. */
static int collect(uint8_t *message, size_t *message_len, const uint8_t *data, size_t len)
{
    size_t have = 0, want = 4;
    while (have < want) {
        if (len != 0 && data[0] != RECORD_HANDSHAKE)
            return -UNEXPECTED_MESSAGE;
        if (len > 1 && data[1] != 3)
            return -DECODE_ERROR;
        if (len < RECORD_HEADER)
            return 0;
        size_t record = (size_t)data[3] << 8 | data[4];
        if (record > RECORD_MAX)
            return -RECORD_OVERFLOW;
        if (record == 0)
            return -DECODE_ERROR;
        size_t part = record < len - RECORD_HEADER ? record : len - RECORD_HEADER;
        if (have == 0 && part != 0 && data[RECORD_HEADER] != CLIENT_HELLO)
            return -UNEXPECTED_MESSAGE;
        if (part > HJ_CLIENT_HELLO_MAX - have)
            part = HJ_CLIENT_HELLO_MAX - have; /* what follows the message is of no interest */
        memcpy(message + have, data + RECORD_HEADER, part);
        have += part;
        if (have >= 4)
            want = 4 + ((size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3]);
        if (want > HJ_CLIENT_HELLO_MAX)
            return -DECODE_ERROR;
        if (have < want && part < record)
            return 0;
        data += RECORD_HEADER + part;
        len -= RECORD_HEADER + part;
    }
    *message_len = want;
    return 1;
}

/* A name that cannot be one of a host counts as none. */
static void read_server_name(struct hj_client_hello *out, struct cursor extension)
{
    struct cursor list = take_vector(&extension, 2);
    size_t type = take_number(&list, 1);
    struct cursor name = take_vector(&list, 2);
    size_t len = left(&name);
    out->server_name_len = 0;
    memset(out->server_name, 0, sizeof(out->server_name));
    if (name.broken || type != 0)
        return;
    if (len != 0 && name.end[-1] == '.')
        --len;
    if (len >= sizeof(out->server_name) || memchr(name.at, '\0', len) != NULL)
        return;
    for (size_t i = 0; i < len; ++i) {
        const char c = (char)name.at[i];
        if (c <= ' ' || c > '~')
            return;
    }
    for (size_t i = 0; i < len; ++i)
        out->server_name[i] = hj_lower((char)name.at[i]);
    out->server_name_len = (uint8_t)len;
}

static bool read_protocols(struct hj_client_hello *out, struct cursor extension)
{
    struct cursor list = take_vector(&extension, 2);
    out->has_alpn = true;
    while (left(&list) != 0) {
        struct cursor name = take_vector(&list, 1);
        if (name.broken || left(&name) == 0)
            return false;
        out->offers_h2 |= left(&name) == 2 && memcmp(name.at, "h2", 2) == 0;
        out->offers_http1 |= left(&name) == 8 && memcmp(name.at, "http/1.1", 8) == 0;
    }
    return !list.broken;
}

int hj_client_hello_parse(struct hj_client_hello *out, const uint8_t *data, size_t len)
{
    uint8_t message[HJ_CLIENT_HELLO_MAX];
    size_t message_len;
    memset(out, 0, sizeof(*out));
    int rc = collect(message, &message_len, data, len);
    if (rc <= 0)
        return rc;
    struct cursor cursor = {message + 4, message + message_len, false};
    take_bytes(&cursor, 2 + 32); /* version, random */
    take_vector(&cursor, 1);     /* session id */
    take_vector(&cursor, 2);     /* cipher suites */
    take_vector(&cursor, 1);     /* compression methods */
    if (cursor.broken)
        return -DECODE_ERROR;
    if (left(&cursor) == 0)
        return 1; /* no extensions */
    struct cursor extensions = take_vector(&cursor, 2);
    while (left(&extensions) != 0) {
        size_t type = take_number(&extensions, 2);
        struct cursor extension = take_vector(&extensions, 2);
        if (type == EXTENSION_SERVER_NAME && !extensions.broken)
            read_server_name(out, extension);
        if (type == EXTENSION_ALPN && !extensions.broken && !read_protocols(out, extension))
            return -DECODE_ERROR;
    }
    return extensions.broken ? -DECODE_ERROR : 1;
}
