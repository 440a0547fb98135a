/* Whether bytes are UTF-8 (RFC 3629), as they come: a character may be split between two pieces. Pure. */
#ifndef HJ_CODEC_UTF8_H
#define HJ_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where in a character the text has got to; all zero: between two of them. */
struct hj_utf8 {
    uint8_t left;      /* bytes of the character that are still to come */
    uint8_t low, high; /* what the next one may be, if left is not 0 */
};

/* Goes on with len bytes. False as soon as they cannot be UTF-8, whatever follows. */
bool hj_utf8_feed(struct hj_utf8 *utf8, const void *data, size_t len);

/* Whether the text may end here. */
static inline bool hj_utf8_is_whole(const struct hj_utf8 *utf8)
{
    return utf8->left == 0;
}

/* Whether all of data is UTF-8. */
bool hj_utf8_check(const void *data, size_t len);

#endif
