/* SPDX-License-Identifier: MIT
 *
 * The tunnel, by which other tests run over TLS: what passes through it, and what a server's mistakes look like behind
 * it. The server here is OpenSSL's, in a thread, on one connection.
 */
#include "support/certificate.h"
#include "support/client.h"
#include "support/stats.h"
#include "support/tunnel.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

enum {
    MUCH = 4 << 20
};

static struct certificate authority, own;

/* The server: a listening socket and, once a client came, its connection. */
struct end {
    int listener;
    int port;
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    pthread_t thread;
};

static void *accept_one(void *argument)
{
    struct end *end = argument;

    end->fd = accept(end->listener, NULL, NULL);
    SSL_set_fd(end->ssl, end->fd);
    return SSL_accept(end->ssl) == 1 ? end : NULL;
}

/* A server's end and a client behind the tunnel, connected. */
static struct client *connect_both(struct end *end, int version)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    void *result;

    end->context = SSL_CTX_new(TLS_server_method());
    CHECK(SSL_CTX_use_certificate(end->context, own.x509) == 1 && SSL_CTX_use_PrivateKey(end->context, own.key) == 1);
    SSL_CTX_set_min_proto_version(end->context, version);
    SSL_CTX_set_max_proto_version(end->context, version);
    end->ssl = SSL_new(end->context);
    end->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(end->listener, (struct sockaddr *)&address, len) == 0 && listen(end->listener, 1) == 0);
    CHECK(getsockname(end->listener, (struct sockaddr *)&address, &len) == 0);
    CHECK(pthread_create(&end->thread, NULL, accept_one, end) == 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct client *c = client_wrap(fd);
    c->port = tunnel_connect(fd, ntohs(address.sin_port), 0, 0);
    CHECK(c->port > 0);
    CHECK(pthread_join(end->thread, &result) == 0);
    CHECK(result == end);
    struct timeval limit = {.tv_sec = clock_limit_ms() / 1000};
    setsockopt(end->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    CHECK(getpeername(end->fd, (struct sockaddr *)&address, &len) == 0);
    CHECK(ntohs(address.sin_port) == client_port(c));
    return c;
}

static void end_free(struct end *end)
{
    SSL_free(end->ssl);
    SSL_CTX_free(end->context);
    if (end->fd != -1)
        close(end->fd);
    close(end->listener);
    clients_free();
}

static void expect_read(struct end *end, const char *text)
{
    char data[64];
    int n = SSL_read(end->ssl, data, sizeof(data));

    CHECK(n > 0);
    BYTES(data, (size_t)n, text, strlen(text));
}

static void send_all(struct end *end, const char *text)
{
    CHECK(SSL_write(end->ssl, text, (int)strlen(text)) == (int)strlen(text));
}

static void exchange_versions(int version)
{
    struct end end = {0};
    struct client *c = connect_both(&end, version);

    client_puts(c, "there");
    expect_read(&end, "there");
    send_all(&end, "and back");
    client_expect(c, "and back");
    end_free(&end);
}

static void test_bytes(void **state)
{
    (void)state;
    exchange_versions(TLS1_2_VERSION);
    exchange_versions(TLS1_3_VERSION);
}

/* The client ends its half first: close_notify and FIN arrive, and the other half goes on. */
static void test_half_close_up(void **state)
{
    struct end end = {0};
    struct client *c = connect_both(&end, TLS1_3_VERSION);
    char byte;

    (void)state;
    client_puts(c, "last");
    client_shutdown(c);
    expect_read(&end, "last");
    CHECK(SSL_read(end.ssl, &byte, 1) == 0);
    CODE(SSL_get_error(end.ssl, 0), SSL_ERROR_ZERO_RETURN);
    CHECK(recv(end.fd, &byte, 1, 0) == 0);
    send_all(&end, "still");
    client_expect(c, "still");
    CHECK(SSL_shutdown(end.ssl) == 1);
    client_eof(c);
    end_free(&end);
}

/* The server ends its half first. */
static void test_half_close_down(void **state)
{
    struct end end = {0};
    struct client *c = connect_both(&end, TLS1_3_VERSION);

    (void)state;
    send_all(&end, "last");
    SSL_shutdown(end.ssl);
    client_expect(c, "last");
    client_eof(c);
    client_puts(c, "still");
    expect_read(&end, "still");
    end_free(&end);
}

/* A FIN without close_notify is no end that a client may take for one. */
static void test_truncated(void **state)
{
    struct end end = {0};
    struct client *c = connect_both(&end, TLS1_3_VERSION);

    (void)state;
    send_all(&end, "half");
    shutdown(end.fd, SHUT_WR);
    client_expect(c, "half");
    client_rst(c);
    end_free(&end);
}

static void test_reset_down(void **state)
{
    struct end end = {0};
    struct client *c = connect_both(&end, TLS1_3_VERSION);
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)state;
    setsockopt(end.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(end.fd);
    end.fd = -1;
    client_rst(c);
    end_free(&end);
}

static void test_reset_up(void **state)
{
    struct end end = {0};
    struct client *c = connect_both(&end, TLS1_3_VERSION);
    char byte;

    (void)state;
    client_reset(c);
    CHECK(recv(end.fd, &byte, 1, 0) == -1 && errno == ECONNRESET);
    end_free(&end);
}

/* Whom nobody reads takes no more than the kernel's buffers and one piece; then everything arrives. */
static void test_pressure(void **state)
{
    struct end end = {0};
    struct client *c = connect_both(&end, TLS1_3_VERSION);
    char *data = malloc(MUCH), *got = malloc(65536);
    size_t sent = 0, received = 0, total = 64u << 20;

    (void)state;
    CHECK(data != NULL && got != NULL);
    for (size_t i = 0; i < MUCH; i++)
        data[i] = (char)(i * 7 + i / 251);
    for (uint64_t quiet = clock_ms() + 200; clock_ms() < quiet && sent < total;) {
        ssize_t n = send(c->fd, data + sent % MUCH, MUCH - sent % MUCH, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
            quiet = clock_ms() + 200;
        } else {
            clock_tick();
        }
    }
    CHECK(sent < total);
    client_shutdown(c);
    for (int n; (n = SSL_read(end.ssl, got, 65536)) > 0; received += (size_t)n)
        for (int i = 0; i < n; i++)
            if (got[i] != data[(received + (size_t)i) % MUCH])
                check_fail(__FILE__, __LINE__, "byte %zu is not what was sent", received + (size_t)i);
    CHECK(received == sent);
    free(data);
    free(got);
    end_free(&end);
}

static void test_refused(void **state)
{
    struct end end = {0};
    struct client *c = connect_both(&end, TLS1_3_VERSION);
    struct sockaddr_in address = {0};
    socklen_t len = sizeof(address);

    (void)c;
    (void)state;
    CHECK(getsockname(end.listener, (struct sockaddr *)&address, &len) == 0);
    end_free(&end);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CODE(tunnel_connect(fd, ntohs(address.sin_port), 0, 0), -ECONNREFUSED);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),     cmocka_unit_test(test_half_close_up), cmocka_unit_test(test_half_close_down),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_reset_down),    cmocka_unit_test(test_reset_up),
        cmocka_unit_test(test_pressure),  cmocka_unit_test(test_refused),
    };

    alarm(120);
    certificate_make(&authority, NULL, CERTIFICATE_EC, "authority", NULL);
    certificate_make(&own, &authority, CERTIFICATE_RSA, "localhost", "DNS:localhost,IP:127.0.0.1");
    tunnel_start(authority.x509, "localhost");
    return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
