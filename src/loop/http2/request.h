/* HTTP/2 requests, as libh2o hands them over, into the table and on their way. Loop thread. */
#ifndef HJ_LOOP_HTTP2_REQUEST_H
#define HJ_LOOP_HTTP2_REQUEST_H

#include "loop/http2/state.h"

/* libh2o's on_req: a request with its whole body; or, with session->early, one whose body is over the limit. */
int hj_http2_request(h2o_handler_t *handler, h2o_req_t *req);

#endif
