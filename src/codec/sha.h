/* What SHA-1 and SHA-256 have in common (RFC 6234 sections 4.1 and 6): big-endian words, blocks of 64 bytes, and the
 * padding behind the data. Pure. */
#ifndef HJ_CODEC_SHA_H
#define HJ_CODEC_SHA_H

#include <stddef.h>
#include <stdint.h>

#define HJ_SHA_BLOCK 64

/* The words that a block gives the schedule. */
void hj_sha_words(uint32_t w[16], const uint8_t block[HJ_SHA_BLOCK]);

/* Adds all blocks of data to state, which has `words` words, and writes it to out. */
void hj_sha_digest(uint8_t *out, uint32_t *state, int words,
                   void (*add_block)(uint32_t *state, const uint8_t block[HJ_SHA_BLOCK]), const void *data, size_t len);

#endif
