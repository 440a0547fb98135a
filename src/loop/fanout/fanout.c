/* The write run; see fanout.h. Loop thread.
 *
 * What is written to a member that keeps up is one block of bytes per wire form, so that a member costs one system
 * call, however many messages there are. Only for a member that cannot take it all do the messages come apart again.
 * Nobody is closed during the run: whoever must go is noted, and goes after it. */
#include "loop/fanout/fanout.h"

#include <stdlib.h>
#include <string.h>

#include "loop/conn.h"
#include "loop/held/ending.h"
#include "loop/io/writer.h"

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

static void doom(struct run *run, uint32_t index, int reason)
{
    struct hj_loop *loop = run->loop;
    if (loop->doomed_count == loop->doomed_capacity) {
        uint32_t capacity = loop->doomed_capacity == 0 ? 64 : loop->doomed_capacity * 2;
        struct hj_doomed *doomed = realloc(loop->doomed, capacity * sizeof(*doomed));
        if (doomed == NULL)
            return; /* it stays: the next run finds it again */
        loop->doomed = doomed;
        loop->doomed_capacity = capacity;
    }
    loop->doomed[loop->doomed_count++] = (struct hj_doomed){index, reason};
}

/* The member did not take everything: what is left goes into its backlog, message by message. */
static void keep(struct run *run, struct hj_conn *conn, size_t written)
{
    struct hj_loop *loop = run->loop;
    enum hj_wire wire = (enum hj_wire)conn->wire;
    if (!hj_writer_need_backlog(loop, conn)) {
        doom(run, conn->index, HIJACK_ENOMEM);
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
            doom(run, conn->index, result == HJ_BACKLOG_OVERFLOW ? HIJACK_ESLOW : HIJACK_ENOMEM);
            break;
        }
    }
    hj_worker_count(loop, HIJACK_STAT_BACKLOG_BYTES, conn->backlog->bytes - before);
    hj_writer_drop_empty(loop, conn);
}

/* A member that did not take the whole block: written is what it took, 0 if it was not asked, -1 if it is dead. */
static void write_rest(struct run *run, struct hj_member member, ssize_t written)
{
    struct hj_conn *conn = hj_table_at(&run->loop->table, member.conn);
    if (written < 0) {
        doom(run, member.conn, hj_conn_error(conn));
        return;
    }
    if (written > 0)
        conn->out_ms = hj_loop_time(run->loop);
    run->bytes += (uint64_t)written;
    keep(run, conn, (size_t)written);
}

/* For a member that keeps up nothing is touched but the list. */
static void write_members(struct run *run, struct hj_shard *shard)
{
    uint64_t whole[HJ_WIRE_COUNT] = {0};
    for (uint32_t i = 0; i < shard->count; ++i) {
        struct hj_member member = shard->members[i];
        unsigned wire = member.out >> HJ_MEMBER_WIRE_SHIFT & 3;
        if (run->block[wire] == NULL && (run->block[wire] = join(run, (enum hj_wire)wire)) == NULL) {
            doom(run, member.conn, HIJACK_ENOMEM);
            continue;
        }
        const struct hj_buf *block = run->block[wire];
        ssize_t n = 0;
        if ((member.out & HJ_MEMBER_SLOW) == 0)
            n = hj_writer_try((int)(member.out & HJ_MEMBER_FD), block->data, block->len);
        if ((size_t)n == block->len)
            ++whole[wire];
        else
            write_rest(run, member, n);
    }
    for (int wire = 0; wire < HJ_WIRE_COUNT; ++wire) {
        run->delivered += whole[wire] * (uint64_t)run->count;
        run->bytes += whole[wire] * (run->block[wire] == NULL ? 0 : run->block[wire]->len);
    }
    shard->out_ms = hj_loop_time(run->loop);
}

static void close_doomed(struct run *run)
{
    struct hj_loop *loop = run->loop;
    for (uint32_t i = 0; i < loop->doomed_count; ++i) {
        struct hj_doomed doomed = loop->doomed[i];
        if (doomed.reason == HIJACK_ESLOW)
            atomic_fetch_add_explicit(&run->broadcaster->closed, 1, memory_order_relaxed);
        hj_conn_close(loop, hj_table_at(&loop->table, doomed.index), doomed.reason);
    }
    loop->doomed_count = 0;
}

void hj_fanout(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_message **messages, int count)
{
    struct hj_shard *shard = hj_shard_of(loop, broadcaster);
    if (shard == NULL)
        return;
    struct run run = {
        .loop = loop,
        .broadcaster = broadcaster,
        .messages = messages,
        .count = count,
        .limit = atomic_load_explicit(&broadcaster->backlog_bytes, memory_order_relaxed),
        .overflow = (enum hj_overflow)atomic_load_explicit(&broadcaster->overflow, memory_order_relaxed),
    };
    write_members(&run, shard);
    hj_worker_count(loop, HIJACK_STAT_BYTES_OUT, run.bytes);
    hj_worker_count(loop, HIJACK_STAT_DELIVERED, run.delivered);
    hj_worker_count(loop, HIJACK_STAT_DROPPED, run.dropped);
    atomic_fetch_add_explicit(&broadcaster->delivered, run.delivered, memory_order_relaxed);
    atomic_fetch_add_explicit(&broadcaster->dropped, run.dropped, memory_order_relaxed);
    for (int wire = 0; wire < HJ_WIRE_COUNT; ++wire)
        hj_buf_unref(run.block[wire]);
    close_doomed(&run);
}

void hj_fanout_close(struct hj_loop *loop, struct hj_broadcaster *broadcaster)
{
    struct hj_shard *shard;
    /* each end takes one member out, the last one the shard */
    while ((shard = hj_shard_of(loop, broadcaster)) != NULL) {
        struct hj_conn *conn = hj_table_at(&loop->table, shard->members[shard->count - 1].conn);
        if (conn->channel != NULL)
            atomic_store(&conn->channel->state, HJ_CHANNEL_CLOSING);
        hj_ending_finish(loop, conn);
    }
}
