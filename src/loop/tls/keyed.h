/* Connections whose keys were taken over from OpenSSL (RFC 8446). Loop thread. */
#ifndef HJ_LOOP_TLS_KEYED_H
#define HJ_LOOP_TLS_KEYED_H

#include <sys/types.h>

#include "base/buf.h"
#include "loop/tls/sink.h"

/* Seals and sends; as hj_transport_write. Nothing is kept in the layer before the call. */
ssize_t hj_tls_keyed_write(struct hj_tls *tls, int fd, struct hj_tls_keyed *keyed, struct hj_buf *const *bufs,
                           int count, size_t offset);

/* Opens the whole records in data, and does what they ask for; the answers are put into tls->out. *used: the bytes that
 * are done with. 0, or why the connection is dead. */
int hj_tls_keyed_open(struct hj_tls *tls, struct hj_tls_keyed *keyed, uint8_t *data, size_t len, size_t *used,
                      struct hj_tls_sink *sink);

/* Puts an alert, the last record of all, into tls->out. */
void hj_tls_keyed_end(struct hj_tls *tls, struct hj_tls_keyed *keyed, enum hj_tls_alert alert);

#endif
