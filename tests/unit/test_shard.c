/* SPDX-License-Identifier: MIT
 *
 * Memberships on one loop, a loop made by hand without a thread: dense lists, counts, who keeps whom alive, and
 * thousands joining and leaving in random order against a plain matrix.
 */
#include <stdlib.h>
#include <string.h>

#include "core/channel.h"
#include "loop/conn.h"
#include "loop/fanout/shard.h"
#include "support/check.h"

enum {
    LOOPS = 3,
    ROOMS = 40,
    CONNS = 1500, /* more than a chunk of the table */
    FIRST_FD = 1000000
};

static int destroyed;

static void destroy_broadcaster(struct hj_object *object)
{
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)object;
    free(atomic_load(&broadcaster->shards));
    free(broadcaster);
    ++destroyed;
}

struct fixture {
    struct hj_server server;
    struct hj_loop loop;
    struct hj_broadcaster *rooms[ROOMS]; /* references of the test */
    struct hj_conn *conns[CONNS];
};

static struct hj_broadcaster *make_broadcaster(struct hj_server *server)
{
    struct hj_broadcaster *broadcaster = calloc(1, sizeof(*broadcaster));
    hj_object_init(&broadcaster->object, HJ_KIND_BROADCASTER, destroy_broadcaster);
    broadcaster->server = server;
    return broadcaster;
}

static struct hj_object *freed; /* none, ever */

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    destroyed = 0;
    fixture->server.worker_count = LOOPS;
    fixture->loop.server = &fixture->server;
    fixture->loop.worker.index = 1;
    for (int i = 0; i < ROOMS; ++i)
        fixture->rooms[i] = make_broadcaster(&fixture->server);
    for (int i = 0; i < CONNS; ++i) {
        fixture->conns[i] = hj_table_take(&fixture->loop.table);
        fixture->conns[i]->fd = FIRST_FD + i; /* nobody uses it */
        fixture->conns[i]->wire = (uint8_t)(i % HJ_WIRE_COUNT);
    }
    *state = fixture;
    return 0;
}

/* Whatever a test leaves behind must be gone when all have left. */
static int teardown(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < CONNS; ++i) {
        fixture->conns[i]->channel = NULL;
        hj_shard_remove_all(&fixture->loop, fixture->conns[i], 0);
        assert_int_equal(fixture->conns[i]->memberships, 0);
    }
    assert_int_equal(fixture->loop.worker.stats[HIJACK_STAT_MEMBERSHIPS], 0);
    for (int i = 0; i < ROOMS; ++i) {
        assert_null(hj_shard_of(&fixture->loop, fixture->rooms[i]));
        hj_object_unref(&fixture->rooms[i]->object);
    }
    assert_int_equal(destroyed, ROOMS);
    hj_table_dispose(&fixture->loop.table);
    hj_member_table_dispose(&fixture->loop.members);
    free(fixture);
    return 0;
}

/* As the loop does it for a held connection, which is counted by the loop itself. */
static void join(struct fixture *fixture, int room, int conn)
{
    assert_true(hj_shard_add(&fixture->loop, fixture->rooms[room], fixture->conns[conn], 0));
    atomic_fetch_add(&fixture->rooms[room]->members, 1);
}

static void leave(struct fixture *fixture, int room, int conn)
{
    hj_shard_remove(&fixture->loop, fixture->rooms[room], fixture->conns[conn]);
    atomic_fetch_sub(&fixture->rooms[room]->members, 1);
}

static uint32_t size(struct fixture *fixture, int room)
{
    struct hj_shard *shard = hj_shard_of(&fixture->loop, fixture->rooms[room]);
    return shard == NULL ? 0 : shard->count;
}

/* What the list says of one member, against its table entry. */
static void check_member(const struct hj_shard *shard, uint32_t position, const struct hj_conn *conn)
{
    struct hj_member member = shard->members[position];
    assert_int_equal(member.conn, conn->index);
    if (conn->backlog == NULL)
        assert_int_equal(member.out & HJ_MEMBER_FD, conn->fd);
    assert_int_equal(member.out >> HJ_MEMBER_WIRE_SHIFT & 7, conn->wire);
    assert_int_equal((member.out & HJ_MEMBER_INDIRECT) != 0, conn->backlog != NULL);
}

static void a_shard_exists_while_it_has_members(void **state)
{
    struct fixture *fixture = *state;
    struct hj_broadcaster *room = fixture->rooms[0];
    assert_null(hj_shard_of(&fixture->loop, room));
    assert_null(atomic_load(&room->shards)); /* a broadcaster without members costs nothing more */
    hj_shard_remove(&fixture->loop, room, fixture->conns[0]);
    assert_int_equal(atomic_load(&room->object.refs), 1);
    join(fixture, 0, 0);
    struct hj_shard *shard = hj_shard_of(&fixture->loop, room);
    assert_non_null(shard);
    assert_ptr_equal(shard->broadcaster, room);
    assert_int_equal(shard->count, 1);
    assert_int_equal(shard->members[0].conn, fixture->conns[0]->index);
    assert_int_equal(atomic_load(&room->object.refs), 2); /* the members keep it */
    join(fixture, 0, 1);
    assert_int_equal(atomic_load(&room->object.refs), 2);
    leave(fixture, 0, 0);
    assert_ptr_equal(hj_shard_of(&fixture->loop, room), shard);
    leave(fixture, 0, 1);
    assert_null(hj_shard_of(&fixture->loop, room));
    assert_int_equal(atomic_load(&room->object.refs), 1);
}

static void members_keep_a_freed_broadcaster(void **state)
{
    struct fixture *fixture = *state;
    struct hj_broadcaster *room = make_broadcaster(&fixture->server);
    for (int i = 0; i < 10; ++i)
        assert_true(hj_shard_add(&fixture->loop, room, fixture->conns[i], 0));
    hj_object_unref(&room->object);
    for (int i = 0; i < 9; ++i)
        hj_shard_remove(&fixture->loop, room, fixture->conns[i]);
    assert_int_equal(destroyed, 0);
    hj_shard_remove(&fixture->loop, room, fixture->conns[9]);
    assert_int_equal(destroyed, 1);
    destroyed = 0;
}

static void joining_twice_is_once(void **state)
{
    struct fixture *fixture = *state;
    join(fixture, 0, 7);
    assert_true(hj_shard_add(&fixture->loop, fixture->rooms[0], fixture->conns[7], 0));
    assert_int_equal(size(fixture, 0), 1);
    assert_int_equal(fixture->loop.worker.stats[HIJACK_STAT_MEMBERSHIPS], 1);
    leave(fixture, 0, 7);
    assert_int_equal(size(fixture, 0), 0);
    join(fixture, 0, 8);
    hj_shard_remove(&fixture->loop, fixture->rooms[0], fixture->conns[7]); /* no member any more */
    assert_int_equal(size(fixture, 0), 1);
}

/* The last takes the place of the one that leaves, wherever that was. */
static void the_list_stays_dense(void **state)
{
    struct fixture *fixture = *state;
    for (int gone = 0; gone < 5; ++gone) {
        for (int i = 0; i < 5; ++i)
            join(fixture, 0, i);
        leave(fixture, 0, gone);
        struct hj_shard *shard = hj_shard_of(&fixture->loop, fixture->rooms[0]);
        assert_int_equal(shard->count, 4);
        bool seen[CONNS + 1] = {false};
        for (uint32_t i = 0; i < shard->count; ++i) {
            assert_false(seen[shard->members[i].conn]);
            seen[shard->members[i].conn] = true;
        }
        for (int i = 0; i < 5; ++i)
            assert_int_equal(seen[fixture->conns[i]->index], i != gone);
        for (int i = 4; i >= 0; --i)
            if (i != gone)
                leave(fixture, 0, i);
    }
}

static void one_connection_in_many_shards(void **state)
{
    struct fixture *fixture = *state;
    for (int room = 0; room < ROOMS; ++room) {
        join(fixture, room, 1);
        join(fixture, room, 0);
        join(fixture, room, 2);
    }
    assert_int_equal(fixture->loop.worker.stats[HIJACK_STAT_MEMBERSHIPS], 3 * ROOMS);
    for (int room = 0; room < ROOMS; room += 3)
        leave(fixture, room, 0);
    hj_shard_remove_all(&fixture->loop, fixture->conns[0], 0);
    assert_int_equal(fixture->conns[0]->memberships, 0);
    for (int room = 0; room < ROOMS; ++room) {
        struct hj_shard *shard = hj_shard_of(&fixture->loop, fixture->rooms[room]);
        assert_int_equal(shard->count, 2);
        assert_int_equal(shard->members[0].conn + shard->members[1].conn,
                         fixture->conns[1]->index + fixture->conns[2]->index);
        assert_int_equal(atomic_load(&fixture->rooms[room]->members), 2);
    }
    assert_int_equal(fixture->loop.worker.stats[HIJACK_STAT_MEMBERSHIPS], 2 * ROOMS);
}

/* A connection with a handle is counted by its list of rooms, not by the loop. */
static void leaving_all_with_a_channel(void **state)
{
    struct fixture *fixture = *state;
    struct hj_channel *channel = calloc(1, sizeof(*channel));
    struct hj_command *command = NULL;
    CODE(hj_mailbox_open(&fixture->loop.worker.mailbox), 0);
    fixture->conns[0]->channel = channel;
    for (int room = 0; room < 3; ++room) {
        command = hj_command_new(HJ_OP_ADD, &fixture->rooms[room]->object, NULL);
        CODE(hj_subscriptions_join(&channel->subscriptions, fixture->rooms[room], &fixture->loop.worker, command), 0);
        assert_true(hj_shard_add(&fixture->loop, fixture->rooms[room], fixture->conns[0], 0));
        assert_int_equal(atomic_load(&fixture->rooms[room]->members), 1);
    }
    hj_shard_remove_all(&fixture->loop, fixture->conns[0], 0);
    for (int room = 0; room < 3; ++room) {
        assert_int_equal(atomic_load(&fixture->rooms[room]->members), 0);
        assert_int_equal(size(fixture, room), 0);
    }
    command = hj_mailbox_close(&fixture->loop.worker.mailbox, &freed);
    while (command != NULL) {
        struct hj_command *next = command->next;
        hj_command_free(command);
        command = next;
    }
    hj_mailbox_dispose(&fixture->loop.worker.mailbox);
    hj_subscriptions_dispose(&channel->subscriptions);
    fixture->conns[0]->channel = NULL;
    free(channel);
}

/* Each of its shards hears that a connection got a backlog, and that it lost it; also where its place has changed. */
static void the_lists_know_who_is_slow(void **state)
{
    struct fixture *fixture = *state;
    struct hj_conn *slow = fixture->conns[4];
    for (int room = 0; room < 3; ++room)
        for (int i = 0; i < 5; ++i)
            join(fixture, room, i);
    slow->backlog = hj_backlog_new();
    hj_shard_mark(&fixture->loop, slow);
    join(fixture, 3, 4);  /* joins as a slow one */
    leave(fixture, 1, 0); /* the slow one takes this place */
    for (int again = 0; again < 2; ++again) {
        for (int room = 0; room < 4; ++room) {
            struct hj_shard *shard = hj_shard_of(&fixture->loop, fixture->rooms[room]);
            assert_int_equal(shard->count, room == 3 ? 1 : room == 1 ? 4 : 5);
            for (uint32_t i = 0; i < shard->count; ++i)
                check_member(shard, i, hj_table_at(&fixture->loop.table, shard->members[i].conn));
        }
        hj_backlog_free(slow->backlog);
        slow->backlog = NULL;
        hj_shard_mark(&fixture->loop, slow);
    }
    hj_shard_mark(&fixture->loop, fixture->conns[7]); /* no member of any */
}

/* When a connection was last written to is noted for the whole shard; it is the later moment that counts. */
static void when_members_were_written_to(void **state)
{
    struct fixture *fixture = *state;
    struct hj_conn *conn = fixture->conns[0];
    fixture->loop.now_ms = 1000;
    join(fixture, 0, 0);
    join(fixture, 1, 0);
    conn->out_ms = 1100;
    fixture->loop.now_ms = 2000;
    hj_shard_refresh(&fixture->loop, conn);
    assert_int_equal(conn->out_ms, 1100); /* the shards have written nothing since */
    hj_shard_of(&fixture->loop, fixture->rooms[0])->out_ms = 1300;
    hj_shard_of(&fixture->loop, fixture->rooms[1])->out_ms = 1200;
    hj_shard_refresh(&fixture->loop, conn);
    assert_int_equal(conn->out_ms, 1300);
    hj_shard_of(&fixture->loop, fixture->rooms[1])->out_ms = 1400;
    conn->backlog = hj_backlog_new(); /* a slow one was not written to then */
    hj_shard_refresh(&fixture->loop, conn);
    assert_int_equal(conn->out_ms, 1300);
    hj_backlog_free(conn->backlog);
    conn->backlog = NULL;
    leave(fixture, 1, 0); /* what it got there stays known */
    assert_int_equal(conn->out_ms, 1400);
    /* the 32 bits wrap after 49 days */
    fixture->loop.now_ms = (1ull << 32) + 50;
    conn->out_ms = UINT32_MAX - 100;
    hj_shard_of(&fixture->loop, fixture->rooms[0])->out_ms = 20;
    hj_shard_refresh(&fixture->loop, conn);
    assert_int_equal(conn->out_ms, 20);
    hj_shard_of(&fixture->loop, fixture->rooms[0])->out_ms = UINT32_MAX - 50;
    hj_shard_refresh(&fixture->loop, conn);
    assert_int_equal(conn->out_ms, 20);
}

/* Each loop has its own part of a broadcaster. */
static void loops_do_not_share_a_shard(void **state)
{
    struct fixture *fixture = *state;
    struct hj_loop *other = calloc(1, sizeof(*other));
    other->server = &fixture->server;
    other->worker.index = 2;
    struct hj_conn *conn = hj_table_take(&other->table);
    conn->fd = FIRST_FD;
    join(fixture, 0, 0);
    assert_null(hj_shard_of(other, fixture->rooms[0]));
    assert_true(hj_shard_add(other, fixture->rooms[0], conn, 0));
    assert_ptr_not_equal(hj_shard_of(other, fixture->rooms[0]), hj_shard_of(&fixture->loop, fixture->rooms[0]));
    assert_int_equal(atomic_load(&fixture->rooms[0]->object.refs), 3);
    hj_shard_remove(other, fixture->rooms[0], conn);
    assert_null(hj_shard_of(other, fixture->rooms[0]));
    assert_int_equal(size(fixture, 0), 1);
    hj_table_dispose(&other->table);
    hj_member_table_dispose(&other->members);
    free(other);
}

/* ------------------------------------------------------------------------------------------------------------------
 * The model: who is in which room.
 * ---------------------------------------------------------------------------------------------------------------- */

struct model {
    bool in[ROOMS][CONNS];
    uint32_t size[ROOMS], total;
};

static void check_room(struct fixture *fixture, const struct model *model, int room)
{
    struct hj_shard *shard = hj_shard_of(&fixture->loop, fixture->rooms[room]);
    assert_int_equal(size(fixture, room), model->size[room]);
    assert_int_equal(atomic_load(&fixture->rooms[room]->members), model->size[room]);
    if (shard == NULL)
        return;
    bool seen[CONNS] = {false};
    for (uint32_t i = 0; i < shard->count; ++i) {
        uint32_t conn = shard->members[i].conn - 1; /* the test took the entries 1, 2, ... in order */
        assert_true(conn < CONNS && !seen[conn] && model->in[room][conn]);
        seen[conn] = true;
    }
}

/* Each membership leads to the place in the shard that leads back. */
static void check_conn(struct fixture *fixture, const struct model *model, int conn)
{
    int count = 0, expected = 0;
    for (uint32_t i = fixture->conns[conn]->memberships; i != 0; ++count) {
        struct hj_membership *membership = hj_member_table_at(&fixture->loop.members, i);
        assert_true(membership->position < membership->shard->count);
        check_member(membership->shard, membership->position, fixture->conns[conn]);
        i = membership->next;
    }
    for (int room = 0; room < ROOMS; ++room)
        expected += model->in[room][conn];
    assert_int_equal(count, expected);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void random_step(struct fixture *fixture, struct model *model, bool growing, uint64_t *seed)
{
    int room = (int)(next_random(seed) % ROOMS), conn = (int)(next_random(seed) % CONNS);
    if (next_random(seed) % 200 == 0) {
        hj_shard_remove_all(&fixture->loop, fixture->conns[conn], 0);
        for (int i = 0; i < ROOMS; ++i) {
            model->size[i] -= model->in[i][conn];
            model->total -= model->in[i][conn];
            model->in[i][conn] = false;
        }
    } else if (model->in[room][conn] && (!growing || next_random(seed) % 4 == 0)) {
        leave(fixture, room, conn);
        model->in[room][conn] = false;
        --model->size[room];
        --model->total;
    } else if (!model->in[room][conn] && growing) {
        join(fixture, room, conn);
        model->in[room][conn] = true;
        ++model->size[room];
        ++model->total;
    }
    check_conn(fixture, model, conn);
    assert_int_equal(fixture->loop.worker.stats[HIJACK_STAT_MEMBERSHIPS], model->total);
}

static void random_joining_and_leaving(void **state)
{
    struct fixture *fixture = *state;
    struct model *model = calloc(1, sizeof(*model));
    uint64_t seed = 31337;
    uint32_t highest = 0;
    for (int step = 0; step < 60000; ++step) {
        random_step(fixture, model, step / 15000 % 2 == 0, &seed);
        highest = model->total > highest ? model->total : highest;
        if (step % 5000 != 0)
            continue;
        for (int room = 0; room < ROOMS; ++room)
            check_room(fixture, model, room);
    }
    for (int conn = 0; conn < CONNS; ++conn)
        check_conn(fixture, model, conn);
    assert_true(highest > 5000);
    free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_shard_exists_while_it_has_members),
        TEST(members_keep_a_freed_broadcaster),
        TEST(joining_twice_is_once),
        TEST(the_list_stays_dense),
        TEST(one_connection_in_many_shards),
        TEST(leaving_all_with_a_channel),
        TEST(the_lists_know_who_is_slow),
        TEST(when_members_were_written_to),
        TEST(loops_do_not_share_a_shard),
        TEST(random_joining_and_leaving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
