/* Bodies of HTTP/2 requests, while they come in. Loop thread.
 *
 * libh2o is told that a request ends with its head, and never sees its DATA (upload.h). What comes waits here until the
 * request reads it, as bytes of an HTTP/1 connection would: as they are if their number is known, else as chunks, which
 * can also carry trailers. Each body has a window of 64 KiB, which opens as it is read. */
#ifndef HJ_LOOP_HTTP2_BODY_H
#define HJ_LOOP_HTTP2_BODY_H

#include "loop/http2/frame.h"
#include "loop/http2/state.h"

#define HJ_BODY_WINDOW 65536
#define HJ_SESSION_WINDOW (1u << 20) /* of all bodies of a connection together; it opens as they come */

struct hj_http2_body {
    struct hj_http2_body *next, **link; /* in the session */
    struct hj_session *session;         /* NULL: nothing more comes, and it is in no list */
    struct hj_http2_stream *stream;     /* whose request reads it; NULL: it is thrown away */
    uint32_t stream_id;
    bool chunked;                  /* it is read as chunks */
    bool ended;                    /* its last byte came */
    uint32_t window;               /* bytes that the peer may send */
    uint32_t owed;                 /* bytes by which that may be opened */
    uint32_t start, len, capacity; /* what waits to be read: data[start .. start + len) */
    uint32_t tail_at, tail_len;
    uint64_t received, expected; /* bytes; expected SIZE_MAX: not known */
    uint64_t thrown;             /* of those, thrown away */
    char *data;                  /* NULL: nothing waits */
    char *tail;                  /* the end of the last chunk, and the trailers; after data; NULL: there is none */
};

/* A body of this stream begins. expected: its length, SIZE_MAX if it is not known. NULL when out of memory. */
struct hj_http2_body *hj_body_open(struct hj_session *session, struct hj_http2_stream *stream, uint32_t stream_id,
                                   uint64_t expected, bool chunked);

/* The body of a stream that is still coming in; NULL if there is none. */
struct hj_http2_body *hj_body_find(const struct hj_session *session, uint32_t stream_id);

/* Whether some request of the session waits for its body. */
bool hj_body_is_awaited(const struct hj_session *session);

/* A body of this stream may still come, of which nobody wants to hear. */
void hj_body_ignore(struct hj_session *session, uint32_t stream_id);
bool hj_body_is_ignored(const struct hj_session *session, uint32_t stream_id);

/* Takes a piece. 0, or the error (positive) with which its stream must be reset. */
int hj_body_take(struct hj_http2_body *body, struct hj_slice piece, size_t frame_len);

/* Its last byte came, and trailers, or NULL; same result. */
int hj_body_end(struct hj_http2_body *body, const h2o_headers_t *trailers);

/* Reads, as hj_transport_read, what has come; 0 if that is nothing. */
size_t hj_body_read(struct hj_http2_body *body, char *data, size_t len);
bool hj_body_has_unread(const struct hj_http2_body *body);

/* Its request reads no more of it. reset: nor may the peer go on sending it. */
void hj_body_leave(struct hj_http2_body *body, bool reset);

/* Nothing more of it comes, whatever is missing; frees it if nobody reads it. */
void hj_body_cut(struct hj_http2_body *body);

#endif
