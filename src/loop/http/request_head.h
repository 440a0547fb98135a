/* HEAD connections: from the first byte of a request to its complete head, and where it goes then. Loop thread. */
#ifndef HJ_LOOP_HTTP_REQUEST_HEAD_H
#define HJ_LOOP_HTTP_REQUEST_HEAD_H

#include "loop/conn.h"

/* Bytes or an end have come. */
void hj_request_head_read(struct hj_loop *loop, struct hj_conn *conn);

/* Looks at what is in the input already. */
void hj_request_head_process(struct hj_loop *loop, struct hj_conn *conn);

#endif
