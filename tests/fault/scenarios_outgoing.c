/* SPDX-License-Identifier: MIT
 *
 * Scenarios of outgoing connections; see run.h. The other side is a thread that sends back what it gets: whatever the
 * fault costs, it only sees connections that end.
 */
#include "fault/run.h"
#include "support/outgoing.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#if HIJACK_TLS
#include <openssl/pem.h>

#include "support/tls_peer.h"
#endif

struct echo {
    pthread_t thread;
    int listener, port;
    void (*serve)(struct echo *echo, int fd);
    void *context; /* of OpenSSL */
};

static void *accept_all(void *argument)
{
    struct echo *echo = argument;
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL); /* OpenSSL writes without MSG_NOSIGNAL */
    for (int fd; (fd = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC)) != -1; close(fd))
        echo->serve(echo, fd);
    return NULL;
}

static void serve_plain(struct echo *echo, int fd)
{
    char data[64];

    (void)echo;
    for (ssize_t n; (n = recv(fd, data, sizeof(data), 0)) > 0;)
        if (send(fd, data, (size_t)n, MSG_NOSIGNAL) != n)
            return;
}

static void begin_echo(struct echo *echo)
{
    echo->listener = listen_here(&echo->port, 10);
    CHECK(pthread_create(&echo->thread, NULL, accept_all, echo) == 0);
}

static void end_echo(struct echo *echo)
{
    shutdown(echo->listener, SHUT_RDWR); /* which ends its accept */
    CHECK(pthread_join(echo->thread, NULL) == 0);
    close(echo->listener);
}

/* An exchange, and both ends. */
static void talk(struct run *run, const char *host, int port)
{
    hijack_socket *socket = NULL;
    char address[64];

    snprintf(address, sizeof(address), "%s:%d", host, port);
    run_start(run);
    DO(run, hijack_server_connect(&socket, run->fixture.server, STR(address), 0));
    run_note(run, socket, KIND_SOCKET);
    DO(run, hijack_socket_send(socket, LIT("there and back")));
    DO(run, hijack_socket_read(socket, 100));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CONNECTED, socket) != NULL);
    MUST_HAVE(run_data(run, socket, 14));
    DO(run, hijack_socket_shutdown(socket));
    MUST_HAVE(run_event(run, HIJACK_EVENT_EOF, socket) != NULL);
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, socket) != NULL);
}

static void play_connect(struct run *run)
{
    struct echo echo = {.serve = serve_plain};

    begin_echo(&echo);
    talk(run, "127.0.0.1", echo.port);
    end_echo(&echo);
}

#if HIJACK_TLS

static struct certificate authority;

static void serve_tls(struct echo *echo, int fd)
{
    SSL *ssl = SSL_new(echo->context);
    char data[64];

    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1)
        for (int n; (n = SSL_read(ssl, data, sizeof(data))) > 0;)
            if (SSL_write(ssl, data, n) != n)
                break;
    if (ssl != NULL)
        SSL_shutdown(ssl);
    SSL_free(ssl);
}

static void play_version(struct run *run, int version)
{
    struct echo echo = {.serve = serve_tls};
    char path[64];

    if (authority.x509 == NULL)
        certificate_make(&authority, NULL, CERTIFICATE_EC, "server", "IP:127.0.0.1");
    snprintf(path, sizeof(path), "/tmp/hijack-fault-%d.pem", (int)getpid());
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && PEM_write_X509(file, authority.x509) == 1 && fclose(file) == 0);
    fixture_option(&run->fixture, "connect_ca", path);
    echo.context = tls_peer_context(&authority, version);
    begin_echo(&echo);
    talk(run, "tls:127.0.0.1", echo.port);
    end_echo(&echo);
    SSL_CTX_free(echo.context);
    unlink(path);
}

static void play_tls_1_3(struct run *run)
{
    play_version(run, TLS1_3_VERSION);
}

static void play_tls_1_2(struct run *run)
{
    play_version(run, TLS1_2_VERSION);
}

#endif

const struct scenario scenarios_outgoing[] = {
    {"connect", play_connect},
#if HIJACK_TLS
    {"connect with TLS 1.3", play_tls_1_3},
    {"connect with TLS 1.2", play_tls_1_2},
#endif
    {NULL, NULL},
};
