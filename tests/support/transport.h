/* SPDX-License-Identifier: MIT
 *
 * What carries the connections of a test: TCP alone, or TLS where the environment has HIJACK_TEST_TRANSPORT=tls. Then
 * the server under test listens for TLS with a throw-away certificate, and clients come through a tunnel (tunnel.h), so
 * that one test serves both.
 */
#ifndef TESTS_SUPPORT_TRANSPORT_H
#define TESTS_SUPPORT_TRANSPORT_H

#include <hijack/hijack.h>

/* Before anything else of the program, with one thread. Ends it as skipped if TLS is wanted and not built. */
void transport_start(void);
int transport_is_tls(void);
/* hijack_server_listen over the transport: its result. */
int transport_listen(hijack_server *server, const char *address);
/* Notes that a child of this process listens on port over the transport. */
void transport_listens(int port);
/* Connects the TCP socket fd to 127.0.0.1:port, through a tunnel if transport_listen of this process, or a child that
 * was noted, listens there for TLS. Returns 0, the port of the tunnel that the server sees as the peer's, or -errno. */
int transport_connect(int fd, int port, int slow);
/* Whether the clients that connect from now on are going to speak HTTP/2, which they then offer by ALPN. */
void transport_offer_http2(int yes);
/* The name of the scheme that a request has. */
const char *transport_scheme(void);
/* What clients have sent up to now has arrived, and every handshake is complete. */
void transport_settle(void);
/* Resets the connection to the server; the descriptor is still to be closed with a reset. */
void transport_reset(int fd, int tunnelled);
/* The client's end of the connection takes no packet from now on. 0, or -errno. */
int transport_vanish(int fd, int tunnelled);

#endif
