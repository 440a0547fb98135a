/* Writing to a connection: immediately where the transport takes it, else through the backlog. Loop thread. */
#ifndef HJ_LOOP_IO_WRITER_H
#define HJ_LOOP_IO_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "loop/conn.h"
#include "loop/io/transport.h"

/* Sends bytes of this connection. counted: they count against the channel's high-water mark. False if that closed it.
 */
bool hj_writer_send(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *buf, bool counted);

/* The same for a buffer that is made for this call, which is taken over, and not counted; NULL: there was no memory for
 * it.
 */
bool hj_writer_send_own(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *buf);

/* The same for several, in one system call where possible; all counted. count <= HJ_TRANSPORT_BUFS. */
bool hj_writer_send_all(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count);

/* The same, not counted. */
bool hj_writer_send_shared(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count);

/* Sends bytes that are nobody's for longer than this call: what the transport does not take at once is copied. False if
 * that closed it. */
bool hj_writer_send_bytes(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len);

/* The peer can take more: true once nothing waits to be written. */
bool hj_writer_flush(struct hj_loop *loop, struct hj_conn *conn);

/* Gives the connection a backlog and asks the poller for room. False when out of memory. */
bool hj_writer_need_backlog(struct hj_loop *loop, struct hj_conn *conn);

/* Takes the backlog away again if nothing is in it; not that of a connection that is not open yet. */
void hj_writer_drop_empty(struct hj_loop *loop, struct hj_conn *conn);

#endif
