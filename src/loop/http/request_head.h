/* HEAD connections: from the first byte of a request to its complete head, and where it goes then. Loop thread. */
#ifndef HJ_LOOP_HTTP_REQUEST_HEAD_H
#define HJ_LOOP_HTTP_REQUEST_HEAD_H

#include "codec/head.h"
#include "loop/conn.h"

/* Bytes or an end have come. */
void hj_request_head_read(struct hj_loop *loop, struct hj_conn *conn);

/* Serves a HEAD connection's request, of which head was accepted: as its route says. rest: what was read behind the
 * head. Returns how many bytes of it were taken. */
size_t hj_request_head_serve(struct hj_loop *loop, struct hj_conn *conn, const struct hj_head *head,
                             struct hj_slice rest);

/* Looks at what is in the input already. */
void hj_request_head_process(struct hj_loop *loop, struct hj_conn *conn);

#endif
