/* Members that wait for one response: requests that were held as HIJACK_HOLD_LONG_POLL. Loop thread.
 *
 * The first message is the body, and the member leaves. It is told where it is by the field Hijack-Position, from which
 * its next request goes on; so it needs no catching up: it waits for the first message that it wants. */
#ifndef HJ_LOOP_FANOUT_LONG_POLL_H
#define HJ_LOOP_FANOUT_LONG_POLL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "core/command.h"
#include "loop/conn.h"
#include "loop/state.h"

/* The connection, a member already, begins to wait, or is answered with what is there: the first message of its own, or
 * what it has missed. how: HJ_HOLD_*; joining may be NULL. False if that closed the connection. */
bool hj_long_poll_begin(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster,
                        struct hj_buf *headers, uint64_t how, const struct hj_joining *joining);

/* Answers it with the first of these messages that it wants, if there is one. During a fan-out: it stays a member until
 * hj_dispatch_ready. */
void hj_long_poll_deliver(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster,
                          struct hj_message **messages, int count);

/* Answers it with this; nothing if it was answered. During a fan-out likewise. */
void hj_long_poll_respond(struct hj_loop *loop, struct hj_conn *conn, unsigned status, struct hj_slice headers,
                          struct hj_buf *body);

/* Answers it with 204, nothing if it was answered. */
void hj_long_poll_give_up(struct hj_loop *loop, struct hj_conn *conn);

#endif
