/* Members that are behind: they get what they have missed out of their broadcaster's history, as fast as they take it,
 * and are written to like all others once they have all that this loop has written. Loop thread.
 *
 * A member that is behind costs its entry here and, at most, one part of the history in its backlog; what is published
 * meanwhile waits in the history, where all who are behind share it. */
#ifndef HJ_LOOP_FANOUT_CATCHUP_H
#define HJ_LOOP_FANOUT_CATCHUP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/command.h"
#include "loop/fanout/shard.h"
#include "loop/state.h"

/* A connection has just become a member: writes its head (NULL: none, or it is written), and what it begins with;
 * joining may be NULL. A member of SSE without a handle is told where it is. False if that closed the connection. */
bool hj_catchup_begin(struct hj_loop *loop, struct hj_conn *conn, struct hj_broadcaster *broadcaster,
                      struct hj_buf *head, const struct hj_joining *joining);

/* The connection, which is behind, has nothing waiting to be written. */
void hj_catchup_go_on(struct hj_loop *loop, struct hj_conn *conn);

#endif
