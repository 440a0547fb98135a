/* What is asked of the members of a broadcaster that are one user's. Loop thread. */
#ifndef HJ_LOOP_FANOUT_USERS_H
#define HJ_LOOP_FANOUT_USERS_H

#include "core/command.h"
#include "loop/state.h"

/* Commands. */
void hj_users_send(struct hj_loop *loop, struct hj_command *command);
void hj_users_remove(struct hj_loop *loop, struct hj_command *command);
void hj_users_close(struct hj_loop *loop, struct hj_command *command);
void hj_users_join(struct hj_loop *loop, struct hj_command *command);

#endif
