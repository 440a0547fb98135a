/* SPDX-License-Identifier: MIT
 * What the benchmarks of TLS share: a certificate, clients by OpenSSL, and nginx as a contender. Functions that cannot
 * go on end the program. */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <openssl/ssl.h>

#include "bench.h"

/* ---- tls.c ---- */

/* A self-signed certificate for localhost with its key (ECDSA, P-256), as PEM. */
struct bench_pem {
    char certificate[2048], key[1024];
};
void bench_make_certificate(struct bench_pem *pem);

/* A client's context that speaks one version (TLS1_3_VERSION, TLS1_2_VERSION) and one cipher (AES-256-GCM), and
 * verifies nothing. */
SSL_CTX *bench_tls_client(int version);

/* Opens count connections at the same time, and finishes their handshakes; session: to be resumed, or NULL. The
 * sockets do not block. */
void bench_tls_open(SSL **ssls, int count, SSL_CTX *ctx, uint16_t port, SSL_SESSION *session);

/* Frees the object, and returns its socket, which stays open. */
int bench_tls_strip(SSL *ssl);
void bench_tls_close(SSL *ssl); /* with its socket, and without a word */

/* Sends all of data. */
void bench_tls_send(SSL *ssl, const char *data, size_t len);

/* Waits for some bytes and returns how many came. */
size_t bench_tls_receive(SSL *ssl, char *buffer, size_t size);

/* Sends BENCH_REQUEST and waits for the head of the answer. */
void bench_tls_hold(SSL *ssl);

/* ---- nginx.c ---- */

/* One process of nginx, on the server's core, that answers every request over TLS with BENCH_HELLO. False if nginx is
 * not installed. */
bool bench_nginx_start(struct bench_child *child, uint16_t *port, const struct bench_pem *pem);

/* ---- go.c ---- */

/* A server of Go's net/http that holds every request over TLS with a head of Server-Sent Events (go/bench/hold). False
 * if it was not built into the folder go of the build folder. */
bool bench_go_start(struct bench_child *child, uint16_t *port);

#endif
