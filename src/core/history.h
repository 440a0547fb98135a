/* The last messages of a broadcaster, so that a member which returns gets what it has missed.
 *
 * Each message has an offset, counted from 1; the epoch tells one count from another, such as that of an earlier
 * process. Everything is guarded by the broadcaster's lock, except what is said to be a loop's. */
#ifndef HJ_CORE_HISTORY_H
#define HJ_CORE_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "core/message.h"
#include "core/option.h"
#include "core/server.h"

/* Where a member goes on: the offset of the first message that it wants, or one of these. */
#define HJ_FROM_LIVE 0                   /* what is published from now on */
#define HJ_FROM_ALL UINT64_MAX           /* with all that is there */
#define HJ_FROM_UNKNOWN (UINT64_MAX - 1) /* the same, but it has missed something: nobody knows how much */

#define HJ_HISTORY_PART 60 /* messages in one look: with a head, a first message and a notice one write takes them */

struct hj_history_entry {
    struct hj_message *message; /* a reference */
    uint32_t at_ms;             /* when it was published; wraps around */
    uint32_t id_hash;           /* of an id that is the program's own; else 0 */
};

struct hj_history {
    struct hj_broadcaster_options options; /* those of the history alone */
    _Atomic bool on; /* messages are counted: since history_messages was not 0; written with the lock */
    bool added;      /* a message has been counted */
    char epoch[HJ_EPOCH_MAX + 1];
    struct hj_history_entry *ring;
    uint32_t first, count, capacity; /* of the ring; capacity is a power of two, or 0 */
    uint32_t own_ids;                /* entries with an id_hash */
    uint64_t newest;                 /* offset of the newest message; entry i has newest - count + 1 + i */
    uint64_t bytes;                  /* hj_message_cost of all entries */
    /* the offset up to which each loop has written to its members. Loop i writes entry i, except that its first
     * membership sets it under the lock, before anything can be on its way to that loop */
    _Atomic uint64_t seen[HJ_MAX_LOOPS];
};

/* What one look at the history gives. */
struct hj_history_part {
    struct hj_message *messages[HJ_HISTORY_PART]; /* references */
    int count;
    bool gap;       /* something before messages[0] is gone */
    uint64_t first; /* with gap: the offset of the first message that is still to be had */
};

/* A broadcaster's history, if messages are counted; else NULL. Any thread. */
static inline struct hj_history *hj_history_of(struct hj_history *const _Atomic *where)
{
    struct hj_history *history = atomic_load_explicit(where, memory_order_acquire);
    return history != NULL && atomic_load_explicit(&history->on, memory_order_relaxed) ? history : NULL;
}

/* With a random epoch, and not on. NULL when out of memory. */
struct hj_history *hj_history_new(void);
void hj_history_free(struct hj_history *history); /* NULL is a no-op */

/* Sets one of its options; what is beyond the bounds then goes. 0, HIJACK_ESTATE (history_position: messages were
 * counted already), or as hj_option_set. */
int hj_history_set(struct hj_history *history, struct hj_slice name, struct hj_slice value);

/* Writes the position of this offset and a NUL; returns its length. */
int hj_history_position(char out[HJ_POSITION_SIZE], const struct hj_history *history, uint64_t offset);

/* Room for the next message; false when out of memory. */
bool hj_history_reserve(struct hj_history *history);

/* Gives the message its offset, and its id if the program gave none. After hj_history_reserve. */
void hj_history_add(struct hj_history *history, struct hj_message *message);

/* Where a member goes on that has this id, or position, or "*", or "": HJ_FROM_* or an offset. */
uint64_t hj_history_find(const struct hj_history *history, struct hj_slice position);

/* The next messages from *from up to the offset `until`; *from moves behind them. There is nothing for a *from that is
 * over `until`. */
void hj_history_read(struct hj_history *history, struct hj_history_part *out, uint64_t *from, uint64_t until);

#endif
