/* What an outgoing connection waits for before it can begin, on threads of its own: looking up its host's name, and,
 * for the first ones with TLS, reading whom the system trusts. The threads are made when there is something to do, and
 * end when there is nothing. */
#ifndef HJ_CORE_RESOLVER_H
#define HJ_CORE_RESOLVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct hj_channel;
struct hj_lookup;
struct hj_server;

/* One for each server; all zero but the lock: ready. */
struct hj_resolver {
    pthread_mutex_t lock;
    struct hj_lookup *head, *tail; /* what nobody has begun with; guarded by lock */
    uint32_t threads;              /* guarded by lock */
    bool reading;                  /* one of them reads the authorities; guarded by lock */
    pthread_cond_t read;           /* not any more */
};

void hj_resolver_init(struct hj_resolver *resolver);
/* Waits until nobody reads the authorities, a second at most: a thread that is within OpenSSL when the program ends
 * would find what it uses gone. */
void hj_resolver_settle(struct hj_resolver *resolver);
void hj_resolver_dispose(struct hj_resolver *resolver); /* no thread is left: each has a reference to the server */

/* Looks the name up, unless host is NULL, and with trust reads the authorities if nobody has; then posts HJ_OP_RESOLVED
 * to the channel's loop, once. False when out of memory or threads. */
bool hj_resolver_ask(struct hj_channel *channel, const char *host, const char *port, bool trust);

#endif
