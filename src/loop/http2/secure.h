/* TLS handshakes of connections that are going to speak HTTP/2: done by libh2o, which keeps OpenSSL's object. Loop
 * thread. */
#ifndef HJ_LOOP_HTTP2_SECURE_H
#define HJ_LOOP_HTTP2_SECURE_H

#include "loop/http2/state.h"

#if HIJACK_TLS

/* Begins the handshake, of which the ClientHello is in the socket's input. False when out of memory, and nothing
 * taken. */
bool hj_secure_begin(struct hj_http2 *http2, const struct hj_session_origin *origin, h2o_socket_t *sock, SSL_CTX *ctx);

/* A turn begins: the handshakes that were put off go on when libh2o runs, as many as a turn may have. */
void hj_secure_begin_turn(struct hj_http2 *http2);

/* Ends those that take too long; libh2o closes them when it runs. */
void hj_secure_sweep(struct hj_http2 *http2, uint32_t now);

/* Ends all of them; libh2o closes them when it runs. */
void hj_secure_close(struct hj_http2 *http2);

#else

static inline void hj_secure_begin_turn(struct hj_http2 *http2)
{
    (void)http2;
}

static inline void hj_secure_sweep(struct hj_http2 *http2, uint32_t now)
{
    (void)http2;
    (void)now;
}

static inline void hj_secure_close(struct hj_http2 *http2)
{
    (void)http2;
}

#endif
#endif
