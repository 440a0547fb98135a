/* Which broadcasters a channel is a member of, as the program's calls have it.
 *
 * The loops carry memberships out a little later, in the order of the calls. This list is what makes add and remove
 * answer at once, and the counts right from the moment of the call. Only a command list's lock is taken inside this
 * lock. */
#ifndef HJ_CORE_ROOMS_H
#define HJ_CORE_ROOMS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct hj_broadcaster;
struct hj_command;
struct hj_worker;

struct hj_rooms {
    pthread_mutex_t lock;
    struct hj_broadcaster **list; /* not references: an entry goes before its membership does; guarded by lock */
    uint32_t count, capacity;     /* guarded by lock */
    bool closed;                  /* no more: the connection leaves; guarded by lock */
};

void hj_rooms_init(struct hj_rooms *rooms);
void hj_rooms_dispose(struct hj_rooms *rooms);

/* Joins, counts, and posts the command, which it takes over on success: list and loop see the same order. 0,
 * HIJACK_ESTATE (a member already), HIJACK_ECLOSED or HIJACK_ENOMEM. */
int hj_rooms_join(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster, struct hj_worker *worker,
                  struct hj_command *command);

/* Leaves, counts, and posts the command, likewise. 0, HIJACK_ESTATE (no member) or HIJACK_ECLOSED. */
int hj_rooms_leave(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster, struct hj_worker *worker,
                   struct hj_command *command);

/* Loop: the membership could not be; it leaves and counts. */
void hj_rooms_forget(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster);

/* Leaves all, for good. */
void hj_rooms_close(struct hj_rooms *rooms);

#endif
