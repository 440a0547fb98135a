/* The list of ready entries; see ready.h. Loop thread. */
#include "loop/ready.h"

#include <stdlib.h>

bool hj_ready_add(struct hj_loop *loop, struct hj_conn *conn)
{
    if ((conn->flags & HJ_CONN_READY) != 0)
        return true;
    if (loop->ready_count == loop->ready_capacity) {
        uint32_t capacity = loop->ready_capacity == 0 ? 64 : loop->ready_capacity * 2;
        uint32_t *ready = realloc(loop->ready, capacity * sizeof(*ready));
        if (ready == NULL)
            return false;
        loop->ready = ready;
        loop->ready_capacity = capacity;
    }
    conn->flags |= HJ_CONN_READY;
    loop->ready[loop->ready_count++] = conn->index;
    return true;
}
