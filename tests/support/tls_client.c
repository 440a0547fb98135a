/* SPDX-License-Identifier: MIT
 *
 * The client's side of a TLS connection, by OpenSSL. Runs in the test's or the tunnel's process, and asserts nothing.
 */
#include "tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

SSL_CTX *tls_client_context(X509 *trusted, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context, version == 0 ? TLS1_2_VERSION : version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (trusted != NULL) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), trusted);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    return context;
}

SSL *tls_client_new(SSL_CTX *context, int fd, const char *name)
{
    SSL *ssl = SSL_new(context);
    unsigned char address[sizeof(struct in6_addr)];

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (name != NULL && inet_pton(AF_INET, name, address) != 1 && inet_pton(AF_INET6, name, address) != 1) {
        SSL_set_tlsext_host_name(ssl, name);
        SSL_set1_host(ssl, name);
    } else if (name != NULL) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

/* A RST that OpenSSL met is in errno, which its own end of file leaves alone. */
static int result_of(SSL *ssl, int result)
{
    int system = errno;

    if (result > 0)
        return result;
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_CLIENT_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLIENT_CLOSED;
    case SSL_ERROR_SYSCALL:
        return system == ECONNRESET || system == EPIPE ? TLS_CLIENT_RESET : TLS_CLIENT_TRUNCATED;
    default:
        return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? TLS_CLIENT_TRUNCATED
                                                                                      : TLS_CLIENT_ERROR;
    }
}

int tls_client_handshake(SSL *ssl)
{
    ERR_clear_error();
    errno = 0;
    return result_of(ssl, SSL_do_handshake(ssl));
}

int tls_client_read(SSL *ssl, char *data, size_t len)
{
    ERR_clear_error();
    errno = 0;
    return result_of(ssl, SSL_read(ssl, data, (int)len));
}

int tls_client_write(SSL *ssl, const char *data, size_t len)
{
    ERR_clear_error();
    errno = 0;
    return result_of(ssl, SSL_write(ssl, data, (int)len));
}

int tls_client_shutdown(SSL *ssl)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_shutdown(ssl);
    /* 0: ours is sent and the peer's has not come, which is all that is asked here. */
    return result >= 0 ? 1 : result_of(ssl, result);
}
