/* WebSocket connections: messages and control frames that come in, pings, and the closing handshake. Loop thread.
 *
 * A connection is one by its wire form, with a handle (kind SOCKET), as a member without (HELD), or paired with another
 * one (RELAY). Between two messages it has nothing but its table entry. */
#ifndef HJ_LOOP_HELD_WEBSOCKET_H
#define HJ_LOOP_HELD_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "loop/conn.h"

/* The messages of its client may refer to earlier ones: it has a state as long as it lives. */
void hj_websocket_keep_window(struct hj_loop *loop, struct hj_conn *conn);

/* Works through bytes that came, which it changes in place; those that have to wait for credit or room become the
 * entry's input. False if they wait, or the connection is closed. */
bool hj_websocket_feed(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len);

/* The same for the input. */
bool hj_websocket_feed_input(struct hj_loop *loop, struct hj_conn *conn);

/* Goes on with the input, and reads once if the poller has reported something to read. */
void hj_websocket_read_once(struct hj_loop *loop, struct hj_conn *conn, unsigned events);

/* What the poller reported of a member without a handle. */
void hj_websocket_read_held(struct hj_loop *loop, struct hj_conn *conn, unsigned events);

/* The program has freed the handle of a member. */
void hj_websocket_become_held(struct hj_loop *loop, struct hj_conn *conn);

/* All of the backlog was written. */
void hj_websocket_flushed(struct hj_loop *loop, struct hj_conn *conn);

#endif
