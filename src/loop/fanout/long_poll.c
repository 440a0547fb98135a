/* Members that wait for one response; see long_poll.h. Loop thread. */
#include "loop/fanout/long_poll.h"

#include <pthread.h>
#include <stdio.h>

#include "core/broadcaster.h"
#include "core/history.h"
#include "core/response.h"
#include "loop/fanout/long_poll_state.h"
#include "loop/fanout/shard.h"
#include "loop/io/writer.h"

#define SWEEP_SHARE 10 /* a deadline is kept to a tenth of it */
#define SWEEP_MIN_MS 10

/* Writes the response and forgets what it waited with; a later look at the ready entries ends it. */
static void answer_poll(struct hj_loop *loop, struct hj_conn *conn, struct hj_poll_response *response,
                        struct hj_buf *body)
{
    const struct hj_long_poll *poll = hj_long_poll_find(loop, conn);
    struct hj_buf *bufs[2] = {NULL, body};
    bool keep_alive;
    const struct hj_client client = {
        .minor_version = poll->old ? 0 : 1,
        .keep_alive = (conn->flags & HJ_CONN_KEEP_ALIVE) != 0 && !loop->draining && !loop->stopping,
        .http2 = conn->transport == HJ_TRANSPORT_HTTP2,
    };
    if (!response->exact)
        response->headers = hj_slice(poll->headers->data, poll->headers->len);
    response->length = body == NULL ? 0 : body->len;
    const int rc = hj_response_poll(&bufs[0], &keep_alive, response, client, &loop->server->options);
    hj_long_poll_forget(loop, conn);
    if (rc != 0) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    if (!keep_alive && !client.http2)
        conn->flags &= (uint16_t)~HJ_CONN_KEEP_ALIVE;
    if (hj_writer_send_shared(loop, conn, bufs, body == NULL || body->len == 0 ? 1 : 2))
        hj_conn_make_ready(loop, conn);
    hj_buf_unref(bufs[0]);
}

#define LINES_SIZE (2 * HJ_POSITION_SIZE + 64)

/* Where the client is in the room in which it waits, and what it cannot have any more: the fields that say so. */
static struct hj_slice position_lines(char lines[LINES_SIZE], struct hj_broadcaster *broadcaster, uint64_t offset,
                                      uint64_t gap)
{
    char position[HJ_POSITION_SIZE];
    struct hj_history *history = hj_history_of(&broadcaster->history);
    int len = 0;
    if (history == NULL || offset == UINT64_MAX) /* it began to wait when there was none */
        return HJ_SLICE("");
    pthread_mutex_lock(&broadcaster->lock);
    hj_history_position(position, history, offset);
    len = snprintf(lines, LINES_SIZE, "Hijack-Position: %s\r\n", position);
    if (gap != 0) {
        hj_history_position(position, history, gap);
        len += snprintf(lines + len, LINES_SIZE - (size_t)len, "Hijack-Gap: %s\r\n", position);
    }
    pthread_mutex_unlock(&broadcaster->lock);
    return hj_slice(lines, (size_t)len);
}

/* gap: the offset of the first message that is still to be had, where something is gone; else 0. */
static void answer_with(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster,
                        struct hj_message *message, uint64_t gap)
{
    char lines[LINES_SIZE];
    const struct hj_long_poll *poll = hj_long_poll_find(loop, conn);
    const bool moves = poll->broadcaster == broadcaster && message->offset != 0; /* it may be in other rooms too */
    struct hj_poll_response response = {
        .status = 200,
        .binary = message->binary,
        .lines = position_lines(lines, poll->broadcaster, moves ? message->offset : poll->from - 1, gap),
    };
    hj_loop_count(loop, HIJACK_STAT_DELIVERED, 1);
    atomic_fetch_add_explicit(&broadcaster->delivered, 1, memory_order_relaxed);
    answer_poll(loop, conn, &response, message->data);
}

/* Without a message: body may be NULL. */
static void answer_at(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *body, uint64_t gap)
{
    char lines[LINES_SIZE];
    const struct hj_long_poll *poll = hj_long_poll_find(loop, conn);
    struct hj_poll_response response = {
        .status = body == NULL ? 204 : 200,
        .lines = position_lines(lines, poll->broadcaster, poll->from - 1, gap),
    };
    answer_poll(loop, conn, &response, body);
}

/* Answers with the message of its own, or the first one that it has missed, or with the news that something is gone;
 * else it waits on. */
static void look_back(struct hj_loop *loop, struct hj_conn *conn, struct hj_history *history, uint64_t from,
                      struct hj_buf *first)
{
    struct hj_history_part part;
    struct hj_long_poll *poll = hj_long_poll_find(loop, conn);
    struct hj_broadcaster *broadcaster = poll->broadcaster;
    const uint64_t until = atomic_load_explicit(&history->seen[loop->worker.index], memory_order_relaxed);
    pthread_mutex_lock(&broadcaster->lock);
    hj_history_read(history, &part, &from, until);
    pthread_mutex_unlock(&broadcaster->lock);
    const uint64_t gap = part.gap ? part.first : 0;
    poll->from = from - (uint64_t)part.count;
    hj_loop_count(loop, HIJACK_STAT_RESUMED, 1);
    if (part.gap)
        hj_loop_count(loop, HIJACK_STAT_GAPS, 1);
    if (first == NULL && part.count != 0)
        answer_with(loop, conn, broadcaster, part.messages[0], gap);
    else if (first != NULL || part.gap)
        answer_at(loop, conn, first, gap);
    while (part.count > 0)
        hj_message_unref(part.messages[--part.count]);
}

static void set_deadline(struct hj_loop *loop, struct hj_long_poll *poll, uint32_t long_poll_ms)
{
    uint32_t *shortest = &loop->long_polls.every_ms;
    if (long_poll_ms == 0)
        return;
    poll->every_ms = long_poll_ms / SWEEP_SHARE > SWEEP_MIN_MS ? long_poll_ms / SWEEP_SHARE : SWEEP_MIN_MS;
    poll->deadline_ms = hj_loop_time(loop) + long_poll_ms;
    if (*shortest == 0 || poll->every_ms < *shortest)
        *shortest = poll->every_ms;
    if (loop->sweep_at_ms > loop->now_ms + poll->every_ms)
        loop->sweep_at_ms = loop->now_ms + poll->every_ms;
}

bool hj_long_poll_begin(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster,
                        struct hj_buf *headers, uint64_t how, const struct hj_joining *joining)
{
    struct hj_history *history = hj_history_of(&broadcaster->history);
    struct hj_buf *first = joining == NULL ? NULL : joining->first;
    const uint64_t from = joining == NULL ? HJ_FROM_LIVE : joining->from;
    struct hj_long_poll *poll = hj_long_poll_make(loop, conn, broadcaster, headers);
    if (poll == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    poll->old = (how & HJ_HOLD_OLD) != 0;
    set_deadline(loop, poll, atomic_load_explicit(&broadcaster->long_poll_ms, memory_order_relaxed));
    if (history != NULL && from == HJ_FROM_LIVE)
        poll->from = atomic_load_explicit(&history->seen[loop->worker.index], memory_order_relaxed) + 1;
    if (history != NULL && from != HJ_FROM_LIVE)
        look_back(loop, conn, history, from, first);
    else if (first != NULL)
        answer_at(loop, conn, first, 0);
    return hj_conn_is_open(conn);
}

void hj_long_poll_deliver(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster,
                          struct hj_message **messages, int count)
{
    const struct hj_long_poll *poll = hj_conn_is_open(conn) ? hj_long_poll_find(loop, conn) : NULL;
    for (int i = 0; poll != NULL && i < count; ++i) {
        if (poll->broadcaster == broadcaster && messages[i]->offset != 0 && messages[i]->offset < poll->from)
            continue; /* it came from a loop that was ahead of this one */
        answer_with(loop, conn, broadcaster, messages[i], 0);
        return;
    }
}

void hj_long_poll_respond(struct hj_loop *loop, struct hj_conn *conn, unsigned status, struct hj_slice headers,
                          struct hj_buf *body)
{
    struct hj_poll_response response = {.status = status, .headers = headers, .exact = true};
    if (hj_conn_is_open(conn) && hj_long_poll_find(loop, conn) != NULL)
        answer_poll(loop, conn, &response, body);
}

void hj_long_poll_give_up(struct hj_loop *loop, struct hj_conn *conn)
{
    if (hj_long_poll_find(loop, conn) != NULL)
        answer_at(loop, conn, NULL, 0);
}
