/* A broadcaster: the any-thread half. Its members live in shards, one per loop that has any; a shard is its loop's
 * alone (loop/fanout/shard.h). */
#ifndef HJ_CORE_BROADCASTER_H
#define HJ_CORE_BROADCASTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/object.h"
#include "base/slice.h"
#include "core/command.h"
#include "core/history.h"
#include "core/message.h"
#include "core/server.h"

struct hj_joining;
struct hj_shard;

struct hj_broadcaster {
    struct hj_object object;
    struct hj_server *server; /* a reference */
    pthread_mutex_t lock;     /* held while a message is posted, so that all loops get messages in one order */
    _Atomic uint64_t backlog_bytes;
    _Atomic uint32_t long_poll_ms;
    _Atomic uint8_t overflow;   /* enum hj_overflow */
    _Atomic bool delivers;      /* what members without a handle send becomes events */
    _Atomic bool tells;         /* joins and leaves become events */
    _Atomic uint64_t addressed; /* a bit for each loop that has, or is about to have, a member */
    _Atomic uint64_t members, published, delivered, dropped, closed;
    struct hj_history *_Atomic history; /* what is in it is guarded by lock; NULL until one of its options is set */
    /* one per loop, made by the first loop that needs one; entry i is loop i's alone */
    struct hj_shard **_Atomic shards;
};

/* Where a member goes on with this position, or with none: HJ_FROM_* or an offset (core/history.h). Any thread. */
uint64_t hj_broadcaster_find(struct hj_broadcaster *broadcaster, struct hj_slice position);

/* What is said of a member that joins. */
struct hj_newcomer {
    uint64_t user_data;
    struct hj_slice first;    /* bytes of a body, or a message */
    struct hj_slice position; /* where the program wants it to go on; else: */
    struct hj_slice clients;  /* where the client wants to */
};

/* How such a member of this wire begins; *out: NULL where it is nobody, live, and begins with nothing. 0, HIJACK_ESTATE
 * (a position, and no history), EINVAL (a text that is not UTF-8) or ENOMEM. */
int hj_broadcaster_joining(struct hj_joining **out, struct hj_broadcaster *broadcaster, enum hj_wire wire,
                           const struct hj_newcomer *newcomer);

/* Posts a command like this one (op, other, buf, message, value) to each loop that has, or is about to have, members,
 * or to none; all of them see one order. The history keeps what is published. 0, HIJACK_ESTATE, ESHUTDOWN or ENOMEM. */
int hj_broadcaster_ask(struct hj_broadcaster *broadcaster, const struct hj_command *what);

/* A message of these parts, checked; 0 or an error of publish. */
int hj_broadcaster_compose(struct hj_message **out, struct hj_broadcaster *broadcaster,
                           const struct hj_message_parts *parts);

/* Loop: it has written the message with this offset to its members. */
void hj_broadcaster_saw(struct hj_broadcaster *broadcaster, uint32_t loop, uint64_t offset);

/* How many members it has now, as the functions return it: up to INT32_MAX. */
static inline int hj_broadcaster_count(const struct hj_broadcaster *broadcaster)
{
    const uint64_t members = atomic_load(&broadcaster->members);
    return members > INT32_MAX ? INT32_MAX : (int)members;
}

/* Pins the broadcaster of a handle; unpin with hj_handle_unpin. */
int hj_broadcaster_pin(struct hj_broadcaster **out, const void *handle);

#endif
