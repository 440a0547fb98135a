/* SPDX-License-Identifier: MIT
 * A storm of clients that return: each asks for a held SSE route with a Last-Event-ID and gets what it has missed from
 * the history, against a bare epoll server that accepts and sends as many bytes in one call. One loop thread.
 *
 *     returning [clients [messages behind [rounds]]]
 *     returning -p port [clients [messages behind]]
 *
 * The growth of the server's resident memory stands beside it: clients that are behind share the history.
 *
 * With a port it is one storm on the server of another program, which holds /sse and has published the messages. It
 * prints the rate of the bare server and its microseconds for each client, waits for a line, and prints the rate of the
 * storm; its clients stay until the end of stdin. */
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
#define REQUEST(path)                                                                                                  \
    "GET " path " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: text/event-stream\r\n"                 \
    "Last-Event-ID: e-0\r\n\r\n"

enum {
    ASK_PORT,
    ASK_EMPTY
};

static struct bench_bare_answer answer; /* the head, and all that was missed; what the bare server sends */
static const char *request = REQUEST("/held");
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

/* Returns how many clients a second were served. They stay. */
static double come_back(uint16_t port, int *fds, long clients)
{
    uint64_t start = bench_now();
    for (long i = 0; i < clients + WINDOW; ++i) {
        if (i >= WINDOW)
            receive(fds[i - WINDOW], answer.len);
        if (i < clients) {
            fds[i] = bench_connect(port);
            bench_send_all(fds[i], request, strlen(request));
        }
    }
    return (double)clients * 1e9 / (double)(bench_now() - start);
}

static void storm(struct contender *contender, int *fds, long clients, long round)
{
    double before = bench_resident(contender->server.pid).rss;
    uint64_t used = bench_processor_time(contender->server.pid);
    contender->rate[round] = come_back(contender->port, fds, clients);
    contender->cost[round] = (double)(bench_processor_time(contender->server.pid) - used) / 1e3 / (double)clients;
    contender->growth = bench_resident(contender->server.pid).rss - before;
    for (long i = 0; i < clients; ++i)
        close(fds[i]);
    bench_ask(&contender->server, ASK_EMPTY);
}

static void learn_answer(uint16_t port)
{
    char wanted[64];
    int fd = bench_connect(port);
    bench_send_all(fd, request, strlen(request));
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
}

static void start_bare(struct contender *bare)
{
    bare->server = bench_start(bench_bare_serve, &answer);
    bare->port = (uint16_t)bench_ask(&bare->server, ASK_PORT);
    bench_pin(BENCH_CORE_CLIENT);
}

/* One storm on the server of another program. */
static void drive(uint16_t port, int *fds, long clients)
{
    static struct contender bare;
    bench_choose_cores();
    request = REQUEST("/sse");
    learn_answer(port);
    start_bare(&bare);
    storm(&bare, fds, clients, 0); /* once without counting */
    storm(&bare, fds, clients, 0);
    bench_end(&bare.server);
    printf("%.0f %.1f\n", bare.rate[0], bare.cost[0]);
    fflush(stdout);
    if (getchar() != '\n')
        return;
    printf("%.0f\n", come_back(port, fds, clients));
    fflush(stdout);
    while (getchar() != EOF)
        ;
}

static void compare(int *fds, long clients, long rounds)
{
    static struct contender library, bare;
    library.server = bench_start(serve_library, NULL);
    library.port = (uint16_t)bench_ask(&library.server, ASK_PORT);
    learn_answer(library.port);
    bench_ask(&library.server, ASK_EMPTY);
    start_bare(&bare);
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
    bench_end(&library.server);
    bench_end(&bare.server);
}

int main(int argc, char **argv)
{
    bool other = argc > 1 && strcmp(argv[1], "-p") == 0;
    int first = other ? 3 : 1;
    if (!other)
        bench_begin("Returning: clients a second that get what they have missed, one loop thread");
    else if (argc < 3)
        bench_die("usage: returning -p port [clients [messages behind]]");
    long clients = bench_argument(argc, argv, first, "clients", 9000, WINDOW, 19000);
    behind = bench_argument(argc, argv, first + 1, "messages behind", 100, 1, 5000);
    int *fds = calloc((size_t)clients, sizeof *fds);
    if (fds == NULL)
        bench_die("out of memory");
    if (other)
        drive((uint16_t)bench_argument(argc, argv, 2, "port", 0, 1, 65535), fds, clients);
    else
        compare(fds, clients, bench_argument(argc, argv, 3, "rounds", 5, 1, BENCH_MAX_ROUNDS));
    free(fds);
    return 0;
}
