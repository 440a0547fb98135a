/* SPDX-License-Identifier: MIT
 *
 * The steps most tests begin with: ask for a path and have the request, answer it, turn it into a stream or a socket.
 */
#ifndef TESTS_SUPPORT_EXCHANGE_H
#define TESTS_SUPPORT_EXCHANGE_H

#include "fixture.h"

/* Sends "GET path" on the client. */
void ask(struct client *client, const char *path);
/* The next request event's handle. */
hijack_request *next_request_at(struct fixture *fixture, const char *file, int line);
#define next_request(fixture) next_request_at((fixture), __FILE__, __LINE__)
/* Answers 200 with body, waits for CLOSED and frees the request. */
void reply(struct fixture *fixture, hijack_request *request, const char *body);
/* Connects, asks for path and gives the request; the client goes to *client. */
hijack_request *request_open(struct fixture *fixture, struct client **client, const char *path);
/* The same, turned into a stream, an SSE stream, a raw socket; the request is freed. */
hijack_stream *stream_open(struct fixture *fixture, struct client **client);
hijack_stream *sse_open(struct fixture *fixture, struct client **client);
hijack_socket *socket_open(struct fixture *fixture, struct client **client);
/* One end of a socket pair, adopted with what was read from it; the client has the other. */
hijack_socket *socket_adopted(struct fixture *fixture, struct client **client, const char *unread);
/* The request becomes a stream or socket; it is freed. */
hijack_stream *stream_of(struct fixture *fixture, hijack_request *request, const char *headers);
hijack_socket *socket_of(struct fixture *fixture, hijack_request *request);
void request_free(struct fixture *fixture, hijack_request *request);
void stream_free(struct fixture *fixture, hijack_stream *stream);
void socket_free(struct fixture *fixture, hijack_socket *socket);

#endif
