/* Who joined and left a broadcaster, on its way to the program: records that are collected in a turn and given out as
 * few MEMBERS events. Loop thread.
 *
 * A roll has room for one more record of each present member, so that a leave is never lost for want of memory, and
 * records wait in it while the queue is full. */
#ifndef HJ_LOOP_FANOUT_ROLL_H
#define HJ_LOOP_FANOUT_ROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/broadcaster.h"
#include "loop/state.h"

#define HJ_ROLL_JOINED 1

/* As the header describes the data of HIJACK_EVENT_MEMBERS. */
struct hj_roll_record {
    uint64_t user_data;
    int32_t what; /* HJ_ROLL_JOINED, or why it left: 0 or HIJACK_E* */
    uint32_t reserved;
};

/* Of one broadcaster on one loop. Its shard has it; without members it waits for its records to be given out, before
 * those of a later one of the same broadcaster. */
struct hj_roll {
    struct hj_roll *next;               /* of those that have records, the oldest first: loop->rolls */
    struct hj_broadcaster *broadcaster; /* a reference */
    struct hj_roll_record *records;
    uint32_t count, capacity;
    uint32_t members; /* recorded as joined and not as left */
};

/* The roll of a broadcaster whose shard has none yet. NULL when out of memory. */
struct hj_roll *hj_roll_begin(struct hj_broadcaster *broadcaster);

/* A member has joined. False when out of memory. */
bool hj_roll_join(struct hj_loop *loop, struct hj_roll *roll, uint64_t user_data);
void hj_roll_leave(struct hj_loop *loop, struct hj_roll *roll, uint64_t user_data, int why);

/* Nobody wants to hear of its members any more. */
void hj_roll_end(struct hj_roll *roll);

/* Gives out what the queue has room for, the rest in a later turn. */
void hj_roll_run(struct hj_loop *loop);

void hj_roll_dispose(struct hj_loop *loop);

#endif
