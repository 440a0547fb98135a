/* Answers of our own to requests that cannot be served: 4xx and 5xx, after which the connection closes. Loop thread. */
#ifndef HJ_LOOP_HTTP_REFUSAL_H
#define HJ_LOOP_HTTP_REFUSAL_H

#include "loop/conn.h"

/* problem: an English phrase for people. */
void hj_refusal_send(struct hj_loop *loop, struct hj_conn *conn, unsigned status, const char *problem);

#endif
