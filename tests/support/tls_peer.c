/* SPDX-License-Identifier: MIT */
#include "tls_peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "check.h"

SSL_CTX *tls_peer_context(const struct certificate *certificate, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    CHECK(context != NULL);
    CHECK(SSL_CTX_set_min_proto_version(context, version == 0 ? TLS1_2_VERSION : version) == 1);
    CHECK(SSL_CTX_set_max_proto_version(context, version) == 1);
    CHECK(SSL_CTX_use_certificate(context, certificate->x509) == 1);
    CHECK(SSL_CTX_use_PrivateKey(context, certificate->key) == 1);
    return context;
}

void tls_peer_accept(struct tls_peer *peer, int listener, SSL_CTX *context)
{
    const struct timeval limit = {.tv_sec = clock_limit_ms() / 1000};

    memset(peer, 0, sizeof(*peer));
    CHECK(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    peer->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(peer->fd >= 0);
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (context == NULL)
        return;
    peer->ssl = SSL_new(context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    CHECK(peer->ssl != NULL && peer->in != NULL && peer->out != NULL);
    BIO_set_mem_eof_return(peer->in, -1);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_accept_state(peer->ssl);
}

static void flush(struct tls_peer *peer, size_t step, int flags)
{
    char *data;
    size_t len = (size_t)BIO_get_mem_data(peer->out, &data);

    while (len != 0) {
        ssize_t n = send(peer->fd, data, step == 0 || step > len ? len : step, MSG_NOSIGNAL | flags);
        if (n <= 0)
            break; /* whoever reads next sees why */
        data += n;
        len -= (size_t)n;
    }
    (void)BIO_reset(peer->out);
}

void tls_peer_flush(struct tls_peer *peer, size_t step)
{
    flush(peer, step, 0);
}

int tls_peer_receive(struct tls_peer *peer)
{
    char data[65536];
    ssize_t n = recv(peer->fd, data, sizeof(data), 0);

    CHECK(n >= 0 || errno == ECONNRESET || errno == EPIPE);
    return n > 0 && BIO_write(peer->in, data, (int)n) == n;
}

int tls_peer_handshake(struct tls_peer *peer)
{
    for (;;) {
        ERR_clear_error();
        int rc = SSL_do_handshake(peer->ssl);
        int error = SSL_get_error(peer->ssl, rc);
        tls_peer_flush(peer, 0);
        if (rc == 1)
            return 1;
        if (error != SSL_ERROR_WANT_READ || !tls_peer_receive(peer))
            return 0;
    }
}

void tls_peer_open(struct tls_peer *peer, int listener, SSL_CTX *context)
{
    tls_peer_accept(peer, listener, context);
    CHECK(tls_peer_handshake(peer));
}

void tls_peer_send(struct tls_peer *peer, const char *data, size_t len)
{
    while (len != 0) {
        int n = SSL_write(peer->ssl, data, len > 65536 ? 65536 : (int)len);
        CHECK(n > 0);
        tls_peer_flush(peer, 0);
        data += n;
        len -= (size_t)n;
    }
}

void tls_peer_read(struct tls_peer *peer, char *data, size_t len)
{
    while (len != 0) {
        int n = SSL_read(peer->ssl, data, len > 65536 ? 65536 : (int)len);
        tls_peer_flush(peer, 0); /* it may have had to answer */
        if (n <= 0) {
            CHECK(SSL_get_error(peer->ssl, n) == SSL_ERROR_WANT_READ);
            CHECK(tls_peer_receive(peer));
            continue;
        }
        data += n;
        len -= (size_t)n;
    }
}

void tls_peer_expect_at(struct tls_peer *peer, const char *text, size_t len, const char *file, int line)
{
    char data[256];

    CHECK(len <= sizeof(data));
    tls_peer_read(peer, data, len);
    check_bytes(data, len, text, len, file, line);
}

int tls_peer_end(struct tls_peer *peer)
{
    char byte;

    for (;;) {
        ERR_clear_error();
        int n = SSL_read(peer->ssl, &byte, 1);
        int error = SSL_get_error(peer->ssl, n);
        CHECK(n <= 0);
        if (error == SSL_ERROR_ZERO_RETURN)
            return TLS_PEER_CLOSED;
        if (error != SSL_ERROR_WANT_READ)
            return TLS_PEER_ALERT;
        errno = 0;
        if (!tls_peer_receive(peer))
            return errno == 0 ? TLS_PEER_CUT : TLS_PEER_RESET;
    }
}

void tls_peer_say_goodbye(struct tls_peer *peer, int fin)
{
    SSL_shutdown(peer->ssl);
    flush(peer, 0, fin ? MSG_MORE : 0); /* with the FIN in one packet */
    if (fin)
        shutdown(peer->fd, SHUT_WR);
}

void tls_peer_close(struct tls_peer *peer, int reset)
{
    const struct linger at_once = {.l_onoff = 1};

    if (reset)
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    SSL_free(peer->ssl);
    close(peer->fd);
    peer->fd = -1;
}
