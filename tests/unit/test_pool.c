/* SPDX-License-Identifier: MIT
 *
 * Blocks of one size: zeros when they are taken, each one's own, used again; from many threads.
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "base/pool.h"
#include "support/check.h"

enum {
    SIZE = 19,
    BLOCKS = 200,
    THREADS = 4,
    ROUNDS = 200
};

static void take_all(struct hj_pool *pool, unsigned char *blocks[BLOCKS], unsigned char mark)
{
    static const unsigned char zeros[SIZE];
    for (int i = 0; i < BLOCKS; ++i) {
        CHECK((blocks[i] = hj_pool_take(pool)) != NULL && memcmp(blocks[i], zeros, SIZE) == 0);
        CHECK((uintptr_t)blocks[i] % sizeof(void *) == 0);
        memset(blocks[i], mark, SIZE);
    }
}

static void give_all(struct hj_pool *pool, unsigned char *blocks[BLOCKS], unsigned char mark)
{
    for (int i = 0; i < BLOCKS; ++i) {
        for (int at = 0; at < SIZE; ++at)
            CHECK(blocks[i][at] == mark);
        hj_pool_give(pool, blocks[i]);
    }
}

static void blocks_are_zeros_and_used_again(void **state)
{
    struct hj_pool pool;
    unsigned char *blocks[BLOCKS];

    (void)state;
    hj_pool_init(&pool, SIZE);
    for (int round = 0; round < 3; ++round) {
        take_all(&pool, blocks, 'a');
        const struct hj_pool_chunk *newest = pool.chunks;
        give_all(&pool, blocks, 'a');
        take_all(&pool, blocks, 'b');
        CHECK(pool.chunks == newest);
        give_all(&pool, blocks, 'b');
    }
    hj_pool_dispose(&pool);
}

struct worker {
    pthread_t thread;
    struct hj_pool *pool;
    unsigned char mark;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    unsigned char *blocks[BLOCKS];
    for (int round = 0; round < ROUNDS; ++round) {
        take_all(worker->pool, blocks, worker->mark);
        give_all(worker->pool, blocks, worker->mark);
    }
    return NULL;
}

static void threads_get_blocks_of_their_own(void **state)
{
    struct hj_pool pool;
    struct worker workers[THREADS];

    (void)state;
    hj_pool_init(&pool, SIZE);
    for (int i = 0; i < THREADS; ++i) {
        workers[i] = (struct worker){.pool = &pool, .mark = (unsigned char)('a' + i)};
        CODE(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; ++i)
        CODE(pthread_join(workers[i].thread, NULL), 0);
    hj_pool_dispose(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeros_and_used_again),
        cmocka_unit_test(threads_get_blocks_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
