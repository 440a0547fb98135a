/* What libh2o does for us in HTTP/1: reading a request whole, with its body, whatever its framing.
 *
 * A connection goes to libh2o with the bytes of a head that the strict parser has passed, and comes back with the
 * complete request (pending.h). Responses are written by us. Only http.c sees libh2o. Loop thread. */
#ifndef HJ_LOOP_HTTP_HTTP2_H
#define HJ_LOOP_HTTP_HTTP2_H

#include <stdbool.h>
#include <stddef.h>

#include "loop/conn.h"

/* In the loop's thread: all of it is libh2o's thread-local. 0, HIJACK_ENOMEM or HIJACK_ELIMIT. */
int hj_http_open(struct hj_loop *loop);

/* Frees everything; no connection is left. */
void hj_http_close(struct hj_loop *loop);

/* Gives the connection and the bytes of its request that are there to libh2o. rest (taken over, may be NULL): what
 * follows a request that is complete. */
void hj_http_begin(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len, struct hj_input *rest);

/* Whether libh2o has connections, and so must be run. */
bool hj_http_busy(const struct hj_loop *loop);

/* Lets libh2o wait (for the loop's poller too) and work. */
void hj_http_run(struct hj_loop *loop, int timeout_ms);

/* Takes back the connections whose requests are complete: some of them, so that everything else has its turn too. True
 * if there are more. */
bool hj_http_settle(struct hj_loop *loop);

/* Ends every connection. */
void hj_http_abandon(struct hj_loop *loop);

#endif
