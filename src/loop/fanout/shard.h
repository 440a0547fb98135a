/* The members of one broadcaster on one loop: a dense list. Loop thread.
 *
 * What the write run needs of a member that keeps up stands in the list itself: after each system call the caches hold
 * the kernel's things, and the table entry would be one more line to fetch for every member. */
#ifndef HJ_LOOP_FANOUT_SHARD_H
#define HJ_LOOP_FANOUT_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/broadcaster.h"
#include "core/membership.h"
#include "loop/state.h"

struct hj_member {
    uint32_t conn; /* entry of the loop's table */
    uint32_t out;  /* descriptor, wire form, and whether it is written to by way of its entry */
};

#define HJ_MEMBER_FD 0x0fffffffu
#define HJ_MEMBER_WIRE_SHIFT 28        /* three bits */
#define HJ_MEMBER_INDIRECT 0x80000000u /* not a plain descriptor that keeps up */

/* It gets what it has missed first, and is not written to: the bits of the descriptor are its entry in loop->behind.
 */
static inline bool hj_member_is_behind(const struct hj_member *member)
{
    return (member->out & HJ_MEMBER_INDIRECT) != 0 && (member->out & HJ_MEMBER_FD) != 0;
}

/* Exists while it has members, and then keeps its broadcaster alive. */
struct hj_shard {
    struct hj_broadcaster *broadcaster; /* a reference */
    struct hj_member *members;
    uint64_t *users;      /* who each member is; NULL: nobody has said */
    struct hj_roll *roll; /* NULL: the program does not want to hear of its members */
    uint32_t count, capacity;
    uint32_t out_ms; /* when its members that keep up were last written to; loop time */
};

/* NULL where this loop has no member of it. */
struct hj_shard *hj_shard_of(struct hj_loop *loop, struct hj_broadcaster *broadcaster);

/* Who a member is; 0: nobody has said. */
static inline uint64_t hj_shard_user(const struct hj_shard *shard, uint32_t position)
{
    return shard->users == NULL ? 0 : shard->users[position];
}

/* Whether conn is a member. */
bool hj_shard_has(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_conn *conn);

/* Makes conn a member; nothing if it is one. False when out of memory. The broadcaster's count of members is kept by
 * whoever decided on the membership: the program's call, or the loop for a held route. */
bool hj_shard_add(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_conn *conn, uint64_t user_data);

/* Ends the membership, if there is one (all of them: for this reason, 0 or HIJACK_E*); the last one takes the shard
 * with it. Ending all of them also settles the counts. */
void hj_shard_remove(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_conn *conn);
void hj_shard_remove_all(struct hj_loop *loop, struct hj_conn *conn, int why);

/* The program wants to hear of the members, beginning with those that are there, or not any more. Without a queue it
 * hears of nobody. */
void hj_shard_tell(struct hj_loop *loop, struct hj_broadcaster *broadcaster, bool tells);

/* The handle is freed: the connection's memberships stay counted, and the subscriptions are closed. A publish at the
 * same time finds each of them counted. */
void hj_shard_hand_over(struct hj_loop *loop, struct hj_conn *conn, struct hj_subscriptions *subscriptions);

/* The connection got its backlog, or lost it. */
void hj_shard_mark(struct hj_loop *loop, struct hj_conn *conn);

/* Sees to it that option unsent_bytes is in force for a member, and not for another connection that has a backlog. What
 * a member's kernel does not take waits in its backlog, where the policies act; others' own bytes go faster without.
 * Each connection begins with the limit, inherited from the listening socket, so that this costs a system call for
 * large downloads only. */
void hj_shard_limit_unsent(struct hj_loop *loop, struct hj_conn *conn);

/* Brings the entry's out_ms up to what its shards have written since. */
void hj_shard_refresh(struct hj_loop *loop, struct hj_conn *conn);

#endif
