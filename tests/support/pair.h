/* SPDX-License-Identifier: MIT
 *
 * A socket that a client has opened and one that the server has, which tests relay.
 */
#ifndef TESTS_SUPPORT_PAIR_H
#define TESTS_SUPPORT_PAIR_H

#include "exchange.h"
#include "outgoing.h"

/* A client's socket, near, and an outgoing one, far, with both other ends. */
struct pair {
    hijack_socket *near, *far;
    struct client *client, *origin;
};

/* Starts the server with so many loops; a listener for the far sides. Connections are spread over the loops in turn:
 * with two of them, both cases come. */
int pair_start(struct fixture *fixture, const char *threads, int *port);
/* Not related yet; related. */
struct pair pair_open(struct fixture *fixture, int listener, int port);
struct pair pair_relayed(struct fixture *fixture, int listener, int port);
void pair_free(struct fixture *fixture, struct pair *pair);
/* Sends until nothing has moved for a while; how many bytes went. */
size_t pair_fill(struct client *client);

#endif
