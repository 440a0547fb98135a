/* SPDX-License-Identifier: MIT
 * Certificates replaced under load: the server gets a new one, again and again, while clients make handshakes. None may
 * fail, and memory must not grow.
 *
 *     tls/reload [reloads]
 */
#include <stdio.h>
#include <string.h>

#include "tls.h"

#define TOGETHER 8 /* handshakes in the time of a reload */
#define FEW 100    /* reloads, after which growth is counted */
#define TARGET_KIB 256

static struct bench_pem pems[2];
static uint16_t port;

/* Question 0: how many handshakes were counted as failed. Others: the next certificate, answered with 0. */
static void serve(int fd, void *arg)
{
    const struct bench_place place = {"tls:127.0.0.1:0", pems[0].certificate, pems[0].key};
    const struct bench_option options[] = {{"threads", "1"}, {NULL, NULL}};
    struct bench_library library;
    uint64_t question, turn = 0;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    bench_library_start_at(&library, &place, options, HIJACK_HOLD_SSE);
    bench_answer(fd, library.port);
    while (bench_next(fd, &question)) {
        const struct bench_pem *pem = &pems[++turn % 2];
        if (question == 0) {
            bench_answer(fd, bench_library_stat(&library, HIJACK_STAT_TLS_FAILED));
            continue;
        }
        bench_check(hijack_server_certificate(library.server, pem->certificate, strlen(pem->certificate), pem->key,
                                              strlen(pem->key), NULL, 0),
                    "hijack_server_certificate");
        bench_answer(fd, 0);
    }
}

/* A question is answered twice: before some handshakes, and after them. One that fails ends the program. */
static void shake_hands(int fd, void *arg)
{
    SSL *ssls[TOGETHER];
    uint64_t question;
    SSL_CTX *ctx = bench_tls_client(TLS1_3_VERSION);
    (void)arg;
    bench_pin(BENCH_CORE_CLIENT);
    while (bench_next(fd, &question)) {
        bench_answer(fd, 0);
        bench_tls_open(ssls, TOGETHER, ctx, port, NULL);
        for (int i = 0; i < TOGETHER; ++i) {
            bench_tls_hold(ssls[i]);
            bench_tls_close(ssls[i]);
        }
        bench_answer(fd, TOGETHER);
    }
}

int main(int argc, char **argv)
{
    uint64_t handshakes = 0;
    double few = 0;
    bench_begin("Certificates replaced under load");
    long reloads = bench_argument(argc, argv, 1, "reloads", 1000, FEW + 1, 1000000);
    bench_make_certificate(&pems[0]);
    bench_make_certificate(&pems[1]);
    struct bench_child server = bench_start(serve, NULL);
    port = (uint16_t)bench_hear(&server);
    struct bench_child client = bench_start(shake_hands, NULL);
    for (long i = 0; i < reloads; ++i) {
        if (i == FEW)
            few = bench_resident(server.pid).rss;
        bench_ask(&client, 1);
        bench_ask(&server, 1);
        handshakes += bench_hear(&client);
    }
    double growth = (bench_resident(server.pid).rss - few) / 1024;
    uint64_t failed = bench_ask(&server, 0);
    printf("%ld reloads, %llu handshakes each with a request, %llu failed (none may: %s).\n", reloads,
           (unsigned long long)handshakes, (unsigned long long)failed, failed == 0 ? "met" : "missed");
    printf("Resident memory after %d reloads: %.0f KiB; from there to the end it grew by %.0f KiB (at most %d: %s).\n",
           FEW, few / 1024, growth, TARGET_KIB, growth <= TARGET_KIB ? "met" : "missed");
    bench_end(&client);
    bench_end(&server);
    return 0;
}
