/* Members that are behind: what each of them still wants of its broadcaster's history. Loop thread. */
#ifndef HJ_LOOP_FANOUT_BEHIND_H
#define HJ_LOOP_FANOUT_BEHIND_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/state.h"

struct hj_behind {
    struct hj_shard *shard; /* NULL: the entry is free */
    uint64_t from;          /* HJ_FROM_* or the offset of the next message */
    uint32_t next_free;     /* 0: none */
    bool tells;             /* its client wants to be told where it is, which has not been done */
    bool ending;            /* the broadcaster ends it after that */
};

/* A free entry, 0 when out of memory; the others may move. */
uint32_t hj_behind_take(struct hj_loop *loop);
void hj_behind_give(struct hj_loop *loop, uint32_t index);
struct hj_behind *hj_behind_at(const struct hj_loop *loop, uint32_t index);

void hj_behind_dispose(struct hj_loop *loop);

#endif
