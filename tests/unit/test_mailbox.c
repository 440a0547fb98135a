/* SPDX-License-Identifier: MIT
 *
 * A loop's command list: order, who wakes the loop and when, and that nothing gets past a close.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os/poller.h"
#include "core/mailbox.h"
#include "support/check.h"

static _Atomic int destroyed;

static void destroy(struct hj_object *object)
{
    (void)object;
    atomic_fetch_add(&destroyed, 1);
}

struct fixture {
    struct hj_mailbox mailbox;
    struct hj_object object; /* what all commands are about */
};

static struct hj_command *take_commands(struct hj_mailbox *mailbox)
{
    struct hj_object *freed;
    struct hj_command *list = hj_mailbox_take(mailbox, &freed);
    assert_null(freed);
    return list;
}

static struct hj_command *close_commands(struct hj_mailbox *mailbox)
{
    struct hj_object *freed;
    struct hj_command *list = hj_mailbox_close(mailbox, &freed);
    assert_null(freed);
    return list;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    atomic_store(&destroyed, 0);
    hj_object_init(&fixture->object, HJ_KIND_STREAM, destroy);
    CODE(hj_mailbox_open(&fixture->mailbox), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    assert_null(take_commands(&fixture->mailbox)); /* each test takes what it pushed ... */
    hj_mailbox_dispose(&fixture->mailbox);
    assert_int_equal(fixture->mailbox.notify.fd, -1);
    hj_object_unref(&fixture->object);
    assert_int_equal(destroyed, 1); /* ... and frees it */
    free(fixture);
    return 0;
}

static bool push(struct fixture *fixture, uint64_t value)
{
    struct hj_command *command = hj_command_new(HJ_OP_SEND, &fixture->object, NULL);
    command->value = value;
    if (hj_mailbox_push(&fixture->mailbox, command))
        return true;
    hj_command_free(command);
    return false;
}

/* How often the loop was woken since the last look. */
static int signals(struct fixture *fixture)
{
    uint64_t count = 0;
    return read(fixture->mailbox.notify.fd, &count, sizeof(count)) == sizeof(count) ? (int)count : 0;
}

/* Frees the list, which must be the numbers from first on; how many there were. */
static int check_list(struct hj_command *list, uint64_t first)
{
    int count = 0;
    while (list != NULL) {
        struct hj_command *next = list->next;
        assert_int_equal(list->value, first + (uint64_t)count++);
        hj_command_free(list);
        list = next;
    }
    return count;
}

static void a_command_keeps_what_it_points_at(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object other;
    hj_object_init(&other, HJ_KIND_BROADCASTER, destroy);
    struct hj_command *command = hj_command_new(HJ_OP_ADD, &fixture->object, &other);
    assert_int_equal(command->op, HJ_OP_ADD);
    assert_int_equal(command->fd, -1);
    assert_true(command->buf == NULL && command->message == NULL && command->value == 0);
    assert_int_equal(atomic_load(&fixture->object.refs), 2);
    hj_object_unref(&other);
    assert_int_equal(destroyed, 0);
    command->buf = hj_buf_copy("x", 1);
    hj_command_free(command);
    assert_int_equal(destroyed, 1);
    assert_int_equal(atomic_load(&fixture->object.refs), 1);
    atomic_store(&destroyed, 0);
}

static void an_embedded_command_is_not_freed_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct hj_command command;
    hj_command_embed(&command, HJ_OP_STOP, &fixture->object);
    assert_int_equal(command.fd, -1);
    assert_true(hj_mailbox_push(&fixture->mailbox, &command));
    assert_ptr_equal(take_commands(&fixture->mailbox), &command);
    assert_int_equal(atomic_load(&fixture->object.refs), 2);
    hj_command_free(&command);
    assert_int_equal(atomic_load(&fixture->object.refs), 1);
}

static void freed_objects_come_with_the_commands_before_them(void **state)
{
    struct fixture *fixture = *state;
    struct hj_object other = {.refs = 1, .kind = HJ_KIND_SOCKET}, *freed;
    assert_true(hj_mailbox_sleep(&fixture->mailbox));
    assert_true(hj_mailbox_push_freed(&fixture->mailbox, &fixture->object));
    assert_int_equal(signals(fixture), 1);
    assert_true(push(fixture, 0));
    assert_true(hj_mailbox_push_freed(&fixture->mailbox, &other));
    assert_false(hj_mailbox_sleep(&fixture->mailbox)); /* there is something to do */
    assert_int_equal(check_list(hj_mailbox_take(&fixture->mailbox, &freed), 0), 1);
    assert_ptr_equal(freed, &other);
    assert_ptr_equal(freed->next_freed, &fixture->object);
    assert_null(fixture->object.next_freed);
    assert_int_equal(atomic_load(&other.refs), 2);
    hj_object_unref(&other);
    hj_object_unref(&fixture->object);
    assert_true(hj_mailbox_sleep(&fixture->mailbox));
    hj_mailbox_awake(&fixture->mailbox);
    assert_null(close_commands(&fixture->mailbox));
    assert_false(hj_mailbox_push_freed(&fixture->mailbox, &other));
    assert_int_equal(atomic_load(&other.refs), 1);
}

static void commands_come_in_the_order_of_the_pushes(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t round = 0; round < 3; ++round) {
        for (uint64_t i = 0; i < 100; ++i)
            assert_true(push(fixture, round * 100 + i));
        assert_int_equal(check_list(take_commands(&fixture->mailbox), round * 100), 100);
        assert_null(take_commands(&fixture->mailbox));
    }
}

static void only_a_loop_that_sleeps_is_woken(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 0; i < 3; ++i)
        push(fixture, i);
    assert_int_equal(signals(fixture), 0);             /* it is awake */
    assert_false(hj_mailbox_sleep(&fixture->mailbox)); /* ... and may not sleep now */
    push(fixture, 3);
    assert_int_equal(check_list(take_commands(&fixture->mailbox), 0), 4);
    assert_int_equal(signals(fixture), 0);
    for (int round = 0; round < 3; ++round) {
        assert_true(hj_mailbox_sleep(&fixture->mailbox));
        for (uint64_t i = 0; i < 10; ++i)
            push(fixture, i);
        assert_int_equal(signals(fixture), 1);
        hj_mailbox_awake(&fixture->mailbox);
        push(fixture, 10);
        assert_int_equal(check_list(take_commands(&fixture->mailbox), 0), 11);
        assert_int_equal(signals(fixture), 0);
    }
    assert_true(hj_mailbox_sleep(&fixture->mailbox));
    hj_mailbox_awake(&fixture->mailbox); /* something else woke it */
    push(fixture, 0);
    assert_int_equal(signals(fixture), 0);
    assert_int_equal(check_list(take_commands(&fixture->mailbox), 0), 1);
}

/* Room in a queue wakes a loop as a command does, and keeps it from sleeping until it has looked. */
static void a_resumed_loop_looks_once(void **state)
{
    struct fixture *fixture = *state;
    assert_false(hj_mailbox_take_resumed(&fixture->mailbox));
    assert_true(hj_mailbox_sleep(&fixture->mailbox));
    hj_mailbox_resume(&fixture->mailbox);
    hj_mailbox_resume(&fixture->mailbox);
    push(fixture, 0);
    assert_int_equal(signals(fixture), 1);
    hj_mailbox_awake(&fixture->mailbox);
    assert_int_equal(check_list(take_commands(&fixture->mailbox), 0), 1);
    assert_false(hj_mailbox_sleep(&fixture->mailbox));
    assert_true(hj_mailbox_take_resumed(&fixture->mailbox));
    assert_false(hj_mailbox_take_resumed(&fixture->mailbox));
    hj_mailbox_resume(&fixture->mailbox); /* awake: it finds out by itself */
    assert_int_equal(signals(fixture), 0);
    assert_true(hj_mailbox_take_resumed(&fixture->mailbox));
    assert_true(hj_mailbox_sleep(&fixture->mailbox));
}

/* Nobody reads the descriptor: each wake-up is an edge, and told once. The same for who waits for the loop's poller in
 * a poller of its own, as another library's loop does. */
static void each_wake_up_ends_one_wait(void **state)
{
    struct fixture *fixture = *state;
    struct hj_poller poller, outer;
    struct hj_poll_event events[HJ_POLL_BATCH];
    CODE(hj_poller_open(&poller), 0);
    CODE(hj_poller_open(&outer), 0);
    assert_true(hj_poller_add(&poller, fixture->mailbox.notify.fd, HJ_POLL_IN | HJ_POLL_EDGE, 7));
    assert_true(hj_poller_add(&outer, poller.fd, HJ_POLL_IN, 8));
    for (uint64_t round = 0; round < 5; ++round) {
        assert_true(hj_mailbox_sleep(&fixture->mailbox));
        assert_int_equal(hj_poller_wait(&outer, events, 0), 0);
        assert_int_equal(hj_poller_wait(&poller, events, 0), 0);
        push(fixture, 0);
        push(fixture, 1);
        assert_int_equal(hj_poller_wait(&outer, events, (int)clock_limit_ms()), 1);
        assert_int_equal(events[0].data, 8);
        assert_int_equal(hj_poller_wait(&poller, events, (int)clock_limit_ms()), 1);
        assert_int_equal(events[0].data, 7);
        hj_mailbox_awake(&fixture->mailbox);
        assert_int_equal(hj_poller_wait(&poller, events, 0), 0);
        assert_int_equal(check_list(take_commands(&fixture->mailbox), 0), 2);
    }
    assert_int_equal(signals(fixture), 5);
    hj_poller_close(&outer);
    hj_poller_close(&poller);
}

static void a_closed_list_takes_nothing(void **state)
{
    struct fixture *fixture = *state;
    push(fixture, 0);
    push(fixture, 1);
    assert_int_equal(check_list(close_commands(&fixture->mailbox), 0), 2);
    assert_false(push(fixture, 2));
    assert_int_equal(signals(fixture), 0);
    assert_null(take_commands(&fixture->mailbox));
    assert_null(close_commands(&fixture->mailbox));
    assert_false(push(fixture, 3));
}

enum {
    PUSHERS = 3,
    EACH = 4000
};

struct pusher {
    struct fixture *fixture;
    uint64_t index;
    int taken; /* of its commands, before the list was closed */
};

static void *push_many(void *argument)
{
    struct pusher *pusher = argument;
    while (pusher->taken < EACH && push(pusher->fixture, pusher->index << 32 | (uint64_t)pusher->taken))
        ++pusher->taken;
    return NULL;
}

/* Counts what is in the list by pusher; each one's in order. */
static int take_in(int *next, struct hj_command *list)
{
    int count = 0;
    while (list != NULL) {
        struct hj_command *rest = list->next;
        assert_int_equal(list->value & UINT32_MAX, next[list->value >> 32]++);
        hj_command_free(list);
        list = rest;
        ++count;
    }
    return count;
}

/* The loop sleeps without an end, takes all, and closes in the middle: what was taken over is what it gets. */
static void many_push_and_one_takes(void **state)
{
    struct fixture *fixture = *state;
    struct pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    int next[PUSHERS] = {0}, total = 0;
    struct hj_poller poller;
    struct hj_poll_event events[HJ_POLL_BATCH];
    for (int i = 0; i < PUSHERS; ++i) {
        pushers[i] = (struct pusher){fixture, (uint64_t)i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, push_many, &pushers[i]), 0);
    }
    CODE(hj_poller_open(&poller), 0);
    assert_true(hj_poller_add(&poller, fixture->mailbox.notify.fd, HJ_POLL_IN | HJ_POLL_EDGE, 0));
    while (total < PUSHERS * EACH / 2) {
        if (hj_mailbox_sleep(&fixture->mailbox))
            assert_int_equal(hj_poller_wait(&poller, events, (int)clock_limit_ms()), 1);
        hj_mailbox_awake(&fixture->mailbox);
        total += take_in(next, take_commands(&fixture->mailbox));
    }
    hj_poller_close(&poller);
    take_in(next, close_commands(&fixture->mailbox));
    for (int i = 0; i < PUSHERS; ++i) {
        pthread_join(threads[i], NULL);
        assert_int_equal(next[i], pushers[i].taken);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_command_keeps_what_it_points_at),
        TEST(an_embedded_command_is_not_freed_by_itself),
        TEST(freed_objects_come_with_the_commands_before_them),
        TEST(commands_come_in_the_order_of_the_pushes),
        TEST(only_a_loop_that_sleeps_is_woken),
        TEST(a_resumed_loop_looks_once),
        TEST(each_wake_up_ends_one_wait),
        TEST(a_closed_list_takes_nothing),
        TEST(many_push_and_one_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
