/* The members of one broadcaster on one loop: a dense list of table entries. Loop thread. */
#ifndef HJ_LOOP_SHARD_H
#define HJ_LOOP_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/broadcaster.h"
#include "loop/state.h"

/* Exists while it has members, and then keeps its broadcaster alive. */
struct hj_shard {
    struct hj_broadcaster *broadcaster; /* a reference */
    uint32_t *members;                  /* entries of the loop's table */
    uint32_t count, capacity;
};

/* NULL where this loop has no member of it. */
struct hj_shard *hj_shard_of(struct hj_loop *loop, struct hj_broadcaster *broadcaster);

/* Makes conn a member; nothing if it is one. False when out of memory. The broadcaster's count of members is kept by
 * whoever decided on the membership: the program's call, or the loop for a held route. */
bool hj_shard_add(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_conn *conn);

/* Ends the membership, if there is one; the last one takes the shard with it. Ending all of them also settles the
 * counts. */
void hj_shard_remove(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_conn *conn);
void hj_shard_remove_all(struct hj_loop *loop, struct hj_conn *conn);

#endif
