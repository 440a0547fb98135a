/* Reading only as fast as the program polls; see backpressure.h. Loop thread. */
#include "loop/backpressure.h"

bool hj_backpressure_has_room(struct hj_loop *loop, struct hj_conn *conn, struct hj_queue *queue)
{
    if (!hj_queue_full(queue) || !hj_queue_wait(queue, &hj_loop_inlet(loop, queue)->waiter))
        return true;
    if ((conn->flags & HJ_CONN_STALLED) == 0) {
        conn->flags |= HJ_CONN_STALLED;
        ++loop->stalled;
    }
    return false;
}
