/* SPDX-License-Identifier: MIT
 *
 * hijack_queue_wake against hijack_queue_free, from threads that know nothing of each other.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "support/check.h"

/* The queue that is to be woken and freed at the same moment; 0 bytes of it may stay behind (LeakSanitizer looks). */
static _Atomic(hijack_queue *) short_lived;
static _Atomic bool waking;

static void *wake_always(void *argument)
{
    _Atomic int *bad = argument;
    while (atomic_load(&waking)) {
        int code = hijack_queue_wake(atomic_load(&short_lived));
        if (code != 0 && code != HIJACK_EHANDLE)
            atomic_store(bad, code);
    }
    return NULL;
}

static void waking_while_it_is_freed_leaves_nothing(void **state)
{
    (void)state;
    pthread_t threads[2];
    _Atomic int bad = 0;
    atomic_store(&short_lived, NULL);
    atomic_store(&waking, true);
    for (int i = 0; i < 2; ++i)
        assert_int_equal(pthread_create(&threads[i], NULL, wake_always, &bad), 0);
    for (int i = 0; i < 10000; ++i) {
        hijack_queue *queue;
        OK(hijack_queue_new(&queue));
        atomic_store(&short_lived, queue);
        hijack_queue_free(queue);
    }
    atomic_store(&waking, false);
    for (int i = 0; i < 2; ++i)
        pthread_join(threads[i], NULL);
    CODE(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waking_while_it_is_freed_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
