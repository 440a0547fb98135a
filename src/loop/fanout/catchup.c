/* Members that are behind; see catchup.h. Loop thread.
 *
 * What a loop has written to its members is an offset (hj_history.seen). All later messages are in its mailbox, or will
 * be: whoever is a member gets them. So a member has missed nothing and gets nothing twice when it is written up to
 * that offset from the history, and is left out of the fan-outs until then. A member that comes from another loop may
 * have had what this one has yet to write: it is left out until that has been written. */
#include "loop/fanout/catchup.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/sse.h"
#include "codec/websocket.h"
#include "core/history.h"
#include "loop/conn.h"
#include "loop/fanout/behind.h"
#include "loop/held/websocket_closing.h"
#include "loop/io/writer.h"

/* What one connection gets before others have their turn. */
#define TURN_BYTES 262144

static uint64_t seen(const struct hj_loop *loop, const struct hj_history *history)
{
    return atomic_load_explicit(&history->seen[loop->worker.index], memory_order_relaxed);
}

/* What a client is told at a gap, or of where it is: the position before the next message. NULL: nothing, or out of
 * memory, which *failed says. */
static struct hj_buf *notice(const struct hj_conn *conn, const struct hj_history *history, uint64_t first, bool gap,
                             bool *failed)
{
    char before[HJ_POSITION_SIZE], next[HJ_POSITION_SIZE], text[HJ_POSITION_SIZE + HJ_EVENT_NAME_MAX + 4];
    const char *event = history->options.gap_event[0] != '\0' ? history->options.gap_event : "hijack-gap";
    struct hj_buf *buf = NULL;
    struct hj_sse sse = {.id = hj_slice(before, (size_t)hj_history_position(before, history, first - 1)),
                         .retry_ms = -1};
    int len = hj_history_position(next, history, first);
    if (hj_wire_is_sse(conn->wire)) {
        if (gap) {
            sse.event = hj_slice(event, strlen(event));
            sse.data = hj_slice(next, (size_t)len);
            sse.has_data = true;
        }
        *failed |= hj_sse_encode(&buf, &sse, conn->wire == HJ_WIRE_SSE_CHUNKED) != 0;
    } else if (hj_conn_is_websocket(conn)) {
        len = snprintf(text, sizeof(text), "\x1e%s %s", gap ? event : "hijack-position", gap ? next : before);
        buf = hj_ws_frame(HJ_WS_TEXT, true, hj_slice(text, (size_t)len));
        *failed |= buf == NULL;
    }
    return buf;
}

/* What is written at a time. */
struct part {
    struct hj_buf *bufs[HJ_TRANSPORT_BUFS]; /* references */
    int count;
    bool failed; /* out of memory */
};

/* Takes over the reference. */
static void put_buf(struct part *part, struct hj_buf *buf)
{
    if (buf != NULL && buf->len != 0)
        part->bufs[part->count++] = buf;
    else
        hj_buf_unref(buf);
}

static void put_message(struct part *part, const struct hj_conn *conn, struct hj_message *message)
{
    struct hj_buf *buf = hj_message_encoded(message, (enum hj_wire)conn->wire);
    if (buf == NULL)
        part->failed = true;
    else
        put_buf(part, hj_buf_ref(buf));
    hj_message_unref(message);
}

/* Adds what is next for this member; true if what the loop writes next is what it wants next. */
static bool fill(struct hj_loop *loop, const struct hj_conn *conn, struct hj_behind *catchup, struct part *part)
{
    struct hj_broadcaster *broadcaster = catchup->shard->broadcaster;
    struct hj_history *history = hj_history_of(&broadcaster->history);
    struct hj_history_part messages;
    struct hj_buf *told = NULL;
    const uint64_t until = seen(loop, history);
    pthread_mutex_lock(&broadcaster->lock);
    hj_history_read(history, &messages, &catchup->from, until);
    const bool tells = catchup->tells && (messages.count == 0 || hj_conn_is_websocket(conn));
    if (messages.gap || tells)
        told = notice(conn, history, catchup->from - (uint64_t)messages.count, messages.gap, &part->failed);
    pthread_mutex_unlock(&broadcaster->lock);
    catchup->tells = false;
    put_buf(part, told);
    for (int i = 0; i < messages.count; ++i)
        put_message(part, conn, messages.messages[i]);
    if (messages.gap)
        hj_loop_count(loop, HIJACK_STAT_GAPS, 1);
    hj_loop_count(loop, HIJACK_STAT_DELIVERED, (uint64_t)messages.count);
    atomic_fetch_add_explicit(&broadcaster->delivered, (uint64_t)messages.count, memory_order_relaxed);
    return catchup->from == until + 1;
}

/* Writes it; false if that closed the connection. */
static bool flush(struct hj_loop *loop, struct hj_conn *conn, struct part *part)
{
    bool ok = !part->failed;
    if (!ok)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else if (part->count != 0)
        ok = hj_writer_send_shared(loop, conn, part->bufs, part->count);
    while (part->count > 0)
        hj_buf_unref(part->bufs[--part->count]);
    return ok;
}

static struct hj_member *member_of(struct hj_loop *loop, uint32_t membership)
{
    struct hj_membership *it = hj_member_table_at(&loop->members, membership);
    return &it->shard->members[it->position];
}

/* It is behind: the fan-outs leave it out. */
static bool fall_behind(struct hj_loop *loop, struct hj_conn *conn, struct hj_shard *shard, struct hj_behind catchup)
{
    uint32_t index = hj_behind_take(loop);
    if (index == 0) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    catchup.shard = shard;
    *hj_behind_at(loop, index) = catchup;
    /* it has just become a member, and stands last */
    shard->members[shard->count - 1].out = (uint32_t)conn->wire << HJ_MEMBER_WIRE_SHIFT | HJ_MEMBER_INDIRECT | index;
    conn->behind = true;
    if (conn->backlog == NULL)
        hj_conn_make_ready(loop, conn);
    return hj_conn_is_open(conn);
}

bool hj_catchup_begin(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster,
                      struct hj_buf *head, const struct hj_joining *joining)
{
    struct hj_history *history = hj_history_of(&broadcaster->history);
    struct part part = {.count = 0};
    bool done = true;
    if (head != NULL)
        put_buf(&part, hj_buf_ref(head));
    if (joining != NULL && joining->first != NULL)
        put_buf(&part, hj_buf_ref(joining->first));
    struct hj_behind catchup = {.shard = hj_shard_of(loop, broadcaster)};
    if (history != NULL) {
        catchup.from = joining == NULL || joining->from == HJ_FROM_LIVE ? seen(loop, history) + 1 : joining->from;
        catchup.tells = (joining != NULL && joining->tells) || (conn->channel == NULL && hj_wire_is_sse(conn->wire));
        done = fill(loop, conn, &catchup, &part);
        if (joining != NULL && joining->from != HJ_FROM_LIVE)
            hj_loop_count(loop, HIJACK_STAT_RESUMED, 1);
    }
    return flush(loop, conn, &part) && (done || fall_behind(loop, conn, catchup.shard, catchup));
}

/* Writes to this member until it has all, takes no more, or has had its turn; true when it is not behind any more. */
static bool write_missed(struct hj_loop *loop, struct hj_conn *conn, struct hj_behind *catchup, uint64_t end)
{
    bool waits = false; /* for what is in the loop's mailbox: the next turn has it */
    while (conn->backlog == NULL) {
        struct part part = {.count = 0};
        if (waits || atomic_load_explicit(&loop->worker.stats[HIJACK_STAT_BYTES_OUT], memory_order_relaxed) >= end) {
            hj_conn_make_ready(loop, conn);
            return false;
        }
        bool done = fill(loop, conn, catchup, &part);
        waits = part.count == 0;
        if (!flush(loop, conn, &part) || done)
            return done;
    }
    return false;
}

void hj_catchup_go_on(struct hj_loop *loop, struct hj_conn *conn)
{
    const unsigned leaving = HJ_CONN_DISCARD | HJ_CONN_ENDING | HJ_CONN_DETACHING | HJ_CONN_SHUTTING;
    const uint64_t end =
        atomic_load_explicit(&loop->worker.stats[HIJACK_STAT_BYTES_OUT], memory_order_relaxed) + TURN_BYTES;
    bool behind = false, ending = false;
    if ((conn->flags & leaving) != 0)
        return;
    for (uint32_t i = conn->memberships; i != 0; i = hj_member_table_at(&loop->members, i)->next) {
        struct hj_member *member = member_of(loop, i);
        if (!hj_member_is_behind(member))
            continue;
        const uint32_t index = member->out & HJ_MEMBER_FD;
        if (!write_missed(loop, conn, hj_behind_at(loop, index), end)) {
            behind = true;
            break;
        }
        if (hj_behind_at(loop, index)->ending) { /* it stays, until the connection has what it misses elsewhere */
            ending = true;
            continue;
        }
        hj_behind_give(loop, index);
        member->out = HJ_MEMBER_INDIRECT;
    }
    if (!hj_conn_is_open(conn))
        return;
    conn->behind = behind || ending;
    hj_shard_mark(loop, conn);
    if (ending && !behind)
        hj_held_finish(loop, conn);
}
