/* SPDX-License-Identifier: MIT
 * UTF-8, queries and JSON strings; see text.h. Any thread. Always holds: nothing here trusts what a client sent. */
#include "text.h"

#include <string.h>

int32_t text_next(const char **at, const char *end)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* what is less has a shorter form */
    const unsigned char *bytes = (const unsigned char *)*at;
    if (*at == end)
        return -1;
    const int len = bytes[0] < 0x80 ? 1 : bytes[0] < 0xC0 ? 0 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    if (len == 0 || bytes[0] > 0xF4 || end - *at < len)
        return -1;
    int32_t code = len == 1 ? bytes[0] : bytes[0] & (0xFF >> (len + 1));
    for (int i = 1; i < len; ++i) {
        if ((bytes[i] & 0xC0) != 0x80)
            return -1;
        code = code << 6 | (bytes[i] & 0x3F);
    }
    if (code < least[len] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return -1;
    *at += len;
    return code;
}

bool text_is_utf8(const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    while (at < end)
        if (text_next(&at, end) < 0)
            return false;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The decoded byte at *at, which moves past it; -1 for a '%' without its digits. */
static int next_byte(const char **at, const char *end)
{
    const char c = *(*at)++;
    if (c != '%')
        return c == '+' ? ' ' : (unsigned char)c;
    if (end - *at < 2 || hex_digit((*at)[0]) < 0 || hex_digit((*at)[1]) < 0)
        return -1;
    *at += 2;
    return hex_digit((*at)[-2]) << 4 | hex_digit((*at)[-1]);
}

static bool decode(char *out, size_t size, size_t *out_len, const char *at, const char *end)
{
    size_t len = 0;
    while (at < end) {
        const int byte = next_byte(&at, end);
        if (byte < 0 || len + 1 >= size)
            return false;
        out[len++] = (char)byte;
    }
    out[len] = '\0';
    *out_len = len;
    return true;
}

bool text_query(char *out, size_t size, size_t *out_len, const char *target, size_t target_len, const char *name)
{
    const char *end = target + target_len, *at = memchr(target, '?', target_len);
    const size_t name_len = strlen(name);
    while (at != NULL && at < end) {
        ++at; /* past '?' or '&' */
        const char *next = memchr(at, '&', (size_t)(end - at)), *stop = next == NULL ? end : next;
        if ((size_t)(stop - at) > name_len && at[name_len] == '=' && memcmp(at, name, name_len) == 0)
            return decode(out, size, out_len, at + name_len + 1, stop);
        at = next;
    }
    return false;
}

void text_put_json(FILE *out, const char *text, size_t len)
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    fputc('"', out);
    for (size_t i = 0; i < len; ++i) {
        const char *name = memchr(named, text[i], sizeof named - 1);
        if (name != NULL)
            fprintf(out, "\\%c", letters[name - named]);
        else if ((unsigned char)text[i] < 0x20)
            fprintf(out, "\\u%04x", text[i]);
        else
            fputc(text[i], out);
    }
    fputc('"', out);
}
