/* Writing to a connection: at once where the kernel takes it, else through the backlog. Loop thread. */
#ifndef HJ_LOOP_IO_WRITER_H
#define HJ_LOOP_IO_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "loop/conn.h"

/* Sends bytes of this connection. owed: they count against the channel's high-water mark. False if that closed it. */
bool hj_writer_send(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *buf, bool owed);

/* The same for several, in one system call where possible; all owed. count <= HJ_WRITER_MAX. */
#define HJ_WRITER_MAX 64
bool hj_writer_send_all(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **bufs, int count);

/* The peer can take more. */
void hj_writer_flush(struct hj_loop *loop, struct hj_conn *conn);

/* Writes without waiting: bytes written, 0 where the kernel is full, or -1 where the connection is dead. */
ssize_t hj_writer_try(int fd, const char *data, size_t len);

/* Gives the connection a backlog and asks the poller for room. False when out of memory. */
bool hj_writer_need_backlog(struct hj_loop *loop, struct hj_conn *conn);

/* Takes the backlog away again if nothing is in it. */
void hj_writer_drop_empty(struct hj_loop *loop, struct hj_conn *conn);

#endif
