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

struct hj_websocket *hj_websocket_need(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_websockets *websockets = &loop->websockets;
    struct hj_websocket *state = hj_websocket_find(loop, conn);
    if (state != NULL)
        return state;
    if (!make_room_for_state(websockets) || (state = calloc(1, sizeof(*state))) == NULL)
        return NULL;
    if (!hj_numbers_set(&websockets->numbers, conn->index, websockets->count + 1)) {
        free(state);
        return NULL;
    }
    state->index = conn->index;
    return websockets->list[websockets->count++] = state;
}

void hj_websocket_forget(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_websockets *websockets = &loop->websockets;
    struct hj_websocket *state = hj_websocket_find(loop, conn);
    if (state == NULL)
        return;
    uint32_t number = hj_numbers_get(&websockets->numbers, conn->index);
    struct hj_websocket *moved = websockets->list[--websockets->count];
    websockets->list[number - 1] = moved;
    hj_numbers_set(&websockets->numbers, moved->index, number);
    hj_numbers_set(&websockets->numbers, conn->index, 0);
    hj_buf_unref(state->message);
    hj_buf_unref(state->last_words);
    hj_websocket_drop_inflater(state);
    free(state);
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
