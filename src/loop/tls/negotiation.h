/* What the handshakes of both sides have in common: OpenSSL's object, its steps, and taking its keys over. Loop thread.
 */
#ifndef HJ_LOOP_TLS_NEGOTIATION_H
#define HJ_LOOP_TLS_NEGOTIATION_H

#include <stdbool.h>

#include "loop/tls/state.h"

/* Sees to it that the loop has its side of TLS: the first connection with it may be an outgoing one, or come from
 * another loop. False when out of memory. */
bool hj_negotiation_need(struct hj_loop *loop);
void hj_negotiation_close(struct hj_loop *loop); /* after the last connection */

/* Whether a step has its place in this turn. If not, the poller reports the connection again. */
bool hj_negotiation_may_step(struct hj_tls *tls);

/* Makes the entry's layer, which does the handshake. NULL when out of memory. */
struct hj_tls_object *hj_negotiation_begin(struct hj_loop *loop, struct hj_conn *conn, SSL_CTX *ctx);

/* A step with what has come. 1 once the handshake is complete, and the layer carries data; 0 if more has to come;
 * HIJACK_ETLS after a failure, with the alert sent and the reason in OpenSSL's queue of errors, which the caller
 * clears; or why the connection is dead. */
int hj_negotiation_step(struct hj_loop *loop, struct hj_conn *conn, const uint8_t *data, size_t len);

#endif
