/* SPDX-License-Identifier: MIT
 *
 * What is published while a write run goes on: who gets it when, and with how many writes. The loop is made by hand,
 * and what it sends is recorded instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/broadcaster.h"
#include "loop/conn.h"
#include "loop/fanout/fanout.h"
#include "loop/io/plain.h"
#include "support/check.h"

enum {
    MEMBERS = 1000,
    FIRST_FD = 1000000,
    ROOMS = 2
};

struct fixture {
    struct hj_server server;
    struct hj_loop loop;
    struct hj_broadcaster *rooms[ROOMS];
    struct hj_conn *conns[MEMBERS];
    char got[MEMBERS][128]; /* what each was sent, with a bar between two writes */
    size_t size;            /* of a message */
    int sends;
    int every;           /* so many writes after one another, something is published; 0: nothing */
    int published, most; /* how much, and may be */
};

static struct fixture *now; /* of the running test */

static void publish(struct fixture *it, int room)
{
    struct hj_message *message;
    static char letters[HJ_BATCH_GROW_BYTES];
    const struct hj_message_parts parts = {.data = hj_slice(letters, it->size), .retry_ms = -1};

    memset(letters, 'a' + it->published++, it->size);
    CODE(hj_message_new(&message, NULL, &parts), 0);
    struct hj_command *command = hj_command_new(HJ_OP_PUBLISH, &it->rooms[room]->object, NULL);
    command->message = message;
    atomic_fetch_add(&it->server.publish_waiting, hj_message_cost(message));
    CHECK(hj_mailbox_push(&it->loop.worker.mailbox, command));
}

ssize_t __wrap_hj_plain_send(int fd, const void *data, size_t len);
ssize_t __wrap_hj_plain_send(int fd, const void *data, size_t len)
{
    char *got = now->got[fd - FIRST_FD];
    const size_t have = strlen(got);

    snprintf(got + have, sizeof(now->got[0]) - have, "%s%.*s", have == 0 ? "" : "|", now->size == 1 ? (int)len : 1,
             (const char *)data);
    ++now->sends;
    if (now->every != 0 && now->sends % now->every == 0 && now->published < now->most)
        publish(now, 0);
    return (ssize_t)len;
}

static void destroy_room(struct hj_object *object)
{
    struct hj_broadcaster *room = (struct hj_broadcaster *)object;
    free(atomic_load(&room->shards));
    free(room);
}

static int setup(void **state)
{
    struct fixture *it = calloc(1, sizeof(*it));

    CHECK(it != NULL);
    it->size = 1;
    it->server.worker_count = 1;
    it->loop.server = &it->server;
    CODE(hj_mailbox_open(&it->loop.worker.mailbox), 0);
    for (int i = 0; i < ROOMS; ++i) {
        it->rooms[i] = calloc(1, sizeof(*it->rooms[i]));
        hj_object_init(&it->rooms[i]->object, HJ_KIND_BROADCASTER, destroy_room);
        it->rooms[i]->server = &it->server;
    }
    for (int i = 0; i < MEMBERS; ++i) {
        it->conns[i] = hj_table_take(&it->loop.table);
        it->conns[i]->fd = FIRST_FD + i;
        it->conns[i]->kind = HJ_CONN_HELD;
        it->conns[i]->wire = HJ_WIRE_RAW;
        CHECK(hj_shard_add(&it->loop, it->rooms[0], it->conns[i], 0));
    }
    *state = now = it;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *it = *state;

    assert_int_equal(it->server.publish_waiting, 0);
    for (int i = 0; i < MEMBERS; ++i)
        hj_shard_remove_all(&it->loop, it->conns[i], 0);
    for (int i = 0; i < ROOMS; ++i)
        hj_object_unref(&it->rooms[i]->object);
    hj_mailbox_dispose(&it->loop.worker.mailbox);
    hj_table_dispose(&it->loop.table);
    hj_member_table_dispose(&it->loop.members);
    free(it);
    return 0;
}

static struct hj_command *take_all(struct fixture *it)
{
    struct hj_object *freed;
    return hj_mailbox_take(&it->loop.worker.mailbox, &freed);
}

static void free_commands(struct hj_command *list)
{
    while (list != NULL) {
        struct hj_command *next = list->next;
        hj_command_free(list);
        list = next;
    }
}

/* The loop's turn, as long as its commands are publishes; the first one that is left. */
static struct hj_command *run(struct fixture *it, struct hj_command *list)
{
    while (list != NULL && list->op == HJ_OP_PUBLISH) {
        struct hj_batch batch;
        hj_batch_begin(&batch, &it->loop, list);
        hj_fanout(&it->loop, (struct hj_broadcaster *)list->object, &batch);
        struct hj_command *next = batch.last->next;
        batch.last->next = NULL;
        free_commands(list);
        list = next;
    }
    return list;
}

/* The members from begin on, up to end, have been sent this. */
static void expect(const struct fixture *it, int begin, int end, const char *text)
{
    for (int i = begin; i < end; ++i)
        if (strcmp(it->got[i], text) != 0)
            check_fail(__FILE__, __LINE__, "member %d has been sent \"%s\", not \"%s\"", i, it->got[i], text);
}

static void expect_counted(const struct fixture *it, uint64_t copies)
{
    assert_int_equal(it->loop.worker.stats[HIJACK_STAT_DELIVERED], copies);
    assert_int_equal(it->loop.worker.stats[HIJACK_STAT_BYTES_OUT], copies);
    assert_int_equal(atomic_load(&it->rooms[0]->delivered), copies);
}

/* The rest of a burst of which the loop has seen the beginning. */
static void test_burst(void **state)
{
    struct fixture *it = *state;
    publish(it, 0);
    struct hj_command *first = take_all(it);
    publish(it, 0);
    publish(it, 0);
    assert_null(run(it, first));
    expect(it, 0, 128, "a|bc");
    expect(it, 128, MEMBERS, "abc");
    assert_int_equal(it->sends, MEMBERS + 128);
    expect_counted(it, 3 * MEMBERS);
    assert_null(take_all(it));
}

/* Whoever is sent to has had everything before, once, in its order, and the run has an end. */
static void expect_whole(struct fixture *it, int every, int most, int most_sends)
{
    char all[64], got[64];
    it->every = every;
    it->most = most;
    publish(it, 0);
    for (struct hj_command *list = take_all(it); list != NULL; list = take_all(it))
        assert_null(run(it, list));
    for (int i = 0; i < most; ++i)
        all[i] = (char)('a' + i);
    all[most] = '\0';
    for (int i = 0; i < MEMBERS; ++i) {
        size_t len = 0;
        for (const char *c = it->got[i]; *c != '\0'; ++c)
            if (*c != '|')
                got[len++] = *c;
        got[len] = '\0';
        if (strcmp(got, all) != 0)
            check_fail(__FILE__, __LINE__, "member %d has been sent \"%s\"", i, it->got[i]);
    }
    if (it->sends > most_sends)
        check_fail(__FILE__, __LINE__, "%d writes, at most %d", it->sends, most_sends);
    expect_counted(it, (uint64_t)most * MEMBERS);
}

static void test_one_by_one(void **state)
{
    expect_whole(*state, 300, 4, 2 * MEMBERS); /* two come into the first run, and the last one just before its end */
}

/* One run takes 15 times something in, and then comes to its end. */
static void test_flood(void **state)
{
    expect_whole(*state, 100, 26, 6 * MEMBERS);
}

/* What was asked for in between comes first. */
static void test_something_between(void **state)
{
    struct fixture *it = *state;
    publish(it, 0);
    struct hj_command *first = take_all(it);
    CHECK(hj_mailbox_push(&it->loop.worker.mailbox, hj_command_new(HJ_OP_CLOSE_MEMBERS, &it->rooms[0]->object, NULL)));
    publish(it, 0);
    assert_null(run(it, first));
    expect(it, 0, MEMBERS, "a");
    struct hj_command *rest = take_all(it);
    assert_int_equal(rest->op, HJ_OP_CLOSE_MEMBERS);
    assert_null(run(it, rest->next));
    rest->next = NULL;
    free_commands(rest);
    expect(it, 0, MEMBERS, "a|b");
}

/* The same where the loop has it already. */
static void test_something_behind(void **state)
{
    struct fixture *it = *state;
    publish(it, 0);
    CHECK(hj_mailbox_push(&it->loop.worker.mailbox, hj_command_new(HJ_OP_CLOSE_MEMBERS, &it->rooms[0]->object, NULL)));
    struct hj_command *first = take_all(it);
    publish(it, 0);
    struct hj_command *close = run(it, first);
    expect(it, 0, MEMBERS, "a");
    assert_int_equal(close->op, HJ_OP_CLOSE_MEMBERS);
    free_commands(close);
    assert_null(run(it, take_all(it)));
    expect(it, 0, MEMBERS, "a|b");
}

static void test_another_room(void **state)
{
    struct fixture *it = *state;
    publish(it, 0);
    struct hj_command *first = take_all(it);
    publish(it, 1);
    publish(it, 0);
    assert_null(run(it, first));
    expect(it, 0, MEMBERS, "a");
    assert_null(run(it, take_all(it)));
    expect(it, 0, MEMBERS, "a|c");
}

/* A batch holds so many messages; what is more waits for the next run. */
static void test_full_batch(void **state)
{
    struct fixture *it = *state;
    publish(it, 0);
    struct hj_command *first = take_all(it);
    for (int i = 0; i < HJ_BATCH_MAX; ++i) {
        publish(it, 0);
        it->published = 1; /* one letter for all */
    }
    assert_null(run(it, first));
    assert_int_equal(strlen(it->got[0]), HJ_BATCH_MAX + 1);
    assert_int_equal(strlen(it->got[MEMBERS - 1]), HJ_BATCH_MAX);
    assert_null(run(it, take_all(it)));
    assert_int_equal(strlen(it->got[0]), HJ_BATCH_MAX + 3);
    expect_counted(it, (HJ_BATCH_MAX + 1) * MEMBERS);
}

/* Whoever has taken that much in this turn is not asked again. */
static void test_large(void **state)
{
    struct fixture *it = *state;
    it->size = HJ_BATCH_GROW_BYTES;
    publish(it, 0);
    struct hj_command *first = take_all(it);
    publish(it, 0);
    assert_null(run(it, first));
    expect(it, 0, MEMBERS, "a");
    assert_null(run(it, take_all(it)));
    expect(it, 0, MEMBERS, "a|b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_burst, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_something_between, setup, teardown),
        cmocka_unit_test_setup_teardown(test_something_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
