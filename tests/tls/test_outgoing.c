/* SPDX-License-Identifier: MIT
 *
 * Outgoing connections with TLS that open: in both versions, with the keys taken over and without, what travels on
 * them, and how they end.
 */
#include "outgoing.h"
#include "support/exchange.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BULK ((size_t)12 << 20)

/* How the layer of the connection may be: {version, tls_takeover}. */
static const struct {
    int version;
    const char *takeover;
} layers[] = {{TLS1_3_VERSION, "on"}, {TLS1_3_VERSION, "off"}, {TLS1_2_VERSION, "on"}};

#define LAYERS (sizeof(layers) / sizeof(layers[0]))

/* Runs a test with each of them, on a server of its own. */
static void with_each_layer(void (*test)(struct fixture *f, int listener, int port, SSL_CTX *context))
{
    for (size_t i = 0; i < LAYERS; i++) {
        struct fixture f;
        int listener;
        SSL_CTX *context = tls_peer_context(&trusted, layers[i].version);
        check_context("TLS %x, tls_takeover %s", (unsigned)layers[i].version, layers[i].takeover);
        fixture_init(&f);
        fixture_option(&f, "tls_takeover", layers[i].takeover);
        fixture_option(&f, OPT_HIGH_WATER, "16m");
        fixture_option(&f, "connect_certificate", outgoing_chain_and_key()); /* for whom asks for it */
        fixture_option(&f, "connect_key", i == 0 ? outgoing_key() : "");
        int port = outgoing_start(&f, &listener);
        test(&f, listener, port, context);
        close(listener);
        SSL_CTX_free(context);
        fixture_end(&f);
    }
}

static hijack_socket *open_one(struct fixture *f, struct tls_peer *peer, int listener, int port, SSL_CTX *context)
{
    hijack_socket *socket = outgoing_connect(f, "localhost", port);

    tls_peer_open(peer, listener, context);
    events_only(&f->events, HIJACK_EVENT_CONNECTED, socket);
    return socket;
}

static void close_one(struct fixture *f, struct tls_peer *peer, hijack_socket *socket)
{
    OK(hijack_socket_close(socket));
    CODE(tls_peer_end(peer), TLS_PEER_CLOSED);
    events_closed(&f->events, socket, 0);
    tls_peer_close(peer, 0);
}

static void talk(struct fixture *f, int listener, int port, SSL_CTX *context)
{
    struct tls_peer peer;
    const unsigned char *protocol;
    unsigned protocol_len;
    char address[64];

    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    OK(hijack_socket_send(socket, LIT("before it is open")));
    OK(hijack_socket_read(socket, 5));
    tls_peer_open(&peer, listener, context);
    CHECK(strcmp(SSL_get_servername(peer.ssl, TLSEXT_NAMETYPE_host_name), "localhost") == 0);
    SSL_get0_alpn_selected(peer.ssl, &protocol, &protocol_len);
    CHECK(protocol_len == 0);
    CHECK(strcmp(events_only(&f->events, HIJACK_EVENT_CONNECTED, socket)->data, address) == 0);
    tls_peer_expect(&peer, "before it is open");
    tls_peer_send(&peer, LIT("hello and more"));
    free(events_data(&f->events, socket, 5));
    OK(hijack_socket_send(socket, LIT("after")));
    tls_peer_expect(&peer, "after");
    OK(hijack_socket_read(socket, 100));
    free(events_data(&f->events, socket, 9));
    close_one(f, &peer, socket);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    CHECK(stat_of(f->server, HIJACK_STAT_OUTGOING) == 1);
    CHECK(stat_of(f->server, HIJACK_STAT_TLS_HANDSHAKES) == 1 && stat_of(f->server, HIJACK_STAT_TLS_FAILED) == 0);
}

/* The peer asks for a certificate, and gets the one that the options name, with its chain. */
static void show(struct fixture *f, int listener, int port, SSL_CTX *context)
{
    struct tls_peer peer;

    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.x509) == 1);
    hijack_socket *socket = open_one(f, &peer, listener, port, context);
    X509 *shown = SSL_get1_peer_certificate(peer.ssl);
    CHECK(shown != NULL && X509_cmp(shown, trusted.x509) == 0);
    CHECK(sk_X509_num(SSL_get_peer_cert_chain(peer.ssl)) == 1);
    X509_free(shown);
    OK(hijack_socket_send(socket, LIT("for whom shows it")));
    tls_peer_expect(&peer, "for whom shows it");
    tls_peer_send(&peer, LIT("answer"));
    OK(hijack_socket_read(socket, 6));
    free(events_data(&f->events, socket, 6));
    close_one(f, &peer, socket);
}

static void test_talk(void **state)
{
    (void)state;
    with_each_layer(talk);
}

static void test_certificate(void **state)
{
    (void)state;
    with_each_layer(show);
}

static char *make_bulk(void)
{
    char *bulk = malloc(BULK);

    CHECK(bulk != NULL);
    for (size_t i = 0; i < BULK; i++)
        bulk[i] = (char)(i * 7 + i / 251);
    return bulk;
}

static void send_bulk(struct fixture *f, int listener, int port, SSL_CTX *context)
{
    struct tls_peer peer;
    char *bulk = make_bulk(), *got = malloc(BULK);

    CHECK(got != NULL);
    hijack_socket *socket = open_one(f, &peer, listener, port, context);
    OK(hijack_socket_send(socket, bulk, BULK));
    tls_peer_read(&peer, got, BULK);
    CHECK(memcmp(got, bulk, BULK) == 0);
    free(got);
    OK(hijack_socket_read(socket, UINT64_MAX));
    tls_peer_send(&peer, bulk, BULK);
    got = events_data(&f->events, socket, BULK);
    CHECK(memcmp(got, bulk, BULK) == 0);
    free(got);
    free(bulk);
    tls_peer_say_goodbye(&peer, 1);
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    close_one(f, &peer, socket);
}

static void test_bulk(void **state)
{
    (void)state;
    with_each_layer(send_bulk);
}

/* Each side ends before the other one does. */
static void half_close(struct fixture *f, int listener, int port, SSL_CTX *context)
{
    struct tls_peer peer;
    hijack_socket *socket = open_one(f, &peer, listener, port, context);

    OK(hijack_socket_send(socket, LIT("last words")));
    OK(hijack_socket_shutdown(socket));
    tls_peer_expect(&peer, "last words");
    CODE(tls_peer_end(&peer), TLS_PEER_CLOSED);
    OK(hijack_socket_read(socket, 100));
    tls_peer_send(&peer, LIT("an answer"));
    free(events_data(&f->events, socket, 9));
    tls_peer_say_goodbye(&peer, 0);
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    events_closed(&f->events, socket, 0);
    tls_peer_close(&peer, 0);

    socket = open_one(f, &peer, listener, port, context);
    OK(hijack_socket_read(socket, 100));
    tls_peer_send(&peer, LIT("all"));
    tls_peer_say_goodbye(&peer, 1);
    free(events_data(&f->events, socket, 3));
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    OK(hijack_socket_send(socket, LIT("still open")));
    tls_peer_expect(&peer, "still open");
    close_one(f, &peer, socket);
}

static void test_half_close(void **state)
{
    (void)state;
    with_each_layer(half_close);
}

/* FIN without close_notify may be an attacker's; a RST is one. */
static void cut_off(struct fixture *f, int listener, int port, SSL_CTX *context)
{
    struct tls_peer peer;

    for (int reset = 0; reset < 2; reset++) {
        hijack_socket *socket = open_one(f, &peer, listener, port, context);
        OK(hijack_socket_read(socket, 100));
        tls_peer_close(&peer, reset);
        events_closed(&f->events, socket, HIJACK_ERESET);
    }
    hijack_socket *socket = open_one(f, &peer, listener, port, context);
    OK(hijack_socket_abort(socket));
    CODE(tls_peer_end(&peer), TLS_PEER_RESET);
    events_closed(&f->events, socket, HIJACK_EABORTED);
    tls_peer_close(&peer, 0);
}

static void test_cut_off(void **state)
{
    (void)state;
    with_each_layer(cut_off);
}

static void detach(struct fixture *f, int listener, int port, SSL_CTX *context)
{
    struct tls_peer peer;
    char answer[6];

    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    OK(hijack_socket_send(socket, LIT("first")));
    OK(hijack_socket_detach(socket));
    tls_peer_open(&peer, listener, context);
    tls_peer_expect(&peer, "first");
    events_next(&f->events, HIJACK_EVENT_CONNECTED, socket);
    struct event *event = events_next(&f->events, HIJACK_EVENT_DETACHED, socket);
    CHECK(write(event->status, " second", 7) == 7);
    tls_peer_expect(&peer, " second");
    tls_peer_send(&peer, LIT("answer"));
    for (ssize_t n = 0, have = 0; have<6; have += n> 0 ? n : 0) {
        WAIT_FOR((n = read(event->status, answer + have, sizeof(answer) - (size_t)have)) != -1);
        CHECK(n > 0);
    }
    CHECK(memcmp(answer, "answer", 6) == 0);
    close(event->status);
    CODE(tls_peer_end(&peer), TLS_PEER_CLOSED);
    tls_peer_close(&peer, 0);
}

static void test_detach(void **state)
{
    (void)state;
    with_each_layer(detach);
}

/* A peer in TLS 1.3 sends tickets whenever it likes, and both sides change keys. */
static void test_tickets_and_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        struct tls_peer peer;
        int listener;
        SSL_CTX *context = tls_peer_context(&trusted, TLS1_3_VERSION);

        SSL_CTX_set_num_tickets(context, 8);
        fixture_init(&f);
        fixture_option(&f, "tls_takeover", layers[i].takeover);
        int port = outgoing_start(&f, &listener);
        hijack_socket *socket = open_one(&f, &peer, listener, port, context);
        OK(hijack_socket_read(socket, UINT64_MAX));
        for (int round = 0; round < 5; round++) {
            CHECK(SSL_new_session_ticket(peer.ssl) == 1 && SSL_do_handshake(peer.ssl) == 1);
            CHECK(SSL_key_update(peer.ssl, round % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
            tls_peer_send(&peer, LIT("from the peer"));
            free(events_data(&f.events, socket, 13));
            OK(hijack_socket_send(socket, LIT("to the peer")));
            tls_peer_expect(&peer, "to the peer");
        }
        close_one(&f, &peer, socket);
        close(listener);
        SSL_CTX_free(context);
        fixture_end(&f);
    }
}

/* What the peer sends comes in pieces of step bytes, or whole, and its first data, perhaps with its end, together with
 * the end of the handshake: no poller reports it again. */
static void speak_first(struct fixture *f, int listener, int port, SSL_CTX *context, size_t step, int ends)
{
    struct tls_peer peer;
    size_t written;
    const int early = SSL_CTX_get_max_proto_version(context) == TLS1_3_VERSION;

    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    OK(hijack_socket_read(socket, 100));
    tls_peer_accept(&peer, listener, context);
    CHECK(tls_peer_receive(&peer));
    if (early) { /* a server need not wait for the client's Finished */
        char byte;
        SSL_set_max_early_data(peer.ssl, 1000);
        CHECK(SSL_read_early_data(peer.ssl, &byte, 1, &written) == SSL_READ_EARLY_DATA_FINISH);
        CHECK(SSL_write_early_data(peer.ssl, LIT("at once"), &written) == 1);
        tls_peer_flush(&peer, step);
        CHECK(tls_peer_handshake(&peer));
    } else {
        CHECK(SSL_do_handshake(peer.ssl) != 1);
        tls_peer_flush(&peer, step);
        for (int rc = 0; rc != 1;) {
            CHECK(tls_peer_receive(&peer));
            rc = SSL_do_handshake(peer.ssl);
        }
        CHECK(SSL_write(peer.ssl, LIT("at once")) == 7);
    }
    if (ends)
        tls_peer_say_goodbye(&peer, 1);
    tls_peer_flush(&peer, 0);
    events_only(&f->events, HIJACK_EVENT_CONNECTED, socket);
    char *got = events_data(&f->events, socket, 7);
    CHECK(memcmp(got, "at once", 7) == 0);
    free(got);
    if (!ends)
        tls_peer_say_goodbye(&peer, 1);
    events_only(&f->events, HIJACK_EVENT_EOF, socket);
    close_one(f, &peer, socket);
}

static void behind_the_handshake(struct fixture *f, int listener, int port, SSL_CTX *context)
{
    speak_first(f, listener, port, context, 1, 0);
    speak_first(f, listener, port, context, 0, 0);
    speak_first(f, listener, port, context, 0, 1);
}

static void test_behind_the_handshake(void **state)
{
    (void)state;
    with_each_layer(behind_the_handshake);
}

/* The peer completes the handshake and ends without a word, in one packet: it was open, and has ended gracefully. */
static void test_end_behind_the_handshake(void **state)
{
    struct fixture *f = *state;
    struct tls_peer peer;
    int listener, rc = 0;
    SSL_CTX *context = tls_peer_context(&trusted, TLS1_2_VERSION);

    int port = outgoing_start(f, &listener);
    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    tls_peer_accept(&peer, listener, context);
    while (rc != 1) {
        CHECK(tls_peer_receive(&peer));
        if ((rc = SSL_do_handshake(peer.ssl)) != 1)
            tls_peer_flush(&peer, 0);
    }
    tls_peer_say_goodbye(&peer, 1);
    events_only(&f->events, HIJACK_EVENT_CONNECTED, socket);
    OK(hijack_socket_read(socket, 1));
    events_next(&f->events, HIJACK_EVENT_EOF, socket);
    OK(hijack_socket_close(socket));
    events_closed(&f->events, socket, 0);
    tls_peer_close(&peer, 0);
    close(listener);
    SSL_CTX_free(context);
}

/* An address needs no name: the certificate has it, and the peer is not told any. */
static void test_address(void **state)
{
    struct fixture *f = *state;
    struct tls_peer peer;
    int listener;
    SSL_CTX *context = tls_peer_context(&trusted, 0);

    int port = outgoing_start(f, &listener);
    hijack_socket *socket = outgoing_connect(f, "127.0.0.1", port);
    tls_peer_open(&peer, listener, context);
    CHECK(SSL_get_servername(peer.ssl, TLSEXT_NAMETYPE_host_name) == NULL);
    CHECK(SSL_version(peer.ssl) == TLS1_3_VERSION);
    events_only(&f->events, HIJACK_EVENT_CONNECTED, socket);
    tls_peer_close(&peer, 0);
    close(listener);
    SSL_CTX_free(context);
}

/* A member gets what is published from the moment when it is open. */
static void test_member(void **state)
{
    struct fixture *f = *state;
    struct tls_peer peer;
    int listener;
    SSL_CTX *context = tls_peer_context(&trusted, 0);

    int port = outgoing_start(f, &listener);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("to all")));
    tls_peer_open(&peer, listener, context);
    tls_peer_expect(&peer, "to all");
    events_next(&f->events, HIJACK_EVENT_CONNECTED, socket);
    hijack_socket_free(socket);
    events_freed(&f->events, socket);
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT(" without a handle")));
    tls_peer_expect(&peer, " without a handle");
    tls_peer_close(&peer, 0);
    members_wait(room, 0);
    close(listener);
    SSL_CTX_free(context);
}

/* The loops of a server without a listener for TLS have nothing of TLS, and one of them gets the connection of the
 * other one. */
static void relay_to_other_loop(int version, int first)
{
    struct fixture f;
    struct tls_peer peer;
    int listener, plain_port;
    SSL_CTX *context = tls_peer_context(&trusted, version);
    hijack_socket *sockets[2];

    fixture_init(&f);
    int port = outgoing_start(&f, &listener), plain_listener = listen_here(&plain_port, 10);
    sockets[0] = open_one(&f, &peer, listener, port, context);
    sockets[1] = connect_to_port(&f, "127.0.0.1", plain_port);
    struct client *c = accept_client(plain_listener);
    events_only(&f.events, HIJACK_EVENT_CONNECTED, sockets[1]);
    OK(hijack_socket_relay(sockets[first], sockets[1 - first]));
    tls_peer_send(&peer, LIT("from the peer"));
    client_expect(c, "from the peer");
    client_puts(c, "from the client");
    tls_peer_expect(&peer, "from the client");
    client_shutdown(c);
    CODE(tls_peer_end(&peer), TLS_PEER_CLOSED);
    tls_peer_say_goodbye(&peer, 1);
    client_eof(c);
    tls_peer_close(&peer, 0);
    close(listener);
    close(plain_listener);
    SSL_CTX_free(context);
    for (int i = 0; i < 2; i++) {
        hijack_socket_free(sockets[i]);
        events_freed(&f.events, sockets[i]);
    }
    fixture_end(&f);
}

static void test_relay(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        relay_to_other_loop(TLS1_3_VERSION, first);
        relay_to_other_loop(TLS1_2_VERSION, first);
    }
}

#define CROWD 40

struct crowd {
    int listener, served;
    SSL_CTX *context;
};

/* Serves one after the other. Asserts nothing: it is not the test's thread. */
static void *serve_crowd(void *argument)
{
    struct crowd *crowd = argument;
    char byte;

    for (int i = 0; i < CROWD; i++) {
        int fd = accept4(crowd->listener, NULL, NULL, SOCK_CLOEXEC);
        SSL *ssl = SSL_new(crowd->context);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1 && SSL_read(ssl, &byte, 1) == 1 && byte == 'x')
            crowd->served++;
        SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    }
    return NULL;
}

/* More than a turn of a loop has steps for. */
static void test_crowd(void **state)
{
    struct fixture *f = *state;
    hijack_socket *sockets[CROWD];
    struct crowd crowd = {.context = tls_peer_context(&trusted, 0)};
    pthread_t thread;

    int port = outgoing_start(f, &crowd.listener);
    CHECK(pthread_create(&thread, NULL, serve_crowd, &crowd) == 0);
    for (int i = 0; i < CROWD; i++) {
        sockets[i] = outgoing_connect(f, i % 2 == 0 ? "localhost" : "127.0.0.1", port);
        OK(hijack_socket_send(sockets[i], LIT("x")));
        OK(hijack_socket_read(sockets[i], 1));
    }
    for (int i = 0; i < CROWD; i++) {
        events_next(&f->events, HIJACK_EVENT_CONNECTED, sockets[i]);
        events_next(&f->events, HIJACK_EVENT_EOF, sockets[i]);
        OK(hijack_socket_close(sockets[i]));
        events_closed(&f->events, sockets[i], 0);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(crowd.served == CROWD);
    close(crowd.listener);
    SSL_CTX_free(crowd.context);
}

/* A peer that resets in the middle of a record while the other one of the pair takes nothing: the other one hears of it
 * once it does. */
static void reset_within_a_record(struct fixture *f, int listener, int port, SSL_CTX *context)
{
    static const char data[8192], half[105] = {23, 3, 3, 0x20, 0};
    struct tls_peer peer;
    struct client *client;
    uint64_t sent = 0;
    hijack_socket *near = socket_adopted(f, &client, ""), *far = open_one(f, &peer, listener, port, context);

    OK(hijack_socket_relay(near, far));
    while (stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) == 0) {
        tls_peer_send(&peer, data, sizeof(data));
        sent += sizeof(data);
        WAIT_FOR(stat_of(f->server, HIJACK_STAT_RELAYED_BYTES) == sent || /* or it began to wait just before */
                 stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) != 0);
    }
    CHECK(send(peer.fd, half, sizeof(half), MSG_NOSIGNAL) == sizeof(half));
    tls_peer_close(&peer, 1);
    CHECK(client_until_end(client) != 0);
    events_next(&f->events, HIJACK_EVENT_CLOSED, far);
    events_next(&f->events, HIJACK_EVENT_CLOSED, near);
    socket_free(f, near);
    socket_free(f, far);
    client_close(client);
}

static void test_reset_within_a_record(void **state)
{
    (void)state;
    with_each_layer(reset_within_a_record);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_tickets_and_keys),
        cmocka_unit_test(test_behind_the_handshake),
        TEST(test_end_behind_the_handshake),
        TEST(test_address),
        TEST(test_member),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_reset_within_a_record),
        TEST(test_crowd),
    };
    return RUN_OUTGOING_TESTS(tests, argc, argv);
}
