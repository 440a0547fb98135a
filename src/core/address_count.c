/* Connections by address; see address_count.h. Any thread.
 *
 * A hash table in shards, each with a lock of its own that is held for one search. An address has its place as long as
 * it has a connection; the number of the place is what a connection remembers of it, so that the end of a connection
 * takes no search. Who connects cannot choose addresses that share a bucket: the hash has a seed that nobody knows. */
#include "core/address_count.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <hijack/hijack.h>

#include "base/clock.h"

#define SHARD_BITS 4
#define SHARDS (1u << SHARD_BITS)
#define BUCKETS 4096u /* of a shard: at a million addresses, 16 to each */
#define PLACE_BITS (32 - SHARD_BITS)
#define PLACES_MAX (1u << PLACE_BITS)
#define NETWORK_OF_V4 (UINT64_C(0xffff) << 32) /* a /64 network that the Internet does not have */

/* One address: in the chain of its bucket, or in the list of free ones. */
struct place {
    uint64_t key;
    uint32_t count;
    uint32_t next; /* 0: none */
};

/* Guarded by its lock. */
struct shard {
    pthread_mutex_t lock;
    struct place *places; /* [0] is never used */
    uint32_t used, capacity, free;
    uint32_t buckets[BUCKETS];
};

struct hj_address_counts {
    uint64_t limit, seed; /* constant */
    struct shard shards[SHARDS];
};

struct hj_address_counts *hj_address_counts_new(uint64_t limit)
{
    struct hj_address_counts *counts = calloc(1, sizeof(*counts));
    if (counts == NULL)
        return NULL;
    counts->limit = limit;
    counts->seed = hj_clock_ms() << 40 ^ (uint64_t)(uintptr_t)counts; /* the system puts it anywhere */
    for (uint32_t i = 0; i < SHARDS; ++i) {
        pthread_mutex_init(&counts->shards[i].lock, NULL);
        counts->shards[i].used = 1;
    }
    return counts;
}

void hj_address_counts_free(struct hj_address_counts *counts)
{
    if (counts == NULL)
        return;
    for (uint32_t i = 0; i < SHARDS; ++i) {
        pthread_mutex_destroy(&counts->shards[i].lock);
        free(counts->shards[i].places);
    }
    free(counts);
}

static bool key_of_v4(uint64_t *out, const unsigned char *address)
{
    if (address[0] == 127)
        return false;
    *out = NETWORK_OF_V4 | (uint64_t)address[0] << 24 | (uint64_t)address[1] << 16 | (uint64_t)address[2] << 8 |
           (uint64_t)address[3];
    return true;
}

bool hj_address_count_key(uint64_t *out, const struct sockaddr *peer)
{
    if (peer->sa_family == AF_INET)
        return key_of_v4(out, (const unsigned char *)&((const struct sockaddr_in *)peer)->sin_addr);
    if (peer->sa_family != AF_INET6)
        return false;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6))
        return key_of_v4(out, &v6->s6_addr[12]);
    if (IN6_IS_ADDR_LOOPBACK(v6))
        return false;
    memcpy(out, v6->s6_addr, sizeof(*out)); /* the order of its bytes does not matter */
    return true;
}

/* Mixes all bits of the key into all of the result (splitmix64). */
static uint64_t hash_key(const struct hj_address_counts *counts, uint64_t key)
{
    uint64_t hash = key ^ counts->seed;
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

/* A free place; 0 when out of memory. */
static uint32_t take_place(struct shard *shard)
{
    if (shard->free != 0) {
        uint32_t place = shard->free;
        shard->free = shard->places[place].next;
        return place;
    }
    if (shard->used >= shard->capacity) {
        uint32_t capacity = shard->capacity == 0 ? 16 : shard->capacity * 2;
        struct place *more = capacity > PLACES_MAX ? NULL : realloc(shard->places, capacity * sizeof(*more));
        if (more == NULL)
            return 0;
        shard->places = more;
        shard->capacity = capacity;
    }
    return shard->used++;
}

/* The number of the address's place, which is counted once more; 0 and the reason in *rc. */
static uint32_t count_one(struct shard *shard, uint32_t *bucket, uint64_t key, uint64_t limit, int *rc)
{
    uint32_t place = *bucket;
    while (place != 0 && shard->places[place].key != key)
        place = shard->places[place].next;
    if (place != 0 && shard->places[place].count >= limit) {
        *rc = HIJACK_ELIMIT;
        return 0;
    }
    if (place == 0) {
        if ((place = take_place(shard)) == 0) {
            *rc = HIJACK_ENOMEM;
            return 0;
        }
        shard->places[place] = (struct place){.key = key, .next = *bucket};
        *bucket = place;
    }
    ++shard->places[place].count;
    *rc = 0;
    return place;
}

int hj_address_count_take(uint32_t *out, struct hj_address_counts *counts, uint64_t key)
{
    int rc;
    uint64_t hash = hash_key(counts, key);
    uint32_t i = (uint32_t)(hash >> (64 - SHARD_BITS));
    struct shard *shard = &counts->shards[i];
    pthread_mutex_lock(&shard->lock);
    uint32_t place = count_one(shard, &shard->buckets[hash % BUCKETS], key, counts->limit, &rc);
    pthread_mutex_unlock(&shard->lock);
    if (rc == 0)
        *out = i << PLACE_BITS | place;
    return rc;
}

/* Takes a place without connections out of its chain. */
static void give_place(struct shard *shard, uint32_t *bucket, uint32_t place)
{
    uint32_t *link = bucket;
    while (*link != place)
        link = &shard->places[*link].next;
    *link = shard->places[place].next;
    shard->places[place].next = shard->free;
    shard->free = place;
}

void hj_address_count_give(struct hj_address_counts *counts, uint32_t taken)
{
    struct shard *shard = &counts->shards[taken >> PLACE_BITS];
    uint32_t place = taken & (PLACES_MAX - 1);
    pthread_mutex_lock(&shard->lock);
    if (--shard->places[place].count == 0)
        give_place(shard, &shard->buckets[hash_key(counts, shard->places[place].key) % BUCKETS], place);
    pthread_mutex_unlock(&shard->lock);
}
