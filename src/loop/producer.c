/* Reading only as fast as the program polls; see producer.h. Loop thread. */
#include "loop/producer.h"

#include <stdlib.h>

uint32_t hj_producer_count(const struct hj_loop *loop)
{
    return loop->server->queue_count + loop->server->route_count;
}

/* The queue behind a producer; NULL for a route that has none. */
static struct hj_queue *queue_of(const struct hj_server *server, uint32_t i)
{
    return i < server->queue_count ? server->queues[i] : server->routes[i - server->queue_count].queue;
}

struct hj_producer *hj_producer_of(struct hj_loop *loop, const struct hj_queue *queue)
{
    uint32_t i = 0; /* every queue of a loop's requests and sockets is one of the server's */
    while (queue_of(loop->server, i) != queue)
        ++i;
    return &loop->producers[i];
}

void hj_producer_cancel(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < hj_producer_count(loop); ++i) {
        struct hj_queue *queue = queue_of(loop->server, i);
        if (queue != NULL)
            hj_queue_wait_cancel(queue, &loop->producers[i].waiter);
    }
}

bool hj_producer_is_open(struct hj_loop *loop, struct hj_queue *queue)
{
    return !hj_queue_full(queue) || !hj_queue_wait(queue, &hj_producer_of(loop, queue)->waiter);
}

bool hj_producer_has_room(struct hj_loop *loop, struct hj_conn *conn, struct hj_queue *queue)
{
    if (hj_producer_is_open(loop, queue))
        return true;
    if ((conn->flags & HJ_CONN_STALLED) == 0) {
        conn->flags |= HJ_CONN_STALLED;
        ++loop->stalled;
    }
    return false;
}
