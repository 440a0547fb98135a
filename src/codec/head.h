/* The strict parser of HTTP/1 request heads (RFC 9112): the guard in front of libh2o, which accepts heads that two
 * servers in a row can read in two ways. What this parser lets through has one reading only. */
#ifndef HJ_CODEC_HEAD_H
#define HJ_CODEC_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define HJ_HEAD_MAX_HEADERS 100 /* libh2o's own limit */
#define HJ_HEAD_MAX_METHOD 32

/* As on the wire; value without the white space around it. */
struct hj_header {
    struct hj_slice name, value;
};

/* Slices point into the data that was parsed, but for the path "/" of an absolute-form target without one. */
struct hj_head {
    const char *problem;                     /* after a refusal: a short reason for people; static; NULL otherwise */
    struct hj_slice method, target, version; /* version: "HTTP/1.1" */
    struct hj_slice path;                    /* target up to '?'; of absolute-form targets what follows the authority */
    unsigned minor_version;                  /* 0 or 1 */
    bool keep_alive;                         /* 1.1: unless "Connection: close"; 1.0: only with "keep-alive" */
    bool chunked, has_content_length;
    bool expect_continue; /* HTTP/1.1 only, as RFC 9110 says */
    bool upgrade;         /* an Upgrade header together with "Connection: upgrade"; HTTP/1.1 only */
    uint64_t content_length;
    size_t header_count;
    struct hj_header headers[HJ_HEAD_MAX_HEADERS];
};

/* Positive: the length of the head in bytes, with its empty line and one optional empty line before it. 0: incomplete.
 * Negative: minus the HTTP status to answer with (400, 414, 417, 431, 501, 505), and head->problem says why. Only after
 * a positive result is the rest of head set.
 * scanned: the len of the call before on the same, since longer, data; 0 at first. It keeps a head that arrives byte by
 * byte linear. max_len: the longest head accepted; 414 if the request line alone is over it, else 431. */
int hj_head_parse(struct hj_head *head, const char *data, size_t len, size_t scanned, size_t max_len);

#endif
