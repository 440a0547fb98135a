/* HTTP/2 connections: from the preface to their end. Loop thread. */
#ifndef HJ_LOOP_HTTP2_SESSION_H
#define HJ_LOOP_HTTP2_SESSION_H

#include "loop/http2/state.h"

/* Speaks HTTP/2 on sock, in whose input is what came already; takes over the origin's references. False when out of
 * memory, and nothing taken. */
bool hj_session_open(struct hj_http2 *http2, const struct hj_session_origin *origin, h2o_socket_t *sock);

/* Closes a connection that has no session. */
void hj_session_lose(struct hj_loop *loop, h2o_socket_t *sock, struct hj_session_origin *origin, int reason);

/* Whether a request is coming in, or has not been answered to its end. */
bool hj_session_is_busy(const struct hj_session *session);

/* Tells the peer that no new requests are wanted. */
void hj_session_go_away(struct hj_session *session);

/* Whether requests that begin now come too late for that. */
bool hj_session_refuses(const struct hj_session *session);

/* Ends it: code of the GOAWAY (positive), reason as hj_conn_close. libh2o closes it when it runs. */
void hj_session_end(struct hj_session *session, int code, int reason);

/* Looks at its deadlines. */
void hj_session_sweep(struct hj_session *session, uint32_t now);

#endif
