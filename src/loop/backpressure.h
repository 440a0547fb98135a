/* What a loop has to do with the program's queues: events go in, and reading stops while a queue is full. Loop thread.
 */
#ifndef HJ_LOOP_BACKPRESSURE_H
#define HJ_LOOP_BACKPRESSURE_H

#include "loop/conn.h"

/* Whether the queue has room for what this connection would bring; if not, the connection is marked STALLED, and looked
 * at again when it has. */
bool hj_backpressure_has_room(struct hj_loop *loop, struct hj_conn *conn, struct hj_queue *queue);

#endif
