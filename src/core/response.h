/* How a response that goes on starts: its head, and the wire form of what follows. */
#ifndef HJ_CORE_RESPONSE_H
#define HJ_CORE_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "codec/response_head.h"
#include "core/message.h"
#include "core/option.h"

/* The other end, as far as it decides about framing. */
struct hj_client {
    unsigned minor_version;
    bool keep_alive; /* it would go on after the response; false with HTTP/2, where no response ends the connection */
    bool http2;      /* a stream of its own frames the body */
};

/* Heads have the form of HTTP/1 also for HTTP/2: the transport reads status and fields out of them, and leaves out what
 * frames the body or is about the connection. */
struct hj_response {
    struct hj_buf *head; /* NULL: nothing is written; the maker's caller owns it */
    enum hj_wire wire;
    bool keep_alive;   /* after the body the connection serves further requests */
    bool keeps_window; /* of a WebSocket: the client's messages may refer to earlier ones (RFC 7692) */
    bool own_window;   /* ours too */
    bool half_closes;  /* of a WebSocket: an empty message ends one direction */
    bool old;          /* of a long poll: the client speaks HTTP/1.0 */
};

/* How a member with this response is written to: HJ_HOLD_*. */
unsigned hj_response_how(const struct hj_response *response);

/* For a member (HIJACK_HOLD_*); of a long poll the head is what it waits with, its headers alone. headers are checked.
 * 0, HIJACK_EINVAL (no such kind; headers where no head is written), ENOTSUP (a kind that is not served yet) or
 * HIJACK_ENOMEM. */
int hj_response_hold(struct hj_response *out, uint32_t kind, struct hj_slice headers, struct hj_client client,
                     const struct hj_server_options *options);

/* How a long poll waits, without its head: the headers that it waits with. */
struct hj_response hj_response_waiting(struct hj_client client);

/* For a stream of this status. body: the response has one (not HEAD, 204, 205, 304). */
int hj_response_stream(struct hj_response *out, unsigned status, struct hj_slice headers,
                       const struct hj_fields *fields, struct hj_client client, bool body,
                       const struct hj_server_options *options);

/* For a stream of SSE. */
int hj_response_sse(struct hj_response *out, struct hj_slice headers, struct hj_client client,
                    const struct hj_server_options *options);

/* A whole response: head and body in one. body is left out where the response has none; fields as
 * hijack_request_respond. *keep_alive: whether the connection goes on. */
int hj_response_whole(struct hj_buf **out, bool *keep_alive, unsigned status, struct hj_slice headers,
                      const struct hj_fields *fields, struct hj_client client, bool has_body, struct hj_slice body,
                      const struct hj_server_options *options);

/* The answer of a long poll. */
struct hj_poll_response {
    unsigned status;
    struct hj_slice headers; /* a checked block */
    struct hj_slice lines;   /* ready lines */
    uint64_t length;         /* of the body */
    bool binary;             /* what the body is called, where headers do not say it */
    bool exact;              /* these headers and no default */
};

/* Its head; *keep_alive as above. 0 or HIJACK_ENOMEM. */
int hj_response_poll(struct hj_buf **out, bool *keep_alive, const struct hj_poll_response *what,
                     struct hj_client client, const struct hj_server_options *options);

/* Whether responses of this status have no body (RFC 9110 sections 15.3.5, 15.3.6, 15.4.5). */
bool hj_status_is_bodiless(unsigned status);

/* Checks status and headers of a response of the program's: 0, HIJACK_EINVAL or EHEADER. */
int hj_response_check(struct hj_fields *fields, uint32_t status, uint32_t lowest, struct hj_slice headers);

/* An answer of the library's own, after which the connection closes. problem: an English phrase for people. is_head:
 * the head alone. NULL when out of memory. */
struct hj_buf *hj_response_refusal(unsigned status, const char *problem, bool is_head);

/* For a partial hijack. */
int hj_response_hijack(struct hj_response *out, unsigned status, struct hj_slice headers,
                       const struct hj_fields *fields, const struct hj_server_options *options);

#endif
