/* HTTP/2 in clear, by libh2o: connections that begin with its preface. Loop thread.
 *
 * The connection itself is no table entry; each of its requests is one, without a descriptor, and goes the way of every
 * other request (docs/internals/http2.md). libh2o's loop is made before ours accepts: libh2o ends the process when it
 * finds no descriptor for it. What here includes h2o.h does not leave this folder; without HIJACK_HTTP2 only this
 * header is compiled. */
#ifndef HJ_LOOP_HTTP2_HTTP2_H
#define HJ_LOOP_HTTP2_HTTP2_H

#include <stdbool.h>

#include "loop/conn.h"

#if HIJACK_HTTP2

/* Makes libh2o's loop if the option http2 is on. 0, HIJACK_ENOMEM or HIJACK_ELIMIT. */
int hj_http2_open(struct hj_loop *loop);

/* Takes over the descriptor of a PREFACE connection, and what is in its input; the entry is marked to be closed. */
void hj_http2_begin(struct hj_loop *loop, struct hj_conn *conn);

#if HIJACK_TLS
struct ssl_ctx_st;

/* Takes over the descriptor of a HANDSHAKE connection whose client is going to speak HTTP/2: libh2o does the handshake,
 * with ctx. data: the ClientHello. The entry is marked to be closed. */
void hj_http2_begin_secure(struct hj_loop *loop, struct hj_conn *conn, struct ssl_ctx_st *ctx, const uint8_t *data,
                           size_t len);
#endif

/* Whether there are HTTP/2 connections. */
bool hj_http2_is_busy(const struct hj_loop *loop);

/* How long the loop may wait, of timeout_ms (negative: without end). */
int hj_http2_wait(struct hj_loop *loop, int timeout_ms);

/* The poller has reported libh2o's descriptor: hj_http2_run has something to do. */
void hj_http2_notice(struct hj_loop *loop);

/* Lets libh2o read and work, if there is something. */
void hj_http2_run(struct hj_loop *loop);

/* Hands what this turn has written to libh2o, and lets it write. True if connections may have been closed by it. */
bool hj_http2_flush(struct hj_loop *loop);

/* Looks at the deadlines of connections without requests, and of responses that nobody takes. */
void hj_http2_sweep(struct hj_loop *loop);

/* Closes a connection that has no request, for others to have its place. */
void hj_http2_make_room(struct hj_loop *loop);

/* Tells every peer that no new request is wanted; the sweep then closes who has none. */
void hj_http2_drain(struct hj_loop *loop);

/* Ends every connection and frees everything; no entry is left. */
void hj_http2_close(struct hj_loop *loop);

#else /* the option http2 cannot be set, so that no such connection comes to be */

static inline int hj_http2_open(struct hj_loop *loop)
{
    (void)loop;
    return 0;
}

static inline void hj_http2_begin(struct hj_loop *loop, struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
}

static inline bool hj_http2_is_busy(const struct hj_loop *loop)
{
    (void)loop;
    return false;
}

static inline int hj_http2_wait(struct hj_loop *loop, int timeout_ms)
{
    (void)loop;
    return timeout_ms;
}

static inline bool hj_http2_flush(struct hj_loop *loop)
{
    (void)loop;
    return false;
}

static inline void hj_http2_notice(struct hj_loop *loop)
{
    (void)loop;
}

static inline void hj_http2_run(struct hj_loop *loop)
{
    (void)loop;
}

static inline void hj_http2_sweep(struct hj_loop *loop)
{
    (void)loop;
}

static inline void hj_http2_make_room(struct hj_loop *loop)
{
    (void)loop;
}

static inline void hj_http2_drain(struct hj_loop *loop)
{
    (void)loop;
}

static inline void hj_http2_close(struct hj_loop *loop)
{
    (void)loop;
}

#endif
#endif
