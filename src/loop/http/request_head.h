/* READING connections: from the first byte of a request to its complete head, and where it goes then. Loop thread. */
#ifndef HJ_LOOP_HTTP_REQUEST_HEAD_H
#define HJ_LOOP_HTTP_REQUEST_HEAD_H

#include "codec/head.h"
#include "loop/conn.h"

/* Bytes or an end have come. */
void hj_reading_input(struct hj_loop *loop, struct hj_conn *conn);

/* Looks at what is in the input already. */
void hj_reading_process(struct hj_loop *loop, struct hj_conn *conn);

/* The route for a path, or NULL. */
const struct hj_route *hj_reading_route(const struct hj_server *server, struct hj_slice path);

/* Whether a held route takes this request: GET or HEAD, without a body. */
bool hj_reading_is_held(const struct hj_route *route, const struct hj_head *head);

/* Answers with a 4xx or 5xx of ours and closes. */
void hj_reading_refuse(struct hj_loop *loop, struct hj_conn *conn, unsigned status, const char *problem);

#endif
