/* SPDX-License-Identifier: MIT
 * What the load generator and the servers in C agree on. */
#ifndef PEERS_H
#define PEERS_H

#include <string.h>

#define PEERS_MARK '!'          /* the last byte of a message; nothing else that a server sends has it */
#define PEERS_MOST_BYTES 16384u /* of a message */

/* Every client's key, and what RFC 6455 makes of it. */
#define PEERS_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define PEERS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static inline void peers_message(char *out, unsigned bytes)
{
    memset(out, 'x', bytes);
    out[bytes - 1] = PEERS_MARK;
}

#endif
