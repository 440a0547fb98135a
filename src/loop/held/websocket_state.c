/* The states of WebSockets; see websocket_state.h. Loop thread.
 *
 * They stand in one list without gaps, and a number beside the table's entry says where: few connections have one at a
 * time, and the others must not pay for a pointer. */
#include "loop/held/websocket_state.h"

#include <stdlib.h>

#include "loop/held/websocket_inflate.h"

struct hj_websocket *hj_websocket_find(const struct hj_loop *loop, const struct hj_conn *conn)
{
    uint32_t number = hj_numbers_get(&loop->websockets.numbers, conn->index);
    return number == 0 ? NULL : loop->websockets.list[number - 1];
}

static bool make_room_for_state(struct hj_websockets *websockets)
{
    if (websockets->count < websockets->capacity)
        return true;
    uint32_t capacity = websockets->capacity == 0 ? 16 : websockets->capacity * 2;
    struct hj_websocket **list = realloc(websockets->list, capacity * sizeof(*list));
    if (list == NULL)
        return false;
    websockets->list = list;
    websockets->capacity = capacity;
    return true;
}

/* Puts it into the list. False when out of memory. */
static bool list_state(struct hj_loop *loop, const struct hj_conn *conn, struct hj_websocket *state)
{
    struct hj_websockets *websockets = &loop->websockets;
    if (!make_room_for_state(websockets) || !hj_numbers_set(&websockets->numbers, conn->index, websockets->count + 1))
        return false;
    state->index = conn->index;
    websockets->list[websockets->count++] = state;
    return true;
}

struct hj_websocket *hj_websocket_need(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_websocket *state = hj_websocket_find(loop, conn);
    if (state != NULL)
        return state;
    if ((state = calloc(1, sizeof(*state))) == NULL || list_state(loop, conn, state))
        return state;
    free(state);
    return NULL;
}

void hj_websocket_moved(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_websockets *websockets = &loop->websockets;
    const uint32_t number = hj_numbers_get(&websockets->numbers, conn->index);
    if (number == 0)
        return;
    hj_numbers_set(&websockets->numbers, conn->index, 0);
    struct hj_websocket *last = websockets->list[--websockets->count];
    if (number - 1 == websockets->count)
        return; /* last is the state itself, which may be another loop's already */
    websockets->list[number - 1] = last;
    hj_numbers_set(&websockets->numbers, last->index, number);
}

void hj_websocket_drop_moved(struct hj_websocket *state)
{
    if (state == NULL)
        return;
    hj_buf_unref(state->message);
    hj_buf_unref(state->last_words);
    hj_websocket_drop_inflater(state);
    free(state);
}

bool hj_websocket_take_moved(struct hj_loop *loop, const struct hj_conn *conn, struct hj_websocket *state)
{
    if (state == NULL || list_state(loop, conn, state))
        return true;
    hj_websocket_drop_moved(state);
    return false;
}

void hj_websocket_forget(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_websocket *state = hj_websocket_find(loop, conn);
    hj_websocket_moved(loop, conn);
    hj_websocket_drop_moved(state);
}

void hj_websocket_dispose(struct hj_loop *loop)
{
    hj_numbers_dispose(&loop->websockets.numbers);
    hj_websocket_drop_spare_inflater(loop);
    free(loop->websockets.list);
    loop->websockets.list = NULL;
}

int hj_websocket_end_reason(struct hj_loop *loop, const struct hj_conn *conn, bool *lingers)
{
    const struct hj_websocket *state = hj_websocket_find(loop, conn);
    *lingers = state == NULL || state->reason == HIJACK_EPROTOCOL;
    return state != NULL ? state->reason : loop->draining || loop->stopping ? HIJACK_ESHUTDOWN : 0;
}

struct hj_buf *hj_websocket_last_words(struct hj_loop *loop, const struct hj_conn *conn)
{
    const struct hj_websocket *state = hj_websocket_find(loop, conn);
    return hj_buf_ref(state == NULL || state->last_words == NULL ? loop->websockets.no_words : state->last_words);
}
