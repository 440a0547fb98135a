/* Connections that keep OpenSSL's object: TLS 1.2, and what is not taken over. Loop thread.
 *
 * OpenSSL reads from tls->object_in and writes to tls->out, so that what was received and not read stays ours, and all
 * that one call writes goes out in one piece. */
#ifndef HJ_LOOP_TLS_OBJECT_H
#define HJ_LOOP_TLS_OBJECT_H

#include <sys/types.h>

#include "base/buf.h"
#include "loop/tls/sink.h"

/* The methods of the BIO between OpenSSL and us; NULL when out of memory. */
BIO_METHOD *hj_tls_object_bio_method(void);

/* A new object of ctx, which has yet to be told whose side it is on. NULL when out of memory. */
struct hj_tls_object *hj_tls_object_new(struct hj_tls *tls, SSL_CTX *ctx);
void hj_tls_object_free(struct hj_tls_object *object);

/* It belongs to another loop from here on. */
void hj_tls_object_move(struct hj_tls *tls, struct hj_tls_object *object);

/* Seals with OpenSSL, and sends; as hj_transport_write. Nothing is kept in the layer before the call. */
ssize_t hj_tls_object_write(struct hj_tls *tls, int fd, struct hj_tls_object *object, struct hj_buf *const *bufs,
                            int count, size_t offset);

/* Opens all of data, of which nothing is left; answers are in tls->out. 0, or why the connection is dead. */
int hj_tls_object_open(struct hj_tls *tls, struct hj_tls_object *object, const uint8_t *data, size_t len,
                       struct hj_tls_sink *sink);

/* Puts close_notify into tls->out. */
void hj_tls_object_end(struct hj_tls *tls, struct hj_tls_object *object);

#endif
