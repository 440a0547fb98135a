/* What the program asks for when it pairs two sockets (core/relay.h): they meet in the loop of the first one, whatever
 * comes before. The pair itself is io/relay.h. Loop thread. */
#ifndef HJ_LOOP_HELD_RELAYING_H
#define HJ_LOOP_HELD_RELAYING_H

#include "core/command.h"
#include "loop/conn.h"

void hj_relaying_begin(struct hj_loop *loop, struct hj_command *command);  /* HJ_OP_RELAY */
void hj_relaying_move(struct hj_loop *loop, struct hj_command *command);   /* HJ_OP_RELAY_MOVE */
void hj_relaying_wait(struct hj_loop *loop, struct hj_command *command);   /* HJ_OP_RELAY_WAIT */
void hj_relaying_arrive(struct hj_loop *loop, struct hj_command *command); /* HJ_OP_RELAY_ARRIVE */
void hj_relaying_end(struct hj_loop *loop, struct hj_command *command);    /* HJ_OP_RELAY_END */

/* A socket that was not open when the program paired it is open now. */
void hj_relaying_opened(struct hj_loop *loop, struct hj_conn *conn);

/* The program has freed the handle of a relayed socket: the pair lives on. */
void hj_relaying_freed(struct hj_conn *conn);

#endif
