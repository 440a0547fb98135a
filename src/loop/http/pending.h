/* PENDING connections: a request of theirs awaits its answer. Loop thread. */
#ifndef HJ_LOOP_HTTP_PENDING_H
#define HJ_LOOP_HTTP_PENDING_H

#include "codec/head.h"
#include "core/command.h"
#include "core/request.h"
#include "loop/conn.h"

/* Puts a descriptor that libh2o gave back into the table. NULL, and the descriptor closed, when out of memory. */
struct hj_conn *hj_pending_open(struct hj_loop *loop, int fd, uint8_t deal);

/* Makes the request known to the program, now or when its queue has room; or answers with an error of ours. rest: what
 * libh2o has read beyond it. The connection may be gone after it. */
void hj_pending_submit(struct hj_loop *loop, struct hj_conn *conn, const struct hj_head *head, struct hj_slice body,
                       struct hj_slice rest);

/* Ends the request, its connection going another way; NULL if the connection has gone. */
struct hj_conn *hj_pending_take(struct hj_loop *loop, struct hj_request *request);

/* Requests that waited for room in their queue go on. */
void hj_pending_resume(struct hj_loop *loop);

/* Drops those that still wait; their connections are gone. */
void hj_pending_abandon(struct hj_loop *loop);

/* Commands. */
void hj_pending_respond(struct hj_loop *loop, struct hj_command *command);
void hj_pending_freed(struct hj_loop *loop, struct hj_command *command);

#endif
