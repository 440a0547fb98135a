/* What a loop's thread makes before its first turn. Loop thread. */
#ifndef HJ_LOOP_OPENING_H
#define HJ_LOOP_OPENING_H

#include "loop/state.h"

/* The loop's descriptors, in a table of its own with option private_fds. 0, or why the server cannot start. */
int hj_opening_run(struct hj_loop *loop);

#endif
