/* WebSockets whose messages another connection has: as bytes, or as messages if it is a WebSocket too (io/relay.h).
 * Loop thread.
 *
 * WebSocket has no end of one direction. So the end of the other connection is a close frame (1000), after all that it
 * has sent; with the subprotocol of tunnels it is an empty binary message, and the same comes from the peer. A reset of
 * the other one is a close frame with 1011; a peer that vanishes without a close frame, or sends one with a code of
 * trouble, resets the other one. */
#ifndef HJ_LOOP_HELD_WEBSOCKET_RELAY_H
#define HJ_LOOP_HELD_WEBSOCKET_RELAY_H

#include "loop/conn.h"

/* What the poller reported of it (HJ_POLL_*), or 0: something has become of the other one. */
void hj_websocket_relay(struct hj_loop *loop, struct hj_conn *conn, unsigned events);

#endif
