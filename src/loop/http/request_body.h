/* Bodies of requests: read whole before the REQUEST event, or delivered in pieces, by credit. Loop thread.
 *
 * Framing is by Content-Length or chunked (RFC 9112 section 6); what follows the body stays in the connection's input.
 */
#ifndef HJ_LOOP_HTTP_REQUEST_BODY_H
#define HJ_LOOP_HTTP_REQUEST_BODY_H

#include "codec/head.h"
#include "core/request.h"
#include "loop/conn.h"

/* Whether a body follows this head. */
static inline bool hj_request_body_follows(const struct hj_head *head)
{
    return head->chunked || head->content_length != 0;
}

/* Whether the connection's request has a body that is still being read. */
static inline bool hj_request_body_is_open(const struct hj_conn *conn)
{
    return conn->request != NULL && conn->request->read != NULL;
}

/* Prepares reading the body of conn->request. max_bytes: the limit. False when out of memory. */
bool hj_request_body_begin(struct hj_conn *conn, const struct hj_head *head, uint64_t max_bytes);

/* Takes body bytes out of data and returns how many; the rest must come again, as the connection's input. */
size_t hj_request_body_feed(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len);

/* Nothing more of it is there: sends 100 Continue to a peer that waits for it, and asks the poller for the rest. */
void hj_request_body_start(struct hj_loop *loop, struct hj_conn *conn);

/* Takes what is in the input, then what the transport has, as far as credit and the queue allow. */
void hj_request_body_update(struct hj_loop *loop, struct hj_conn *conn);

/* Asks the poller for bytes if they may be taken. */
void hj_request_body_poll(struct hj_loop *loop, struct hj_conn *conn);

/* True, once, when its last byte was taken: it is closed now. */
bool hj_request_body_settle(struct hj_conn *conn);

void hj_request_body_add_credit(struct hj_loop *loop, struct hj_conn *conn, uint64_t credit);

/* The program wants no more of it: what comes is thrown away. False if that would be too much. */
bool hj_request_body_discard(struct hj_loop *loop, struct hj_conn *conn);
bool hj_request_body_is_discarded(const struct hj_conn *conn);

/* Too much of it was thrown away: the connection ends after the answer. */
bool hj_request_body_is_given_up(const struct hj_conn *conn);

/* Whether it is the peer that keeps an open body waiting. */
bool hj_request_body_waits_for_peer(const struct hj_conn *conn);

#endif
