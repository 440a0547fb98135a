/* Entries that are looked at later in the turn although the poller is silent: what they have to be read was received
 * already. Loop thread. */
#ifndef HJ_LOOP_READY_H
#define HJ_LOOP_READY_H

#include "loop/conn.h"

/* Puts conn into the list, once. False when out of memory. */
bool hj_ready_add(struct hj_loop *loop, struct hj_conn *conn);

#endif
