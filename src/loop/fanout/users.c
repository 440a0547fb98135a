/* Members of one user; see users.h. Loop thread.
 *
 * They are found by a look at the numbers of all members of the shard, which stand side by side: an index would cost
 * each member as much again. */
#include "loop/fanout/users.h"

#include "core/broadcaster.h"
#include "core/membership.h"
#include "loop/conn.h"
#include "loop/fanout/fanout.h"
#include "loop/fanout/shard.h"
#include "loop/held/websocket_closing.h"

typedef void act_on_member(struct hj_loop *loop, struct hj_conn *conn, struct hj_command *command);

/* From the end: a member that leaves gives its place to one that was looked at already, and the last one takes the
 * shard with it. */
static void each_of_user(struct hj_loop *loop, struct hj_command *command, act_on_member *act)
{
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->object;
    struct hj_shard *shard = hj_shard_of(loop, broadcaster);
    for (uint32_t i = shard == NULL ? 0 : shard->count; i-- > 0 && shard != NULL;) {
        if (hj_shard_user(shard, i) == command->value) {
            struct hj_conn *conn = hj_table_at(&loop->table, shard->members[i].conn);
            if (hj_conn_is_open(conn))
                act(loop, conn, command);
        }
        shard = hj_shard_of(loop, broadcaster);
    }
}

void hj_users_send(struct hj_loop *loop, struct hj_command *command)
{
    atomic_fetch_sub_explicit(&loop->server->publish_waiting, hj_message_cost(command->message), memory_order_relaxed);
    hj_fanout_user(loop, (struct hj_broadcaster *)command->object, command->message, command->value);
}

static void remove_one(struct hj_loop *loop, struct hj_conn *conn, struct hj_command *command)
{
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->object;
    if (conn->channel != NULL)
        hj_subscriptions_forget(&conn->channel->subscriptions, broadcaster);
    else
        hj_membership_end(broadcaster);
    hj_shard_remove(loop, broadcaster, conn);
    if (conn->channel == NULL && conn->memberships == 0)
        hj_held_finish(loop, conn);
}

void hj_users_remove(struct hj_loop *loop, struct hj_command *command)
{
    each_of_user(loop, command, remove_one);
}

static void close_one(struct hj_loop *loop, struct hj_conn *conn, struct hj_command *command)
{
    (void)command;
    hj_held_finish(loop, conn);
}

void hj_users_close(struct hj_loop *loop, struct hj_command *command)
{
    each_of_user(loop, command, close_one);
}

static void join_one(struct hj_loop *loop, struct hj_conn *conn, struct hj_command *command)
{
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->other;
    int rc = 0;
    if (hj_shard_has(loop, broadcaster, conn))
        return;
    if (conn->channel == NULL)
        hj_membership_begin(broadcaster, &loop->worker);
    else
        rc = hj_subscriptions_enter(&conn->channel->subscriptions, broadcaster, &loop->worker);
    if (rc == HIJACK_ESTATE || rc == HIJACK_ECLOSED)
        return; /* the program has just made it a member itself, sends a message in pieces, or it leaves */
    if (rc == 0 && hj_shard_add(loop, broadcaster, conn, command->value))
        return;
    if (conn->channel == NULL)
        hj_membership_end(broadcaster);
    hj_conn_close(loop, conn, HIJACK_ENOMEM);
}

void hj_users_join(struct hj_loop *loop, struct hj_command *command)
{
    each_of_user(loop, command, join_one);
}
