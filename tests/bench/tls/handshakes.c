/* SPDX-License-Identifier: MIT
 * Handshakes of TLS 1.3, full and resumed: how many a second of the server's processor, the library against a plain
 * epoll loop with OpenSSL, and nginx if it is installed.
 *
 *     tls/handshakes [turns a round [rounds]]
 *
 * Each server is a process of its own on one core; the client, this process, has the other one. It makes some
 * handshakes at a time, waits until each has its session ticket, and closes without a word. It works more than the
 * servers do, so that the processor time of their processes is compared: wall time would tell of the client. ECDSA with
 * P-256, X25519, AES-256-GCM. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls.h"

#define TOGETHER 16 /* handshakes under way at a time */
#define A_TURN 80   /* handshakes */
#define MAX_TURNS 1000
#define PATIENCE_MS 20000

static struct bench_pem pem;

enum kind {
    KIND_FULL,
    KIND_RESUMED,
    KINDS
};

static const char *const kind_names[KINDS] = {"full", "resumed"};
static const double targets[KINDS] = {0.95, 0.90};

/* ---- The plain loop. ---- */

static SSL_CTX *plain_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    BIO *certificate = BIO_new_mem_buf(pem.certificate, -1), *key = BIO_new_mem_buf(pem.key, -1);
    X509 *x509 = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    if (SSL_CTX_use_certificate(ctx, x509) != 1 || SSL_CTX_use_PrivateKey(ctx, pkey) != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1)
        bench_die("the plain server cannot use the certificate");
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(certificate);
    BIO_free(key);
    return ctx;
}

static void plain_accept(SSL_CTX *ctx, int epoll, int listener)
{
    int fd = bench_accept(listener);
    SSL *ssl = SSL_new(ctx);
    bench_nonblocking(fd);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = ssl};
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("the plain server has no more memory or descriptors");
    SSL_set_accept_state(ssl);
}

/* Goes on with the handshake, or finds the end. */
static void plain_readable(SSL *ssl)
{
    char buffer[4096];
    size_t n;
    ERR_clear_error(); /* of another connection */
    int rc = SSL_is_init_finished(ssl) ? SSL_read_ex(ssl, buffer, sizeof buffer, &n) : SSL_do_handshake(ssl);
    if (rc != 1 && SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ)
        bench_tls_close(ssl);
}

static _Noreturn void plain_run(int listener)
{
    SSL_CTX *ctx = plain_context();
    signal(SIGPIPE, SIG_IGN); /* a client that has closed */
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[64], event = {.events = EPOLLIN};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        bench_die("epoll: %s", strerror(errno));
    for (;;) {
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.ptr == NULL)
                plain_accept(ctx, epoll, listener);
            else
                plain_readable(events[i].data.ptr);
        }
    }
}

static void serve_plain(int fd, void *arg)
{
    uint16_t port;
    (void)arg;
    int listener = bench_listen(&port);
    bench_pin(BENCH_CORE_SERVER);
    bench_answer(fd, port);
    plain_run(listener);
}

static void serve_library(int fd, void *arg)
{
    const struct bench_place place = {"tls:127.0.0.1:0", pem.certificate, pem.key};
    const struct bench_option options[] = {{"threads", "1"}, {NULL, NULL}};
    struct bench_library library;
    uint64_t question;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    bench_library_start_at(&library, &place, options, HIJACK_HOLD_SSE);
    bench_answer(fd, library.port);
    while (bench_next(fd, &question))
        bench_answer(fd, bench_library_stat(&library, (int)question));
}

/* ---- The contenders. ---- */

struct contender {
    const char *name;
    void (*serve)(int fd, void *arg); /* NULL: nginx */
    struct bench_child server;
    uint16_t port;
    bool missing;
    SSL_SESSION *session;
    double rate[KINDS][BENCH_MAX_ROUNDS]; /* a second of processor time */
};

static struct contender library = {.name = "library", .serve = serve_library};
static struct contender plain = {.name = "plain OpenSSL", .serve = serve_plain};
static struct contender nginx = {.name = "nginx"};
static struct contender *const contenders[] = {&library, &plain, &nginx};
#define CONTENDERS (int)(sizeof contenders / sizeof *contenders)

static void start(struct contender *contender)
{
    if (contender->serve == NULL) {
        contender->missing = !bench_nginx_start(&contender->server, &contender->port, &pem);
        return;
    }
    contender->server = bench_start(contender->serve, contender);
    contender->port = (uint16_t)bench_hear(&contender->server);
}

/* ---- The client. ---- */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct contender *contender = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(contender->session);
    contender->session = session;
    SSL_set_app_data(ssl, session); /* it has its ticket */
    return 1;
}

static void await_ticket(SSL *ssl)
{
    char byte;
    size_t n;
    for (;;) {
        struct pollfd poll_fd = {.fd = SSL_get_fd(ssl), .events = POLLIN};
        ERR_clear_error();
        SSL_read_ex(ssl, &byte, 1, &n);
        if (SSL_get_app_data(ssl) != NULL)
            return;
        const int error = SSL_get_error(ssl, 0);
        if (error != SSL_ERROR_WANT_READ || poll(&poll_fd, 1, PATIENCE_MS) != 1) {
            const struct contender *contender = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
            bench_die("%s: a session ticket was expected, and did not come (SSL_get_error: %d)", contender->name,
                      error);
        }
    }
}

static void make_handshakes(struct contender *contender, SSL_CTX *ctx, enum kind kind, int count)
{
    SSL *ssls[TOGETHER];
    SSL_SESSION *session = kind == KIND_FULL ? NULL : contender->session;
    if (session != NULL)
        SSL_SESSION_up_ref(session);
    bench_tls_open(ssls, count, ctx, contender->port, session);
    for (int i = 0; i < count; ++i) {
        if (SSL_session_reused(ssls[i]) != (kind == KIND_RESUMED))
            bench_die("%s: a handshake was %s, and should have been %s", contender->name, kind_names[kind == KIND_FULL],
                      kind_names[kind]);
        await_ticket(ssls[i]);
        SSL_set_shutdown(ssls[i], SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else the session counts as bad */
        bench_tls_close(ssls[i]);
    }
    SSL_SESSION_free(session);
}

/* Handshakes a second of processor time. */
static double turn(struct contender *contender, enum kind kind)
{
    SSL_CTX *ctx = bench_tls_client(TLS1_3_VERSION);
    SSL_CTX_set_app_data(ctx, contender);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    uint64_t used = bench_processor_time(contender->server.pid);
    for (int made = 0; made < A_TURN; made += TOGETHER)
        make_handshakes(contender, ctx, kind, TOGETHER);
    used = bench_processor_time(contender->server.pid) - used;
    SSL_CTX_free(ctx);
    return A_TURN * 1e9 / (double)used;
}

/* round: -1 for one that does not count. */
static void take_turns(enum kind kind, long turns, long round)
{
    static double rates[CONTENDERS][MAX_TURNS];
    for (long at = 0; at < turns; ++at)
        for (int i = 0; i < CONTENDERS; ++i) {
            int which = (int)((at + i) % CONTENDERS);
            if (!contenders[which]->missing)
                rates[which][at] = turn(contenders[which], kind);
        }
    for (int i = 0; round >= 0 && i < CONTENDERS; ++i)
        contenders[i]->rate[kind][round] = bench_median(rates[i], (size_t)turns);
}

static void report(size_t rounds)
{
    for (enum kind kind = KIND_FULL; kind < KINDS; ++kind)
        for (int i = 1; i < CONTENDERS; ++i) {
            if (contenders[i]->missing) {
                printf("%-8s %-14s not installed\n", kind_names[kind], contenders[i]->name);
                continue;
            }
            struct bench_versus result = bench_versus(library.rate[kind], contenders[i]->rate[kind], rounds);
            printf("%-8s %-14s %10.0f %10.0f %8.3f   %.3f to %.3f", kind_names[kind], contenders[i]->name, result.ours,
                   result.theirs, result.median_of_ratios, result.least, result.most);
            if (contenders[i] == &plain)
                printf("   at least %.2f: %s", targets[kind],
                       result.median_of_ratios >= targets[kind] ? "met" : "missed");
            printf("\n");
        }
}

int main(int argc, char **argv)
{
    bench_begin("Handshakes of TLS 1.3 for a second of the server's processor");
    long turns = bench_argument(argc, argv, 1, "turns a round", 15, 1, MAX_TURNS);
    long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    bench_make_certificate(&pem);
    for (int i = 0; i < CONTENDERS; ++i)
        start(contenders[i]);
    bench_pin(BENCH_CORE_CLIENT);
    for (long round = -1; round < rounds; ++round)
        for (enum kind kind = KIND_FULL; kind < KINDS; ++kind)
            take_turns(kind, turns, round);
    uint64_t failed = bench_ask(&library.server, HIJACK_STAT_TLS_FAILED);
    printf("%ld rounds of %ld turns of %d handshakes each, %d at a time; a round's figure is its median turn, the "
           "ratio is the\nmedian of the rounds' ratios. The library counts %llu failed handshakes.\n\n",
           rounds, turns, A_TURN, TOGETHER, (unsigned long long)failed);
    printf("%-8s %-14s %10s %10s %8s   least to most    target\n", "", "against", "library/s", "its/s", "ratio");
    report((size_t)rounds);
    for (int i = 0; i < CONTENDERS; ++i)
        if (!contenders[i]->missing)
            bench_end(&contenders[i]->server);
    return 0;
}
