/* UTF-8; see utf8.h. Pure. */
#include "codec/utf8.h"

#include <string.h>

/* The first bytes that are ASCII, eight at a time. */
static size_t skip_ascii(const uint8_t *data, size_t len)
{
    size_t i = 0;
    uint64_t word;
    while (len - i >= sizeof(word)) {
        memcpy(&word, data + i, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
        i += sizeof(word);
    }
    while (i < len && data[i] < 0x80)
        ++i;
    return i;
}

/* The first byte of a character of more than one (RFC 3629 section 4). The second one is what keeps overlong forms,
 * surrogates, and what is beyond U+10FFFF out. */
static bool begin_character(struct hj_utf8 *utf8, uint8_t byte)
{
    if (byte < 0xc2 || byte > 0xf4)
        return false;
    utf8->left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    utf8->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    utf8->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    return true;
}

bool hj_utf8_feed(struct hj_utf8 *utf8, const void *data, size_t len)
{
    const uint8_t *bytes = data; /* may be NULL with len 0, so nothing is added to it then */
    size_t i = 0;
    while (i < len) {
        if (utf8->left == 0) {
            i += skip_ascii(bytes + i, len - i);
            if (i == len)
                break;
            if (!begin_character(utf8, bytes[i++]))
                return false;
            continue;
        }
        if (bytes[i] < utf8->low || bytes[i] > utf8->high)
            return false;
        ++i;
        --utf8->left;
        utf8->low = 0x80;
        utf8->high = 0xbf;
    }
    return true;
}

bool hj_utf8_check(const void *data, size_t len)
{
    struct hj_utf8 utf8 = {0};
    return hj_utf8_feed(&utf8, data, len) && hj_utf8_is_whole(&utf8);
}
