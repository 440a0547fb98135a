/* The limit of what waits unsent in all connections of a server (option backlog_total_bytes): over it, connections are
 * reset with HIJACK_ESLOW, those that have the most first, until a sixteenth of the limit is free. Loop thread. */
#ifndef HJ_LOOP_SHEDDING_H
#define HJ_LOOP_SHEDDING_H

#include "loop/state.h"

void hj_shedding_init(struct hj_loop *loop);

/* Looks whether it is time. At the end of a turn, before the closed ones are carried out. */
void hj_shedding_run(struct hj_loop *loop);

#endif
