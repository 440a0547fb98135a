/* SPDX-License-Identifier: MIT
 *
 * The two dense tables of a loop: stable entries, generations, reuse, and a table built by hand in a loop that has no
 * thread.
 */
#include <stdlib.h>
#include <string.h>

#include "loop/conn.h"
#include "loop/table.h"
#include "support/check.h"

enum {
    MANY = 5 * HJ_TABLE_CHUNK + 7
};

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void a_new_entry_is_free_and_has_its_index(void **state)
{
    (void)state;
    struct hj_table table = {0};
    struct hj_conn *conn = hj_table_take(&table);
    assert_non_null(conn);
    assert_int_equal(conn->index, 1); /* 0 is nobody */
    assert_int_equal(conn->fd, -1);
    assert_int_equal(conn->kind, HJ_CONN_FREE);
    assert_int_equal(conn->memberships, 0);
    assert_true(conn->input == NULL && conn->backlog == NULL && conn->channel == NULL && conn->request == NULL);
    assert_int_equal(table.live, 1);
    hj_table_dispose(&table);
    assert_true(table.chunks == NULL && table.used == 0 && table.live == 0 && table.free == 0);
    hj_table_dispose(&table);
}

static void entries_never_move(void **state)
{
    (void)state;
    struct hj_table table = {0};
    struct hj_conn **conns = calloc(MANY, sizeof(*conns));
    for (int i = 0; i < MANY; ++i) {
        conns[i] = hj_table_take(&table);
        assert_int_equal(conns[i]->index, i + 1);
        conns[i]->fd = i;
    }
    assert_int_equal(table.live, MANY);
    assert_int_equal(table.chunk_count, 6);
    for (int i = 0; i < MANY; ++i) {
        assert_ptr_equal(hj_table_at(&table, (uint32_t)i + 1), conns[i]);
        assert_int_equal(conns[i]->fd, i);
    }
    free(conns);
    hj_table_dispose(&table);
}

static void a_given_entry_comes_back_clean(void **state)
{
    (void)state;
    struct hj_table table = {0};
    struct hj_conn *first = hj_table_take(&table), *other = hj_table_take(&table);
    for (int i = 0; i < 100; ++i) {
        memset(&first->memberships, 0x5a, sizeof(*first) - offsetof(struct hj_conn, memberships));
        first->fd = 5;
        hj_table_give(&table, first);
        assert_int_equal(first->fd, -1); /* late poller events find it free */
        assert_int_equal(table.live, 1);
        assert_ptr_equal(hj_table_take(&table), first);
        assert_int_equal(first->index, 1);
        assert_int_equal(first->fd, -1);
        assert_int_equal(first->kind, HJ_CONN_FREE);
        assert_int_equal(first->flags, 0);
        assert_int_equal(first->memberships, 0);
        assert_null(first->input);
        assert_null(first->backlog);
        assert_null(first->channel);
        assert_null(first->request);
    }
    assert_int_equal(other->index, 2);
    assert_int_equal(table.used, 3);
    hj_table_dispose(&table);
}

/* What the poller reports of an entry that is free, or about to be closed, is nobody's. */
static void late_news_find_nobody(void **state)
{
    (void)state;
    struct hj_loop *loop = calloc(1, sizeof(*loop));
    assert_null(hj_conn_find(loop, 0));
    assert_null(hj_conn_find(loop, 1));
    struct hj_conn *conn = hj_table_take(&loop->table);
    assert_null(hj_conn_find(loop, conn->index)); /* taken, but no connection yet */
    hj_conn_set_kind(loop, conn, HJ_CONN_HEAD);
    assert_ptr_equal(hj_conn_find(loop, conn->index), conn);
    assert_null(hj_conn_find(loop, conn->index + 1));
    assert_null(hj_conn_find(loop, HJ_POLL_DATA_MAILBOX));
    assert_null(hj_conn_find(loop, HJ_POLL_DATA_LISTENER));
    assert_null(hj_conn_find(loop, (uint64_t)1 << 32 | conn->index));
    hj_conn_close(loop, conn, HIJACK_ERESET);
    hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
    assert_null(hj_conn_find(loop, conn->index));
    assert_int_equal(loop->closing, conn->index); /* once, for the first reason */
    assert_int_equal(conn->in_ms, 0);
    assert_int_equal((int)conn->out_ms, HIJACK_ERESET);
    hj_table_give(&loop->table, conn);
    assert_null(hj_conn_find(loop, conn->index));
    hj_table_dispose(&loop->table);
    free(loop);
}

/* Thousands come and go in random order: no entry twice at the same time, nothing lost, no more memory than at the
 * highest moment. */
static void random_coming_and_going(void **state)
{
    (void)state;
    enum {
        STEPS = 60000,
        MOST = 3000
    };
    struct hj_table table = {0};
    struct hj_conn **live = calloc(MOST, sizeof(*live));
    uint32_t count = 0, highest = 0;
    uint64_t seed = 20240607;
    for (int step = 0; step < STEPS; ++step) {
        bool grow = next_random(&seed) % 100 < (step / 10000 % 2 ? 30 : 70);
        if (grow && count < MOST) {
            struct hj_conn *conn = hj_table_take(&table);
            assert_true(conn->index >= 1 && conn->index <= MOST);
            assert_int_equal(conn->fd, -1); /* nobody else has it */
            conn->fd = (int)conn->index;
            live[count++] = conn;
            highest = count > highest ? count : highest;
        } else if (count != 0) {
            uint32_t i = next_random(&seed) % count;
            struct hj_conn *conn = live[i];
            assert_int_equal(conn->fd, conn->index);
            assert_ptr_equal(hj_table_at(&table, conn->index), conn);
            hj_table_give(&table, conn);
            live[i] = live[--count];
        }
        assert_int_equal(table.live, count);
        assert_int_equal(table.used, highest + 1);
    }
    assert_true(highest > 2 * HJ_TABLE_CHUNK);
    free(live);
    hj_table_dispose(&table);
}

static void memberships_are_reused(void **state)
{
    (void)state;
    struct hj_member_table table = {0};
    assert_int_equal(hj_member_table_take(&table), 1);
    for (uint32_t i = 2; i <= MANY; ++i)
        assert_int_equal(hj_member_table_take(&table), i);
    struct hj_membership *stays = hj_member_table_at(&table, HJ_TABLE_CHUNK);
    *stays = (struct hj_membership){.position = 42, .next = 43};
    hj_member_table_give(&table, 5);
    hj_member_table_give(&table, MANY);
    hj_member_table_give(&table, 1);
    assert_int_equal(hj_member_table_take(&table), 1); /* the last one given is warm */
    assert_int_equal(hj_member_table_take(&table), MANY);
    assert_int_equal(hj_member_table_take(&table), 5);
    assert_int_equal(hj_member_table_take(&table), MANY + 1);
    assert_ptr_equal(hj_member_table_at(&table, HJ_TABLE_CHUNK), stays);
    assert_int_equal(stays->position + stays->next, 85);
    hj_member_table_dispose(&table);
    assert_true(table.chunks == NULL && table.used == 0 && table.free == 0);
    hj_member_table_dispose(&table);
}

static void layers_cost_nothing_until_there_is_one(void **state)
{
    (void)state;
    struct hj_table table = {0};
    uint32_t last = 0;
    int here, there;
    for (int i = 0; i < MANY; ++i)
        last = hj_table_take(&table)->index;
    assert_null(hj_table_layer(&table, 1));
    assert_true(hj_table_set_layer(&table, 1, NULL) && table.layers == NULL);
    assert_true(hj_table_set_layer(&table, 2 * HJ_TABLE_CHUNK + 3, &here));
    assert_true(table.layers[0] == NULL && table.layers[1] == NULL && table.layers[2] != NULL);
    for (uint32_t i = 0; i < HJ_TABLE_CHUNK; ++i) /* the table grows under its layers */
        last = hj_table_take(&table)->index;
    assert_null(hj_table_layer(&table, last));
    assert_true(hj_table_set_layer(&table, last, &there));
    assert_ptr_equal(hj_table_layer(&table, 2 * HJ_TABLE_CHUNK + 3), &here);
    assert_ptr_equal(hj_table_layer(&table, last), &there);
    assert_null(hj_table_layer(&table, last - 1));
    assert_true(hj_table_set_layer(&table, last, NULL));
    assert_null(hj_table_layer(&table, last));
    hj_table_dispose(&table);
    assert_null(table.layers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_entry_is_free_and_has_its_index),
        cmocka_unit_test(entries_never_move),
        cmocka_unit_test(a_given_entry_comes_back_clean),
        cmocka_unit_test(late_news_find_nobody),
        cmocka_unit_test(random_coming_and_going),
        cmocka_unit_test(layers_cost_nothing_until_there_is_one),
        cmocka_unit_test(memberships_are_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
