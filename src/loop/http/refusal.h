/* Answers of our own to requests that cannot be served: 4xx and 5xx, after which the connection closes. Loop thread. */
#ifndef HJ_LOOP_HTTP_REFUSAL_H
#define HJ_LOOP_HTTP_REFUSAL_H

#include "loop/conn.h"

/* problem: an English phrase for people. Answers the request that the connection has, if any. */
void hj_refusal_send(struct hj_loop *loop, struct hj_conn *conn, unsigned status, const char *problem);

/* The same for what never became a request. is_head: its method is HEAD, which gets the head alone. */
void hj_refusal_send_to(struct hj_loop *loop, struct hj_conn *conn, bool is_head, unsigned status, const char *problem);

#endif
