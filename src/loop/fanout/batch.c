/* Messages that are written together; see batch.h. Loop thread. */
#include "loop/fanout/batch.h"

/* Takes the command's message, if it belongs to the same broadcaster and there is room. */
static bool take_message(void *arg, struct hj_command *command)
{
    struct hj_batch *batch = arg;
    if (command->op != HJ_OP_PUBLISH || command->object != batch->last->object || batch->count == HJ_BATCH_MAX)
        return false;
    const uint64_t cost = batch->cost + hj_message_cost(command->message);
    if (batch->count != 0 && cost > HJ_BATCH_MAX_BYTES)
        return false;
    batch->cost = cost;
    batch->messages[batch->count++] = command->message;
    return true;
}

/* They do not wait any more. */
static void count_taken(struct hj_loop *loop, uint64_t cost)
{
    atomic_fetch_sub_explicit(&loop->server->publish_waiting, cost, memory_order_relaxed);
}

void hj_batch_begin(struct hj_batch *batch, struct hj_loop *loop, struct hj_command *first)
{
    batch->count = 0;
    batch->cost = 0;
    batch->last = first;
    for (struct hj_command *command = first; command != NULL && take_message(batch, command); command = command->next)
        batch->last = command;
    count_taken(loop, batch->cost);
}

bool hj_batch_grow(struct hj_batch *batch, struct hj_loop *loop)
{
    const uint64_t before = batch->cost;
    if (batch->last->next != NULL || batch->cost >= HJ_BATCH_GROW_BYTES)
        return false; /* something else is to be done before, or it is large */
    struct hj_command *more = hj_mailbox_take_while(&loop->worker.mailbox, take_message, batch);
    if (more == NULL)
        return false;
    batch->last->next = more;
    while (batch->last->next != NULL)
        batch->last = batch->last->next;
    count_taken(loop, batch->cost - before);
    return true;
}
