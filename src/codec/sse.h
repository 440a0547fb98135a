/* Encoding of Server-Sent Events (WHATWG HTML, "Server-sent events") and of HTTP/1.1 chunks (RFC 9112 section 7.1). */
#ifndef HJ_CODEC_SSE_H
#define HJ_CODEC_SSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct hj_sse {
    struct hj_slice event; /* left out where empty */
    struct hj_slice id;    /* left out where base is NULL; an empty id resets the client's Last-Event-ID */
    struct hj_slice data;  /* any bytes; used with has_data only */
    int64_t retry_ms;      /* left out where negative */
    bool has_data;         /* an empty data gives one line "data:", so that the client sees an event with "" */
};

/* A new buffer with one event and the empty line that ends it; the caller owns it. Each line of data (CRLF, CR or LF)
 * becomes one data line. Nothing set at all gives the empty line alone, which a client ignores. chunked: as one chunk.
 * Returns 0, HIJACK_EINVAL (CR or LF in event or id, NUL in id) or HIJACK_ENOMEM. */
int hj_sse_encode(struct hj_buf **out, const struct hj_sse *sse, bool chunked);

/* The same for a comment: each line of text becomes one line ": text" (":" where empty), then the empty line.
 * Returns 0 or HIJACK_ENOMEM. */
int hj_sse_comment_encode(struct hj_buf **out, struct hj_slice text, bool chunked);

/* A new buffer with data as one chunk. Returns 0, HIJACK_EINVAL (data empty: that would end the body) or
 * HIJACK_ENOMEM. */
int hj_chunk_encode(struct hj_buf **out, struct hj_slice data);

/* A new buffer with the end of a body that has trailers, a checked header block. Returns 0 or HIJACK_ENOMEM. */
int hj_chunk_encode_last(struct hj_buf **out, struct hj_slice trailers);

/* The chunk that ends a body. */
#define HJ_CHUNK_LAST "0\r\n\r\n"

/* The most bytes that framing as one chunk adds. */
#define HJ_CHUNK_OVERHEAD 20

#endif
