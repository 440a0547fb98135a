/* Connections that the program asks for: until they are open they are CONNECTING, and then a socket like any other.
 * Loop thread. */
#ifndef HJ_LOOP_HELD_CONNECTING_H
#define HJ_LOOP_HELD_CONNECTING_H

#include "core/command.h"
#include "loop/conn.h"

/* Commands. */
void hj_connecting_begin(struct hj_loop *loop, struct hj_command *command);
void hj_connecting_resolved(struct hj_loop *loop, struct hj_command *command);

/* The poller reported something of a CONNECTING entry. */
void hj_connecting_event(struct hj_loop *loop, struct hj_conn *conn);

/* A look at its deadline. */
void hj_connecting_look(struct hj_loop *loop, struct hj_conn *conn, uint32_t now);

#endif
