/* Responses over HTTP/2: the transport of a table entry that is a stream. Loop thread. */
#ifndef HJ_LOOP_HTTP2_STREAM_H
#define HJ_LOOP_HTTP2_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "loop/conn.h"

#if HIJACK_HTTP2

#include "loop/http2/state.h"

/* As the transport's functions (io/transport.h). The first bytes that are written are the response head, in HTTP/1 form
 * and in one buffer. Nothing is sent before the end of the turn. */
ssize_t hj_stream_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count,
                        size_t offset);
ssize_t hj_stream_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len);
void hj_stream_keep_trailers(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *last);
void hj_stream_finish(struct hj_loop *loop, struct hj_conn *conn);
void hj_stream_close(struct hj_loop *loop, struct hj_conn *conn, int reason);
void hj_stream_refresh(struct hj_loop *loop, struct hj_conn *conn);
int hj_stream_descriptor(struct hj_loop *loop, const struct hj_conn *conn);         /* of its connection; -1: gone */
struct hj_facts *hj_stream_facts(struct hj_loop *loop, const struct hj_conn *conn); /* NULL: gone, or not over TLS */

/* For this folder: a new stream for libh2o's request, in its session, without an entry. NULL when out of memory. */
struct hj_http2_stream *hj_stream_open(struct hj_session *session, h2o_req_t *req);

/* Whether something that was written waits for libh2o, or is with it. */
bool hj_stream_has_pieces(const struct hj_http2_stream *stream);

/* Hands what was written to libh2o, unless that has to wait. */
void hj_stream_send(struct hj_http2_stream *stream);

/* RST_STREAM with this code. It may be freed by this. */
void hj_stream_reset(struct hj_http2_stream *stream, int code);

/* Ends the request for this reason, at the end of the turn; with RST_STREAM if code is not 0. */
void hj_stream_break(struct hj_http2_stream *stream, int code, int reason);

/* It has something to send, or something has happened to it, which the end of the turn looks at. */
void hj_stream_touch(struct hj_http2_stream *stream);

/* Frees it unless the table, libh2o or the loop's list refers to it. */
void hj_stream_release(struct hj_http2_stream *stream);

/* For how long the peer has taken nothing of what libh2o has; of a stream that libh2o has not closed. */
uint32_t hj_stream_stalled_for(struct hj_http2_stream *stream, uint32_t now);

#else /* no entry has this transport */

static inline ssize_t hj_stream_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count,
                                      size_t offset)
{
    (void)loop;
    (void)conn;
    (void)bufs;
    (void)count;
    (void)offset;
    return HIJACK_ENOTSUP;
}

static inline ssize_t hj_stream_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len)
{
    (void)loop;
    (void)conn;
    (void)data;
    (void)len;
    return HIJACK_ENOTSUP;
}

static inline struct hj_facts *hj_stream_facts(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return NULL;
}

static inline int hj_stream_descriptor(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return -1;
}

static inline void hj_stream_keep_trailers(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *last)
{
    (void)loop;
    (void)conn;
    (void)last;
}

static inline void hj_stream_finish(struct hj_loop *loop, struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
}

static inline void hj_stream_close(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    (void)loop;
    (void)conn;
    (void)reason;
}

static inline void hj_stream_refresh(struct hj_loop *loop, struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
}

#endif
#endif
