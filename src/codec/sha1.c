/* SHA-1; see sha1.h. Pure. */
#include "codec/sha1.h"

#include "codec/sha.h"

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

/* RFC 3174 section 6.1. */
static void add_block(uint32_t *state, const uint8_t block[HJ_SHA_BLOCK])
{
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    hj_sha_words(w, block);
    for (int t = 0; t < 80; ++t) {
        if (t >= 16)
            w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
        uint32_t f = t < 20   ? ((b & c) | (~b & d))
                     : t < 40 ? b ^ c ^ d
                     : t < 60 ? ((b & c) | (b & d) | (c & d))
                              : b ^ c ^ d;
        uint32_t k = t < 20 ? 0x5a827999 : t < 40 ? 0x6ed9eba1 : t < 60 ? 0x8f1bbcdc : 0xca62c1d6;
        uint32_t next = rotate(a, 5) + f + e + w[t] + k;
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void hj_sha1(uint8_t out[HJ_SHA1_LEN], const void *data, size_t len)
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    hj_sha_digest(out, state, 5, add_block, data, len);
}
