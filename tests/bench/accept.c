/* SPDX-License-Identifier: MIT
 * Accept: connections a second until held, the library's held SSE route on one loop thread against a bare epoll server
 * that answers a fixed head of the same length; from none to 1,000 and to 10,000 in processes that have just started,
 * and again and again in processes that have had as many before.
 *
 *     accept [connections [rounds]]
 *
 * A process that has just started makes its table of descriptors and all its memory during the run, as a server does
 * that its clients come back to after a restart; the kernel doubles that table several times on the way.
 *
 * Three processes: the two servers on one core, taking turns, and the client, this process, on the other core. For each
 * connection the client connects, sends a request head and waits for the answer's head; 200 are under way at a time. It
 * closes them between the turns. A client costs more than a bare server, so the rate alone would hide what a server
 * takes: its processor time for a connection stands beside it. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define WINDOW 200
#define TURNS 6        /* of each server in a round: whatever else the machine does meets both */
#define FRESH_TURNS 11 /* of each server: each is a process of its own */
#define TARGET 0.90

/* Questions to both servers: 0 asks for the port, 1 waits until no connection is left. */
enum {
    ASK_PORT,
    ASK_EMPTY
};

static struct bench_bare_answer head; /* what the library answers; known before the bare server is forked */

static void serve_library(int fd, void *arg)
{
    struct bench_library library;
    uint64_t question;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    bench_library_start(&library, 1, HIJACK_HOLD_SSE);
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
    double wall_ns, server_ns;     /* of this round so far; server_ns is processor time */
    double rate[BENCH_MAX_ROUNDS]; /* connections a second */
    double cost[BENCH_MAX_ROUNDS]; /* processor time of the server, microseconds a connection */
    double busy[BENCH_MAX_ROUNDS]; /* the same as a share of the time that passed */
};

static void begin(struct contender *contender, void (*serve)(int fd, void *arg))
{
    contender->server = bench_start(serve, &head);
    contender->port = (uint16_t)bench_ask(&contender->server, ASK_PORT);
}

/* The head is small and comes in one piece, and the oldest connection is the first to be answered; so the client needs
 * no epoll of its own, and a window of blocking reads keeps it as cheap as it can be. */
static void turn(struct contender *contender, int *fds, long connections)
{
    char buffer[4096];
    uint64_t used = bench_processor_time(contender->server.pid), start = bench_now();
    for (long i = 0; i < connections + WINDOW; ++i) {
        if (i >= WINDOW)
            bench_receive_head(fds[i - WINDOW], buffer, sizeof buffer);
        if (i < connections) {
            fds[i] = bench_connect(contender->port);
            bench_send_all(fds[i], BENCH_REQUEST, strlen(BENCH_REQUEST));
        }
    }
    contender->wall_ns += (double)(bench_now() - start);
    contender->server_ns += (double)(bench_processor_time(contender->server.pid) - used);
    for (long i = 0; i < connections; ++i)
        close(fds[i]);
    bench_ask(&contender->server, ASK_EMPTY);
}

static void finish_round(struct contender *contender, double connections, long round)
{
    contender->rate[round] = connections * 1e9 / contender->wall_ns;
    contender->cost[round] = contender->server_ns / 1e3 / connections;
    contender->busy[round] = contender->server_ns / contender->wall_ns;
    contender->wall_ns = contender->server_ns = 0;
}

static void take_turns(struct contender *library, struct contender *bare, int *fds, long connections, long round)
{
    for (long i = 0; i < TURNS; ++i) {
        turn(i % 2 == 0 ? library : bare, fds, connections);
        turn(i % 2 == 0 ? bare : library, fds, connections);
    }
    finish_round(library, (double)(connections * TURNS), round);
    finish_round(bare, (double)(connections * TURNS), round);
}

static void learn_head(const struct contender *library)
{
    int fd = bench_connect(library->port);
    bench_send_all(fd, BENCH_REQUEST, strlen(BENCH_REQUEST));
    head.len = bench_receive_head(fd, head.data, sizeof head.data);
    close(fd);
    bench_ask(&library->server, ASK_EMPTY);
}

static void report(struct contender *library, struct contender *bare, size_t rounds)
{
    struct bench_versus rate = bench_versus(library->rate, bare->rate, rounds);
    struct bench_versus cost = bench_versus(bare->cost, library->cost, rounds);
    printf("%-24s %10s %10s %12s %16s   %-16s\n", "", "library", "bare", "of medians", "median of ratios",
           "least to most");
    printf("%-24s %10.0f %10.0f %12.3f %16.3f   %.3f to %.3f   at least %.2f: %s\n", "connections a second", rate.ours,
           rate.theirs, rate.of_medians, rate.median_of_ratios, rate.least, rate.most, TARGET,
           rate.median_of_ratios >= TARGET ? "met" : "missed");
    printf("%-24s %10.1f %10.1f %12.3f %16.3f   %.3f to %.3f\n", "server time each, us", cost.theirs, cost.ours,
           cost.of_medians, cost.median_of_ratios, cost.least, cost.most);
    printf("%-24s %9.0f%% %9.0f%%\n", "server's core in use", 100 * bench_median(library->busy, rounds),
           100 * bench_median(bare->busy, rounds));
}

/* ---- Processes that have just started. ---- */

/* One turn of a server that is started for it. The parent has a few descriptors open then: a child inherits a table
 * of the size that these need. */
static void fresh_turn(struct contender *contender, void (*serve)(int fd, void *arg), int *fds, long connections,
                       long round)
{
    bench_pin(BENCH_CORE_CLIENT);
    begin(contender, serve);
    turn(contender, fds, connections);
    finish_round(contender, (double)connections, round);
    bench_end(&contender->server);
}

static void fresh(int *fds, long connections)
{
    static struct contender library, bare;
    for (long round = 0; round < FRESH_TURNS; ++round) {
        if (round % 2 == 0)
            fresh_turn(&library, serve_library, fds, connections, round);
        fresh_turn(&bare, bench_bare_serve, fds, connections, round);
        if (round % 2 == 1)
            fresh_turn(&library, serve_library, fds, connections, round);
    }
    printf("From 0 to %ld connections, processes that have just started; %d of each.\n\n", connections, FRESH_TURNS);
    report(&library, &bare, FRESH_TURNS);
    printf("\n");
}

int main(int argc, char **argv)
{
    static const long fresh_connections[] = {1000, 10000};
    static struct contender library, bare;
    bench_begin("Accept: connections a second until held, one loop thread");
    long connections = bench_argument(argc, argv, 1, "connections", 5000, WINDOW, 19000);
    long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    int *fds = calloc((size_t)(connections < 10000 ? 10000 : connections), sizeof *fds);
    if (fds == NULL)
        bench_die("out of memory");
    begin(&library, serve_library);
    learn_head(&library);
    for (size_t i = 0; i < sizeof fresh_connections / sizeof *fresh_connections; ++i)
        fresh(fds, fresh_connections[i]);
    begin(&bare, bench_bare_serve);
    bench_pin(BENCH_CORE_CLIENT);

    take_turns(&library, &bare, fds, connections, 0); /* once without counting: both have all their memory then */
    for (long round = 0; round < rounds; ++round)
        take_turns(&library, &bare, fds, connections, round);
    printf(
        "%ld connections a turn, %d turns a round, %d under way; a request of %zu bytes, a head of %zu; median of %ld "
        "rounds.\n\n",
        connections, TURNS, WINDOW, strlen(BENCH_REQUEST), head.len, rounds);
    report(&library, &bare, (size_t)rounds);
    free(fds);
    bench_end(&library.server);
    bench_end(&bare.server);
    return 0;
}
