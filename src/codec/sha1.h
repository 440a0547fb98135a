/* SHA-1 (RFC 3174), which the WebSocket handshake asks for: not for secrets. Of its own so that a library without
 * OpenSSL has WebSocket too. Pure. */
#ifndef HJ_CODEC_SHA1_H
#define HJ_CODEC_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define HJ_SHA1_LEN 20

void hj_sha1(uint8_t out[HJ_SHA1_LEN], const void *data, size_t len);

#endif
