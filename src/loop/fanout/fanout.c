/* The write run; see fanout.h. Loop thread.
 *
 * What is written to a member that keeps up is one block of bytes per wire form, so that a member costs one system
 * call, however many messages there are. Only for a member that cannot take it all do the messages come apart again.
 * Whoever must be closed is marked, and stays a member until the end of the turn.
 *
 * A run to many members takes long enough for a program to publish more. What comes meanwhile goes to the members that
 * are still to be written to with the rest, and then to those before: a burst of which the loop has seen only the
 * beginning costs a little more than one run, not two. */
#include "loop/fanout/fanout.h"

#include <string.h>

#include "loop/conn.h"
#include "loop/fanout/behind.h"
#include "loop/fanout/long_poll.h"
#include "loop/held/websocket_closing.h"
#include "loop/io/plain.h"
#include "loop/io/writer.h"

#define LOOK_AGAIN 128 /* members, between two looks for more messages: about a millisecond */
#define PARTS_MAX 16   /* of a run: it ends, however much is published */

/* The members up to end, from the end of the part before, and how many messages they have been given. */
struct part {
    uint32_t end;
    int count;
};

struct run {
    struct hj_loop *loop;
    struct hj_broadcaster *broadcaster;
    struct hj_message **messages;
    int count;
    struct hj_buf *block[HJ_WIRE_COUNT]; /* all messages in one; references */
    uint64_t limit;
    enum hj_overflow overflow;
    uint64_t delivered, dropped, bytes;
};

/* NULL when out of memory. */
static struct hj_buf *join(struct run *run, enum hj_wire wire)
{
    size_t len = 0;
    for (int i = 0; i < run->count; ++i) {
        struct hj_buf *buf = hj_message_encoded(run->messages[i], wire);
        if (buf == NULL)
            return NULL;
        len += buf->len;
    }
    if (run->count == 1)
        return hj_buf_ref(hj_message_encoded(run->messages[0], wire));
    struct hj_buf *block = hj_buf_new(len);
    char *cursor = block == NULL ? NULL : block->data;
    for (int i = 0; block != NULL && i < run->count; ++i) {
        struct hj_buf *buf = hj_message_encoded(run->messages[i], wire);
        memcpy(cursor, buf->data, buf->len);
        cursor += buf->len;
    }
    return block;
}

static void close_member(struct run *run, struct hj_conn *conn, int reason)
{
    if (reason == HIJACK_ESLOW && hj_conn_is_open(conn))
        atomic_fetch_add_explicit(&run->broadcaster->closed, 1, memory_order_relaxed);
    hj_conn_close(run->loop, conn, reason);
}

/* The member did not take everything: what is left goes into its backlog, message by message. */
static void keep(struct run *run, struct hj_conn *conn, size_t written)
{
    struct hj_loop *loop = run->loop;
    enum hj_wire wire = (enum hj_wire)conn->wire;
    if (!hj_writer_need_backlog(loop, conn)) {
        close_member(run, conn, HIJACK_ENOMEM);
        return;
    }
    uint64_t before = conn->backlog->bytes;
    for (int i = 0; i < run->count; ++i) {
        struct hj_buf *buf = hj_message_encoded(run->messages[i], wire);
        uint32_t offset = written < buf->len ? (uint32_t)written : buf->len;
        uint32_t gave_way = 0;
        written -= offset;
        if (offset == buf->len) {
            ++run->delivered;
            continue;
        }
        enum hj_backlog_result result =
            hj_backlog_publish(conn->backlog, buf, run->messages[i], offset, run->limit, run->overflow, &gave_way);
        run->dropped += gave_way;
        run->delivered -= gave_way;
        if (result == HJ_BACKLOG_TAKEN) {
            ++run->delivered;
        } else if (result == HJ_BACKLOG_REFUSED) {
            ++run->dropped;
        } else {
            close_member(run, conn, result == HJ_BACKLOG_OVERFLOW ? HIJACK_ESLOW : HIJACK_ENOMEM);
            break;
        }
    }
    hj_loop_count(loop, HIJACK_STAT_BACKLOG_BYTES, conn->backlog->bytes - before);
    hj_loop_note_backlog(loop, conn->backlog->bytes);
    hj_writer_drop_empty(loop, conn);
}

/* A member that did not take the whole block: written is what it took, 0 if it was not asked, or why it is dead. */
static void write_rest(struct run *run, struct hj_conn *conn, ssize_t written)
{
    if (written < 0) {
        close_member(run, conn, (int)written);
        return;
    }
    if (written > 0)
        conn->out_ms = hj_loop_time(run->loop);
    run->bytes += (uint64_t)written;
    keep(run, conn, (size_t)written);
}

/* Not a plain descriptor, or one that does not keep up. */
static ssize_t write_indirect(struct run *run, struct hj_conn *conn, struct hj_buf *block)
{
    if (conn->backlog != NULL)
        return 0;
    return hj_transport_write(run->loop, conn, &block, 1, 0);
}

/* What will be needed of a later member: so many, because one that only takes the message is done with sooner than the
 * memory of another one comes. */
static void prefetch_later(const struct hj_table *table, const struct hj_shard *shard, uint32_t i)
{
    const uint32_t later = i + 8;
    if (later < shard->count && (shard->members[later].out & HJ_MEMBER_INDIRECT) != 0)
        hj_table_prefetch(table, shard->members[later].conn);
}

/* For a member that keeps up nothing is touched but the list. */
static void write_member(struct run *run, const struct hj_shard *shard, uint32_t i, uint64_t whole[HJ_WIRE_COUNT])
{
    const struct hj_table *table = &run->loop->table;
    const struct hj_member member = shard->members[i];
    const unsigned wire = member.out >> HJ_MEMBER_WIRE_SHIFT & 7;
    struct hj_buf *block = run->block[wire];
    ssize_t n;
    if (wire == HJ_WIRE_RESPONSE) {
        hj_long_poll_deliver(run->loop, hj_table_at(table, member.conn), run->broadcaster, run->messages, run->count);
        return;
    }
    if (block == NULL && (block = run->block[wire] = join(run, (enum hj_wire)wire)) == NULL) {
        close_member(run, hj_table_at(table, member.conn), HIJACK_ENOMEM);
        return;
    }
    if (block->len == 0) { /* to be written are no bytes, and over TLS not a record without any */
        ++whole[wire];
        return;
    }
    if ((member.out & HJ_MEMBER_INDIRECT) == 0) {
        n = hj_plain_send((int)(member.out & HJ_MEMBER_FD), block->data, block->len);
    } else {
        struct hj_conn *conn = hj_table_at(table, member.conn);
        if (!hj_conn_is_open(conn))
            return; /* it leaves at the end of this turn */
        prefetch_later(table, shard, i);
        n = write_indirect(run, conn, block);
    }
    if (n >= 0 && (size_t)n == block->len)
        ++whole[wire];
    else if (hj_conn_is_open(hj_table_at(table, member.conn)))
        write_rest(run, hj_table_at(table, member.conn), n);
}

/* Into the statistics. */
static void count_run(struct run *run, const uint64_t whole[HJ_WIRE_COUNT])
{
    for (int wire = 0; wire < HJ_WIRE_COUNT; ++wire) {
        run->delivered += whole[wire] * (uint64_t)run->count;
        run->bytes += whole[wire] * (run->block[wire] == NULL ? 0 : run->block[wire]->len);
        hj_buf_unref(run->block[wire]);
    }
    hj_loop_count(run->loop, HIJACK_STAT_BYTES_OUT, run->bytes);
    hj_loop_count(run->loop, HIJACK_STAT_DELIVERED, run->delivered);
    hj_loop_count(run->loop, HIJACK_STAT_DROPPED, run->dropped);
    atomic_fetch_add_explicit(&run->broadcaster->delivered, run->delivered, memory_order_relaxed);
    atomic_fetch_add_explicit(&run->broadcaster->dropped, run->dropped, memory_order_relaxed);
}

static struct run begin_run(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_message **messages,
                            int count)
{
    return (struct run){
        .loop = loop,
        .broadcaster = broadcaster,
        .messages = messages,
        .count = count,
        .limit = atomic_load_explicit(&broadcaster->backlog_bytes, memory_order_relaxed),
        .overflow = (enum hj_overflow)atomic_load_explicit(&broadcaster->overflow, memory_order_relaxed),
    };
}

/* Writes these messages to members from begin on, up to end, or to where growing, if not NULL, has grown: there it
 * returns. */
static uint32_t write_members(struct run run, const struct hj_shard *shard, uint32_t begin, uint32_t end,
                              struct hj_batch *growing)
{
    uint64_t whole[HJ_WIRE_COUNT] = {0};
    uint32_t i = begin;
    while (i < end) {
        if (!hj_member_is_behind(&shard->members[i])) /* for whom the messages wait in the history */
            write_member(&run, shard, i, whole);
        if (++i % LOOK_AGAIN == 0 && i < end && growing != NULL && hj_batch_grow(growing, run.loop))
            break;
    }
    count_run(&run, whole);
    return i;
}

void hj_fanout(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_batch *batch)
{
    struct hj_shard *shard = hj_shard_of(loop, broadcaster);
    struct part parts[PARTS_MAX];
    uint32_t begin = 0;
    int count = 0;
    if (shard == NULL)
        return;
    while (begin < shard->count) {
        const struct run run = begin_run(loop, broadcaster, batch->messages, batch->count);
        begin = write_members(run, shard, begin, shard->count, count + 1 < PARTS_MAX ? batch : NULL);
        parts[count++] = (struct part){.end = begin, .count = run.count};
    }
    if (count > 1)
        hj_batch_grow(batch, loop); /* those before are written to once more anyway */
    begin = 0;
    for (int i = 0; i < count && parts[i].count < batch->count; ++i) {
        struct hj_message **missed = batch->messages + parts[i].count;
        const struct run run = begin_run(loop, broadcaster, missed, batch->count - parts[i].count);
        begin = write_members(run, shard, begin, parts[i].end, NULL);
    }
    shard->out_ms = hj_loop_time(loop);
}

void hj_fanout_user(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_message *message,
                    uint64_t user_data)
{
    struct hj_shard *shard = hj_shard_of(loop, broadcaster);
    uint64_t whole[HJ_WIRE_COUNT] = {0};
    if (shard == NULL)
        return;
    struct run run = begin_run(loop, broadcaster, &message, 1);
    for (uint32_t i = 0; i < shard->count; ++i)
        if (hj_shard_user(shard, i) == user_data)
            write_member(&run, shard, i, whole);
    count_run(&run, whole);
}

void hj_fanout_respond(struct hj_loop *loop, struct hj_command *command)
{
    const struct hj_shard *shard = hj_shard_of(loop, (struct hj_broadcaster *)command->object);
    const struct hj_slice headers = hj_slice(command->buf->data, command->buf->len);
    for (uint32_t i = 0; shard != NULL && i < shard->count; ++i)
        if ((shard->members[i].out >> HJ_MEMBER_WIRE_SHIFT & 7) == HJ_WIRE_RESPONSE)
            hj_long_poll_respond(loop, hj_table_at(&loop->table, shard->members[i].conn), (unsigned)command->value,
                                 headers, command->message->data);
}

void hj_fanout_close(struct hj_loop *loop, struct hj_broadcaster *broadcaster)
{
    struct hj_shard *shard = hj_shard_of(loop, broadcaster);
    /* from the end: the member that leaves gives its place to one that was asked already, and the last one takes the
     * shard with it */
    for (uint32_t i = shard == NULL ? 0 : shard->count; i-- > 0 && shard != NULL;) {
        struct hj_conn *conn = hj_table_at(&loop->table, shard->members[i].conn);
        if (hj_member_is_behind(&shard->members[i])) {
            hj_behind_at(loop, shard->members[i].out & HJ_MEMBER_FD)->ending = true;
            continue;
        }
        hj_held_finish(loop, conn);
        shard = hj_shard_of(loop, broadcaster);
    }
}
