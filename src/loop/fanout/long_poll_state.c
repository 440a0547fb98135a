/* What long polls wait with; see long_poll_state.h. Loop thread.
 *
 * They stand in one list without gaps, and a number beside the table's entry says where: other members must not pay for
 * a pointer. */
#include "loop/fanout/long_poll_state.h"

#include <stdlib.h>

#include "core/broadcaster.h"
#include "core/history.h"

struct hj_long_poll *hj_long_poll_find(const struct hj_loop *loop, const struct hj_conn *conn)
{
    uint32_t number = hj_numbers_get(&loop->long_polls.numbers, conn->index);
    return number == 0 ? NULL : &loop->long_polls.list[number - 1];
}

static bool is_poll(const struct hj_conn *conn)
{
    return conn->wire == HJ_WIRE_RESPONSE && conn->kind == HJ_CONN_HELD;
}

struct hj_long_poll *hj_long_poll_make(struct hj_loop *loop, const struct hj_conn *conn,
                                       struct hj_broadcaster *broadcaster, struct hj_buf *headers)
{
    struct hj_long_polls *polls = &loop->long_polls;
    if (polls->count == polls->capacity) {
        uint32_t capacity = polls->capacity == 0 ? 16 : polls->capacity * 2;
        struct hj_long_poll *list = realloc(polls->list, capacity * sizeof(*list));
        if (list == NULL)
            return NULL;
        polls->list = list;
        polls->capacity = capacity;
    }
    if (!hj_numbers_set(&polls->numbers, conn->index, polls->count + 1))
        return NULL;
    struct hj_long_poll *poll = &polls->list[polls->count++];
    hj_object_ref(&broadcaster->object);
    *poll = (struct hj_long_poll){
        .broadcaster = broadcaster, .headers = hj_buf_ref(headers), .from = HJ_FROM_LIVE, .index = conn->index};
    return poll;
}

void hj_long_poll_forget(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_long_polls *polls = &loop->long_polls;
    struct hj_long_poll *poll = hj_long_poll_find(loop, conn);
    if (poll == NULL)
        return;
    const uint32_t number = hj_numbers_get(&polls->numbers, conn->index);
    hj_buf_unref(poll->headers);
    hj_object_unref(&poll->broadcaster->object);
    *poll = polls->list[--polls->count];
    hj_numbers_set(&polls->numbers, poll->index, number);
    hj_numbers_set(&polls->numbers, conn->index, 0);
}

void hj_long_poll_dispose(struct hj_loop *loop)
{
    hj_numbers_dispose(&loop->long_polls.numbers);
    free(loop->long_polls.list);
    loop->long_polls = (struct hj_long_polls){0};
}

bool hj_long_poll_is_answered(const struct hj_loop *loop, const struct hj_conn *conn)
{
    return is_poll(conn) && (conn->flags & HJ_CONN_ENDING) == 0 && hj_long_poll_find(loop, conn) == NULL;
}

void hj_long_poll_set_pace(struct hj_loop *loop)
{
    const struct hj_long_polls *polls = &loop->long_polls;
    uint32_t shortest = 0;
    for (uint32_t i = 0; polls->every_ms != 0 && i < polls->count; ++i)
        if (polls->list[i].every_ms != 0 && (shortest == 0 || polls->list[i].every_ms < shortest))
            shortest = polls->list[i].every_ms;
    loop->long_polls.every_ms = shortest;
}

bool hj_long_poll_is_due(const struct hj_loop *loop, const struct hj_conn *conn, uint32_t now)
{
    const struct hj_long_poll *poll = is_poll(conn) ? hj_long_poll_find(loop, conn) : NULL;
    return poll != NULL && poll->every_ms != 0 && (int32_t)(now - poll->deadline_ms) >= 0;
}
