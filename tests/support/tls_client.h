/* SPDX-License-Identifier: MIT
 *
 * The client's side of a TLS connection, on a descriptor that never blocks. Every call does what it can and returns:
 * more than 0, TLS_CLIENT_AGAIN, or why it is over. Used by the tunnel and by tests that must see records and alerts.
 */
#ifndef TESTS_SUPPORT_TLS_CLIENT_H
#define TESTS_SUPPORT_TLS_CLIENT_H

#include <stddef.h>

#include <openssl/ssl.h>

enum {
    TLS_CLIENT_AGAIN = 0,
    TLS_CLIENT_CLOSED = -1,    /* the peer's close_notify */
    TLS_CLIENT_TRUNCATED = -2, /* the peer's FIN without close_notify */
    TLS_CLIENT_RESET = -3,     /* the peer's RST */
    TLS_CLIENT_ERROR = -4      /* a fatal alert, or bytes that are no TLS */
};

/* What clients have in common. trusted: who must have signed the server's certificate; NULL verifies nothing.
 * version: TLS1_2_VERSION or TLS1_3_VERSION, or 0 for both. NULL without memory. */
SSL_CTX *tls_client_context(X509 *trusted, int version);
/* A connection on fd, which stays the caller's and must not block. name goes into SNI and is what the certificate must
 * be valid for; an IP address is not sent; NULL does neither. */
SSL *tls_client_new(SSL_CTX *context, int fd, const char *name);
/* 1 once the handshake is complete. */
int tls_client_handshake(SSL *ssl);
int tls_client_read(SSL *ssl, char *data, size_t len);
int tls_client_write(SSL *ssl, const char *data, size_t len);
/* Sends close_notify: 1 once it is sent. Reading goes on. */
int tls_client_shutdown(SSL *ssl);

#endif
