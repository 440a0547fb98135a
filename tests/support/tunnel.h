/* SPDX-License-Identifier: MIT
 *
 * A tunnel gives a test a plain TCP socket whose bytes travel to the server in TLS: half-closes, resets and
 * back-pressure pass through it in both directions, so a test that was written for a plain connection runs over TLS
 * as it is.
 *
 * The tunnels live in a process of their own, which ends with the test's: the test's descriptors, threads and
 * processor time stay those of the library alone.
 */
#ifndef TESTS_SUPPORT_TUNNEL_H
#define TESTS_SUPPORT_TUNNEL_H

#include <openssl/x509.h>

/* Starts the process. trusted signs the certificates of all servers. Before any other call, with one thread. */
void tunnel_start(X509 *trusted, const char *host);
/* Connects fd, a TCP socket on which nothing is connected yet, to the server at 127.0.0.1:port. slow: small buffers all
 * the way. http2: by ALPN the client offers h2; else it offers nothing. Returns the port that the server sees as the
 * peer's, or -errno. */
int tunnel_connect(int fd, int port, int slow, int http2);
/* Resets the connection to the server, after what fd has sent; fd itself is left to the caller. When it returns, the
 * reset is on its way, as if there were no tunnel. 0, or -errno. */
int tunnel_reset(int fd);
/* Returns when every handshake is complete and the servers' systems have what was sent into the tunnels. 0, or -errno.
 */
int tunnel_settle(void);
/* From now on the client's end takes no packet and acknowledges none, as if its machine had lost power. fd as given to
 * tunnel_connect; 0, or -errno. */
int tunnel_vanish(int fd);

#endif
