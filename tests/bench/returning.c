/* SPDX-License-Identifier: MIT
 * A storm of clients that return: each asks for a held SSE route with a Last-Event-ID and gets what it has missed from
 * the history, against a bare epoll server that accepts and sends as many bytes in one call. One loop thread.
 *
 *     returning [clients [messages behind [rounds]]]
 *
 * The growth of the server's resident memory stands beside it: clients that are behind share the history. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define WINDOW 200
#define PAYLOAD 64
#define TARGET 0.8
#define REQUEST                                                                                                        \
    "GET /held HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: text/event-stream\r\n"                    \
    "Last-Event-ID: e-0\r\n\r\n"

enum {
    ASK_PORT,
    ASK_EMPTY
};

static struct bench_bare_answer answer; /* the head, and all that was missed; what the bare server sends */
static long behind;

static void publish(hijack_broadcaster *members, long count)
{
    char text[PAYLOAD];
    memset(text, 'x', sizeof text);
    for (long i = 0; i < count; ++i)
        bench_check(hijack_broadcaster_publish(members, HIJACK_MESSAGE_TEXT, text, sizeof text), "publish");
}

static void serve_library(int fd, void *arg)
{
    struct bench_library library;
    uint64_t question;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    bench_library_start(&library, 1, HIJACK_HOLD_SSE);
    bench_check(hijack_broadcaster_set(library.members, HIJACK_STR("history_position"), HIJACK_STR("e-0")), "option");
    bench_check(hijack_broadcaster_set(library.members, HIJACK_STR("history_messages"), HIJACK_STR("100000")),
                "option");
    publish(library.members, behind);
    bench_pin(BENCH_CORE_CLIENT);
    while (bench_next(fd, &question)) {
        if (question == ASK_EMPTY)
            bench_library_wait(&library, HIJACK_STAT_CONNECTIONS, 0, true);
        bench_answer(fd, library.port);
    }
}

/* ---- The client. ---- */

struct contender {
    struct bench_child server;
    uint16_t port;
    double rate[BENCH_MAX_ROUNDS], cost[BENCH_MAX_ROUNDS];
    double growth; /* of resident memory in the last storm */
};

static void receive(int fd, size_t len)
{
    static char buffer[65536];
    while (len != 0) {
        ssize_t n = recv(fd, buffer, len < sizeof buffer ? len : sizeof buffer, 0);
        if (n <= 0)
            bench_die("an answer ended %zu bytes early", len);
        len -= (size_t)n;
    }
}

static void storm(struct contender *contender, int *fds, long clients, long round)
{
    double before = bench_resident(contender->server.pid).rss;
    uint64_t used = bench_processor_time(contender->server.pid), start = bench_now();
    for (long i = 0; i < clients + WINDOW; ++i) {
        if (i >= WINDOW)
            receive(fds[i - WINDOW], answer.len);
        if (i < clients) {
            fds[i] = bench_connect(contender->port);
            bench_send_all(fds[i], REQUEST, strlen(REQUEST));
        }
    }
    contender->rate[round] = (double)clients * 1e9 / (double)(bench_now() - start);
    contender->cost[round] = (double)(bench_processor_time(contender->server.pid) - used) / 1e3 / (double)clients;
    contender->growth = bench_resident(contender->server.pid).rss - before;
    for (long i = 0; i < clients; ++i)
        close(fds[i]);
    bench_ask(&contender->server, ASK_EMPTY);
}

static void learn_answer(const struct contender *library)
{
    char wanted[64];
    int fd = bench_connect(library->port);
    bench_send_all(fd, REQUEST, strlen(REQUEST));
    snprintf(wanted, sizeof wanted, "e-%ld\ndata: ", behind);
    const size_t tail = strlen(wanted) + PAYLOAD + 4; /* two line ends of the event, and that of the chunk */
    for (const char *at = NULL; at == NULL || (size_t)(answer.data + answer.len - at) < tail;) {
        ssize_t n = recv(fd, answer.data + answer.len, sizeof answer.data - answer.len, 0);
        if (n <= 0)
            bench_die("the first answer ended early");
        answer.len += (size_t)n;
        at = memmem(answer.data, answer.len, wanted, strlen(wanted));
    }
    close(fd);
    bench_ask(&library->server, ASK_EMPTY);
}

int main(int argc, char **argv)
{
    static struct contender library, bare;
    bench_begin("Returning: clients a second that get what they have missed, one loop thread");
    long clients = bench_argument(argc, argv, 1, "clients", 9000, WINDOW, 19000);
    behind = bench_argument(argc, argv, 2, "messages behind", 100, 1, 5000);
    long rounds = bench_argument(argc, argv, 3, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    int *fds = calloc((size_t)clients, sizeof *fds);
    if (fds == NULL)
        bench_die("out of memory");
    library.server = bench_start(serve_library, NULL);
    library.port = (uint16_t)bench_ask(&library.server, ASK_PORT);
    learn_answer(&library);
    bare.server = bench_start(bench_bare_serve, &answer);
    bare.port = (uint16_t)bench_ask(&bare.server, ASK_PORT);
    bench_pin(BENCH_CORE_CLIENT);
    storm(&library, fds, clients, 0); /* once without counting */
    storm(&bare, fds, clients, 0);
    for (long round = 0; round < rounds; ++round) {
        storm(round % 2 == 0 ? &library : &bare, fds, clients, round);
        storm(round % 2 == 0 ? &bare : &library, fds, clients, round);
    }
    printf("%ld clients in a storm, %d under way, each %ld messages of %d bytes behind: %zu bytes; median of %ld "
           "rounds.\n\n",
           clients, WINDOW, behind, PAYLOAD, answer.len, rounds);
    struct bench_versus rate = bench_versus(library.rate, bare.rate, (size_t)rounds);
    struct bench_versus cost = bench_versus(bare.cost, library.cost, (size_t)rounds);
    printf("%-24s %10s %10s %16s   %-16s\n", "", "library", "bare", "median of ratios", "least to most");
    printf("%-24s %10.0f %10.0f %16.3f   %.3f to %.3f   at least %.1f: %s\n", "clients a second", rate.ours,
           rate.theirs, rate.median_of_ratios, rate.least, rate.most, TARGET,
           rate.median_of_ratios >= TARGET ? "met" : "missed");
    printf("%-24s %10.1f %10.1f %16.3f   %.3f to %.3f\n", "server time each, us", cost.theirs, cost.ours,
           cost.median_of_ratios, cost.least, cost.most);
    printf("%-24s %10.0f %10.0f\n", "memory each, bytes", library.growth / (double)clients,
           bare.growth / (double)clients);
    free(fds);
    bench_end(&library.server);
    bench_end(&bare.server);
    return 0;
}
