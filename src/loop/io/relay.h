/* Two entries whose bytes flow from one to the other: how a connection that is no plain descriptor is given to the
 * program, as one end of a socket pair. Loop thread.
 *
 * What one side has not taken stops the reading from the other. An end passes on as an end; when both sides have ended,
 * or one has died, both entries close. */
#ifndef HJ_LOOP_IO_RELAY_H
#define HJ_LOOP_IO_RELAY_H

#include "loop/conn.h"

/* Makes conn, which has no handle any more, one side of a pair; returns the descriptor of the other side, which is the
 * caller's, or HIJACK_ELIMIT or ENOMEM. */
int hj_relay_begin(struct hj_loop *loop, struct hj_conn *conn);

/* The poller reported something of a RELAY entry, or all that waited for it is written. */
void hj_relay_update(struct hj_loop *loop, struct hj_conn *conn, unsigned events);

/* The other entry of one that is being closed; it is closed too. */
void hj_relay_closed(struct hj_loop *loop, struct hj_conn *conn, int reason);

#endif
