/* SPDX-License-Identifier: MIT
 * Pour: what a good client notices of eight that send a head, or a body's chunk extensions or trailers, without end.
 *
 *     pour [milliseconds a turn [rounds]]
 *
 * Three processes: a server of the library on one core, with one loop thread and one polling thread; on the other core
 * the good client, this process, and the eight. The good client sends one GET at a time; turns with and without the
 * eight alternate. The eight run only when the good client leaves them its core (SCHED_IDLE), so that what it waits for
 * is the server. Each of them sends as fast as the server takes it; one that is refused comes again 10 ms later.
 *
 * Before that, one connection sends in small pieces, with time for an answer after each: so much does the server take
 * before it refuses. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define POURING 8
#define PAUSE_NS 10000000u
#define PIECE 1024        /* of the connection that finds out how much is taken */
#define MOST (512 * 1024) /* that it sends; still no answer then: not refused */
#define PATIENCE_MS 2     /* for an answer after each piece; a server that has nothing else to do needs 0.1 */
#define SOME_KIB 64
#define TARGET_P99 2.0

#define HEAD "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"

/* What is poured: begin once, then again over and over. The head is there to compare with: each server bounds that. */
struct liquid {
    const char *name, *begin, *again;
};

static const struct liquid liquids[] = {
    {"a head", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"one extension", HEAD "1;a=", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"an extension a chunk", HEAD, "1;a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n"},
    {"one trailer", HEAD "1\r\nx\r\n0\r\nA: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"many trailers", HEAD "1\r\nx\r\n0\r\n", "A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"},
};
#define LIQUIDS (sizeof liquids / sizeof *liquids)

static uint16_t port;

/* ---- The eight. A question is the number of a liquid plus one, to begin, or 0, to end: answered with the bytes that
 * were taken and with how many connections were refused. ---- */

struct pourer {
    int fd; /* -1: refused, comes again at the time due */
    bool begun;
    size_t at; /* in the stock */
    uint64_t due;
};

/* Much of a liquid, so that a send is large. */
struct stock {
    char data[65536];
    size_t len;    /* a multiple of period */
    size_t period; /* of what repeats */
};

struct tally {
    uint64_t bytes, refused;
};

static void fill(struct stock *stock, const struct liquid *liquid)
{
    stock->period = strlen(liquid->again);
    for (stock->len = 0; stock->len + stock->period <= sizeof stock->data; stock->len += stock->period)
        memcpy(stock->data + stock->len, liquid->again, stock->period);
}

static void refused(struct pourer *pourer, struct tally *tally)
{
    close(pourer->fd);
    pourer->fd = -1;
    pourer->due = bench_now() + PAUSE_NS;
    ++tally->refused;
}

/* Returns false if the server takes no more for now, or has refused. */
static bool pour(struct pourer *pourer, const struct liquid *liquid, const struct stock *stock, struct tally *tally)
{
    char answer[512];
    if (pourer->fd < 0 && bench_now() < pourer->due)
        return false;
    if (pourer->fd < 0) {
        *pourer = (struct pourer){.fd = bench_connect(port)};
        bench_send_all(pourer->fd, liquid->begin, strlen(liquid->begin));
    }
    if (recv(pourer->fd, answer, sizeof answer, MSG_DONTWAIT) >= 0 || errno != EAGAIN) {
        refused(pourer, tally);
        return false;
    }
    ssize_t n = send(pourer->fd, stock->data + pourer->at, stock->len - pourer->at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        refused(pourer, tally);
    if (n <= 0)
        return false;
    tally->bytes += (uint64_t)n;
    pourer->at = (pourer->at + (size_t)n) % stock->period;
    return true;
}

/* Until the parent asks for the end: waits for it, or for room in one of the connections, at most a millisecond. */
static bool wait_for_room(int fd, const struct pourer *pourers, bool room)
{
    struct pollfd polled[POURING + 1] = {{.fd = fd, .events = POLLIN}};
    for (int i = 0; i < POURING; ++i)
        polled[i + 1] = (struct pollfd){.fd = pourers[i].fd, .events = POLLOUT | POLLIN};
    poll(polled, POURING + 1, room ? 0 : 1);
    return polled[0].revents == 0;
}

static struct tally pour_until_asked(int fd, const struct liquid *liquid)
{
    static struct stock stock;
    struct pourer pourers[POURING];
    struct tally tally = {0};
    bool room;
    fill(&stock, liquid);
    for (int i = 0; i < POURING; ++i)
        pourers[i] = (struct pourer){.fd = -1};
    do {
        room = false;
        for (int i = 0; i < POURING; ++i)
            room = pour(&pourers[i], liquid, &stock, &tally) || room;
    } while (wait_for_room(fd, pourers, room));
    for (int i = 0; i < POURING; ++i)
        if (pourers[i].fd >= 0)
            close(pourers[i].fd);
    return tally;
}

static void run_pourers(int fd, void *arg)
{
    struct sched_param none = {0};
    uint64_t question;
    (void)arg;
    bench_pin(BENCH_CORE_CLIENT);
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0)
        bench_die("sched_setscheduler to SCHED_IDLE: %s", strerror(errno));
    while (bench_next(fd, &question)) {
        bench_answer(fd, 0);
        struct tally tally = pour_until_asked(fd, &liquids[question - 1]);
        if (!bench_next(fd, &question))
            return;
        bench_answer(fd, tally.bytes);
        bench_answer(fd, tally.refused);
    }
}

/* ---- How much is taken before an answer comes. ---- */

struct refusal {
    size_t bytes;    /* MOST: not refused */
    char status[16]; /* of the answer */
};

static struct refusal find_refusal(const struct liquid *liquid)
{
    struct refusal out = {.status = "none"};
    struct stock stock;
    char answer[512];
    int fd = bench_connect(port);
    fill(&stock, liquid);
    bench_send_all(fd, liquid->begin, strlen(liquid->begin));
    for (size_t at = 0; out.bytes < MOST; at = (at + PIECE) % stock.period) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        if (send(fd, stock.data + at, PIECE, MSG_NOSIGNAL) != PIECE)
            break;
        out.bytes += PIECE;
        if (poll(&polled, 1, PATIENCE_MS) == 0)
            continue;
        ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
        answer[n > 0 ? n : 0] = '\0';
        if (sscanf(answer, "HTTP/1.1 %15s", out.status) != 1)
            snprintf(out.status, sizeof out.status, "closed");
        break;
    }
    close(fd);
    return out;
}

/* ---- The good client. ---- */

struct round {
    double p50, p99, rate;
};

static struct round be_good(uint64_t ns)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct bench_load load = {
        .port = port, .connections = 1, .ns = ns, .request = request, .request_len = sizeof request - 1};
    struct bench_load_result result = bench_load(&load);
    return (struct round){.p50 = result.p50, .p99 = result.p99, .rate = result.rate};
}

struct series {
    double p50[BENCH_MAX_ROUNDS], p99[BENCH_MAX_ROUNDS], ratio[BENCH_MAX_ROUNDS];
};

static void add(struct series *series, long at, struct round round)
{
    series->p50[at] = round.p50;
    series->p99[at] = round.p99;
}

static void measure(size_t which, const struct bench_child *server, const struct bench_child *pourers, uint64_t ns,
                    long rounds)
{
    static struct series alone, among;
    struct tally tally = {0};
    struct refusal refusal = find_refusal(&liquids[which]);
    double before = bench_resident(server->pid).rss, most = before;
    for (long i = 0; i < rounds; ++i) {
        add(&alone, i, be_good(ns));
        bench_ask(pourers, which + 1);
        add(&among, i, be_good(ns));
        tally.bytes += bench_ask(pourers, 0);
        tally.refused += bench_hear(pourers);
        double now = bench_resident(server->pid).rss;
        most = now > most ? now : most;
    }
    double ratio = bench_versus(among.p99, alone.p99, (size_t)rounds).median_of_ratios;
    bool good = refusal.bytes <= (size_t)SOME_KIB * 1024 && ratio <= TARGET_P99;
    printf("%-22s %5s%4zu KiB %6s %7.0f %7.0f %8.0f %8.0f %8.2f %9.1f %9llu %8.1f   %s\n", liquids[which].name,
           refusal.bytes < MOST ? "" : "over ", refusal.bytes / 1024, refusal.status,
           bench_median(alone.p50, (size_t)rounds), bench_median(among.p50, (size_t)rounds),
           bench_median(alone.p99, (size_t)rounds), bench_median(among.p99, (size_t)rounds), ratio,
           (double)tally.bytes / 1e6, (unsigned long long)tally.refused, (most - before) / (1 << 20),
           good ? "met" : "missed");
}

static void serve(int fd, void *arg)
{
    (void)arg;
    bench_hello_answer(fd, bench_hello_start);
}

int main(int argc, char **argv)
{
    bench_begin("Pour: a good client beside eight that send without end");
    long ms = bench_argument(argc, argv, 1, "milliseconds a turn", 300, 10, 10000);
    long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    struct bench_child server = bench_start(serve, NULL);
    port = (uint16_t)bench_ask(&server, BENCH_ASK_PORT);
    struct bench_child pourers = bench_start(run_pourers, NULL);
    bench_pin(BENCH_CORE_CLIENT);
    printf("%ld rounds of a turn of %ld ms alone and one with the eight; microseconds, medians of the rounds. Targets: "
           "refused\nwithin %d KiB, and a p99 of at most %.0f times that alone.\n\n",
           rounds, ms, SOME_KIB, TARGET_P99);
    printf("%-22s %12s %7s %7s %7s %8s %8s %8s %9s %9s %8s\n", "poured", "taken", "answer", "p50", "p50", "p99", "p99",
           "ratio", "MB", "refused", "server");
    printf("%-22s %12s %7s %7s %7s %8s %8s %8s %9s %9s %8s\n", "", "before", "", "alone", "with", "alone", "with", "",
           "poured", "", "MiB more");
    for (size_t i = 0; i < LIQUIDS; ++i)
        measure(i, &server, &pourers, (uint64_t)ms * 1000000, rounds);
    bench_end(&pourers);
    bench_end(&server);
    return 0;
}
