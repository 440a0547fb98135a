/* SPDX-License-Identifier: MIT
 *
 * Outgoing connections with TLS that do not open: who is not trusted, who does not speak TLS, who says nothing, and
 * what the program does meanwhile.
 */
#include "outgoing.h"
#include "support/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

/* CLOSED with ETLS, and this at the beginning of its data. */
#define refused(f, socket, text) refused_at((f), (socket), (text), __FILE__, __LINE__)
static void refused_at(struct fixture *f, hijack_socket *socket, const char *text, const char *file, int line)
{
    struct event *event = events_only_at(&f->events, HIJACK_EVENT_CLOSED, socket, file, line);

    if (event->status != HIJACK_ETLS || strncmp(event->data, text, strlen(text)) != 0)
        check_fail(file, line, "closed with %d: %s", event->status, event->data);
}

/* The library refuses who has this certificate, and tells it so. */
static void expect_refusal(struct fixture *f, int listener, int port, const struct certificate *certificate,
                           const char *host, const char *text, int alert)
{
    for (int i = 0; i < 2; i++) {
        struct tls_peer peer;
        SSL_CTX *context = tls_peer_context(certificate, i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
        hijack_socket *socket = outgoing_connect(f, host, port);
        OK(hijack_socket_send(socket, LIT("a secret")));
        tls_peer_accept(&peer, listener, context);
        CHECK(!tls_peer_handshake(&peer));
        CODE((int)ERR_GET_REASON(ERR_peek_error()), alert);
        refused(f, socket, text);
        tls_peer_close(&peer, 0);
        SSL_CTX_free(context);
    }
}

static void test_not_trusted(void **state)
{
    struct fixture *f = *state;
    struct certificate own, other, nameless, expired, stranger, foreign;
    int listener, port = outgoing_start(f, &listener);

    certificate_make(&own, NULL, CERTIFICATE_EC, "localhost", "DNS:localhost,IP:127.0.0.1");
    expect_refusal(f, listener, port, &own, "localhost", "certificate verify failed: self-signed certificate",
                   SSL_R_TLSV1_ALERT_UNKNOWN_CA);
    certificate_make(&other, &authority, CERTIFICATE_RSA, "localhost", "DNS:other.test,DNS:*.localhost,IP:127.0.0.2");
    expect_refusal(f, listener, port, &other, "localhost", "certificate verify failed: hostname mismatch",
                   SSL_R_SSLV3_ALERT_BAD_CERTIFICATE);
    expect_refusal(f, listener, port, &other, "127.0.0.1", "certificate verify failed: IP address mismatch",
                   SSL_R_SSLV3_ALERT_BAD_CERTIFICATE);
    certificate_make(&nameless, &authority, CERTIFICATE_EC, "localhost", NULL); /* the common name is no name */
    expect_refusal(f, listener, port, &nameless, "localhost", "certificate verify failed: hostname mismatch",
                   SSL_R_SSLV3_ALERT_BAD_CERTIFICATE);
    certificate_make(&expired, &authority, CERTIFICATE_EC, "localhost", "DNS:localhost");
    certificate_expire(&expired, &authority);
    expect_refusal(f, listener, port, &expired, "localhost", "certificate verify failed: certificate has expired",
                   SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED);
    certificate_make(&stranger, NULL, CERTIFICATE_EC, "another authority", NULL);
    certificate_make(&foreign, &stranger, CERTIFICATE_EC, "localhost", "DNS:localhost");
    expect_refusal(f, listener, port, &foreign, "localhost",
                   "certificate verify failed: unable to get local issuer certificate", SSL_R_TLSV1_ALERT_UNKNOWN_CA);
    CHECK(stat_of(f->server, HIJACK_STAT_TLS_FAILED) == 12 && stat_of(f->server, HIJACK_STAT_TLS_HANDSHAKES) == 0);
    close(listener);
    certificate_free(&own);
    certificate_free(&other);
    certificate_free(&nameless);
    certificate_free(&expired);
    certificate_free(&stranger);
    certificate_free(&foreign);
}

/* Whom it was paired with before it was open ends too, in the same loop or in another one. */
static void test_relayed(void **state)
{
    struct fixture *f = *state;
    struct certificate own;
    int listener, port = outgoing_start(f, &listener);

    certificate_make(&own, NULL, CERTIFICATE_EC, "localhost", "DNS:localhost");
    SSL_CTX *context = tls_peer_context(&own, 0);
    for (int i = 0; i < 8; i++) {
        struct tls_peer peer;
        struct client *c;
        hijack_socket *near = socket_open(f, &c), *far = outgoing_connect(f, "localhost", port);
        OK(hijack_socket_relay(i % 2 == 0 ? near : far, i % 2 == 0 ? far : near));
        tls_peer_accept(&peer, listener, context);
        CHECK(!tls_peer_handshake(&peer));
        refused(f, far, "certificate verify failed: self-signed certificate");
        CHECK(client_until_end(c) != 0);
        events_next(&f->events, HIJACK_EVENT_CLOSED, near);
        tls_peer_close(&peer, 0);
        client_close(c);
    }
    close(listener);
    SSL_CTX_free(context);
    certificate_free(&own);
}

/* The other side is TCP alone, and ends as it likes. */
static void test_no_tls(void **state)
{
    struct fixture *f = *state;
    int listener, port = outgoing_start(f, &listener);
    static const char *const answers[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                                          "\x16\x03\x03\xff\xff", "\x15\x03\x03\x00\x02\x02\x28"};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        hijack_socket *socket = outgoing_connect(f, "localhost", port);
        struct client *c = accept_client(listener);
        client_send(c, answers[i], i < 2 ? strlen(answers[i]) : i == 2 ? 5 : 7);
        refused(f, socket, "handshake failed: ");
        client_close(c);
    }
    hijack_socket *ended = outgoing_connect(f, "localhost", port);
    struct client *c = accept_client(listener);
    client_want(c, 5);
    client_shutdown(c);
    refused(f, ended, "the peer closed the connection during the handshake");
    client_close(c);
    hijack_socket *reset = outgoing_connect(f, "localhost", port);
    c = accept_client(listener);
    client_want(c, 5);
    client_reset(c);
    CHECK(events_only(&f->events, HIJACK_EVENT_CLOSED, reset)->status == HIJACK_ERESET);
    close(listener);
    hijack_socket *refused_by_tcp = outgoing_connect(f, "127.0.0.1", port);
    CHECK(events_only(&f->events, HIJACK_EVENT_CLOSED, refused_by_tcp)->status == HIJACK_EREFUSED);
}

/* HelloRequests, which a client has to ignore during a handshake (RFC 5246 section 7.4.1.1), for as long as the
 * connection lets them come. */
static void test_flood_of_hellos(void **state)
{
    static const char hello[] = "\x16\x03\x03\x00\x04\x00\x00\x00\x00";
    struct fixture *f = *state;
    char flood[9000];
    int listener, port = outgoing_start(f, &listener);
    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    struct client *c = accept_client(listener);

    for (size_t i = 0; i < sizeof(flood); i++)
        flood[i] = hello[i % 9];
    for (int i = 0; i < 200; i++) /* it may have been ended meanwhile */
        client_send(c, flood, sizeof(flood));
    refused(f, socket, "handshake failed: excessive message size");
    client_close(c);
    close(listener);
}

/* Neither side speaks the other one's version. */
static void test_version(void **state)
{
    struct fixture *f = *state;
    struct tls_peer peer;
    SSL_CTX *context = tls_peer_context(&trusted, TLS1_2_VERSION);
    int listener;

    fixture_option(f, "tls_min_version", "1.3");
    int port = outgoing_start(f, &listener);
    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    tls_peer_accept(&peer, listener, context);
    CHECK(!tls_peer_handshake(&peer));
    refused(f, socket, "handshake failed: tlsv1 alert protocol version");
    tls_peer_close(&peer, 0);
    close(listener);
    SSL_CTX_free(context);
}

/* The peer wants a certificate, which the library has not. In TLS 1.3 the handshake is over before it can say so. */
static void test_client_certificate(void **state)
{
    struct fixture *f = *state;
    int listener, port = outgoing_start(f, &listener);

    for (int i = 0; i < 2; i++) {
        struct tls_peer peer;
        SSL_CTX *context = tls_peer_context(&trusted, i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        hijack_socket *socket = outgoing_connect(f, "localhost", port);
        OK(hijack_socket_read(socket, 1));
        tls_peer_accept(&peer, listener, context);
        CHECK(!tls_peer_handshake(&peer));
        if (i == 0) {
            refused(f, socket, "handshake failed: ");
        } else {
            events_only(&f->events, HIJACK_EVENT_CONNECTED, socket);
            events_closed(&f->events, socket, HIJACK_ERESET);
        }
        tls_peer_close(&peer, 0);
        SSL_CTX_free(context);
    }
    close(listener);
}

/* It accepts, and says nothing: what is sent meanwhile waits, and costs no processor time. */
static void test_silence(void **state)
{
    struct fixture *f = *state;
    int listener;

    fixture_option(f, "connect_timeout_ms", "800");
    int port = outgoing_start(f, &listener);
    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    struct client *c = accept_client(listener);
    client_want(c, 5);
    OK(hijack_socket_send(socket, LIT("waits")));
    clock_until_idle();
    events_closed(&f->events, socket, HIJACK_ETIMEDOUT);
    CHECK(stat_of(f->server, HIJACK_STAT_TLS_FAILED) == 1);
    close(listener);
}

/* The handshake has begun, and the program wants no more of it. */
static void test_given_up(void **state)
{
    struct fixture *f = *state;
    int listener, port = outgoing_start(f, &listener);

    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    struct client *c = accept_client(listener);
    client_want(c, 5);
    OK(hijack_socket_abort(socket));
    events_closed(&f->events, socket, HIJACK_EABORTED);
    client_rst(c);
    socket = outgoing_connect(f, "localhost", port);
    c = accept_client(listener);
    client_want(c, 5);
    hijack_socket_free(socket);
    events_freed(&f->events, socket);
    client_rst(c);
    CHECK(stat_of(f->server, HIJACK_STAT_TLS_FAILED) == 0);
    close(listener);
}

static void test_drain(void **state)
{
    struct fixture *f = *state;
    int listener, port = outgoing_start(f, &listener);

    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    struct client *c = accept_client(listener);
    client_want(c, 5);
    OK(hijack_server_drain(f->server, 100));
    events_closed(&f->events, socket, HIJACK_ESHUTDOWN);
    client_until_end(c);
    close(listener);
}

/* The server stops in every stage: while names are looked up, and while handshakes have begun. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    hijack_socket *sockets[20];
    int listener, port = outgoing_start(f, &listener);

    for (int i = 0; i < 10; i++)
        sockets[i] = outgoing_connect(f, "127.0.0.1", port);
    for (int i = 0; i < 10; i++)
        client_want(accept_client(listener), 5);
    for (int i = 10; i < 20; i++)
        sockets[i] = outgoing_connect(f, i % 2 == 0 ? "localhost" : "127.0.0.1", port);
    fixture_stop(f);
    for (int i = 0; i < 20; i++)
        events_closed(&f->events, sockets[i], HIJACK_ESHUTDOWN);
    close(listener);
}

/* What is wrong with the option is found at the start, and can be set right. */
static void test_option(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, "connect_ca", "/nothing/is/here");
    CODE(hijack_server_start(f->server), HIJACK_ENOENT);
    fixture_option(f, "connect_ca", "/dev/null");
    CODE(hijack_server_start(f->server), HIJACK_ETLS);
    fixture_option(f, "connect_ca", outgoing_authority());
    fixture_option(f, "connect_key", outgoing_key()); /* of no certificate */
    CODE(hijack_server_start(f->server), HIJACK_ETLS);
    fixture_option(f, "connect_certificate", "/nothing/is/here");
    CODE(hijack_server_start(f->server), HIJACK_ENOENT);
    fixture_option(f, "connect_certificate", outgoing_authority()); /* of another key */
    CODE(hijack_server_start(f->server), HIJACK_ETLS);
    fixture_option(f, "connect_certificate", outgoing_chain_and_key());
    fixture_start(f);
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    hijack_socket *none = NULL;
    static const struct {
        const char *address;
        int code;
    } wrong[] = {
        {"tls:", HIJACK_EADDR},
        {"tls:localhost", HIJACK_EADDR},
        {"tls:localhost:0", HIJACK_EADDR},
        {"tls:*:443", HIJACK_EADDR},
        {"tls:fd:3", HIJACK_EADDR},
        {"tls:tls:localhost:443", HIJACK_EADDR},
        {"tls:unix:/tmp/socket", HIJACK_EADDR},
        {"tls:localhost:65536", HIJACK_ERANGE},
    };

    fixture_start(f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CODE(hijack_server_connect(&none, f->server, STR(wrong[i].address), 0), wrong[i].code);
    CHECK(none == NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_not_trusted), TEST(test_relayed),         TEST(test_no_tls),
        TEST(test_version),     TEST(test_flood_of_hellos), TEST(test_client_certificate),
        TEST(test_silence),     TEST(test_given_up),        TEST(test_drain),
        TEST(test_stop),        TEST(test_option),          TEST(test_addresses),
    };
    return RUN_OUTGOING_TESTS(tests, argc, argv);
}
