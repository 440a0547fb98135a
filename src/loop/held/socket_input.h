/* What comes on held connections: bytes for sockets, by credit; ends for all of them. Loop thread. */
#ifndef HJ_LOOP_HELD_SOCKET_INPUT_H
#define HJ_LOOP_HELD_SOCKET_INPUT_H

#include "loop/conn.h"

/* Delivers what may be delivered and asks the poller for the rest. After new credit, or room in the queue. */
void hj_socket_input_update(struct hj_loop *loop, struct hj_conn *conn);

/* Takes the credit back, and reports that nothing more comes. */
void hj_socket_input_pause(struct hj_loop *loop, struct hj_conn *conn);

/* What the poller reported of a SOCKET, of a STREAM or HELD, of a LINGERING connection. */
void hj_socket_input_read(struct hj_loop *loop, struct hj_conn *conn, unsigned events);
void hj_socket_input_watch(struct hj_loop *loop, struct hj_conn *conn, unsigned events);
void hj_socket_input_linger(struct hj_loop *loop, struct hj_conn *conn);

#endif
