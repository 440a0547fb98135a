/* What libh2o does for us: requests that the program answers, with their bodies, keep-alive and responses.
 *
 * A connection comes from READING with the bytes of its first request, and stays with libh2o until it closes or a
 * request of it is taken over (holding.h). Loop thread. */
#ifndef HJ_LOOP_HTTP_H
#define HJ_LOOP_HTTP_H

#include <stddef.h>

#include "core/command.h"
#include "core/request.h"
#include "loop/conn.h"

/* In the loop's thread: all of it is libh2o's thread-local. 0, HIJACK_ENOMEM or HIJACK_ELIMIT. */
int hj_http_open(struct hj_loop *loop);

/* Ends what is left and frees everything. */
void hj_http_close(struct hj_loop *loop);

/* Gives the connection and the bytes read so far to libh2o. */
void hj_http_begin(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len);

/* Whether libh2o has connections, and so must be run. */
bool hj_http_busy(const struct hj_loop *loop);

/* Lets libh2o wait (for the loop's poller too) and work. */
void hj_http_run(struct hj_loop *loop, int timeout_ms);

/* Runs what commands have left to be done, without waiting. */
void hj_http_settle(struct hj_loop *loop);

/* Takes the connection of a request out of libh2o: its descriptor, and what followed the request in *input (NULL for
 * nothing). -1 if it has gone. */
int hj_http_take(struct hj_loop *loop, struct hj_request *request, struct hj_input **input);

/* Counts a connection that was taken and could not be kept. */
void hj_http_connection_closed(struct hj_loop *loop, int reason);

/* Commands. */
void hj_http_respond(struct hj_loop *loop, struct hj_command *command);
void hj_http_request_freed(struct hj_loop *loop, struct hj_command *command);

/* Requests that waited for room in their queue go on. */
void hj_http_resume(struct hj_loop *loop);

/* From here on no connection is kept alive; the idle ones close. */
void hj_http_drain(struct hj_loop *loop);

/* Ends every connection: open requests get a 503. */
void hj_http_abandon(struct hj_loop *loop);

#endif
