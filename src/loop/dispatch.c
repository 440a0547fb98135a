/* What each command and event leads to; see dispatch.h. Loop thread.
 *
 * Commands take effect one after the other. Only neighbours of the same kind for the same connection or broadcaster are
 * put together, so that nothing overtakes anything. What writes to all members of a broadcaster first signals the
 * queues, so that no event waits behind a write run. */
#include "loop/dispatch.h"

#include <string.h>

#include "core/broadcaster.h"
#include "loop/conn.h"
#include "loop/drain.h"
#include "loop/fanout/catchup.h"
#include "loop/fanout/fanout.h"
#include "loop/fanout/long_poll_state.h"
#include "loop/fanout/shard.h"
#include "loop/fanout/users.h"
#include "loop/held/connecting.h"
#include "loop/held/ending.h"
#include "loop/held/holding.h"
#include "loop/held/relaying.h"
#include "loop/held/socket_input.h"
#include "loop/held/websocket.h"
#include "loop/held/websocket_closing.h"
#include "loop/held/websocket_relay.h"
#include "loop/http/pending.h"
#include "loop/http/request_body.h"
#include "loop/http/request_head.h"
#include "loop/http2/http2.h"
#include "loop/io/acceptor.h"
#include "loop/io/relay.h"
#include "loop/io/writer.h"
#include "loop/tls/handshake.h"

/* The connection of a command's channel; NULL if it is closed or about to be. */
static struct hj_conn *open_conn_of(const struct hj_object *object)
{
    struct hj_conn *conn = ((const struct hj_channel *)object)->conn;
    return conn != NULL && hj_conn_is_open(conn) ? conn : NULL;
}

static struct hj_command *run_sends(struct hj_loop *loop, struct hj_command *first)
{
    struct hj_buf *bufs[HJ_TRANSPORT_BUFS];
    struct hj_conn *conn = open_conn_of(first->object);
    struct hj_command *command = first;
    int count = 0;
    while (command != NULL && command->op == HJ_OP_SEND && command->object == first->object &&
           count < HJ_TRANSPORT_BUFS) {
        bufs[count++] = command->buf;
        command = command->next;
    }
    if (conn != NULL)
        hj_writer_send_all(loop, conn, bufs, count);
    return command;
}

static struct hj_command *run_publishes(struct hj_loop *loop, struct hj_command *first)
{
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)first->object;
    struct hj_batch batch;
    hj_batch_begin(&batch, loop, first);
    hj_outbox_flush(&loop->worker.outbox);
    hj_fanout(loop, broadcaster, &batch);
    hj_broadcaster_saw(broadcaster, loop->worker.index, batch.messages[batch.count - 1]->offset);
    return batch.last->next;
}

static void run_read(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->object;
    struct hj_conn *conn = open_conn_of(&channel->object);
    if (channel->relayed)
        return; /* it was asked for while another thread paired it */
    if (command->value == 0) {
        if (conn != NULL)
            hj_socket_input_pause(loop, conn);
        return;
    }
    if (channel->credit == 0 && conn != NULL && hj_conn_is_websocket(conn))
        conn->in_ms = hj_loop_time(loop); /* its peer was not listened to until now */
    channel->credit = command->value > UINT64_MAX - channel->credit ? UINT64_MAX : channel->credit + command->value;
    if (conn != NULL)
        hj_socket_input_update(loop, conn);
}

/* Marks what is to happen once everything is written, and does it if nothing waits. */
static void run_ending(struct hj_loop *loop, struct hj_command *command, unsigned flag)
{
    struct hj_conn *conn = open_conn_of(command->object);
    if (conn == NULL)
        return;
    hj_shard_remove_all(loop, conn, 0);
    hj_ending_begin(loop, conn, flag);
    if (conn->kind == HJ_CONN_SOCKET)
        hj_socket_input_update(loop, conn);
}

static void run_finish(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = open_conn_of(command->object);
    if (conn != NULL)
        hj_ending_finish(loop, conn, command->buf);
}

static void run_abort(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = open_conn_of(command->object);
    if (conn != NULL)
        hj_conn_close(loop, conn, HIJACK_EABORTED);
}

/* The program has freed the handle of a member: afterwards its broadcasters keep it, and count it. */
static void leave_to_broadcasters(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_channel *channel = conn->channel;
    hj_shard_hand_over(loop, conn, &channel->subscriptions);
    conn->channel = NULL;
    channel->conn = NULL;
    channel->ended = true;
    hj_conn_set_kind(loop, conn, HJ_CONN_HELD);
    hj_conn_unstall(loop, conn);
    hj_object_unref(&channel->object);
    if (hj_conn_is_websocket(conn)) {
        hj_websocket_become_held(loop, conn);
        return;
    }
    if ((conn->flags & HJ_CONN_KEEP_ALIVE) == 0)
        hj_conn_drop_input(conn);
    hj_conn_set_interest(loop, conn, (conn->interest & HJ_POLL_OUT) | HJ_POLL_IN | HJ_POLL_PEER);
}

static void free_channel(struct hj_loop *loop, struct hj_channel *channel)
{
    struct hj_conn *conn = open_conn_of(&channel->object);
    if (conn == NULL || (conn->flags & HJ_CONN_ENDING) != 0)
        return;
    if (hj_conn_is_websocket(conn) && (conn->flags & HJ_CONN_DISCARD) != 0)
        return; /* its closing handshake goes on */
    if (channel->relayed) {
        hj_relaying_freed(conn);
        return;
    }
    if (conn->memberships == 0 || conn->kind == HJ_CONN_CONNECTING) {
        hj_conn_close(loop, conn, HIJACK_EABORTED);
        return;
    }
    if ((conn->flags & HJ_CONN_UNPOLLED) != 0) {
        hj_conn_close(loop, conn, HIJACK_ERESET); /* dead already; nobody will read what it had sent */
        return;
    }
    leave_to_broadcasters(loop, conn);
}

static void run_add(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->other;
    struct hj_conn *conn = open_conn_of(&channel->object);
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->object;
    const unsigned leaving = HJ_CONN_ENDING | HJ_CONN_DETACHING | HJ_CONN_SHUTTING | HJ_CONN_DISCARD;
    hj_subscriptions_joining(&channel->subscriptions);
    if (conn == NULL || (conn->flags & leaving) != 0) {
        hj_subscriptions_forget(&channel->subscriptions, broadcaster);
        return;
    }
    if (hj_shard_has(loop, broadcaster, conn))
        return; /* a JOIN_USER that was asked before it came first */
    if (!hj_shard_add(loop, broadcaster, conn, command->joining == NULL ? 0 : command->joining->user_data))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        hj_catchup_begin(loop, conn, broadcaster, NULL, command->joining);
}

static void run_remove(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->other;
    struct hj_conn *conn = open_conn_of(&channel->object);
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)command->object;
    hj_subscriptions_leaving(&channel->subscriptions, broadcaster);
    if (conn != NULL)
        hj_shard_remove(loop, broadcaster, conn);
}

static void run_shutdown(struct hj_loop *loop, struct hj_command *command)
{
    run_ending(loop, command, HJ_CONN_SHUTTING);
}

static void run_close(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = open_conn_of(command->object);
    if (conn != NULL && hj_conn_is_websocket(conn))
        hj_websocket_close(loop, conn, command->buf);
    else
        run_ending(loop, command, HJ_CONN_ENDING);
}

static void run_detach(struct hj_loop *loop, struct hj_command *command)
{
    run_ending(loop, command, HJ_CONN_DETACHING);
}

static void run_close_members(struct hj_loop *loop, struct hj_command *command)
{
    hj_outbox_flush(&loop->worker.outbox);
    hj_fanout_close(loop, (struct hj_broadcaster *)command->object);
}

static void run_respond_members(struct hj_loop *loop, struct hj_command *command)
{
    atomic_fetch_sub_explicit(&loop->server->publish_waiting, hj_message_cost(command->message), memory_order_relaxed);
    hj_outbox_flush(&loop->worker.outbox);
    hj_fanout_respond(loop, command);
}

static void run_tell(struct hj_loop *loop, struct hj_command *command)
{
    hj_shard_tell(loop, (struct hj_broadcaster *)command->object, command->value != 0);
}

static void run_accept(struct hj_loop *loop, struct hj_command *command)
{
    (void)command;
    hj_acceptor_begin(loop);
}

static void run_drain(struct hj_loop *loop, struct hj_command *command)
{
    hj_drain_begin(loop, command->value);
}

static void run_stop(struct hj_loop *loop, struct hj_command *command)
{
    (void)command;
    loop->stopping = true;
}

/* SEND and PUBLISH are not here: they come in runs. */
static void (*const run_one[HJ_OP_COUNT])(struct hj_loop *loop, struct hj_command *command) = {
    [HJ_OP_RESPOND] = hj_pending_respond,
    [HJ_OP_STREAM] = hj_holding_stream,
    [HJ_OP_HIJACK] = hj_holding_hijack,
    [HJ_OP_HOLD] = hj_holding_request,
    [HJ_OP_REQUEST_READ] = hj_pending_read,
    [HJ_OP_FINISH] = run_finish,
    [HJ_OP_READ] = run_read,
    [HJ_OP_SHUTDOWN] = run_shutdown,
    [HJ_OP_CLOSE] = run_close,
    [HJ_OP_DETACH] = run_detach,
    [HJ_OP_ABORT] = run_abort,
    [HJ_OP_ADOPT] = hj_holding_adopt,
    [HJ_OP_CONNECT] = hj_connecting_begin,
    [HJ_OP_RESOLVED] = hj_connecting_resolved,
    [HJ_OP_RELAY] = hj_relaying_begin,
    [HJ_OP_RELAY_MOVE] = hj_relaying_move,
    [HJ_OP_RELAY_WAIT] = hj_relaying_wait,
    [HJ_OP_RELAY_ARRIVE] = hj_relaying_arrive,
    [HJ_OP_RELAY_END] = hj_relaying_end,
    [HJ_OP_ADOPT_REQUEST] = hj_holding_adopt_request,
    [HJ_OP_ADOPT_MEMBER] = hj_holding_adopt_member,
    [HJ_OP_TAKE] = hj_acceptor_take,
    [HJ_OP_ADD] = run_add,
    [HJ_OP_REMOVE] = run_remove,
    [HJ_OP_CLOSE_MEMBERS] = run_close_members,
    [HJ_OP_RESPOND_MEMBERS] = run_respond_members,
    [HJ_OP_TELL_MEMBERS] = run_tell,
    [HJ_OP_SEND_USER] = hj_users_send,
    [HJ_OP_REMOVE_USER] = hj_users_remove,
    [HJ_OP_CLOSE_USER] = hj_users_close,
    [HJ_OP_JOIN_USER] = hj_users_join,
    [HJ_OP_ACCEPT] = run_accept,
    [HJ_OP_DRAIN] = run_drain,
    [HJ_OP_STOP] = run_stop,
};

/* A socket that has moved belongs to another loop, also for those who knew it here. What brings it here is about one
 * that still is elsewhere. */
static bool has_moved(const struct hj_loop *loop, const struct hj_object *object)
{
    return object->kind == HJ_KIND_SOCKET && ((const struct hj_channel *)object)->worker != &loop->worker;
}

static void pass_on_command(struct hj_command *command)
{
    command->next = NULL;
    if (!hj_worker_post(((const struct hj_channel *)command->object)->worker, command))
        hj_command_free(command);
}

void hj_dispatch_commands(struct hj_loop *loop, struct hj_command *list)
{
    for (uint32_t runs = 1; list != NULL; ++runs) {
        struct hj_command *next;
        if (has_moved(loop, list->object) && list->op != HJ_OP_RELAY_ARRIVE) {
            next = list->next;
            pass_on_command(list);
            list = next;
            continue;
        }
        if (runs % HJ_OUTBOX_MAX == 0)
            hj_outbox_flush(&loop->worker.outbox); /* many commands are a long time */
        if (list->op == HJ_OP_SEND) {
            next = run_sends(loop, list);
        } else if (list->op == HJ_OP_PUBLISH) {
            next = run_publishes(loop, list);
        } else {
            next = list->next;
            run_one[list->op](loop, list);
        }
        while (list != next) {
            struct hj_command *done = list;
            list = list->next;
            hj_command_free(done);
        }
    }
}

void hj_dispatch_freed(struct hj_loop *loop, struct hj_object *list)
{
    while (list != NULL) {
        struct hj_object *object = list;
        list = object->next_freed;
        if (has_moved(loop, object))
            hj_mailbox_push_freed(&((const struct hj_channel *)object)->worker->mailbox, object);
        else if (object->kind == HJ_KIND_REQUEST)
            hj_pending_freed(loop, (struct hj_request *)object);
        else
            free_channel(loop, (struct hj_channel *)object);
        hj_object_unref(object);
    }
}

/* What the poller reported of a relayed connection. */
static void relay_events(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    if (hj_conn_is_websocket(conn))
        hj_websocket_relay(loop, conn, events);
    else
        hj_relay_update(loop, conn, events);
}

/* What the poller reported, except room to write. */
static void dispatch_input(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    if (hj_request_body_is_open(conn) && (events & HJ_POLL_GONE) == 0 && (events & HJ_POLL_IN) != 0) {
        hj_pending_advance(loop, conn);
        return; /* the rest is reported again */
    }
    switch ((enum hj_conn_kind)conn->kind) {
    case HJ_CONN_HANDSHAKE:
        hj_handshake_read(loop, conn);
        break;
    case HJ_CONN_HEAD:
        hj_request_head_read(loop, conn);
        break;
    case HJ_CONN_SOCKET:
        hj_socket_input_read(loop, conn, events);
        break;
    case HJ_CONN_STREAM:
    case HJ_CONN_HELD:
        if (hj_conn_is_websocket(conn)) {
            hj_websocket_read_held(loop, conn, events);
            break;
        }
        hj_socket_input_watch(loop, conn, events);
        break;
    case HJ_CONN_RELAY:
        relay_events(loop, conn, events);
        break;
    case HJ_CONN_LINGERING:
        hj_socket_input_linger(loop, conn);
        break;
    case HJ_CONN_BODY:
    case HJ_CONN_PENDING:
        hj_pending_watch(loop, conn, events);
        break;
    case HJ_CONN_CONNECTING:
    case HJ_CONN_PREFACE:
    case HJ_CONN_FREE:
    case HJ_CONN_CLOSING:
    case HJ_CONN_KINDS:
        break;
    }
}

void hj_dispatch_event(struct hj_loop *loop, const struct hj_poll_event *event)
{
    if (event->data == HJ_POLL_DATA_MAILBOX)
        return; /* the loop looks at its commands in each turn */
    if (event->data == HJ_POLL_DATA_HTTP2) {
        hj_http2_notice(loop);
        return;
    }
    if (event->data > HJ_POLL_DATA_LISTENER - 1024) {
        uint32_t index = (uint32_t)(HJ_POLL_DATA_LISTENER - event->data);
        if (index < loop->acceptor_count)
            hj_acceptor_accept(loop, index);
        return;
    }
    struct hj_conn *conn = hj_conn_find(loop, event->data);
    if (conn == NULL)
        return; /* it was closed earlier in this turn */
    if (conn->kind == HJ_CONN_CONNECTING) {
        hj_connecting_event(loop, conn);
        return;
    }
    unsigned events = event->events;
    if (!hj_transport_take_events(loop, conn, &events)) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    if ((events & HJ_POLL_OUT) != 0 && (events & HJ_POLL_GONE) == 0 && hj_writer_flush(loop, conn)) {
        if (hj_conn_is_websocket(conn))
            hj_websocket_flushed(loop, conn);
        if (conn->kind == HJ_CONN_RELAY)
            relay_events(loop, conn, HJ_POLL_OUT);
        if (conn->behind)
            hj_catchup_go_on(loop, conn);
        hj_ending_settle(loop, conn);
    }
    unsigned rest = events & ~(unsigned)HJ_POLL_OUT;
    if (rest != 0)
        dispatch_input(loop, conn, rest);
}

/* It may go on with what has come. */
static void resume_websocket(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->kind == HJ_CONN_SOCKET)
        hj_socket_input_update(loop, conn);
    else if (conn->kind == HJ_CONN_HELD)
        hj_websocket_read_held(loop, conn, 0);
    else if (conn->kind == HJ_CONN_RELAY)
        hj_websocket_relay(loop, conn, 0);
}

static void retry_stalled(struct hj_loop *loop, struct hj_conn *conn)
{
    hj_conn_unstall(loop, conn);
    if (!hj_conn_is_open(conn))
        return;
    if (hj_request_body_is_open(conn))
        hj_pending_advance(loop, conn);
    if (hj_conn_is_websocket(conn))
        resume_websocket(loop, conn);
    else if (conn->kind == HJ_CONN_SOCKET)
        hj_socket_input_update(loop, conn);
}

void hj_dispatch_stalled(struct hj_loop *loop)
{
    /* whoever comes first takes most of the room: the next time begins behind it */
    const uint32_t used = loop->table.used, start = loop->stalled_cursor < used ? loop->stalled_cursor : 0;
    bool full = false;
    for (uint32_t n = 0; loop->stalled != 0 && n < used; ++n) {
        uint32_t index = start + n < used ? start + n : start + n - used;
        struct hj_conn *conn = index == 0 ? NULL : hj_table_at(&loop->table, index);
        if (conn == NULL || (conn->flags & HJ_CONN_STALLED) == 0)
            continue;
        retry_stalled(loop, conn);
        if (!full && (conn->flags & HJ_CONN_STALLED) != 0) {
            full = true;
            loop->stalled_cursor = index + 1;
        }
    }
}

static void dispatch_one_ready(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->behind)
        hj_catchup_go_on(loop, conn);
    if (hj_long_poll_is_answered(loop, conn))
        hj_ending_finish(loop, conn, NULL);
    if (conn->kind == HJ_CONN_PREFACE && conn->input != NULL) {
        hj_http2_begin(loop, conn);
        return;
    }
    if (conn->kind == HJ_CONN_HEAD && conn->input != NULL)
        hj_request_head_process(loop, conn);
    if (hj_conn_is_websocket(conn) && (conn->input != NULL || conn->kind == HJ_CONN_RELAY))
        resume_websocket(loop, conn);
    if (!hj_conn_is_open(conn))
        return;
    unsigned events = hj_transport_pending(loop, conn) & conn->interest;
    if (events != 0)
        dispatch_input(loop, conn, events);
}

void hj_dispatch_ready(struct hj_loop *loop)
{
    /* what is added meanwhile has its turn in the next round */
    uint32_t count = loop->ready_count;
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; ++i) {
        struct hj_conn *conn = hj_table_at(&loop->table, loop->ready[i]);
        if ((conn->flags & HJ_CONN_READY) == 0)
            continue;
        conn->flags &= (uint16_t)~HJ_CONN_READY;
        dispatch_one_ready(loop, conn);
    }
    loop->ready_count -= count;
    memmove(loop->ready, loop->ready + count, loop->ready_count * sizeof(*loop->ready));
}
