/* SPDX-License-Identifier: MIT
 *
 * A plain blocking client of the tests. Everything it reads goes into buf and stays there until it is consumed; every
 * wait has the deadline of clock_limit_ms and fails the test past it. A client lives until client_close or the end of
 * the test's fixture, whichever is first.
 */
#ifndef TESTS_SUPPORT_CLIENT_H
#define TESTS_SUPPORT_CLIENT_H

#include "check.h"

struct client {
    int fd; /* -1 once closed */
    char *buf;
    size_t len;
    size_t cap;
    int ended; /* 0 open, 1 the server's FIN was read, 2 its RST */
    int port;  /* that the server sees, where it is not the descriptor's own (transport.h); else 0 */
    struct client *next;
};

struct client *client_connect_at(int port, const char *file, int line);
#define client_connect(port) client_connect_at((port), __FILE__, __LINE__)
/* With the smallest receive buffer the kernel gives, so that the server's side fills up soon. */
struct client *client_connect_slow(int port);
struct client *client_connect_v6(int port);
struct client *client_connect_unix(const char *path);
/* A client around a descriptor that the test made, a socketpair's end for one. */
struct client *client_wrap(int fd);

/* Sends all of it; a peer that has gone is no failure (the read says it). */
void client_send(struct client *client, const char *data, size_t len);
void client_puts(struct client *client, const char *text);
/* Sends in pieces of step bytes, each in a segment of its own, a millisecond apart. */
void client_dribble(struct client *client, const char *data, size_t len, size_t step);
/* Ends the sending half. */
void client_shutdown(struct client *client);
void client_close(struct client *client);
/* Closes so that the server gets a RST. */
void client_reset(struct client *client);
/* Takes no packet from now on and acknowledges none, as a machine that has lost its power. */
void client_vanish(struct client *client);
/* Every client that is still there. */
void clients_free(void);

/* Reads until len bytes are in buf. */
void client_want_at(struct client *client, size_t len, const char *file, int line);
#define client_want(client, len) client_want_at((client), (len), __FILE__, __LINE__)
/* Reads until text is in buf; its offset. */
size_t client_until_at(struct client *client, const char *text, size_t len, const char *file, int line);
#define client_until(client, text) client_until_at((client), LIT(text), __FILE__, __LINE__)
/* The next len bytes must be these; consumes them. */
void client_expect_at(struct client *client, const char *text, size_t len, const char *file, int line);
#define client_expect(client, text) client_expect_at((client), LIT(text), __FILE__, __LINE__)
#define client_expect_bytes(client, data, len) client_expect_at((client), (data), (len), __FILE__, __LINE__)
/* Reads until the server ends, in either way; which: 1 FIN, 2 RST. */
int client_until_end_at(struct client *client, const char *file, int line);
#define client_until_end(client) client_until_end_at((client), __FILE__, __LINE__)
/* The server ends in order, or by a reset; bytes before that stay in buf. */
#define client_eof(client) CODE(client_until_end(client), 1)
#define client_rst(client) CODE(client_until_end(client), 2)
void client_consume(struct client *client, size_t len);
/* Takes in what is there now, without waiting; how many bytes are in buf. */
size_t client_peek(struct client *client);

/* The client's own address port, as the server sees it in peer. */
int client_port(const struct client *client);
/* Raises the soft limit of descriptors to the hard one; what it is then. */
long client_raise_limit(void);

#endif
