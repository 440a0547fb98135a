/* A loop as the producer of the program's queues: events go in, and reading stops while a queue is full. Loop thread.
 */
#ifndef HJ_LOOP_PRODUCER_H
#define HJ_LOOP_PRODUCER_H

#include "loop/conn.h"

/* The loop's side of a queue of its server. */
struct hj_producer *hj_producer_of(struct hj_loop *loop, const struct hj_queue *queue);
uint32_t hj_producer_count(const struct hj_loop *loop);

/* Whether the queue has room for what this connection would bring; if not, the connection is marked STALLED, and looked
 * at again when it has. */
bool hj_producer_has_room(struct hj_loop *loop, struct hj_conn *conn, struct hj_queue *queue);

/* Whether the queue has room; if not, the loop is woken when it has. */
bool hj_producer_is_open(struct hj_loop *loop, struct hj_queue *queue);

/* The loop ends: no queue resumes it any more. */
void hj_producer_cancel(struct hj_loop *loop);

#endif
