/* The handle table; see handle.h. Any thread.
 *
 * Slots live in chunks that are never moved or freed, so that a stale index can always be looked at. A slot's state is
 * one atomic word: generation, a dead bit, and the number of pins. Whoever leaves a dead slot last recycles it. The
 * lock guards the free list and the growth of the table, nothing else. Slots are reused oldest first, so that a
 * generation lasts as long as possible.
 *
 * A forked child sees the parent's slots as of another epoch and gets HIJACK_EFORK for all of them; the fork handlers
 * hold the lock across the fork so that the child's table is whole. */
#include "base/handle.h"

#include <pthread.h>
#include <stdlib.h>

#include <hijack/hijack.h>

#define CHUNK_BITS 12
#define CHUNK_SLOTS (1u << CHUNK_BITS)
#define CHUNK_COUNT 4096u

#define PIN 1ull
#define PINS_MASK 0x7fffffffull
#define DEAD 0x80000000ull
#define GENERATION_SHIFT 32
#define GENERATION_MASK 0x0fffffffu
#define KIND_SHIFT 60

struct slot {
    _Atomic uint64_t state; /* generation << 32 | dead | pins */
    struct hj_object *object;
    _Atomic uint32_t epoch; /* relaxed: read by stale handles while the slot is given out again */
    uint32_t next_free;     /* guarded by lock; 0: none */
};

static struct slot *_Atomic chunks[CHUNK_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t used = 1;                  /* guarded by lock; slot 0 is never given out */
static uint32_t first_free, last_free;     /* guarded by lock */
static _Atomic uint32_t current_epoch = 1; /* changes only in a child, while it has one thread */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    atomic_fetch_add(&current_epoch, 1);
    pthread_mutex_unlock(&lock);
}

static void watch_fork(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

static struct slot *slot_at(uint32_t index)
{
    struct slot *chunk = atomic_load_explicit(&chunks[index >> CHUNK_BITS], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[index & (CHUNK_SLOTS - 1)];
}

static uint32_t take_slot_locked(void)
{
    if (first_free != 0 && used > CHUNK_SLOTS) {
        uint32_t index = first_free;
        first_free = slot_at(index)->next_free;
        if (first_free == 0)
            last_free = 0;
        return index;
    }
    if (used == CHUNK_COUNT * CHUNK_SLOTS)
        return 0;
    if (atomic_load_explicit(&chunks[used >> CHUNK_BITS], memory_order_relaxed) == NULL) {
        struct slot *chunk = calloc(CHUNK_SLOTS, sizeof(*chunk));
        if (chunk == NULL)
            return 0;
        atomic_store_explicit(&chunks[used >> CHUNK_BITS], chunk, memory_order_release);
    }
    return used++;
}

int hj_handle_new(struct hj_object *object)
{
    pthread_once(&fork_once, watch_fork);
    pthread_mutex_lock(&lock);
    uint32_t index = take_slot_locked();
    pthread_mutex_unlock(&lock);
    if (index == 0)
        return HIJACK_ENOMEM;
    struct slot *slot = slot_at(index);
    uint64_t generation = atomic_load_explicit(&slot->state, memory_order_relaxed) >> GENERATION_SHIFT;
    if (generation == 0)
        generation = 1; /* a slot that was never given out matches no handle */
    hj_object_ref(object);
    slot->object = object;
    atomic_store_explicit(&slot->epoch, atomic_load_explicit(&current_epoch, memory_order_relaxed),
                          memory_order_relaxed);
    uint64_t token = (uint64_t)object->kind << KIND_SHIFT | (generation & GENERATION_MASK) << GENERATION_SHIFT | index;
    object->handle = (void *)(uintptr_t)token; /* NOLINT: a number in a pointer's shape, never dereferenced */
    atomic_store_explicit(&slot->state, generation << GENERATION_SHIFT, memory_order_release);
    return 0;
}

static struct slot *slot_of(const void *handle)
{
    uint32_t index = (uint32_t)(uintptr_t)handle;
    if (index == 0 || index >= CHUNK_COUNT * CHUNK_SLOTS)
        return NULL;
    return slot_at(index);
}

static uint32_t generation_of(const void *handle)
{
    return (uint32_t)((uint64_t)(uintptr_t)handle >> GENERATION_SHIFT) & GENERATION_MASK;
}

static bool state_matches(uint64_t state, const void *handle)
{
    return (state & DEAD) == 0 && (state >> GENERATION_SHIFT) == generation_of(handle);
}

int hj_handle_pin(struct hj_object **out, const void *handle, unsigned kinds)
{
    unsigned kind = (unsigned)((uint64_t)(uintptr_t)handle >> KIND_SHIFT);
    struct slot *slot = slot_of(handle);
    if (slot == NULL || (kinds >> kind & 1) == 0)
        return HIJACK_EHANDLE;
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
    do {
        if (!state_matches(state, handle))
            return HIJACK_EHANDLE;
        if (atomic_load_explicit(&slot->epoch, memory_order_relaxed) !=
            atomic_load_explicit(&current_epoch, memory_order_relaxed))
            return HIJACK_EFORK;
    } while (!atomic_compare_exchange_weak_explicit(&slot->state, &state, state + PIN, memory_order_acq_rel,
                                                    memory_order_acquire));
    *out = slot->object;
    if (slot->object->kind == kind)
        return 0;
    hj_handle_unpin(handle); /* a number made up from a real one */
    return HIJACK_EHANDLE;
}

static void recycle(struct slot *slot, uint32_t index)
{
    struct hj_object *object = slot->object;
    slot->object = NULL;
    uint64_t generation = (atomic_load(&slot->state) >> GENERATION_SHIFT) + 1;
    /* stays dead until the slot is given out again: the word below has the next generation and the dead bit */
    atomic_store_explicit(&slot->state, (generation & GENERATION_MASK) << GENERATION_SHIFT | DEAD,
                          memory_order_release);
    pthread_mutex_lock(&lock);
    slot->next_free = 0;
    if (last_free != 0)
        slot_at(last_free)->next_free = index;
    else
        first_free = index;
    last_free = index;
    pthread_mutex_unlock(&lock);
    hj_object_unref(object);
}

void hj_handle_unpin(const void *handle)
{
    struct slot *slot = slot_of(handle);
    uint64_t state = atomic_fetch_sub_explicit(&slot->state, PIN, memory_order_acq_rel) - PIN;
    if ((state & DEAD) != 0 && (state & PINS_MASK) == 0)
        recycle(slot, (uint32_t)(uintptr_t)handle);
}

bool hj_handle_kill(const void *handle)
{
    struct slot *slot = slot_of(handle);
    return (atomic_fetch_or_explicit(&slot->state, DEAD, memory_order_acq_rel) & DEAD) == 0;
}

void hj_handle_discard(const void *handle)
{
    struct hj_object *object;
    if (hj_handle_pin(&object, handle, ~1u) != 0)
        return;
    hj_handle_kill(handle);
    hj_handle_unpin(handle);
}

bool hj_handle_alive(const void *handle)
{
    struct slot *slot = slot_of(handle);
    return slot != NULL && state_matches(atomic_load_explicit(&slot->state, memory_order_acquire), handle);
}
