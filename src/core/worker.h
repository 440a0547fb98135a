/* What core sees of a loop: where its commands go and its events come from, its number and its statistics. The loop's
 * own struct begins with it.
 */
#ifndef HJ_CORE_WORKER_H
#define HJ_CORE_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <hijack/hijack.h>

#include "core/handover.h"
#include "core/mailbox.h"
#include "core/outbox.h"

struct hj_worker {
    struct hj_mailbox mailbox;                 /* any thread */
    struct hj_handover handover;               /* adopted descriptors */
    struct hj_outbox outbox;                   /* the loop's alone: where all its events go */
    _Atomic uint64_t stats[HIJACK_STAT_COUNT]; /* written by the loop, read by any thread */
    struct hj_server *server;                  /* owns it; constant */
    uint32_t index;                            /* constant */
    pthread_t thread;                          /* guarded by the server's lock until it has started, constant then */
    /* each posted once: they must not fail for want of memory */
    struct hj_command accept_command, drain_command, stop_command;
    /* at least the largest backlog of one connection, in bytes; written by the loop (loop/shedding.h) */
    _Atomic uint64_t worst_backlog;
    /* another loop has found that this one must shed; reset by the loop */
    _Atomic bool shed_asked;
};

/* Takes over the command; false, and the command still the caller's, when the loop has ended. Any thread. */
static inline bool hj_worker_post(struct hj_worker *worker, struct hj_command *command)
{
    return hj_mailbox_push(&worker->mailbox, command);
}

/* Asks the loop to end, once. object: what the command keeps alive. Any thread. */
static inline void hj_worker_stop(struct hj_worker *worker, struct hj_object *object)
{
    hj_command_embed(&worker->stop_command, HJ_OP_STOP, object);
    if (!hj_worker_post(worker, &worker->stop_command))
        hj_command_free(&worker->stop_command); /* it has ended already */
}

static inline uint64_t hj_worker_stat(const struct hj_worker *worker, uint32_t stat)
{
    return atomic_load_explicit(&worker->stats[stat], memory_order_relaxed);
}

#endif
