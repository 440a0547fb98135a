/* SPDX-License-Identifier: MIT
 *
 * The high-water mark of a channel without any I/O: the test is its loop and the program's threads.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/handle.h"
#include "core/channel.h"
#include "core/worker.h"
#include "support/check.h"

enum {
    HIGH = 3, /* so low that a sender and the loop meet there all the time */
    LOW = 1
};

struct fixture {
    hijack_queue *queue;
    hijack_server *server;
    struct hj_worker worker;
    struct hj_channel *channel;
    _Atomic int round, stop;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct hj_server *server;
    struct hj_queue *queue;

    OK(hijack_queue_new(&f->queue));
    OK(hijack_server_new(&f->server, f->queue));
    OK(hijack_server_set(f->server, LIT("high_water_bytes"), LIT("3")));
    OK(hijack_server_set(f->server, LIT("low_water_bytes"), LIT("1")));
    CODE(hj_handle_pin((struct hj_object **)&server, f->server, 1u << HJ_KIND_SERVER), 0);
    CODE(hj_handle_pin((struct hj_object **)&queue, f->queue, 1u << HJ_KIND_QUEUE), 0);
    f->worker.server = server;
    CODE(hj_channel_new(&f->channel, HJ_KIND_SOCKET, false, &f->worker, queue, 7), 0);
    hj_handle_unpin(f->server);
    hj_handle_unpin(f->queue);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    hj_channel_discard(f->channel);
    hijack_server_free(f->server);
    hijack_queue_free(f->queue);
    free(f);
    return 0;
}

static int poll_drained(struct fixture *f)
{
    hijack_event events[16];
    int n = OK(hijack_queue_poll(events, f->queue, 16, 0));

    for (int i = 0; i < n; i++)
        CHECK(events[i].type == HIJACK_EVENT_DRAINED && events[i].user_data == 7);
    return n;
}

static void test_marks(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 3; round++) {
        CODE(hj_channel_reserve(f->channel, HIGH - 1), 0);
        CODE(hj_channel_reserve(f->channel, 10), 0); /* under the mark, all of it */
        CODE(hj_channel_reserve(f->channel, 1), HIJACK_EAGAIN);
        CODE(hj_channel_reserve(f->channel, 1), HIJACK_EAGAIN);
        CHECK(hj_channel_release(f->channel, 10));
        CODE(poll_drained(f), 0);
        CHECK(hj_channel_release(f->channel, HIGH - 1 - LOW));
        CODE(poll_drained(f), 1);
        CHECK(hj_channel_release(f->channel, LOW));
        CODE(poll_drained(f), 0);
    }
}

/* A sender that tries until it is let in, once in each round. */
static void *insist(void *argument)
{
    struct fixture *f = argument;

    while (!f->stop) {
        int round = f->round;
        while (hj_channel_reserve(f->channel, 1) == HIJACK_EAGAIN && f->round == round && !f->stop)
            ;
        while (f->round == round && !f->stop)
            ;
    }
    return NULL;
}

/* One who had EAGAIN gets DRAINED, whatever another sender does in between. */
static void test_every_again_is_drained(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    uint64_t begin = clock_ms();
    int drained = 1;

    CHECK(pthread_create(&thread, NULL, insist, f) == 0);
    while (drained > 0 && clock_ms() - begin < 1000) {
        while (hj_channel_reserve(f->channel, 1) != HIJACK_EAGAIN)
            ;
        while (f->channel->pending > LOW)
            hj_channel_release(f->channel, 1);
        drained = poll_drained(f);
        f->round++;
    }
    f->stop = 1;
    pthread_join(thread, NULL);
    if (drained == 0)
        check_fail(__FILE__, __LINE__, "no DRAINED follows the EAGAIN of round %d", f->round);
    CHECK(f->round > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_again_is_drained, setup, teardown),
    };

    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
