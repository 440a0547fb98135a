/* Sockets that are to be paired; see relaying.h. Loop thread.
 *
 * Of two loops the second socket moves to the loop of the first, once it is open. The first one waits there, unread.
 * Each has a notice for the other one until they have met: if it ends before, the other one hears of it in its own
 * loop, be it before that has heard of the pair. */
#include "loop/held/relaying.h"

#include "core/relay.h"
#include "core/worker.h"
#include "loop/held/websocket_state.h"
#include "loop/io/relay.h"
#include "loop/moving.h"

/* The socket's connection, if something can still be done with it. */
static struct hj_conn *living(const struct hj_channel *channel)
{
    struct hj_conn *conn = channel->conn;
    const bool ends = conn == NULL || !hj_conn_is_open(conn) || (conn->flags & (HJ_CONN_ENDING | HJ_CONN_DISCARD)) != 0;
    return ends ? NULL : conn;
}

/* Why it has ended, for the other one. The loop's alone, as the last event is until it is polled. */
static int reason_of(const struct hj_channel *channel)
{
    return channel->last.status != 0 ? channel->last.status : HIJACK_ECLOSED;
}

static void mark_relayed(struct hj_channel *channel, struct hj_command *notice, bool moves)
{
    channel->relayed = true;
    channel->moves = moves;
    channel->notice = notice;
}

static void drop_notice(struct hj_channel *channel)
{
    if (!hj_channel_waits(channel))
        return;
    hj_command_free(channel->notice);
    channel->notice = NULL;
}

/* Of a channel whose handle was freed, once nothing needs it. */
static void drop_channel(struct hj_conn *conn)
{
    struct hj_channel *channel = conn->channel;
    if (conn->kind != HJ_CONN_RELAY || hj_channel_waits(channel))
        return; /* it is needed for a while */
    conn->channel = NULL;
    channel->conn = NULL;
    hj_object_unref(&channel->object);
}

void hj_relaying_freed(struct hj_conn *conn)
{
    conn->channel->unwanted = !conn->channel->ended;
    conn->channel->ended = true;
    drop_channel(conn);
}

/* The handle may have been freed while it waited. */
static void settle_handle(struct hj_conn *conn)
{
    if (hj_conn_is_open(conn) && conn->channel != NULL && conn->channel->ended)
        drop_channel(conn);
}

/* Its peer may have ended its direction before. */
static void begin_half_closing(struct hj_loop *loop, struct hj_conn *conn)
{
    const struct hj_websocket *state = hj_websocket_find(loop, conn);
    conn->flags |= (uint16_t)(HJ_CONN_HALF_CLOSES | (state != NULL && state->half_ended ? HJ_CONN_EOF : 0));
}

static void meet(struct hj_loop *loop, struct hj_conn *first, struct hj_conn *second)
{
    struct hj_conn *const both[] = {first, second};
    for (int i = 0; i < 2; ++i) {
        drop_notice(both[i]->channel);
        if (both[i]->channel->half_closes)
            begin_half_closing(loop, both[i]);
    }
    hj_relay_pair(loop, first, second);
    settle_handle(first);
    settle_handle(second);
}

/* The other one is gone. */
static void lose_partner(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    drop_notice(conn->channel);
    hj_relay_await(loop, conn);
    hj_relay_end(loop, conn, reason);
    settle_handle(conn);
}

/* Tries again in the next turn. False when out of memory. */
static bool move_later(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_command *command = hj_command_new(HJ_OP_RELAY_MOVE, &conn->channel->object, NULL);
    if (command == NULL)
        return false;
    if (!hj_worker_post(&loop->worker, command))
        hj_command_free(command); /* this loop ends all that it has */
    hj_relay_await(loop, conn);
    return true;
}

/* Takes it to the loop of the one that it is to be paired with. */
static void move(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_channel *channel = conn->channel;
    struct hj_command *notice = channel->notice;
    channel->notice = NULL;
    int rc = hj_moving_send(loop, conn, (struct hj_channel *)notice->object);
    if (rc == 0) {
        hj_command_free(notice);
        return;
    }
    channel->notice = notice;
    if (rc != HIJACK_ELIMIT || !move_later(loop, conn))
        hj_conn_close(loop, conn, rc);
}

/* Both belong to this loop. */
static void pair_here(struct hj_loop *loop, struct hj_channel *first, struct hj_channel *second)
{
    struct hj_conn *a = living(first), *b = living(second);
    mark_relayed(first, NULL, false);
    mark_relayed(second, NULL, false);
    if (a != NULL && b != NULL)
        meet(loop, a, b);
    else if (a != NULL)
        lose_partner(loop, a, reason_of(second));
    else if (b != NULL)
        lose_partner(loop, b, reason_of(first));
}

void hj_relaying_begin(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *second = (struct hj_channel *)command->object;
    struct hj_command *notice = (struct hj_command *)(uintptr_t)command->value;
    if (notice == NULL) {
        pair_here(loop, (struct hj_channel *)command->other, second);
        return;
    }
    struct hj_conn *conn = living(second);
    const bool other_is_gone = second->relayed;
    if (conn == NULL || other_is_gone) {
        mark_relayed(second, NULL, false);
        hj_relay_notify(notice, reason_of(second));
        if (conn != NULL)
            lose_partner(loop, conn, reason_of(second));
        return;
    }
    mark_relayed(second, notice, true);
    if (conn->kind != HJ_CONN_CONNECTING)
        move(loop, conn);
}

void hj_relaying_move(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->object;
    struct hj_conn *conn = living(channel);
    if (conn != NULL && hj_channel_waits(channel)) /* neither has ended meanwhile */
        move(loop, conn);
}

void hj_relaying_wait(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *first = (struct hj_channel *)command->object;
    struct hj_command *notice = (struct hj_command *)(uintptr_t)command->value;
    struct hj_conn *conn = living(first);
    mark_relayed(first, conn == NULL ? NULL : notice, false);
    if (conn == NULL)
        hj_relay_notify(notice, reason_of(first));
    else
        hj_relay_await(loop, conn);
}

void hj_relaying_arrive(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *second = hj_moving_receive(loop, command);
    struct hj_channel *waiting = (struct hj_channel *)command->other;
    struct hj_conn *first = living(waiting);
    drop_notice(waiting);
    if (first != NULL && second != NULL)
        meet(loop, first, second);
    else if (first != NULL)
        lose_partner(loop, first, reason_of((const struct hj_channel *)command->object));
    else if (second != NULL)
        lose_partner(loop, second, reason_of(waiting));
}

void hj_relaying_end(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->object;
    struct hj_conn *conn = living(channel);
    const bool knows = channel->relayed; /* that it is to be paired */
    if (!knows && conn != NULL)
        channel->last.status = -(int)command->value; /* of the other one, kept until this one hears of the pair */
    if (!knows)
        mark_relayed(channel, NULL, false);
    else if (conn != NULL)
        lose_partner(loop, conn, -(int)command->value);
}

void hj_relaying_opened(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_channel *channel = conn->channel;
    if ((conn->flags & HJ_CONN_ENDING) != 0) {
        hj_relay_opened(loop, conn); /* the program has closed it meanwhile: the other one is told at its end */
    } else if (!hj_channel_waits(channel)) {
        hj_relay_opened(loop, conn);
        settle_handle(conn);
    } else if (channel->moves) {
        move(loop, conn);
    } else {
        hj_relay_await(loop, conn);
    }
}
