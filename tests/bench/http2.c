/* SPDX-License-Identifier: MIT
 * Resident memory of an SSE member over HTTP/2: how much a server process with nothing in it but the library grows from
 * the first members to all, divided by those that came; in clear and over TLS, with many streams on a connection and
 * with one.
 *
 *     http2 [members [of these, members with a connection each]]
 *
 * The server runs in a process of its own, with one loop thread. The client reads each response head; afterwards its
 * object of OpenSSL is freed, and the connection stays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "bench.h"
#include "support/certificate.h"

#define STREAMS 100
#define PART 10 /* growth is counted from the first tenth */

struct way {
    const char *name;
    bool tls;
    unsigned streams;
    long target; /* bytes; 0: none */
};

static void set(hijack_server *server, const char *name, const char *value)
{
    bench_check(hijack_server_set(server, name, strlen(name), value, strlen(value)), name);
}

/* The first question is for the port; each other one is a number of members, answered as soon as there are so many. */
static void serve(int fd, void *arg)
{
    const struct way *way = arg;
    const char *address = way->tls ? "tls:127.0.0.1:0" : "127.0.0.1:0";
    struct bench_library library;
    struct certificate own;
    uint64_t wanted;
    bench_check(hijack_server_new(&library.server, NULL), "hijack_server_new");
    set(library.server, "threads", "1");
    set(library.server, "heartbeat_ms", "0");
    if (way->tls) {
        certificate_make(&own, NULL, CERTIFICATE_EC, "localhost", "DNS:localhost");
        bench_check(hijack_server_certificate(library.server, own.chain_text, strlen(own.chain_text), own.key_text,
                                              strlen(own.key_text), NULL, 0),
                    "hijack_server_certificate");
    }
    bench_check(hijack_broadcaster_new(&library.members, library.server), "hijack_broadcaster_new");
    bench_check(hijack_server_hold(library.server, HIJACK_STR("/held"), HIJACK_HOLD_SSE, NULL, 0, library.members),
                "hijack_server_hold");
    int port = bench_check(hijack_server_listen(library.server, address, strlen(address)), address);
    bench_check(hijack_server_start(library.server), "hijack_server_start");
    if (!bench_next(fd, &wanted))
        return;
    bench_answer(fd, (uint64_t)port);
    while (bench_next(fd, &wanted)) {
        bench_library_wait(&library, HIJACK_STAT_HELD, wanted, false);
        bench_answer(fd, wanted);
    }
}

static void open_secure(SSL_CTX *context, int fd, unsigned streams)
{
    struct bench_http2 http2 = {.heads = 0};
    char buffer[16384];
    SSL *ssl = SSL_new(context);
    size_t len = bench_http2_hello(buffer, sizeof buffer);
    for (unsigned i = 0; i < streams; ++i)
        len += bench_http2_request(buffer + len, sizeof buffer - len, i);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_set_alpn_protos(ssl, (const unsigned char *)"\2h2", 3) != 0 ||
        SSL_connect(ssl) != 1 || SSL_write(ssl, buffer, (int)len) != (int)len)
        bench_die("the TLS handshake fails");
    while (http2.heads < streams) {
        int n = SSL_read(ssl, buffer, sizeof buffer);
        if (n <= 0)
            bench_die("the server has ended a TLS connection");
        bench_http2_take(&http2, buffer, (size_t)n);
    }
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_free(ssl);
}

static void measure(struct way *way, SSL_CTX *context, long members)
{
    const long connections = members / way->streams, few = connections / PART;
    struct bench_resident before = {0};
    struct bench_child server = bench_start(serve, way);
    uint16_t port = (uint16_t)bench_ask(&server, 0);
    int *fds = calloc((size_t)connections, sizeof *fds);
    if (fds == NULL)
        bench_die("out of memory");
    for (long i = 0; i < connections; ++i) {
        if (i == few) {
            bench_ask(&server, (uint64_t)few * way->streams);
            before = bench_resident(server.pid);
        }
        fds[i] = bench_connect(port);
        if (way->tls)
            open_secure(context, fds[i], way->streams);
        else
            bench_http2_open(fds[i], way->streams);
    }
    bench_ask(&server, (uint64_t)connections * way->streams);
    struct bench_resident after = bench_resident(server.pid);
    double each = (after.rss - before.rss) / (double)((connections - few) * way->streams);
    printf("%-10s %8u %8ld %12.0f", way->name, way->streams, connections * way->streams, each);
    printf(way->target == 0 ? "\n" : "   at most %ld: %s\n", way->target,
           each <= (double)way->target ? "met" : "missed");
    for (long i = 0; i < connections; ++i)
        close(fds[i]);
    free(fds);
    bench_end(&server);
}

int main(int argc, char **argv)
{
    static struct way ways[] = {
        {.name = "in clear", .streams = STREAMS},
        {.name = "over TLS", .tls = true, .streams = STREAMS, .target = 1300},
        {.name = "in clear", .streams = 1},
        {.name = "over TLS", .tls = true, .streams = 1, .target = 19000},
    };
    bench_begin("HTTP/2: resident bytes of an idle SSE member");
    long members = bench_argument(argc, argv, 1, "members", 19000, STREAMS * PART, 1000000);
    long alone = bench_argument(argc, argv, 2, "members with a connection each", 3000, PART, 19000);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        bench_die("out of memory");
    printf("Growth from the first tenth of the members to all, divided by their number.\n\n");
    printf("%-10s %8s %8s %12s   target\n", "", "streams", "members", "bytes each");
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; ++i)
        measure(&ways[i], context, ways[i].streams == 1 ? alone : members);
    SSL_CTX_free(context);
    return 0;
}
