/* Query parameters; see query.h. Pure; any thread. */
#include "codec/query.h"

#include "base/ascii.h"

/* An escape that is none stands for itself, as in URLSearchParams. False where the text is too long. */
static bool decode(struct hj_slice *value, char buffer[HJ_PARAMETER_MAX], struct hj_slice text)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; ++i) {
        char c = text.base[i] == '+' ? ' ' : text.base[i];
        if (c == '%' && text.len - i > 2 && hj_ascii_is(text.base[i + 1], HJ_ASCII_HEX) &&
            hj_ascii_is(text.base[i + 2], HJ_ASCII_HEX)) {
            c = (char)(hj_ascii_hex_value(text.base[i + 1]) << 4 | hj_ascii_hex_value(text.base[i + 2]));
            i += 2;
        }
        if (len == HJ_PARAMETER_MAX)
            return false;
        buffer[len++] = c;
    }
    *value = hj_slice(buffer, len);
    return true;
}

/* Cuts text at the first `separator`; what is behind it becomes *rest, empty where there is none. */
static struct hj_slice cut(struct hj_slice *rest, struct hj_slice text, char separator)
{
    const char *at = text.len == 0 ? NULL : memchr(text.base, separator, text.len);
    size_t len = at == NULL ? text.len : (size_t)(at - text.base);
    *rest = at == NULL ? HJ_SLICE("") : hj_slice(at + 1, text.len - len - 1);
    return hj_slice(text.base, len);
}

bool hj_query_parameter(struct hj_slice *value, char buffer[HJ_PARAMETER_MAX], struct hj_slice target,
                        struct hj_slice name)
{
    struct hj_slice query, rest, encoded, found;
    cut(&query, target, '?');
    while (query.len != 0) {
        struct hj_slice pair = cut(&rest, query, '&');
        struct hj_slice key = cut(&encoded, pair, '=');
        if (decode(&found, buffer, key) && hj_slice_equal(found, name)) {
            if (!decode(value, buffer, encoded))
                *value = HJ_SLICE("");
            return true;
        }
        query = rest;
    }
    return false;
}
