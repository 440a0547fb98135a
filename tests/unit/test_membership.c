/* SPDX-License-Identifier: MIT
 *
 * A channel's list of broadcasters: answers at once, counts at once, and the loop gets the commands in the order in
 * which the list changed. The loop is made by hand and has no thread.
 */
#include <pthread.h>
#include <stdlib.h>

#include "core/broadcaster.h"
#include "core/membership.h"
#include "loop/loop.h"
#include "loop/state.h"
#include "support/check.h"

enum {
    BROADCASTERS = 20
};

static void keep(struct hj_object *object)
{
    (void)object;
}

struct fixture {
    struct hj_loop loop;
    struct hj_subscriptions subscriptions;
    struct hj_broadcaster broadcasters[BROADCASTERS];
};

static struct hj_object *freed; /* none, ever */

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->loop.worker.index = 5;
    for (int i = 0; i < BROADCASTERS; ++i)
        hj_object_init(&fixture->broadcasters[i].object, HJ_KIND_BROADCASTER, keep);
    *state = fixture;
    return hj_mailbox_open(&fixture->loop.worker.mailbox);
}

static void free_commands(struct hj_command *command)
{
    while (command != NULL) {
        struct hj_command *next = command->next;
        hj_command_free(command);
        command = next;
    }
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    free_commands(hj_mailbox_close(&fixture->loop.worker.mailbox, &freed));
    hj_mailbox_dispose(&fixture->loop.worker.mailbox);
    hj_subscriptions_dispose(&fixture->subscriptions);
    for (int i = 0; i < BROADCASTERS; ++i)
        assert_int_equal(atomic_load(&fixture->broadcasters[i].object.refs), 1); /* the list holds no references */
    free(fixture);
    return 0;
}

static int change(struct fixture *fixture, int i, enum hj_op op)
{
    struct hj_broadcaster *broadcaster = &fixture->broadcasters[i];
    struct hj_command *command = hj_command_new(op, &broadcaster->object, NULL);
    int rc = op == HJ_OP_ADD
                 ? hj_subscriptions_join(&fixture->subscriptions, broadcaster, &fixture->loop.worker, command)
                 : hj_subscriptions_leave(&fixture->subscriptions, broadcaster, &fixture->loop.worker, command);
    if (rc != 0)
        hj_command_free(command); /* still the caller's */
    return rc;
}

static int join(struct fixture *fixture, int i)
{
    return change(fixture, i, HJ_OP_ADD);
}

static int leave(struct fixture *fixture, int i)
{
    return change(fixture, i, HJ_OP_REMOVE);
}

static uint64_t members(struct fixture *fixture, int i)
{
    return atomic_load(&fixture->broadcasters[i].members);
}

/* The next command of the list must be this one; frees it. */
static struct hj_command *expect(struct fixture *fixture, struct hj_command *list, enum hj_op op, int i)
{
    assert_non_null(list);
    assert_int_equal(list->op, op);
    assert_ptr_equal(list->object, &fixture->broadcasters[i].object);
    struct hj_command *next = list->next;
    hj_command_free(list);
    return next;
}

static void joining_and_leaving(void **state)
{
    struct fixture *fixture = *state;
    CODE(join(fixture, 0), 0);
    assert_int_equal(members(fixture, 0), 1);
    assert_int_equal(fixture->subscriptions.count, 1);
    assert_true(atomic_load(&fixture->broadcasters[0].addressed) ==
                1u << 5); /* messages go to this loop from here on */
    CODE(join(fixture, 1), 0);
    CODE(leave(fixture, 0), 0);
    assert_int_equal(members(fixture, 0), 0);
    assert_int_equal(members(fixture, 1), 1);
    CODE(join(fixture, 0), 0);
    struct hj_command *list = hj_mailbox_take(&fixture->loop.worker.mailbox, &freed);
    list = expect(fixture, list, HJ_OP_ADD, 0);
    list = expect(fixture, list, HJ_OP_ADD, 1);
    list = expect(fixture, list, HJ_OP_REMOVE, 0);
    list = expect(fixture, list, HJ_OP_ADD, 0);
    assert_null(list);
}

static void what_is_refused_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    CODE(leave(fixture, 0), HIJACK_ESTATE);
    CODE(join(fixture, 0), 0);
    CODE(join(fixture, 0), HIJACK_ESTATE);
    CODE(leave(fixture, 1), HIJACK_ESTATE);
    assert_int_equal(members(fixture, 0), 1);
    assert_int_equal(members(fixture, 1), 0);
    assert_true(atomic_load(&fixture->broadcasters[1].addressed) == 0);
    CODE(leave(fixture, 0), 0);
    CODE(leave(fixture, 0), HIJACK_ESTATE);
    assert_int_equal(members(fixture, 0), 0);
    struct hj_command *list = hj_mailbox_take(&fixture->loop.worker.mailbox, &freed);
    list = expect(fixture, list, HJ_OP_ADD, 0);
    list = expect(fixture, list, HJ_OP_REMOVE, 0);
    assert_null(list);
}

static void many_rooms(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < BROADCASTERS; ++i)
        CODE(join(fixture, i), 0);
    for (int i = 0; i < BROADCASTERS; ++i)
        CODE(join(fixture, i), HIJACK_ESTATE);
    for (int i = 0; i < BROADCASTERS; i += 2)
        CODE(leave(fixture, i), 0);
    for (int i = 0; i < BROADCASTERS; ++i) {
        assert_int_equal(members(fixture, i), i % 2);
        CODE(i % 2 ? join(fixture, i) : leave(fixture, i), HIJACK_ESTATE);
    }
    assert_int_equal(fixture->subscriptions.count, BROADCASTERS / 2);
}

static void what_could_not_be_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    CODE(join(fixture, 0), 0);
    CODE(join(fixture, 1), 0);
    hj_subscriptions_forget(&fixture->subscriptions, &fixture->broadcasters[0]);
    assert_int_equal(members(fixture, 0), 1); /* the loop has not got there: what ended was an earlier membership */
    hj_subscriptions_joining(&fixture->subscriptions);
    hj_subscriptions_forget(&fixture->subscriptions, &fixture->broadcasters[0]);
    assert_int_equal(members(fixture, 0), 0);
    assert_int_equal(members(fixture, 1), 1);
    hj_subscriptions_forget(&fixture->subscriptions,
                            &fixture->broadcasters[0]); /* left by the program meanwhile: counted already */
    assert_int_equal(members(fixture, 0), 0);
    CODE(join(fixture, 0), 0);
}

/* A JOIN_USER is asked, then the program's own join and leave; the loop carries them out in this order. */
static void a_leave_takes_out_what_the_loop_has_entered(void **state)
{
    struct fixture *fixture = *state;
    CODE(join(fixture, 0), 0);
    CODE(leave(fixture, 0), 0);
    CODE(hj_subscriptions_enter(&fixture->subscriptions, &fixture->broadcasters[0], &fixture->loop.worker), 0);
    assert_int_equal(members(fixture, 0), 1);
    hj_subscriptions_joining(&fixture->subscriptions);
    hj_subscriptions_leaving(&fixture->subscriptions, &fixture->broadcasters[0]);
    assert_int_equal(members(fixture, 0), 0);
    fixture->subscriptions.exclusive = true;
    CODE(hj_subscriptions_enter(&fixture->subscriptions, &fixture->broadcasters[0], &fixture->loop.worker),
         HIJACK_ESTATE);
}

static void closing_leaves_all_for_good(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 10; ++i)
        CODE(join(fixture, i), 0);
    hj_subscriptions_close(&fixture->subscriptions);
    for (int i = 0; i < BROADCASTERS; ++i) {
        assert_int_equal(members(fixture, i), 0);
        CODE(join(fixture, i), HIJACK_ECLOSED);
        CODE(leave(fixture, i), HIJACK_ECLOSED);
    }
    hj_subscriptions_forget(&fixture->subscriptions, &fixture->broadcasters[0]);
    hj_subscriptions_close(&fixture->subscriptions);
    for (int i = 0; i < BROADCASTERS; ++i)
        assert_int_equal(members(fixture, i), 0);
}

/* A loop that has ended takes no command: no membership, and nothing counted. */
static void a_loop_that_has_ended(void **state)
{
    struct fixture *fixture = *state;
    CODE(join(fixture, 0), 0);
    free_commands(hj_mailbox_close(&fixture->loop.worker.mailbox, &freed));
    CODE(join(fixture, 1), HIJACK_ECLOSED);
    CODE(leave(fixture, 0), HIJACK_ECLOSED);
    assert_int_equal(members(fixture, 0), 1);
    assert_int_equal(members(fixture, 1), 0);
    hj_subscriptions_close(&fixture->subscriptions);
    assert_int_equal(members(fixture, 0), 0);
}

enum {
    THREADS = 4,
    TURNS = 2000
};

static void *join_and_leave(void *argument)
{
    struct fixture *fixture = argument;
    uintptr_t balance = 0;
    for (int i = 0; i < TURNS; ++i) {
        balance += join(fixture, i % 3) == 0;
        balance -= leave(fixture, (i + 1) % 3) == 0;
    }
    return (void *)balance;
}

/* Whatever the threads did: per broadcaster the loop sees add and remove in turn, and ends where the list does. */
static void list_and_loop_see_the_same_order(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    uintptr_t balance = 0;
    for (int i = 0; i < THREADS; ++i)
        assert_int_equal(pthread_create(&threads[i], NULL, join_and_leave, fixture), 0);
    for (int i = 0; i < THREADS; ++i) {
        void *result;
        pthread_join(threads[i], &result);
        balance += (uintptr_t)result;
    }
    uint64_t in[3] = {0};
    struct hj_command *list = hj_mailbox_take(&fixture->loop.worker.mailbox, &freed);
    while (list != NULL) {
        int i = (int)((struct hj_broadcaster *)list->object - fixture->broadcasters);
        assert_int_equal(list->op, in[i] ? HJ_OP_REMOVE : HJ_OP_ADD);
        in[i] = !in[i];
        list = expect(fixture, list, (enum hj_op)list->op, i);
    }
    for (int i = 0; i < 3; ++i)
        assert_int_equal(members(fixture, i), in[i]);
    assert_int_equal(in[0] + in[1] + in[2], balance);
    assert_int_equal(fixture->subscriptions.count, balance);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(joining_and_leaving),
        TEST(what_is_refused_changes_nothing),
        TEST(many_rooms),
        TEST(what_could_not_be_is_forgotten),
        TEST(a_leave_takes_out_what_the_loop_has_entered),
        TEST(closing_leaves_all_for_good),
        TEST(a_loop_that_has_ended),
        TEST(list_and_loop_see_the_same_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
