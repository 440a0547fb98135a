/* SPDX-License-Identifier: MIT
 * A certificate, and clients by OpenSSL; see tls.h. */
#include "tls.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define PATIENCE_MS 20000

static _Noreturn void die_of_tls(const char *what)
{
    char text[256];
    ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
    bench_die("%s: %s", what, text);
}

static void print_pem(char *out, size_t size, X509 *certificate, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int done = certificate != NULL ? PEM_write_bio_X509(bio, certificate)
                                   : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    int n = done == 1 ? BIO_read(bio, out, (int)size - 1) : -1;
    if (n <= 0)
        die_of_tls("writing PEM");
    out[n] = '\0';
    BIO_free(bio);
}

void bench_make_certificate(struct bench_pem *pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    if (key == NULL || certificate == NULL)
        die_of_tls("making a key");
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 30L * 24 * 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    if (X509_sign(certificate, key, EVP_sha256()) == 0)
        die_of_tls("signing a certificate");
    print_pem(pem->certificate, sizeof pem->certificate, certificate, NULL);
    print_pem(pem->key, sizeof pem->key, NULL, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

SSL_CTX *bench_tls_client(int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384") != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES256-GCM-SHA384") != 1)
        die_of_tls("making a client");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    return ctx;
}

/* Waits for what the object wants; ends the program on a failure that is none of that. */
static void await(SSL *ssl, int rc, const char *what)
{
    int error = SSL_get_error(ssl, rc);
    struct pollfd poll_fd = {.fd = SSL_get_fd(ssl), .events = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN};
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        die_of_tls(what);
    if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
        bench_die("%s: no answer within %d seconds", what, PATIENCE_MS / 1000);
    ERR_clear_error(); /* for the next try */
}

/* A copy, since OpenSSL lets a session be used once. */
static bool use_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION *copy = session == NULL ? NULL : SSL_SESSION_dup(session);
    bool done = session == NULL || (copy != NULL && SSL_set_session(ssl, copy) == 1);
    SSL_SESSION_free(copy);
    return done;
}

void bench_tls_open(SSL **ssls, int count, SSL_CTX *ctx, uint16_t port, SSL_SESSION *session)
{
    for (int i = 0; i < count; ++i) {
        int fd = bench_connect(port);
        bench_nonblocking(fd);
        ssls[i] = SSL_new(ctx);
        if (ssls[i] == NULL || SSL_set_fd(ssls[i], fd) != 1 || !use_session(ssls[i], session))
            die_of_tls("making a client's object");
        ERR_clear_error();
        SSL_connect(ssls[i]); /* the ClientHello; the rest below */
    }
    for (int i = 0; i < count; ++i)
        for (int rc; (rc = SSL_connect(ssls[i])) != 1;)
            await(ssls[i], rc, "handshake");
}

int bench_tls_strip(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl); /* the BIO of SSL_set_fd does not close it */
    return fd;
}

void bench_tls_close(SSL *ssl)
{
    close(bench_tls_strip(ssl));
}

void bench_tls_send(SSL *ssl, const char *data, size_t len)
{
    size_t n;
    ERR_clear_error();
    for (int rc; (rc = SSL_write_ex(ssl, data, len, &n)) != 1;)
        await(ssl, rc, "sending");
    if (n != len)
        bench_die("only a part of %zu bytes was sent", len);
}

size_t bench_tls_receive(SSL *ssl, char *buffer, size_t size)
{
    size_t n;
    ERR_clear_error();
    for (int rc; (rc = SSL_read_ex(ssl, buffer, size, &n)) != 1;)
        await(ssl, rc, "receiving");
    return n;
}

void bench_tls_hold(SSL *ssl)
{
    char buffer[4096];
    size_t have = 0;
    bench_tls_send(ssl, BENCH_REQUEST, strlen(BENCH_REQUEST));
    while (have < sizeof buffer && memmem(buffer, have, "\r\n\r\n", 4) == NULL)
        have += bench_tls_receive(ssl, buffer + have, sizeof buffer - have);
}
