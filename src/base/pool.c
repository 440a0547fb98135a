/* Blocks of one size; see pool.h. Any thread. */
#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BLOCKS 64

struct hj_pool_block {
    struct hj_pool_block *next;
};

struct hj_pool_chunk {
    struct hj_pool_chunk *next;
    char blocks[];
};

void hj_pool_init(struct hj_pool *pool, size_t size)
{
    memset(pool, 0, sizeof(*pool));
    pool->size = (size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    pthread_mutex_init(&pool->lock, NULL);
}

void hj_pool_dispose(struct hj_pool *pool)
{
    while (pool->chunks != NULL) {
        struct hj_pool_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        free(chunk);
    }
    pthread_mutex_destroy(&pool->lock);
}

/* Sanitizers see the use of a block that was given back only if it goes back to malloc. */
#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(address_sanitizer) ||                 \
    HAS_FEATURE(thread_sanitizer)

void *hj_pool_take(struct hj_pool *pool)
{
    return calloc(1, pool->size);
}

void hj_pool_give(struct hj_pool *pool, void *block)
{
    (void)pool;
    free(block);
}

#else

static void grow_pool(struct hj_pool *pool)
{
    struct hj_pool_chunk *chunk = malloc(sizeof(*chunk) + CHUNK_BLOCKS * pool->size);
    if (chunk == NULL)
        return;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    for (size_t i = CHUNK_BLOCKS; i-- != 0;) {
        struct hj_pool_block *block = (struct hj_pool_block *)(void *)(chunk->blocks + i * pool->size);
        block->next = pool->free;
        pool->free = block;
    }
}

void *hj_pool_take(struct hj_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->free == NULL)
        grow_pool(pool);
    struct hj_pool_block *block = pool->free;
    if (block != NULL)
        pool->free = block->next;
    pthread_mutex_unlock(&pool->lock);
    return block == NULL ? NULL : memset(block, 0, pool->size);
}

void hj_pool_give(struct hj_pool *pool, void *block)
{
    struct hj_pool_block *given = block;
    pthread_mutex_lock(&pool->lock);
    given->next = pool->free;
    pool->free = given;
    pthread_mutex_unlock(&pool->lock);
}

#endif
