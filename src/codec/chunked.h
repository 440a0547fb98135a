/* The strict decoder of chunked request bodies (RFC 9112 section 7.1). It reads what the grammar allows and nothing
 * else, so that no other server can read the same bytes in another way, and everything that is not body is bounded. */
#ifndef HJ_CODEC_CHUNKED_H
#define HJ_CODEC_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define HJ_CHUNKED_MAX_DIGITS 16             /* of a chunk size, with leading zeros */
#define HJ_CHUNKED_MAX_EXTENSION 4096        /* bytes of extensions in one chunk-size line */
#define HJ_CHUNKED_MAX_EXTENSIONS (16 << 10) /* the same in all lines of one body */
#define HJ_CHUNKED_MAX_TRAILERS (8 << 10)    /* bytes of the trailer section, with the empty line that ends it */
#define HJ_CHUNKED_MAX_TRAILER_FIELDS 100

enum hj_chunked_result {
    HJ_CHUNKED_MORE,
    HJ_CHUNKED_DATA,
    HJ_CHUNKED_END
};

/* What is known of one body between two pieces of input. */
struct hj_chunked {
    uint64_t room;        /* body bytes that may still come, after this chunk */
    uint64_t left;        /* the size of this chunk, as far as it was read; then its bytes that are still to come */
    uint32_t extensions;  /* bytes of extensions in all lines so far */
    uint16_t extension;   /* the same in this line */
    uint16_t trailer_len; /* bytes of the trailer section that were looked at; they are not used before the end */
    uint8_t state, digits, trailer_fields;
};

void hj_chunked_init(struct hj_chunked *chunked, uint64_t max_body_bytes);

/* Looks at the next bytes of the body. *used is how many of them the decoder is done with.
 * HJ_CHUNKED_DATA: *out is a run of body bytes inside data, never empty; call again with what was not used.
 * HJ_CHUNKED_MORE: everything that can be used was used. What was not used is an incomplete trailer section of at
 * most HJ_CHUNKED_MAX_TRAILERS bytes: the next call must bring it again, with more bytes behind it.
 * HJ_CHUNKED_END: the body is complete. *out holds the trailer fields inside data as they came, each line with its
 * CRLF; it may be empty. What was not used belongs to the next request.
 * Negative: minus the HTTP status to answer with. *problem is then an English phrase for people, static.
 *   400  the bytes are not a chunked body, or have too many extensions
 *   413  the body is larger than max_body_bytes; returned before the chunk that would exceed it
 *   431  the trailer section is too long or has too many fields
 * *out and *used are set for DATA, *used for MORE, both for END, nothing for a refusal; *problem only for a refusal.
 * After END or a refusal the decoder must not be called again before hj_chunked_init. */
int hj_chunked_decode(struct hj_chunked *chunked, struct hj_slice *out, size_t *used, const char *data, size_t len,
                      const char **problem);

/* A new buffer with trailers that were decoded, as a header block: names in lower case, values without the white space
 * around them. Returns 0 or HIJACK_ENOMEM. */
int hj_chunked_trailers(struct hj_buf **out, struct hj_slice trailers);

#endif
