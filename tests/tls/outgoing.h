/* SPDX-License-Identifier: MIT
 *
 * What the tests of outgoing connections with TLS share: a listener of the test's, and an authority that the server
 * trusts.
 */
#ifndef TESTS_TLS_OUTGOING_H
#define TESTS_TLS_OUTGOING_H

#include "support/outgoing.h"
#include "support/tls_peer.h"

/* A certificate that the authority has signed, for localhost and 127.0.0.1; made once. */
extern struct certificate authority, trusted;

/* Makes them, and the file of the authority. */
void outgoing_setup(void);
void outgoing_teardown(void);
/* The path of that file. */
const char *outgoing_authority(void);
/* The server trusts the authority, and starts. The port of a listener of the test's. */
int outgoing_start(struct fixture *fixture, int *listener);
/* The server connects to host with TLS. */
hijack_socket *outgoing_connect(struct fixture *fixture, const char *host, int port);

#endif
