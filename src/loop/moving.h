/* A socket that goes from one loop to another one of the same server, with all that belongs to it: the descriptor, what
 * was read and not used, what was sent and not written, the keys of TLS, the state of a WebSocket. Loop thread.
 *
 * It is no member of a broadcaster. Its channel's worker changes with it; commands that still come to the old loop are
 * passed on (dispatch.c). */
#ifndef HJ_LOOP_MOVING_H
#define HJ_LOOP_MOVING_H

#include "core/command.h"
#include "loop/conn.h"

/* Sends conn, a socket, to the loop of `to`, with a HJ_OP_RELAY_ARRIVE. 0, and the entry is free; or it stays, and the
 * caller closes it (HIJACK_ENOMEM, ESHUTDOWN) or tries again later (HIJACK_ELIMIT: the kernel takes no more descriptors
 * for that loop before it has received some). */
int hj_moving_send(struct hj_loop *loop, struct hj_conn *conn, struct hj_channel *to);

/* Takes in what has come with such a command: a SOCKET of which the poller tells nothing yet. NULL, and its channel
 * ended, if it cannot be held. */
struct hj_conn *hj_moving_receive(struct hj_loop *loop, struct hj_command *command);

#endif
