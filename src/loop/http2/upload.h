/* Frames of request bodies, in front of libh2o: DATA, trailers, and resets of what is being sent. Loop thread.
 *
 * libh2o collects a whole body before it hands its request over, and lets a peer send 16 MiB of each. It is told
 * instead that every request ends with its head; what follows is taken here. */
#ifndef HJ_LOOP_HTTP2_UPLOAD_H
#define HJ_LOOP_HTTP2_UPLOAD_H

#include "loop/http2/frame.h"
#include "loop/http2/state.h"

/* Each takes a whole frame. 0: libh2o has to look at it. Positive: it is done with. Negative: the error
 * (H2O_HTTP2_ERROR_*) that ends the connection. */

/* HEADERS: the head of a request, or trailers. */
ssize_t hj_upload_take_headers(struct hj_session *session, const struct hj_frame *frame, const char **problem);
ssize_t hj_upload_take_continuation(struct hj_session *session, const struct hj_frame *frame, const char **problem);
ssize_t hj_upload_take_data(struct hj_session *session, const struct hj_frame *frame, const char **problem);
ssize_t hj_upload_take_reset(struct hj_session *session, const struct hj_frame *frame);

/* libh2o has looked at the head of a request, whose block has ended with this frame. */
void hj_upload_begin(struct hj_session *session, const struct hj_frame *frame);

/* The connection has ended for this reason: no body goes on. */
void hj_upload_abandon(struct hj_session *session, int reason);

#endif
