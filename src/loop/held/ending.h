/* What is due once everything has been written: the end of a body, FIN, the end, or another owner. Loop thread. */
#ifndef HJ_LOOP_HELD_ENDING_H
#define HJ_LOOP_HELD_ENDING_H

#include "loop/conn.h"

/* Does what the flags ask for if nothing waits to be written. */
void hj_ending_settle(struct hj_loop *loop, struct hj_conn *conn);

/* Asks for an end: HJ_CONN_ENDING, _SHUTTING or _DETACHING. It comes immediately if nothing waits to be written; else
 * the peer may take as long for the rest as it may be silent. */
void hj_ending_begin(struct hj_loop *loop, struct hj_conn *conn, unsigned flag);

/* Ends the body of a STREAM or HELD connection: the last chunk (last, or NULL: the usual one), then keep-alive or
 * close. It leaves its broadcasters. */
void hj_ending_finish(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *last);

#endif
