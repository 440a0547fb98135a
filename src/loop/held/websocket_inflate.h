/* Compressed messages of WebSockets (RFC 7692). Loop thread.
 *
 * A message under way has an inflater; one is kept by the loop for the next message, whoever sends it. */
#ifndef HJ_LOOP_HELD_WEBSOCKET_INFLATE_H
#define HJ_LOOP_HELD_WEBSOCKET_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "loop/state.h"

enum hj_websocket_inflated {
    HJ_WEBSOCKET_INFLATED,      /* all of data was used */
    HJ_WEBSOCKET_INFLATED_PART, /* out is full: to be called again */
    HJ_WEBSOCKET_INFLATE_BROKEN,
    HJ_WEBSOCKET_INFLATE_NO_MEMORY
};

/* Decompresses a piece of the message under way, and cuts off *data what it has used. last: of the message. *len: room
 * in out, then bytes there. */
enum hj_websocket_inflated hj_websocket_inflate(struct hj_loop *loop, struct hj_websocket *state, struct hj_slice *data,
                                                bool last, uint8_t *out, size_t *len);

/* The state's inflater goes with it. */
void hj_websocket_drop_inflater(struct hj_websocket *state);

/* The end of the loop. */
void hj_websocket_drop_spare_inflater(struct hj_loop *loop);

#endif
