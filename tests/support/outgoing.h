/* SPDX-License-Identifier: MIT
 *
 * Outgoing connections of a server, and the other side, which is the test's.
 */
#ifndef TESTS_SUPPORT_OUTGOING_H
#define TESTS_SUPPORT_OUTGOING_H

#include "fixture.h"

/* A descriptor of the test's that listens on 127.0.0.1; its port. */
int listen_here(int *port, int backlog);
/* The next connection of that. */
struct client *accept_client(int listener);
/* The server connects to address, or to host and port; the socket that it gives. */
hijack_socket *connect_to(struct fixture *fixture, const char *address, uint64_t user_data);
hijack_socket *connect_to_port(struct fixture *fixture, const char *host, int port);

#endif
