/* Deadlines: one look at every connection, as often as the shortest of them asks for. Loop thread. */
#ifndef HJ_LOOP_SWEEP_H
#define HJ_LOOP_SWEEP_H

#include "loop/state.h"

/* Before the loop turns for the first time. */
void hj_sweep_init(struct hj_loop *loop);

/* Milliseconds until the next sweep; -1 if nothing has a deadline. */
int hj_sweep_wait(struct hj_loop *loop);

/* Does it if it is due. */
void hj_sweep(struct hj_loop *loop);

#endif
