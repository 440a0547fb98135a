/* Draining and stopping one loop. Loop thread. */
#ifndef HJ_LOOP_DRAIN_H
#define HJ_LOOP_DRAIN_H

#include "loop/state.h"

/* No new connections; what is idle closes; the rest has until deadline_ms (hj_clock_ms). */
void hj_drain_begin(struct hj_loop *loop, uint64_t deadline_ms);

/* Closes the share of held members that is due, and everything at the deadline. */
void hj_drain_step(struct hj_loop *loop);

/* Whether nothing is left. */
bool hj_drain_done(const struct hj_loop *loop);

/* Ends every connection and request now. */
void hj_drain_abandon(struct hj_loop *loop);

#endif
