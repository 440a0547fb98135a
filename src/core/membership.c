/* Memberships in broadcasters; see membership.h. Any thread. */
#include "core/membership.h"

#include <pthread.h>
#include <stdlib.h>

#include <hijack/hijack.h>

#include "core/broadcaster.h"
#include "core/history.h"
#include "core/worker.h"

/* A lock in each channel would be a sixth of its memory. */
#define LOCKS 16

static pthread_mutex_t locks[LOCKS] = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
};

static pthread_mutex_t *lock_of(const struct hj_subscriptions *subscriptions)
{
    return &locks[(uintptr_t)subscriptions / 64 % LOCKS]; /* neighbours in memory do not share one */
}

void hj_subscriptions_lock(const struct hj_subscriptions *subscriptions)
{
    pthread_mutex_lock(lock_of(subscriptions));
}

void hj_subscriptions_unlock(const struct hj_subscriptions *subscriptions)
{
    pthread_mutex_unlock(lock_of(subscriptions));
}

void hj_subscriptions_dispose(struct hj_subscriptions *subscriptions)
{
    free(subscriptions->list);
}

/* The entry of broadcaster, or count. */
static uint32_t find_subscription(const struct hj_subscriptions *subscriptions,
                                  const struct hj_broadcaster *broadcaster)
{
    uint32_t i = 0;
    while (i < subscriptions->count && subscriptions->list[i].broadcaster != broadcaster)
        ++i;
    return i;
}

/* The list grows when its length has reached a power of two. */
static bool make_room(struct hj_subscriptions *subscriptions)
{
    uint32_t count = subscriptions->count;
    if (count != 0 && (count & (count - 1)) != 0)
        return true;
    size_t size = (count == 0 ? 1 : count * 2) * sizeof(struct hj_subscription);
    struct hj_subscription *list = realloc(subscriptions->list, size);
    if (list == NULL)
        return false;
    subscriptions->list = list;
    return true;
}

static bool is_addressed(const struct hj_broadcaster *broadcaster, const struct hj_worker *worker)
{
    return (atomic_load_explicit(&broadcaster->addressed, memory_order_acquire) >> worker->index & 1) != 0;
}

/* The first time: what was published before does not reach the loop, and all that comes after does. The bit comes last:
 * who finds it set does not wait for the lock. */
void hj_membership_address(struct hj_broadcaster *broadcaster, const struct hj_worker *worker)
{
    if (is_addressed(broadcaster, worker))
        return;
    pthread_mutex_lock(&broadcaster->lock);
    struct hj_history *history = hj_history_of(&broadcaster->history);
    if (history != NULL && !is_addressed(broadcaster, worker))
        atomic_store_explicit(&history->seen[worker->index], history->newest, memory_order_relaxed);
    atomic_fetch_or(&broadcaster->addressed, 1ull << worker->index);
    pthread_mutex_unlock(&broadcaster->lock);
}

void hj_membership_begin(struct hj_broadcaster *broadcaster, const struct hj_worker *worker)
{
    hj_membership_address(broadcaster, worker);
    atomic_fetch_add_explicit(&broadcaster->members, 1, memory_order_relaxed);
}

void hj_membership_end(struct hj_broadcaster *broadcaster)
{
    atomic_fetch_sub_explicit(&broadcaster->members, 1, memory_order_relaxed);
}

static void add_entry(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster, uint32_t since)
{
    subscriptions->list[subscriptions->count++] = (struct hj_subscription){broadcaster, since};
    subscriptions->joined = true;
}

/* Whether it may join, and has room for the entry. */
static int prepare_entry(struct hj_subscriptions *subscriptions, const struct hj_broadcaster *broadcaster)
{
    if (subscriptions->closed)
        return HIJACK_ECLOSED;
    if (subscriptions->exclusive || find_subscription(subscriptions, broadcaster) != subscriptions->count)
        return HIJACK_ESTATE;
    return make_room(subscriptions) ? 0 : HIJACK_ENOMEM;
}

static int join_locked(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster,
                       struct hj_worker *worker, struct hj_command *command)
{
    int rc = prepare_entry(subscriptions, broadcaster);
    if (rc != 0)
        return rc;
    hj_membership_begin(broadcaster, worker);
    if (!hj_worker_post(worker, command)) {
        hj_membership_end(broadcaster);
        return HIJACK_ECLOSED;
    }
    add_entry(subscriptions, broadcaster, ++subscriptions->asked);
    return 0;
}

int hj_subscriptions_join(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster,
                          struct hj_worker *worker, struct hj_command *command)
{
    pthread_mutex_t *lock = lock_of(subscriptions);
    pthread_mutex_lock(lock);
    int rc = join_locked(subscriptions, broadcaster, worker, command);
    pthread_mutex_unlock(lock);
    return rc;
}

int hj_subscriptions_enter(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster,
                           const struct hj_worker *worker)
{
    pthread_mutex_t *lock = lock_of(subscriptions);
    pthread_mutex_lock(lock);
    int rc = prepare_entry(subscriptions, broadcaster);
    if (rc == 0) {
        hj_membership_begin(broadcaster, worker);
        add_entry(subscriptions, broadcaster, subscriptions->done);
    }
    pthread_mutex_unlock(lock);
    return rc;
}

static void remove_entry(struct hj_subscriptions *subscriptions, uint32_t i)
{
    hj_membership_end(subscriptions->list[i].broadcaster);
    subscriptions->list[i] = subscriptions->list[--subscriptions->count];
}

int hj_subscriptions_leave(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster,
                           struct hj_worker *worker, struct hj_command *command)
{
    int rc = 0;
    pthread_mutex_t *lock = lock_of(subscriptions);
    pthread_mutex_lock(lock);
    uint32_t i = find_subscription(subscriptions, broadcaster);
    if (subscriptions->closed)
        rc = HIJACK_ECLOSED;
    else if (i == subscriptions->count)
        rc = HIJACK_ESTATE;
    else if (!hj_worker_post(worker, command))
        rc = HIJACK_ECLOSED;
    if (rc == 0) {
        ++subscriptions->asked;
        remove_entry(subscriptions, i);
    }
    pthread_mutex_unlock(lock);
    return rc;
}

/* Of two counts that wrap around. */
static bool is_newer(uint32_t a, uint32_t b)
{
    const uint32_t ahead = (a - b) & ((1u << HJ_CALL_BITS) - 1);
    return ahead != 0 && ahead < 1u << (HJ_CALL_BITS - 1);
}

static void forget_locked(struct hj_subscriptions *subscriptions, const struct hj_broadcaster *broadcaster)
{
    uint32_t i = find_subscription(subscriptions, broadcaster);
    if (i != subscriptions->count && !is_newer(subscriptions->list[i].since, subscriptions->done))
        remove_entry(subscriptions, i);
}

void hj_subscriptions_forget(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster)
{
    pthread_mutex_t *lock = lock_of(subscriptions);
    pthread_mutex_lock(lock);
    forget_locked(subscriptions, broadcaster);
    pthread_mutex_unlock(lock);
}

void hj_subscriptions_joining(struct hj_subscriptions *subscriptions)
{
    pthread_mutex_t *lock = lock_of(subscriptions);
    pthread_mutex_lock(lock);
    ++subscriptions->done;
    pthread_mutex_unlock(lock);
}

void hj_subscriptions_leaving(struct hj_subscriptions *subscriptions, struct hj_broadcaster *broadcaster)
{
    pthread_mutex_t *lock = lock_of(subscriptions);
    pthread_mutex_lock(lock);
    ++subscriptions->done;
    forget_locked(subscriptions, broadcaster);
    pthread_mutex_unlock(lock);
}

bool hj_subscriptions_take(struct hj_subscriptions *subscriptions, const struct hj_broadcaster *broadcaster)
{
    pthread_mutex_t *lock = lock_of(subscriptions);
    pthread_mutex_lock(lock);
    uint32_t i = find_subscription(subscriptions, broadcaster);
    bool found = i != subscriptions->count;
    if (found)
        subscriptions->list[i] = subscriptions->list[--subscriptions->count];
    pthread_mutex_unlock(lock);
    return found;
}

void hj_subscriptions_close(struct hj_subscriptions *subscriptions)
{
    pthread_mutex_t *lock = lock_of(subscriptions);
    pthread_mutex_lock(lock);
    subscriptions->closed = true;
    while (subscriptions->count != 0)
        remove_entry(subscriptions, subscriptions->count - 1);
    pthread_mutex_unlock(lock);
}
