/* A loop's thread. */
#ifndef HJ_LOOP_LOOP_H
#define HJ_LOOP_LOOP_H

#include "loop/state.h"

/* The thread's function; arg: the loop. It ends when the loop is stopped, or drained. */
void *hj_loop_run(void *arg);

#endif
