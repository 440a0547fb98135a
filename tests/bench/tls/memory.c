/* SPDX-License-Identifier: MIT
 * Resident memory of an idle held connection over TLS: how much a server process grows from 1,000 to 19,000
 * connections, divided by 18,000. The client lives in this process and frees its own OpenSSL objects; the servers are
 * processes of their own.
 *
 *     tls/memory [connections [rounds]]
 *
 * The library holds SSE members; so does Go's net/http, if go/bench/hold was built. nginx, if it is installed, keeps
 * connections alive that have had an answer: it can hold nothing by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls.h"

#define FEW 1000 /* growth is counted from here */
#define BATCH 8  /* connections under way at a time: what OpenSSL needs for more of them would be counted */
#define SETTLE_NS 300000000

static struct bench_pem pem;

struct method {
    const char *name;
    int version;          /* of TLS; 0: in clear */
    const char *takeover; /* the library's option; NULL: another server */
    bool (*start)(struct bench_child *child, uint16_t *port);
    double target; /* 0: none */
    bool missing;
    double rss[BENCH_MAX_ROUNDS], pss[BENCH_MAX_ROUNDS], dirty[BENCH_MAX_ROUNDS];
};

static bool start_nginx(struct bench_child *child, uint16_t *port)
{
    return bench_nginx_start(child, port, &pem);
}

/* The library's process: answers with its port, and then, for each number, once it holds so many. */
static void serve(int fd, void *arg)
{
    const struct method *method = arg;
    struct bench_library library;
    struct bench_place place = {"127.0.0.1:0", NULL, NULL};
    uint64_t wanted;
    if (method->version != 0)
        place = (struct bench_place){"tls:127.0.0.1:0", pem.certificate, pem.key};
    const struct bench_option options[] = {{"threads", "1"}, {"tls_takeover", method->takeover}, {NULL, NULL}};
    bench_library_start_at(&library, &place, options, HIJACK_HOLD_SSE);
    while (bench_next(fd, &wanted)) {
        bench_library_wait(&library, HIJACK_STAT_HELD, wanted, false);
        bench_answer(fd, wanted == 0 ? library.port : wanted);
    }
}

static void open_in_clear(int *fds, int count, uint16_t port)
{
    char buffer[4096];
    for (int i = 0; i < count; ++i) {
        fds[i] = bench_connect(port);
        bench_send_all(fds[i], BENCH_REQUEST, strlen(BENCH_REQUEST));
        bench_receive_head(fds[i], buffer, sizeof buffer);
    }
}

static void open_some(const struct method *method, SSL_CTX *ctx, int *fds, int count, uint16_t port)
{
    SSL *ssls[BATCH];
    if (method->version == 0) {
        open_in_clear(fds, count, port);
        return;
    }
    bench_tls_open(ssls, count, ctx, port, NULL);
    for (int i = 0; i < count; ++i) {
        bench_tls_hold(ssls[i]);
        fds[i] = bench_tls_strip(ssls[i]);
    }
}

static struct bench_resident fill(const struct method *method, const struct bench_child *server, uint16_t port,
                                  int *fds, long open, long wanted)
{
    SSL_CTX *ctx = method->version == 0 ? NULL : bench_tls_client(method->version);
    while (open < wanted) {
        int count = (int)(wanted - open < BATCH ? wanted - open : BATCH);
        open_some(method, ctx, fds + open, count, port);
        open += count;
    }
    SSL_CTX_free(ctx);
    if (method->takeover != NULL)
        bench_ask(server, (uint64_t)wanted);
    bench_sleep(SETTLE_NS);
    return bench_resident(server->pid);
}

static void measure(struct method *method, int *fds, long connections, long round)
{
    struct bench_child server;
    uint16_t port;
    double more = (double)(connections - FEW);
    if (method->takeover != NULL) {
        server = bench_start(serve, method);
        port = (uint16_t)bench_ask(&server, 0);
    } else if (!method->start(&server, &port)) {
        method->missing = true;
        return;
    }
    struct bench_resident few = fill(method, &server, port, fds, 0, FEW);
    struct bench_resident many = fill(method, &server, port, fds, FEW, connections);
    for (long i = 0; i < connections; ++i)
        close(fds[i]);
    bench_end(&server);
    method->rss[round] = (many.rss - few.rss) / more;
    method->pss[round] = (many.pss - few.pss) / more;
    method->dirty[round] = (many.private_dirty - few.private_dirty) / more;
}

static void print_method(struct method *method, size_t rounds)
{
    if (method->missing) {
        printf("%-46s not installed, or not built\n", method->name);
        return;
    }
    double rss = bench_median(method->rss, rounds);
    printf("%-46s %8.1f %8.1f %14.1f", method->name, rss, bench_median(method->pss, rounds),
           bench_median(method->dirty, rounds));
    if (method->target != 0)
        printf("   at most %.0f: %s", method->target, rss <= method->target ? "met" : "missed");
    printf("\n");
}

int main(int argc, char **argv)
{
    static struct method methods[] = {
        {.name = "held, SSE, in clear", .takeover = "on", .target = 96},
        {.name = "held, SSE, TLS 1.3", .version = TLS1_3_VERSION, .takeover = "on", .target = 320},
        {.name = "held, SSE, TLS 1.3, tls_takeover off", .version = TLS1_3_VERSION, .takeover = "off"},
        {.name = "held, SSE, TLS 1.2", .version = TLS1_2_VERSION, .takeover = "on"},
        {.name = "nginx, kept alive, TLS 1.3", .version = TLS1_3_VERSION, .start = start_nginx},
        {.name = "Go's net/http, held, SSE, TLS 1.3", .version = TLS1_3_VERSION, .start = bench_go_start},
    };
    const size_t count = sizeof methods / sizeof methods[0];
    bench_begin("Memory over TLS: resident bytes per idle held connection");
    long connections = bench_argument(argc, argv, 1, "connections", 19000, FEW + 1, 1000000);
    long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    int *fds = calloc((size_t)connections, sizeof *fds);
    if (fds == NULL)
        bench_die("out of memory");
    bench_make_certificate(&pem);
    for (long round = 0; round < rounds; ++round)
        for (size_t i = 0; i < count; ++i)
            measure(&methods[i], fds, connections, round);
    free(fds);
    printf("AES-256-GCM. Growth from %d to %ld connections, divided by their number; median of %ld.\n\n", FEW,
           connections, rounds);
    printf("%-46s %8s %8s %14s   target\n", "", "RSS", "PSS", "private dirty");
    for (size_t i = 0; i < count; ++i)
        print_method(&methods[i], (size_t)rounds);
    return 0;
}
