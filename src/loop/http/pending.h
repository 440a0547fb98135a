/* Requests from their head to the queue, and their answers back. Loop thread. */
#ifndef HJ_LOOP_HTTP_PENDING_H
#define HJ_LOOP_HTTP_PENDING_H

#include "codec/head.h"
#include "core/command.h"
#include "core/request.h"
#include "loop/conn.h"

/* Makes the request of this head known to the program: when it is whole, or immediately with its body in pieces, and
 * when its queue has room; or answers it. rest: what was read behind the head. Returns how many bytes of it were taken;
 * the others must be kept as the connection's input. */
size_t hj_pending_begin(struct hj_loop *loop, struct hj_conn *conn, const struct hj_route *route,
                        const struct hj_head *head, struct hj_slice rest);

/* Bytes of the body may have come, or room for them in the queue. */
void hj_pending_advance(struct hj_loop *loop, struct hj_conn *conn);

/* What the poller reported of a PENDING connection. */
void hj_pending_watch(struct hj_loop *loop, struct hj_conn *conn, unsigned events);

/* The connection of a request that becomes something else; NULL if it is closed or about to be. A request with an open
 * body stays with its connection until the body has ended. */
struct hj_conn *hj_pending_take(struct hj_request *request);

/* Why a request has no connection any more. */
int hj_pending_why_gone(const struct hj_loop *loop, const struct hj_request *request);

/* Requests that waited for room in their queue go on. */
void hj_pending_resume(struct hj_loop *loop);

/* Drops those that still wait; their connections are closed. */
void hj_pending_abandon(struct hj_loop *loop);

/* Commands. */
void hj_pending_respond(struct hj_loop *loop, struct hj_command *command);
void hj_pending_read(struct hj_loop *loop, struct hj_command *command);

/* The request's handle was freed. */
void hj_pending_freed(struct hj_loop *loop, struct hj_request *request);

#endif
