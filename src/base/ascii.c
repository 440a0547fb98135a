/* The table of byte classes and the small parsers on top of it; see ascii.h. No state; any thread. */
#include "base/ascii.h"

/* One byte for each byte, 16 a row; the unit test derives each entry from the RFC's sets again. */
const uint8_t hj_ascii_class[256] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  2,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    0,  0,  0,  2,  15, 6,  3,  15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15, 6,  31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
    6,  14, 6,  14, 6,  6,  6,  31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 6,  6,  6,  7,  15, 7,  31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 6,  7,  6,  15, 0,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
    2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
};

bool hj_ascii_all(struct hj_slice text, unsigned classes)
{
    for (size_t i = 0; i < text.len; ++i)
        if (!hj_ascii_is(text.base[i], classes))
            return false;
    return true;
}

struct hj_slice hj_ascii_trim(struct hj_slice text)
{
    while (text.len != 0 && (*text.base == ' ' || *text.base == '\t')) {
        ++text.base;
        --text.len;
    }
    while (text.len != 0 && (text.base[text.len - 1] == ' ' || text.base[text.len - 1] == '\t'))
        --text.len;
    return text;
}

bool hj_ascii_number(uint64_t *out, struct hj_slice text)
{
    uint64_t number = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; ++i) {
        if (text.base[i] < '0' || text.base[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.base[i] - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

bool hj_ascii_list_has(struct hj_slice list, struct hj_slice element)
{
    while (list.len != 0) {
        const char *comma = memchr(list.base, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.base);
        if (hj_slice_equal_lower(hj_ascii_trim(hj_slice(list.base, len)), element))
            return true;
        if (comma == NULL)
            return false;
        list = hj_slice(comma + 1, list.len - len - 1);
    }
    return false;
}
