/* SPDX-License-Identifier: MIT
 *
 * Members that return to a loop which has not written yet what another loop has written to them already. The loop is
 * made by hand and has no thread.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/broadcaster.h"
#include "loop/conn.h"
#include "loop/fanout/catchup.h"
#include "loop/fanout/fanout.h"
#include "loop/fanout/long_poll.h"
#include "loop/fanout/long_poll_state.h"
#include "support/check.h"

enum {
    LOOP = 1
};

struct fixture {
    struct hj_server server;
    struct hj_loop loop;
    struct hj_broadcaster *room;
    struct hj_conn *conn;
    struct hj_message *messages[10]; /* messages[i] has the offset i */
    int peer;
};

static void destroy_room(struct hj_object *object)
{
    struct hj_broadcaster *room = (struct hj_broadcaster *)object;
    free(atomic_load(&room->shards));
    hj_history_free(atomic_load(&room->history));
    free(room);
}

static int setup(void **state)
{
    struct fixture *it = calloc(1, sizeof(*it));
    int fds[2];
    it->server.worker_count = LOOP + 1;
    it->loop.server = &it->server;
    it->loop.worker.index = LOOP;
    it->room = calloc(1, sizeof(*it->room));
    hj_object_init(&it->room->object, HJ_KIND_BROADCASTER, destroy_room);
    pthread_mutex_init(&it->room->lock, NULL);
    it->room->server = &it->server;
    atomic_store(&it->room->backlog_bytes, 65536);
    struct hj_history *history = hj_history_new();
    assert_int_equal(hj_history_set(history, HJ_SLICE("history_messages"), HJ_SLICE("10")), 0);
    atomic_store(&it->room->history, history);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    it->peer = fds[0];
    it->conn = hj_table_take(&it->loop.table);
    it->conn->fd = fds[1];
    it->conn->kind = HJ_CONN_HELD;
    it->conn->wire = HJ_WIRE_RAW;
    *state = it;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *it = *state;
    hj_shard_remove_all(&it->loop, it->conn, 0);
    close(it->conn->fd);
    close(it->peer);
    for (int i = 0; i < 10; ++i)
        hj_message_unref(it->messages[i]);
    hj_object_unref(&it->room->object);
    hj_table_dispose(&it->loop.table);
    hj_member_table_dispose(&it->loop.members);
    free(it->loop.ready);
    free(it);
    return 0;
}

/* A message of one digit, its offset, is in the history, and on its way to the loop. */
static void publish(struct fixture *it, int offset)
{
    const char digit = (char)('0' + offset);
    const struct hj_message_parts parts = {.data = hj_slice(&digit, 1), .retry_ms = -1, .positioned = true};
    struct hj_history *history = atomic_load(&it->room->history);
    assert_int_equal(hj_message_new(&it->messages[offset], NULL, &parts), 0);
    assert_true(hj_history_reserve(history));
    hj_history_add(history, it->messages[offset]);
    assert_int_equal(it->messages[offset]->offset, offset);
}

/* The loop carries the publish out. */
static void fan_out(struct fixture *it, int offset)
{
    struct hj_batch batch = {.messages = {it->messages[offset]}, .count = 1};
    hj_fanout(&it->loop, it->room, &batch);
    hj_broadcaster_saw(it->room, LOOP, (uint64_t)offset);
}

static void expect(struct fixture *it, const char *text)
{
    char buf[64];
    ssize_t n = recv(it->peer, buf, sizeof(buf) - 1, 0);
    buf[n < 0 ? 0 : n] = '\0';
    assert_string_equal(buf, text);
}

static void join(struct fixture *it, uint64_t from)
{
    const struct hj_joining joining = {.from = from};
    assert_true(hj_shard_add(&it->loop, it->room, it->conn, 0));
    assert_true(hj_catchup_begin(&it->loop, it->conn, it->room, NULL, &joining));
}

/* It has had 3 and 4 from another loop, and comes here before this one has taken them out of its mailbox. */
static void test_ahead_of_the_loop(void **state)
{
    struct fixture *it = *state;
    for (int i = 1; i <= 4; ++i)
        publish(it, i);
    hj_broadcaster_saw(it->room, LOOP, 2);
    join(it, 5);
    expect(it, "");
    assert_int_equal(it->loop.ready_count, 1); /* the next turn looks again */
    it->conn->flags &= (uint16_t)~HJ_CONN_READY;
    it->loop.ready_count = 0;
    fan_out(it, 3);
    hj_catchup_go_on(&it->loop, it->conn);
    assert_int_equal(it->loop.ready_count, 1);
    fan_out(it, 4);
    publish(it, 5);
    hj_catchup_go_on(&it->loop, it->conn);
    expect(it, "");
    assert_false(it->conn->behind);
    fan_out(it, 5);
    expect(it, "5");
}

/* The same of a long poll, which waits for the first message that it has not had. */
static void test_poll_ahead_of_the_loop(void **state)
{
    struct fixture *it = *state;
    char answer[512];
    const struct hj_joining joining = {.from = 5};
    struct hj_buf *headers = hj_buf_new(0);
    for (int i = 1; i <= 5; ++i)
        publish(it, i);
    hj_broadcaster_saw(it->room, LOOP, 2);
    it->conn->wire = HJ_WIRE_RESPONSE;
    assert_true(hj_shard_add(&it->loop, it->room, it->conn, 0));
    assert_true(hj_long_poll_begin(&it->loop, it->conn, it->room, headers, HJ_WIRE_RESPONSE, &joining));
    fan_out(it, 3);
    fan_out(it, 4);
    expect(it, "");
    fan_out(it, 5);
    ssize_t n = recv(it->peer, answer, sizeof(answer) - 1, 0);
    assert_true(n > 0);
    answer[n] = '\0';
    assert_non_null(strstr(answer, "-5\r\n")); /* its position */
    assert_non_null(strstr(answer, "\r\n\r\n5"));
    assert_true(hj_long_poll_is_answered(&it->loop, it->conn));
    hj_long_poll_dispose(&it->loop);
    hj_buf_unref(headers);
}

/* The history has been set back since the position was looked up: what was asked for may never be. */
static void test_ahead_of_the_history(void **state)
{
    struct fixture *it = *state;
    publish(it, 1);
    hj_broadcaster_saw(it->room, LOOP, 1);
    join(it, 9);
    expect(it, "1");
    assert_false(it->conn->behind);
    assert_int_equal(it->loop.worker.stats[HIJACK_STAT_GAPS], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ahead_of_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poll_ahead_of_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ahead_of_the_history, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
