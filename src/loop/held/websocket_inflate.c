/* Inflaters of messages; see websocket_inflate.h. Loop thread. */
#include "loop/held/websocket_inflate.h"

#include "loop/held/websocket_state.h"

#if HIJACK_DEFLATE

#include "codec/websocket_deflate.h"

#define WINDOW_BITS 15 /* holds what every client compresses with */

static bool take_inflater(struct hj_loop *loop, struct hj_websocket *state)
{
    if (state->inflater == NULL && !state->keeps_window) {
        state->inflater = loop->websockets.inflater;
        loop->websockets.inflater = NULL;
    }
    if (state->inflater == NULL)
        state->inflater = hj_inflater_new(WINDOW_BITS, state->keeps_window);
    return state->inflater != NULL;
}

static void give_inflater(struct hj_loop *loop, struct hj_websocket *state)
{
    if (state->keeps_window)
        return;
    if (loop->websockets.inflater == NULL)
        loop->websockets.inflater = state->inflater;
    else
        hj_inflater_free(state->inflater);
    state->inflater = NULL;
}

enum hj_websocket_inflated hj_websocket_inflate(struct hj_loop *loop, struct hj_websocket *state, struct hj_slice *data,
                                                bool last, uint8_t *out, size_t *len)
{
    if (!take_inflater(loop, state))
        return HJ_WEBSOCKET_INFLATE_NO_MEMORY;
    switch (hj_inflater_feed(state->inflater, data, last, out, len)) {
    case HJ_INFLATED_MORE:
        return HJ_WEBSOCKET_INFLATED;
    case HJ_INFLATED_FULL:
        return HJ_WEBSOCKET_INFLATED_PART;
    case HJ_INFLATED_DONE:
        give_inflater(loop, state);
        return HJ_WEBSOCKET_INFLATED;
    case HJ_INFLATED_CORRUPT:
        return HJ_WEBSOCKET_INFLATE_BROKEN;
    case HJ_INFLATED_NO_MEMORY:
        break;
    }
    return HJ_WEBSOCKET_INFLATE_NO_MEMORY;
}

void hj_websocket_drop_inflater(struct hj_websocket *state)
{
    hj_inflater_free(state->inflater);
    state->inflater = NULL;
}

void hj_websocket_drop_spare_inflater(struct hj_loop *loop)
{
    hj_inflater_free(loop->websockets.inflater);
    loop->websockets.inflater = NULL;
}

#else /* no connection has agreed to it */

enum hj_websocket_inflated hj_websocket_inflate(struct hj_loop *loop, struct hj_websocket *state, struct hj_slice *data,
                                                bool last, uint8_t *out, size_t *len)
{
    (void)loop;
    (void)state;
    (void)data;
    (void)last;
    (void)out;
    (void)len;
    return HJ_WEBSOCKET_INFLATE_BROKEN;
}

void hj_websocket_drop_inflater(struct hj_websocket *state)
{
    (void)state;
}

void hj_websocket_drop_spare_inflater(struct hj_loop *loop)
{
    (void)loop;
}

#endif
