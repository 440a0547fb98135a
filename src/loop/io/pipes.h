/* The pipes by which relayed bytes are spliced from one plain descriptor to another. A pipe belongs to an entry while
 * bytes for that entry are in it; the others are spare. Loop thread. */
#ifndef HJ_LOOP_IO_PIPES_H
#define HJ_LOOP_IO_PIPES_H

#include "loop/conn.h"

/* Moves what `from` has to `to`, for which nothing waits: how many bytes, of which those that `to` has not taken wait
 * in a pipe; 0 for "not now"; why the first one is dead (HIJACK_ECLOSED: its end); or HIJACK_ELIMIT: there is no pipe.
 * A death of `to` is found by hj_pipes_flush. */
ssize_t hj_pipes_move(struct hj_loop *loop, struct hj_conn *from, struct hj_conn *to);

/* Whether bytes wait for it in a pipe. */
bool hj_pipes_has(const struct hj_loop *loop, const struct hj_conn *conn);

/* Sends what waits: 1 once nothing does, 0 for "not now", or why it is dead. */
int hj_pipes_flush(struct hj_loop *loop, struct hj_conn *conn);

/* What waits is read into a buffer; NULL where nothing does, or when out of memory (then *lost is true). */
struct hj_buf *hj_pipes_take(struct hj_loop *loop, const struct hj_conn *conn, bool *lost);

/* What waits is thrown away. */
void hj_pipes_forget(struct hj_loop *loop, const struct hj_conn *conn);

/* For the end of the loop. */
void hj_pipes_dispose(struct hj_loop *loop);

#endif
