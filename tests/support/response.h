/* SPDX-License-Identifier: MIT
 *
 * A response as a client reads it: head, then a body by Content-Length, by chunks, or until the end. It is strict: what
 * is no HTTP fails the test.
 */
#ifndef TESTS_SUPPORT_RESPONSE_H
#define TESTS_SUPPORT_RESPONSE_H

#include "client.h"

struct response {
    struct client *client;
    int status;
    int chunked;
    long long length; /* of Content-Length; -1 without */
    char head[8192];  /* from the status line to the empty line, both with their CRLF */
    char *body;       /* decoded so far, with a NUL after it */
    size_t body_len;
    size_t body_cap;
    size_t chunk_left; /* of a chunk that has begun */
    int state;         /* of the chunk decoder */
    int done;          /* the body has ended as its framing says */
};

/* Reads the head and leaves the body on the client. */
void response_head_at(struct response *out, struct client *client, const char *file, int line);
#define response_head(out, client) response_head_at((out), (client), __FILE__, __LINE__)
/* Decodes until the body has at least len bytes. */
void response_want_at(struct response *response, size_t len, const char *file, int line);
#define response_want(response, len) response_want_at((response), (len), __FILE__, __LINE__)
/* Decodes until text is in the body. */
void response_until_at(struct response *response, const char *text, const char *file, int line);
#define response_until(response, text) response_until_at((response), (text), __FILE__, __LINE__)
/* Decodes to the end; fails if the body breaks off. Without length and chunks the end is the connection's. */
void response_finish_at(struct response *response, const char *file, int line);
#define response_finish(response) response_finish_at((response), __FILE__, __LINE__)
/* The connection ends before the body has: what a client must be able to tell from a finished body. */
void response_broken_at(struct response *response, const char *file, int line);
#define response_broken(response) response_broken_at((response), __FILE__, __LINE__)
void response_free(struct response *response);
/* The value of a header, in memory that the next call reuses; NULL if there is none. */
const char *response_header(struct response *response, const char *name);
/* Head and body of a whole response, which must have this status and body. */
void response_expect_at(struct client *client, int status, const char *body, const char *file, int line);
#define response_expect(client, status, body) response_expect_at((client), (status), (body), __FILE__, __LINE__)

#endif
