/* SPDX-License-Identifier: MIT
 * Requests over keep-alive connections: what one costs the server's processor over TLS 1.3, and in clear.
 *
 *     tls/requests [turns a round [rounds]]
 *
 * Each server is a process of its own with all its threads on one core. The client, this process, sends a request on
 * each of its connections and then reads the answers, which it checks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls.h"

#define CONNECTIONS 64
#define A_TURN 20 /* requests on each connection */
#define MAX_TURNS 1000

static struct bench_pem pem;

enum kind {
    KIND_GET,
    KIND_POST,
    KINDS
};

static const char *const kind_names[KINDS] = {"GET", "POST of 1 KiB"};
static char requests[KINDS][2048];

struct contender {
    const char *name;
    uint16_t (*start)(struct bench_served *served);
    bool tls;
    struct bench_child server;
    int fds[CONNECTIONS];
    SSL *ssls[CONNECTIONS];
    double rate[KINDS][BENCH_MAX_ROUNDS]; /* a second of processor time */
};

static uint16_t start_clear(struct bench_served *served)
{
    return bench_hello_start(served);
}

static uint16_t start_tls(struct bench_served *served)
{
    return bench_hello_start_at(served, &(struct bench_place){"tls:127.0.0.1:0", pem.certificate, pem.key});
}

static struct contender clear = {.name = "in clear", .start = start_clear};
static struct contender sealed = {.name = "TLS 1.3", .start = start_tls, .tls = true};
static struct contender *const contenders[] = {&clear, &sealed};
#define CONTENDERS (int)(sizeof contenders / sizeof *contenders)

static void serve(int fd, void *arg)
{
    bench_hello_answer(fd, ((const struct contender *)arg)->start);
}

static void open_connections(struct contender *contender, uint16_t port)
{
    SSL_CTX *ctx = bench_tls_client(TLS1_3_VERSION);
    if (contender->tls)
        bench_tls_open(contender->ssls, CONNECTIONS, ctx, port, NULL);
    for (int i = 0; !contender->tls && i < CONNECTIONS; ++i)
        contender->fds[i] = bench_connect(port);
    SSL_CTX_free(ctx);
}

static void receive_answer(const struct contender *contender, int i)
{
    static const char start[] = "HTTP/1.1 200 ", end[] = "\r\n\r\n" BENCH_HELLO;
    const size_t end_len = sizeof end - 1;
    char buffer[1024];
    size_t have = 0;
    while (have < end_len || memcmp(buffer + have - end_len, end, end_len) != 0) {
        ssize_t n = contender->tls ? (ssize_t)bench_tls_receive(contender->ssls[i], buffer + have, sizeof buffer - have)
                                   : recv(contender->fds[i], buffer + have, sizeof buffer - have, 0);
        if (n <= 0)
            bench_die("%s: no answer, or one that is too long", contender->name);
        have += (size_t)n;
    }
    if (memcmp(buffer, start, sizeof start - 1) != 0)
        bench_die("%s: an answer is not a 200", contender->name);
}

/* Requests a second of the server's processor. */
static double turn(const struct contender *contender, enum kind kind)
{
    const size_t len = strlen(requests[kind]);
    uint64_t used = bench_processor_time(contender->server.pid);
    for (int n = 0; n < A_TURN; ++n) {
        for (int i = 0; i < CONNECTIONS; ++i)
            if (contender->tls)
                bench_tls_send(contender->ssls[i], requests[kind], len);
            else
                bench_send_all(contender->fds[i], requests[kind], len);
        for (int i = 0; i < CONNECTIONS; ++i)
            receive_answer(contender, i);
    }
    return A_TURN * CONNECTIONS * 1e9 / (double)(bench_processor_time(contender->server.pid) - used);
}

/* round: -1 for one that does not count. */
static void take_turns(enum kind kind, long turns, long round)
{
    static double rates[CONTENDERS][MAX_TURNS];
    for (long at = 0; at < turns; ++at)
        for (int i = 0; i < CONTENDERS; ++i)
            rates[(at + i) % CONTENDERS][at] = turn(contenders[(at + i) % CONTENDERS], kind);
    for (int i = 0; round >= 0 && i < CONTENDERS; ++i)
        contenders[i]->rate[kind][round] = bench_median(rates[i], (size_t)turns);
}

int main(int argc, char **argv)
{
    bench_begin("Requests over TLS for a second of the server's processor");
    long turns = bench_argument(argc, argv, 1, "turns a round", 15, 1, MAX_TURNS);
    long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    char body[BENCH_BODY_BYTES + 1] = {0};
    memset(body, 'x', BENCH_BODY_BYTES);
    snprintf(requests[KIND_GET], sizeof requests[0], "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n");
    snprintf(requests[KIND_POST], sizeof requests[0],
             "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n%s", BENCH_BODY_BYTES,
             body);
    bench_make_certificate(&pem);
    for (int i = 0; i < CONTENDERS; ++i)
        contenders[i]->server = bench_start(serve, contenders[i]);
    bench_pin(BENCH_CORE_CLIENT);
    for (int i = 0; i < CONTENDERS; ++i)
        open_connections(contenders[i], (uint16_t)bench_ask(&contenders[i]->server, BENCH_ASK_PORT));
    for (long round = -1; round < rounds; ++round)
        for (enum kind kind = KIND_GET; kind < KINDS; ++kind)
            take_turns(kind, turns, round);
    printf("%d connections, AES-256-GCM; %ld rounds of %ld turns of %d requests each; a round's figure is its median "
           "turn,\nthe ratio the median of the rounds' ratios.\n\n",
           CONNECTIONS, rounds, turns, A_TURN * CONNECTIONS);
    printf("%-16s %12s %12s %8s   least to most\n", "", "TLS 1.3/s", "in clear/s", "ratio");
    for (enum kind kind = KIND_GET; kind < KINDS; ++kind) {
        struct bench_versus result = bench_versus(sealed.rate[kind], clear.rate[kind], (size_t)rounds);
        printf("%-16s %12.0f %12.0f %8.3f   %.3f to %.3f\n", kind_names[kind], result.ours, result.theirs,
               result.median_of_ratios, result.least, result.most);
    }
    for (int i = 0; i < CONTENDERS; ++i)
        bench_end(&contenders[i]->server);
    return 0;
}
