/* Commands and poller events to those who act on them. Loop thread. */
#ifndef HJ_LOOP_DISPATCH_H
#define HJ_LOOP_DISPATCH_H

#include "loop/state.h"

/* Carries out a list of commands, in order, and frees them. */
void hj_dispatch_commands(struct hj_loop *loop, struct hj_command *list);

/* The handles of these objects, linked by next_freed, were freed; drops the references. */
void hj_dispatch_freed(struct hj_loop *loop, struct hj_object *list);

/* Takes up again what stalled at a full queue. */
void hj_dispatch_stalled(struct hj_loop *loop);

/* Goes on with the next requests of connections that had them in their input. */
void hj_dispatch_ready(struct hj_loop *loop);

void hj_dispatch_event(struct hj_loop *loop, const struct hj_poll_event *event);

#endif
