/* The strict parser of HTTP/1 request heads (RFC 9112). A head that two servers in a row could read in two ways is
 * refused; a head that is accepted has one reading only. */
#ifndef HJ_CODEC_HEAD_H
#define HJ_CODEC_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define HJ_HEAD_MAX_HEADERS 100
#define HJ_HEAD_MAX_METHOD 32

/* As on the wire; value without the white space around it. */
struct hj_header {
    struct hj_slice name, value;
};

/* Slices point into the data that was parsed, except version and the path "/" of an absolute-form target without one.
 */
struct hj_head {
    const char *problem; /* after a refusal: a short reason for people; static; NULL otherwise */
    struct hj_slice method, target;
    struct hj_slice version; /* "HTTP/1.0" or "HTTP/1.1"; static. "HTTP/2" with http2 */
    struct hj_slice path;    /* target up to '?'; of absolute-form targets what follows the authority */
    bool http2;              /* false; true is for who fills in the head of an HTTP/2 request */
    unsigned minor_version;  /* 0 or 1; HTTP/1.2 to 1.9 are read as 1.1 (RFC 9110 section 2.5) */
    bool keep_alive;         /* 1.1: unless "Connection: close"; 1.0: only with "keep-alive" */
    bool chunked, has_content_length;
    bool connect;         /* the method is CONNECT: target is "host:port", and path the same */
    bool expect_continue; /* "Expect: 100-continue" in an HTTP/1.1 request with a body (RFC 9110 section 10.1.1) */
    bool upgrade;         /* Upgrade with "Connection: upgrade" in an HTTP/1.1 request without a body */
    uint64_t content_length;
    size_t header_count;
    struct hj_header headers[HJ_HEAD_MAX_HEADERS];
};

/* Positive: the length of the head in bytes, with its empty line and one optional empty line before it. 0: incomplete.
 * Negative: minus the HTTP status to answer with (400, 414, 417, 431, 501, 505), and head->problem says why, and
 * head->method is set as far as it was read. Only after a positive result is the rest of head set.
 * scanned: the len of the call before on the same, since longer, data; 0 at first. It keeps a head that arrives byte by
 * byte linear. max_len: the longest head accepted; 414 if the request line alone is over it, else 431. */
int hj_head_parse(struct hj_head *head, const char *data, size_t len, size_t scanned, size_t max_len);

/* The same for a server that serves CONNECT, which hj_head_parse refuses with 501: the target is then an authority with
 * a port from 1 to 65535 (RFC 9112 section 3.2.3), no body is announced, and keep_alive is false: what follows the head
 * is not a request. */
int hj_head_parse_with_connect(struct hj_head *head, const char *data, size_t len, size_t scanned, size_t max_len);

/* The value of the last header of this name; *value stays as it is where there is none. */
void hj_head_field(struct hj_slice *value, const struct hj_head *head, struct hj_slice name);

#endif
