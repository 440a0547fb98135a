/* SPDX-License-Identifier: MIT
 *
 * The server's side of a TLS connection, by OpenSSL: whom the library connects to. Runs on the thread of the test,
 * waits for at most clock_limit_ms, and has every byte in hand before it goes out.
 */
#ifndef TESTS_SUPPORT_TLS_PEER_H
#define TESTS_SUPPORT_TLS_PEER_H

#include <stddef.h>

#include <openssl/ssl.h>

#include "certificate.h"

enum {
    TLS_PEER_CLOSED = 1, /* close_notify */
    TLS_PEER_CUT = 2,    /* FIN without it */
    TLS_PEER_RESET = 3,
    TLS_PEER_ALERT = 4 /* a fatal alert, or bytes that are no TLS */
};

struct tls_peer {
    int fd; /* -1 once closed */
    SSL *ssl;
    BIO *in, *out;
};

/* What peers have in common: the certificate, and the only version of TLS, or 0 for both. */
SSL_CTX *tls_peer_context(const struct certificate *certificate, int version);
/* Accepts the next connection of listener. context NULL: it never speaks TLS. */
void tls_peer_accept(struct tls_peer *peer, int listener, SSL_CTX *context);
/* Goes on with the handshake until it is complete: 1, or 0 once the library has refused it. */
int tls_peer_handshake(struct tls_peer *peer);
/* tls_peer_accept, and a handshake that succeeds. */
void tls_peer_open(struct tls_peer *peer, int listener, SSL_CTX *context);
/* Takes in what comes next: 1, or 0 at an end. */
int tls_peer_receive(struct tls_peer *peer);
/* Sends what OpenSSL has written, in pieces of step bytes; 0: whole. */
void tls_peer_flush(struct tls_peer *peer, size_t step);
void tls_peer_send(struct tls_peer *peer, const char *data, size_t len);
/* Reads len bytes. */
void tls_peer_read(struct tls_peer *peer, char *data, size_t len);
#define tls_peer_expect(peer, text) tls_peer_expect_at((peer), (text), sizeof(text) - 1, __FILE__, __LINE__)
void tls_peer_expect_at(struct tls_peer *peer, const char *text, size_t len, const char *file, int line);
/* How the library has ended: TLS_PEER_*. No data may come before. */
int tls_peer_end(struct tls_peer *peer);
/* Sends close_notify, and FIN if so asked. */
void tls_peer_say_goodbye(struct tls_peer *peer, int fin);
/* reset: by a RST. */
void tls_peer_close(struct tls_peer *peer, int reset);

#endif
