/* SPDX-License-Identifier: MIT
 *
 * An HTTP/2 client of the tests, with prior knowledge, on libnghttp2. It works only inside the calls that wait. A
 * paused stream gives no window back; every wait has the deadline of clock_limit_ms.
 */
#ifndef TESTS_SUPPORT_H2CLIENT_H
#define TESTS_SUPPORT_H2CLIENT_H

#include <stdint.h>

#include "check.h"

struct client;
struct fixture;
struct h2client;
struct upload;

enum {
    H2_STREAMS = 128 /* that one client remembers */
};

/* Error codes, RFC 9113 section 7. */
enum {
    H2_PROTOCOL = 1,
    H2_CANCEL = 8,
    H2_CALM = 11
};

struct h2stream {
    int32_t id;
    int status;       /* 0: no response yet */
    char head[32768]; /* "name: value\n" of the response fields */
    char *body;       /* with a NUL after it */
    size_t len;
    int paused;     /* what comes is not acknowledged */
    int closed;     /* END_STREAM or RST_STREAM was seen */
    uint32_t error; /* of RST_STREAM; 0 for an orderly end */
    struct upload *upload;
};

/* The fixture of a test, its server with HTTP/2. */
struct fixture *h2_fixture(void **state);
struct h2client *h2_connect(int port);
/* One that keeps a table of so many bytes for header fields (SETTINGS_HEADER_TABLE_SIZE). */
struct h2client *h2_connect_table(int port, uint32_t table_size);
/* A connection for HTTP/2, whose bytes the test writes. */
struct client *h2_connect_raw(int port);
/* Ends the connection by FIN, or by RST. */
void h2_close(struct h2client *client);
void h2_abort(struct h2client *client);

/* Asks; fields: "name: value\n" lines or NULL. body NULL: none. */
struct h2stream *h2_request(struct h2client *client, const char *method, const char *path, const char *fields,
                            const char *body, size_t len);
struct h2stream *h2_get(struct h2client *client, const char *path);
void h2_reset(struct h2client *client, struct h2stream *stream, uint32_t error);
/* From now on the stream's window is opened again as it is read; what was held back is given at once. */
void h2_resume(struct h2client *client, struct h2stream *stream);

/* Reads and writes what there is, without waiting; whether the connection is still open. */
int h2_work(struct h2client *client);
/* Works until the condition is true. */
#define H2_UNTIL(client, condition)                                                                                    \
    do {                                                                                                               \
        uint64_t h2_end = clock_ms() + clock_limit_ms();                                                               \
        while (h2_work(client), !(condition)) {                                                                        \
            if (clock_ms() > h2_end)                                                                                   \
                check_fail(__FILE__, __LINE__, "not so within %u ms: %s", clock_limit_ms(), #condition);               \
            clock_tick();                                                                                              \
        }                                                                                                              \
    } while (0)
/* The response is complete, with this status and body. */
#define h2_expect(client, stream, code, text)                                                                          \
    do {                                                                                                               \
        H2_UNTIL((client), (stream)->closed);                                                                          \
        CHECK((stream)->error == 0 && (stream)->status == (code));                                                     \
        BYTES((stream)->body, (stream)->len, (text), strlen(text));                                                    \
    } while (0)

int h2_ended(const struct h2client *client);  /* the server has ended the connection: 1 FIN, 2 RST */
int h2_goaway(const struct h2client *client); /* GOAWAY was seen */
/* The value of a response field, or NULL; in memory that the next call reuses. */
const char *h2_field(const struct h2stream *stream, const char *name);

#endif
