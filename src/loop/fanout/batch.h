/* Messages of one broadcaster that are written together. Loop thread. */
#ifndef HJ_LOOP_FANOUT_BATCH_H
#define HJ_LOOP_FANOUT_BATCH_H

#include "core/command.h"
#include "core/message.h"
#include "loop/state.h"

#define HJ_BATCH_MAX 64            /* messages */
#define HJ_BATCH_MAX_BYTES 262144u /* of them (hj_message_cost): more together gains nothing */

/* With so many bytes it does not grow: a member that has taken them in this turn, as an HTTP/2 stream whose frames go
 * out at its end, might be taken for one that does not keep up. */
#define HJ_BATCH_GROW_BYTES 32768u

struct hj_batch {
    struct hj_message *messages[HJ_BATCH_MAX]; /* of the commands, which are freed after the run */
    int count;
    uint64_t cost;
    struct hj_command *last; /* PUBLISH of the last message */
};

/* Begins with this PUBLISH and its neighbours of the same broadcaster. */
void hj_batch_begin(struct hj_batch *batch, struct hj_loop *loop, struct hj_command *first);

/* Adds what was published since, if the batch is small and nothing else was asked for before that: the commands are
 * then behind batch->last. Whether there is more. */
bool hj_batch_grow(struct hj_batch *batch, struct hj_loop *loop);

#endif
