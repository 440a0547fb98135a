/* How a WebSocket ends: the closing handshake (RFC 6455 section 7), and pings that nobody answers. Loop thread. */
#ifndef HJ_LOOP_HELD_WEBSOCKET_CLOSING_H
#define HJ_LOOP_HELD_WEBSOCKET_CLOSING_H

#include <stdbool.h>

#include "base/slice.h"
#include "loop/conn.h"

/* Closes from our side, after what is to be written; frame is the close frame. The peer's answer is waited for. */
void hj_websocket_close(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *frame);

/* Ends a member or channel in order, also one that is no WebSocket: its body, or a close frame. */
void hj_held_finish(struct hj_loop *loop, struct hj_conn *conn);

/* The peer's close frame came: the answer to ours, or ours is the answer. The state is there already. */
void hj_websocket_take_close(struct hj_loop *loop, struct hj_conn *conn, unsigned code, struct hj_slice reason);

/* The peer broke the rules: the code says which. The state is there already. */
void hj_websocket_fail(struct hj_loop *loop, struct hj_conn *conn, unsigned code);

/* The peer's FIN came, after its last byte. */
void hj_websocket_peer_ended(struct hj_loop *loop, struct hj_conn *conn);

/* Sends a ping, or gives up a peer that has answered none, or not our close frame. */
void hj_websocket_look(struct hj_loop *loop, struct hj_conn *conn, uint32_t now);

#endif
