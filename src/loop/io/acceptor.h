/* Accepting, and pausing it for want of descriptors or at the connection limit. Loop thread. */
#ifndef HJ_LOOP_IO_ACCEPTOR_H
#define HJ_LOOP_IO_ACCEPTOR_H

#include <stdbool.h>

#include "loop/state.h"

/* Before the first turn: this loop's sockets, shared or its own. 0, HIJACK_ENOMEM, ELIMIT or
 * ENOTSOCK (a descriptor that cannot be watched). */
int hj_acceptor_open(struct hj_loop *loop);

/* The start is complete: connections may come. */
void hj_acceptor_begin(struct hj_loop *loop);

/* Closes an idle connection, at the end of this turn; false if there is none among those that were looked at. */
bool hj_acceptor_make_room(struct hj_loop *loop);

/* Drain: takes in the connections that have come already. */
void hj_acceptor_take_rest(struct hj_loop *loop);

void hj_acceptor_accept(struct hj_loop *loop, uint32_t index);

/* Takes what another loop has accepted and has no room for (HJ_OP_TAKE). */
void hj_acceptor_take(struct hj_loop *loop, struct hj_command *command);

/* The start is done with the listeners; the last one closes the server's own sockets. */
void hj_acceptor_release(struct hj_server *server);

/* A connection of this loop ended, which may make room for others; also keeps the counts. */
void hj_acceptor_connection_closed(struct hj_loop *loop);

/* What of the counts of addresses belongs to the connection of this entry (0: nothing), which is the caller's then; and
 * giving it back when the connection has ended. */
uint32_t hj_acceptor_take_counted(struct hj_loop *loop, uint32_t index);
void hj_acceptor_uncount(struct hj_loop *loop, uint32_t counted);

/* Tries again after a pause. */
void hj_acceptor_resume(struct hj_loop *loop);

/* No more: leaves the poller and closes the loop's own sockets; the last loop to do so closes the shared ones. */
void hj_acceptor_close(struct hj_loop *loop);

#endif
