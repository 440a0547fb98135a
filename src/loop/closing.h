/* The end of a turn: connections that were marked are closed. Loop thread. */
#ifndef HJ_LOOP_CLOSING_H
#define HJ_LOOP_CLOSING_H

#include "loop/state.h"

void hj_closing_run(struct hj_loop *loop);

#endif
