/* Checking the header blocks of programs, and encoding response heads. */
#ifndef HJ_CODEC_RESPONSE_HEAD_H
#define HJ_CODEC_RESPONSE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/slice.h"

#define HJ_HTTP_DATE_LEN 29

/* What the library has to know of a header block. */
struct hj_fields {
    bool has_content_length, has_connection, connection_close, has_date, has_server, has_transfer_encoding, has_upgrade;
    uint64_t content_length;
};

/* Checks a program's header block: "name: value\r\n" any number of times, without the empty line; block may be NULL
 * where len is 0. Refused are names that are no token, control characters in values, a Content-Length that is no number
 * or comes twice. fields may be NULL. Returns 0 or HIJACK_EHEADER (fields untouched). */
int hj_fields_check(struct hj_fields *fields, const char *block, size_t len);

/* The next field of a checked block from *cursor on, value without the white space around it; false at the end. */
bool hj_fields_next(struct hj_slice *name, struct hj_slice *value, const char **cursor, const char *end);

/* "OK" for 200. "Unknown" where there is no registered phrase, never NULL. Static memory. */
const char *hj_status_reason(unsigned status);

enum hj_connection {
    HJ_CONNECTION_KEEP,         /* no Connection line: HTTP/1.1 keeps it */
    HJ_CONNECTION_CLOSE,        /* "Connection: close" */
    HJ_CONNECTION_AS_GIVEN,     /* the program's Connection lines, and nothing of ours */
    HJ_CONNECTION_KEEP_EXPLICIT /* "Connection: keep-alive", which HTTP/1.0 needs */
};

struct hj_response_head {
    unsigned status;         /* 100..999 */
    struct hj_slice headers; /* a checked block */
    bool chunked;            /* adds "Transfer-Encoding: chunked" */
    bool with_length;        /* adds "Content-Length: <length>"; not together with chunked */
    uint64_t length;
    enum hj_connection connection;
    struct hj_slice date;     /* HJ_HTTP_DATE_LEN bytes, or empty: no Date */
    struct hj_slice server;   /* empty: no Server */
    struct hj_slice extra;    /* ready lines, each with its CRLF, put before headers */
    struct hj_slice defaults; /* a checked block too: each line is left out where headers have its field */
};

/* A new buffer with the whole head, "HTTP/1.1 200 OK\r\n" to the empty line; the caller owns it. The program's lines
 * come as they are, but: Connection only with AS_GIVEN, else ours, which says upgrade beside the program's Upgrade;
 * Content-Length and Transfer-Encoding not beside ours (chunked, with_length), nor with 1xx and 204, where HTTP forbids
 * ours too. The program's Date and Server win over ours. Returns 0, HIJACK_EINVAL (status, or chunked and with_length)
 * or HIJACK_ENOMEM. */
int hj_response_head_encode(struct hj_buf **out, const struct hj_response_head *head);

/* Writes the IMF-fixdate of t (RFC 9110 section 5.6.7), "Sun, 06 Nov 1994 08:49:37 GMT", without a NUL and whatever the
 * locale. Times before 1970 and after 9999 give the first and last second of that span. */
void hj_http_date(char out[HJ_HTTP_DATE_LEN], time_t t);

#endif
