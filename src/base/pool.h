/* Blocks of one size, next to each other: without malloc's 8 bytes for each, and without the holes that what is
 * allocated in between leaves when it goes. What was given back is used again; it goes with the pool. Any thread. */
#ifndef HJ_BASE_POOL_H
#define HJ_BASE_POOL_H

#include <pthread.h>
#include <stddef.h>

struct hj_pool_block;
struct hj_pool_chunk;

struct hj_pool {
    size_t size;          /* of a block; constant */
    pthread_mutex_t lock; /* guards the rest */
    struct hj_pool_block *free;
    struct hj_pool_chunk *chunks;
};

/* size: that of a type whose alignment is at most that of pointers. */
void hj_pool_init(struct hj_pool *pool, size_t size);

/* Every block has been given back, or is not used any more. */
void hj_pool_dispose(struct hj_pool *pool);

/* A block of zeros; NULL when out of memory. */
void *hj_pool_take(struct hj_pool *pool);
void hj_pool_give(struct hj_pool *pool, void *block);

#endif
