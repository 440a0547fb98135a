/* SPDX-License-Identifier: MIT
 * Session tickets: core/tls/ticket.c, inside of OpenSSL's handshakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#if HIJACK_TLS

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "core/tls/ticket.h"

#define STEPS 10

struct pair {
    struct hj_tickets tickets;
    SSL_CTX *server, *client;
    SSL_SESSION *session; /* of the newest ticket */
    int received;         /* tickets */
};

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct pair *pair = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(pair->session);
    pair->session = session;
    ++pair->received;
    return 1;
}

static void use_certificate(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_non_null(key);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_int_not_equal(X509_sign(certificate, key, EVP_sha256()), 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void open_pair(struct pair *pair, int version)
{
    *pair = (struct pair){.server = SSL_CTX_new(TLS_server_method()), .client = SSL_CTX_new(TLS_client_method())};
    assert_int_equal(hj_tickets_open(&pair->tickets, ""), 0);
    use_certificate(pair->server);
    SSL_CTX_set_session_cache_mode(pair->server, SSL_SESS_CACHE_OFF);
    assert_true(hj_tickets_use(&pair->tickets, pair->server));
    assert_int_equal(SSL_CTX_set_max_proto_version(pair->client, version), 1);
    SSL_CTX_set_session_cache_mode(pair->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(pair->client, pair);
    SSL_CTX_sess_set_new_cb(pair->client, on_session);
}

static void close_pair(struct pair *pair)
{
    SSL_SESSION_free(pair->session);
    SSL_CTX_free(pair->client);
    SSL_CTX_free(pair->server);
    hj_tickets_close(&pair->tickets);
}

/* A handshake with the newest ticket, if there is one. Returns whether it was resumed; pair->received counts anew. */
static int shake_hands(struct pair *pair)
{
    SSL *server = SSL_new(pair->server), *client = SSL_new(pair->client);
    BIO *ours, *theirs;
    char byte;
    int done = 0;
    assert_int_equal(BIO_new_bio_pair(&ours, 0, &theirs, 0), 1);
    SSL_set_bio(server, ours, ours);
    SSL_set_bio(client, theirs, theirs);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    if (pair->session != NULL)
        assert_int_equal(SSL_set_session(client, pair->session), 1);
    pair->received = 0;
    for (int i = 0; i < STEPS && done != 2; ++i)
        done = (SSL_do_handshake(client) == 1) + (SSL_do_handshake(server) == 1);
    assert_int_equal(done, 2);
    SSL_read(client, &byte, 1); /* tickets of TLS 1.3 */
    int resumed = SSL_session_reused(client);
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    SSL_free(server);
    return resumed;
}

static void tls13_gives_a_new_ticket_with_each_resumption(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair, TLS1_3_VERSION);
    assert_false(shake_hands(&pair));
    assert_int_equal(pair.received, 2);
    for (int i = 0; i < 3; ++i) {
        assert_true(shake_hands(&pair));
        assert_int_equal(pair.received, 1); /* clients use a ticket once (RFC 8446 appendix C.4) */
    }
    close_pair(&pair);
}

static void tls12_keeps_a_ticket_of_its_period(void **state)
{
    struct pair pair;
    (void)state;
    open_pair(&pair, TLS1_2_VERSION);
    assert_false(shake_hands(&pair));
    assert_int_equal(pair.received, 1);
    assert_true(shake_hands(&pair));
    assert_int_equal(pair.received, 0);
    close_pair(&pair);
}

static void others_tickets_are_not_taken(void **state)
{
    struct pair pair, other;
    (void)state;
    open_pair(&pair, TLS1_3_VERSION);
    open_pair(&other, TLS1_3_VERSION);
    assert_false(shake_hands(&pair));
    other.session = pair.session;
    pair.session = NULL;
    assert_false(shake_hands(&other));
    assert_int_equal(other.received, 2);
    close_pair(&pair);
    close_pair(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls13_gives_a_new_ticket_with_each_resumption),
        cmocka_unit_test(tls12_keeps_a_ticket_of_its_period),
        cmocka_unit_test(others_tickets_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77; /* built without TLS */
}

#endif
