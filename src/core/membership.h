/* Joining and leaving broadcasters: where their counts of members change.
 *
 * The loops carry memberships out a little later, in the order of the calls. A channel's subscriptions are its
 * memberships as the program's calls have them: this list is what makes add and remove answer immediately, and the
 * counts right from the moment of the call. A member without a handle is counted when it is certain to join. */
#ifndef HJ_CORE_MEMBERSHIP_H
#define HJ_CORE_MEMBERSHIP_H

#include <stdbool.h>
#include <stdint.h>

struct hj_broadcaster;
struct hj_command;
struct hj_worker;

#define HJ_CALL_BITS 18

struct hj_subscription {
    struct hj_broadcaster *broadcaster; /* not a reference: the entry goes before its membership does */
    uint32_t since;                     /* what `asked` was with the call that made it */
};

/* Guarded by a lock that few channels share (membership.c); inside it only a mailbox's is taken. */
struct hj_subscriptions {
    struct hj_subscription *list;
    uint64_t count : 24; /* as many as there are handles */
    /* joins and leaves that were posted, and carried out by the loop: an entry that is newer is not yet the loop's to
     * take out. They wrap around; 131,071 may be on their way */
    uint64_t asked : HJ_CALL_BITS, done : HJ_CALL_BITS;
    uint64_t closed : 1;    /* no more: the connection leaves */
    uint64_t exclusive : 1; /* none now: the pieces of a message are being sent, and nothing may come between them */
    uint64_t joined : 1;    /* since this was last cleared: others may have sent to the connection */
};

/* For whoever else guards something of a channel by the lock. */
void hj_subscriptions_lock(const struct hj_subscriptions *subscriptions);
void hj_subscriptions_unlock(const struct hj_subscriptions *subscriptions);

void hj_subscriptions_dispose(struct hj_subscriptions *subscriptions);

/* Joins, counts, and posts the command, which it takes over on success: list and loop see the same order. 0,
 * HIJACK_ESTATE (a member already, or exclusive), HIJACK_ECLOSED or HIJACK_ENOMEM. */
int hj_subscriptions_join(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster,
                          struct hj_worker *worker, struct hj_command *command);

/* Leaves, counts, and posts the command, likewise. 0, HIJACK_ESTATE (not a member) or HIJACK_ECLOSED. */
int hj_subscriptions_leave(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster,
                           struct hj_worker *worker, struct hj_command *command);

/* Loop: it carries out a join or leave now. A leave takes out what the loop itself has entered since it was asked. */
void hj_subscriptions_joining(struct hj_subscriptions *subscriptions);
void hj_subscriptions_leaving(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster);

/* Loop: it becomes a member without a call for it, and counts. 0, HIJACK_ESTATE (a member already, or exclusive),
 * HIJACK_ECLOSED or HIJACK_ENOMEM. */
int hj_subscriptions_enter(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster,
                           const struct hj_worker *worker);

/* Loop: the membership could not be, or has ended; it leaves and counts. Not if a later call has made it a member anew.
 */
void hj_subscriptions_forget(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster);

/* Loop: takes the entry out and leaves the membership counted, which goes on without the handle; false: there is none.
 */
bool hj_subscriptions_take(struct hj_subscriptions *subscriptions, const struct hj_broadcaster *broadcaster);

/* Leaves all, for good. */
void hj_subscriptions_close(struct hj_subscriptions *subscriptions);

/* Members are about to join on this loop: what is published from now on goes to it. Any thread. */
void hj_membership_address(struct hj_broadcaster *broadcaster, const struct hj_worker *worker);

/* A member without a handle joins on this loop: it is counted, and later messages go to the loop too. Before the
 * command that adds it is posted. Any thread. */
void hj_membership_begin(struct hj_broadcaster *broadcaster, const struct hj_worker *worker);

/* It has left, or could not join. Any thread. */
void hj_membership_end(struct hj_broadcaster *broadcaster);

#endif
