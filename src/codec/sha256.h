/* SHA-256 (RFC 6234), of which a member's number is made: of its own so that a library without OpenSSL makes the same
 * numbers. Pure. */
#ifndef HJ_CODEC_SHA256_H
#define HJ_CODEC_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define HJ_SHA256_LEN 32

void hj_sha256(uint8_t out[HJ_SHA256_LEN], const void *data, size_t len);

#endif
