/* What each byte may be part of in HTTP/1 (RFC 9110 section 5, RFC 9112 section 3). */
#ifndef HJ_BASE_ASCII_H
#define HJ_BASE_ASCII_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum {
    HJ_ASCII_TOKEN = 1,  /* methods and header names */
    HJ_ASCII_VALUE = 2,  /* header values: no control character but HTAB; bytes over 0x7f are allowed */
    HJ_ASCII_TARGET = 4, /* request targets: visible ASCII but '#' */
    HJ_ASCII_HOST = 8,   /* host names (RFC 3986 reg-name): unreserved, sub-delims and '%' */
    HJ_ASCII_HEX = 16
};

extern const uint8_t hj_ascii_class[256];

static inline bool hj_ascii_is(char c, unsigned classes)
{
    return (hj_ascii_class[(unsigned char)c] & classes) != 0;
}

/* Of a byte of class HJ_ASCII_HEX. */
static inline unsigned hj_ascii_hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(hj_lower(c) - 'a') + 10;
}

/* Whether every byte is of one of these classes; true for an empty slice. */
bool hj_ascii_all(struct hj_slice text, unsigned classes);

/* text without spaces and tabs at both ends. */
struct hj_slice hj_ascii_trim(struct hj_slice text);

/* A decimal number, digits only. False where there is another byte or none at all, or it is over UINT64_MAX. */
bool hj_ascii_number(uint64_t *out, struct hj_slice text);

/* Whether a comma-separated list has this element, which is in lower case. */
bool hj_ascii_list_has(struct hj_slice list, struct hj_slice element);

#endif
