/* What a handshake has settled, as facts of the connection's requests. Loop thread. */
#ifndef HJ_LOOP_TLS_DESCRIBE_H
#define HJ_LOOP_TLS_DESCRIBE_H

#include "loop/tls/state.h"

/* The caller owns a reference, mostly to what another connection has too. NULL when out of memory. */
struct hj_facts *hj_tls_describe(struct hj_tls *tls, const SSL *ssl);

#endif
