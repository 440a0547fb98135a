/* Blocks and padding; see sha.h. Pure. */
#include "codec/sha.h"

#include <string.h>

void hj_sha_words(uint32_t w[16], const uint8_t block[HJ_SHA_BLOCK])
{
    for (int t = 0; t < 16; ++t)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8 |
               block[4 * t + 3];
}

void hj_sha_digest(uint8_t *out, uint32_t *state, int words,
                   void (*add_block)(uint32_t *state, const uint8_t block[HJ_SHA_BLOCK]), const void *data, size_t len)
{
    uint8_t last[2 * HJ_SHA_BLOCK] = {0};
    const uint8_t *at = data;
    size_t left = len;
    for (; left >= HJ_SHA_BLOCK; left -= HJ_SHA_BLOCK, at += HJ_SHA_BLOCK)
        add_block(state, at);
    if (left != 0)
        memcpy(last, at, left);
    last[left] = 0x80;
    const size_t padded = left + 9 <= HJ_SHA_BLOCK ? HJ_SHA_BLOCK : 2 * HJ_SHA_BLOCK;
    for (int i = 0; i < 8; ++i)
        last[padded - 1 - (size_t)i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
    for (size_t i = 0; i < padded; i += HJ_SHA_BLOCK)
        add_block(state, last + i);
    for (int i = 0; i < 4 * words; ++i)
        out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i & 3)));
}
