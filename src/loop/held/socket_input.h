/* Reading for sockets, by credit; and noticing ends on all held connections. Loop thread. */
#ifndef HJ_LOOP_HELD_SOCKET_INPUT_H
#define HJ_LOOP_HELD_SOCKET_INPUT_H

#include "loop/conn.h"

/* Delivers what may be delivered and asks the poller for the rest. After new credit, or room in the queue. */
void hj_reader_update(struct hj_loop *loop, struct hj_conn *conn);

/* What the poller told of a SOCKET, of a STREAM or HELD, of a LINGERING connection. */
void hj_reader_socket(struct hj_loop *loop, struct hj_conn *conn, unsigned events);
void hj_reader_watched(struct hj_loop *loop, struct hj_conn *conn, unsigned events);
void hj_reader_lingering(struct hj_loop *loop, struct hj_conn *conn);

/* Takes up again what stalled at a full queue. */
void hj_reader_resume(struct hj_loop *loop);

#endif
