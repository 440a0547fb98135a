/* A broadcaster: the any-thread half. Its members live in shards, one per loop that has any; a shard is its loop's
 * alone (loop/fanout/shard.h). */
#ifndef HJ_CORE_BROADCASTER_H
#define HJ_CORE_BROADCASTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/object.h"
#include "core/server.h"

struct hj_shard;

struct hj_broadcaster {
    struct hj_object object;
    struct hj_server *server; /* a reference */
    pthread_mutex_t lock;     /* held while a message is posted, so that all loops get messages in one order */
    _Atomic uint64_t backlog_bytes;
    _Atomic uint32_t overflow;  /* enum hj_overflow */
    _Atomic bool delivers;      /* what members without a handle send becomes events */
    _Atomic uint64_t addressed; /* a bit for each loop that has, or is about to have, a member */
    _Atomic uint64_t members, published, delivered, dropped, closed;
    /* one per loop, made by the first loop that needs one; entry i is loop i's alone */
    struct hj_shard **_Atomic shards;
};

/* Pins the broadcaster of a handle; unpin with hj_handle_unpin. */
int hj_broadcaster_pin(struct hj_broadcaster **out, const void *handle);

#endif
