/* SPDX-License-Identifier: MIT
 *
 * Whom outgoing connections with TLS trust without the option connect_ca, and that nobody waits until that is read.
 */
#include "outgoing.h"
#include "support/exchange.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

static void expect_trust(struct fixture *f)
{
    struct tls_peer peer;
    int port, listener = listen_here(&port, 10);
    SSL_CTX *context = tls_peer_context(&trusted, 0);

    fixture_start(f);
    hijack_socket *socket = outgoing_connect(f, "localhost", port);
    tls_peer_open(&peer, listener, context);
    events_only(&f->events, HIJACK_EVENT_CONNECTED, socket);
    tls_peer_close(&peer, 0);
    close(listener);
    SSL_CTX_free(context);
}

/* Without the option whoever the system trusts is trusted, as OpenSSL's variables of the environment say. */
static void test_authorities_of_the_system(void **state)
{
    char folder[64], link[128];
    struct fixture f;

    (void)state;
    setenv("SSL_CERT_FILE", outgoing_authority(), 1);
    setenv("SSL_CERT_DIR", "/nothing/is/here", 1);
    fixture_init(&f);
    expect_trust(&f);
    fixture_end(&f);
    CHECK(ERR_peek_error() == 0);

    snprintf(folder, sizeof(folder), "/tmp/hijack-authorities-%d", (int)getpid());
    snprintf(link, sizeof(link), "%s/%08lx.0", folder, X509_subject_name_hash(authority.x509));
    setenv("SSL_CERT_FILE", "/nothing/is/here", 1);
    fixture_init(&f);
    fixture_start(&f);
    for (int i = 0; i < 2; i++) {
        hijack_socket *socket = outgoing_connect(&f, i == 0 ? "localhost" : "127.0.0.1", 443);
        struct event *end = events_next(&f.events, HIJACK_EVENT_CLOSED, socket);
        CODE(end->status, HIJACK_ETLS);
        CHECK(strstr(end->data, "the system has no certificate authorities") != NULL);
    }
    fixture_end(&f);

    CHECK(mkdir(folder, 0700) == 0 && symlink(outgoing_authority(), link) == 0);
    setenv("SSL_CERT_DIR", "/nothing/is/here:", 1);
    char list[128];
    snprintf(list, sizeof(list), "/nothing/is/here:%s", folder);
    setenv("SSL_CERT_DIR", list, 1);
    fixture_init(&f);
    expect_trust(&f);
    fixture_end(&f);
    CHECK(unlink(link) == 0 && rmdir(folder) == 0);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}

/* The pipe that nobody has written to stands for a slow disk: neither the program nor the other connections wait for
 * whom the system trusts, and those who do may give up. */
static void test_authorities_are_read_meanwhile(void **state)
{
    char pipe[64], pem[4096];
    struct fixture f;
    struct tls_peer peers[2];
    hijack_socket *more[10]; /* than there are threads that look names up */
    int port, writer = -1;
    SSL_CTX *context = tls_peer_context(&trusted, 0);
    FILE *file = fopen(outgoing_authority(), "r");

    (void)state;
    CHECK(file != NULL);
    const size_t len = fread(pem, 1, sizeof(pem), file);
    fclose(file);
    snprintf(pipe, sizeof(pipe), "/tmp/hijack-slow-%d", (int)getpid());
    CHECK(mkfifo(pipe, 0600) == 0);
    setenv("SSL_CERT_FILE", pipe, 1);
    fixture_init(&f);
    const int listener = listen_here(&port, 10);
    fixture_start(&f);
    hijack_socket *one = outgoing_connect(&f, "localhost", port), *other = outgoing_connect(&f, "127.0.0.1", port);
    hijack_socket *gone = outgoing_connect(&f, "localhost", port);
    for (int i = 0; i < 10; i++)
        more[i] = outgoing_connect(&f, "localhost", port);
    hijack_socket *clear = connect_to_port(&f, "localhost", port);
    struct client *accepted = accept_client(listener);
    events_next(&f.events, HIJACK_EVENT_CONNECTED, clear);
    OK(hijack_socket_abort(gone));
    events_closed(&f.events, gone, HIJACK_EABORTED);
    for (int i = 0; i < 10; i++) {
        OK(hijack_socket_abort(more[i]));
        events_closed(&f.events, more[i], HIJACK_EABORTED);
    }
    WAIT_FOR((writer = open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) != -1);
    CHECK(write(writer, pem, len) == (ssize_t)len && close(writer) == 0);
    tls_peer_open(&peers[0], listener, context);
    tls_peer_open(&peers[1], listener, context);
    events_next(&f.events, HIJACK_EVENT_CONNECTED, one);
    events_next(&f.events, HIJACK_EVENT_CONNECTED, other);
    tls_peer_close(&peers[0], 0);
    tls_peer_close(&peers[1], 0);
    client_close(accepted);
    close(listener);
    SSL_CTX_free(context);
    fixture_end(&f);
    CHECK(unlink(pipe) == 0);
    unsetenv("SSL_CERT_FILE");
}

/* What OpenSSL has against a file stays in no queue of errors, which the program's own use of OpenSSL would find. */
static void test_no_errors_are_left(void **state)
{
    static const char *const files[] = {"/dev/null", NULL}; /* NULL: a good one */

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        fixture_init(&f);
        fixture_option(&f, "connect_ca", files[i] == NULL ? outgoing_authority() : files[i]);
        CODE(hijack_server_start(f.server), files[i] == NULL ? 0 : HIJACK_ETLS);
        CHECK(ERR_peek_error() == 0);
        fixture_end(&f);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authorities_of_the_system),
        cmocka_unit_test(test_authorities_are_read_meanwhile),
        cmocka_unit_test(test_no_errors_are_left),
    };
    return RUN_OUTGOING_TESTS(tests, argc, argv);
}
