/* SPDX-License-Identifier: MIT
 * Requests: answers a second over keep-alive connections, the library (one loop thread, one polling thread) against
 * plain libh2o and against a bare epoll server, and requests with a body against those without.
 *
 *     requests [-r rounds] [-t milliseconds a turn] [-c connections]
 *     requests -p port [-t milliseconds] [-c connections] [-k get | length | chunked]
 *
 * Each server is a process of its own, with all its threads on one core. The client, this process, is on the other core
 * and has one request under way on each connection; the servers take turns. It checks every answer, and at the end
 * compares the number of requests and of whole bodies that each server counted with what was sent. The bare server
 * answers a fixed text to what it read, unparsed: the most that this client and this kernel can do.
 *
 * With a port it puts load on the server of another program for one turn and prints one line of numbers. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#ifdef BENCH_H2O
#include "h2o/h2o_hello.h"
#endif

#define TARGET_H2O 0.80
#define TARGET_BODY 0.70
#define SHARE 0.80 /* of its core; a server that had less is not judged: something else on the machine had it */

/* ---- What is asked for. ---- */

enum kind {
    KIND_GET,
    KIND_LENGTH,
    KIND_CHUNKED,
    KINDS
};

#define FIELDS " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: */*\r\n"

static const char *const kind_names[KINDS] = {"get", "length", "chunked"};
static const char *const kind_titles[KINDS] = {"GET", "POST of 1 KiB, with length", "POST of 1 KiB, chunked"};

struct request {
    char text[2048];
    size_t len;
};

static struct request requests[KINDS];

static void make_requests(void)
{
    char body[BENCH_BODY_BYTES + 1];
    memset(body, 'x', BENCH_BODY_BYTES);
    body[BENCH_BODY_BYTES] = '\0';
    snprintf(requests[KIND_GET].text, sizeof requests[0].text, "GET /" FIELDS "\r\n");
    snprintf(requests[KIND_LENGTH].text, sizeof requests[0].text, "POST /" FIELDS "Content-Length: %d\r\n\r\n%s",
             BENCH_BODY_BYTES, body);
    snprintf(requests[KIND_CHUNKED].text, sizeof requests[0].text,
             "POST /" FIELDS "Transfer-Encoding: chunked\r\n\r\n%x\r\n%.*s\r\n%x\r\n%.*s\r\n0\r\n\r\n",
             BENCH_BODY_BYTES / 2, BENCH_BODY_BYTES / 2, body, BENCH_BODY_BYTES / 2, BENCH_BODY_BYTES / 2, body);
    for (int kind = 0; kind < KINDS; ++kind)
        requests[kind].len = strlen(requests[kind].text);
}

struct settings {
    int rounds, connections;
    uint64_t ns;
    uint16_t port;
    enum kind kind;
};

static struct bench_load_result load(const struct settings *settings, uint16_t port, enum kind kind)
{
    struct bench_load what = {.port = port,
                              .connections = settings->connections,
                              .ns = settings->ns,
                              .request = requests[kind].text,
                              .request_len = requests[kind].len};
    return bench_load(&what);
}

/* ---- The bare server: it takes each read for one GET. ---- */

struct bare {
    int epoll, listener;
    struct bench_served *served;
};

static void bare_accept(const struct bare *bare)
{
    int fd = bench_accept(bare->listener);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(bare->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void bare_readable(const struct bare *bare, int fd)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello";
    char buffer[4096];
    if (recv(fd, buffer, sizeof buffer, 0) <= 0) {
        close(fd);
        return;
    }
    atomic_fetch_add_explicit(&bare->served->requests, 1, memory_order_relaxed);
    bench_send_all(fd, answer, sizeof answer - 1);
}

static void *bare_run(void *arg)
{
    const struct bare *bare = arg;
    struct epoll_event events[64];
    for (;;) {
        int n = epoll_wait(bare->epoll, events, 64, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.fd == bare->listener)
                bare_accept(bare);
            else
                bare_readable(bare, events[i].data.fd);
        }
    }
    return NULL;
}

static uint16_t bare_start(struct bench_served *served)
{
    static struct bare bare;
    uint16_t port;
    pthread_t thread;
    bare = (struct bare){.epoll = epoll_create1(EPOLL_CLOEXEC), .listener = bench_listen(&port), .served = served};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = bare.listener};
    if (bare.epoll < 0 || epoll_ctl(bare.epoll, EPOLL_CTL_ADD, bare.listener, &event) != 0)
        bench_die("epoll: %s", strerror(errno));
    if (pthread_create(&thread, NULL, bare_run, &bare) != 0)
        bench_die("pthread_create failed");
    return port;
}

/* ---- The contenders. ---- */

struct contender {
    const char *name;
    uint16_t (*start)(struct bench_served *served);
    enum kind kinds; /* it serves those before this one */
    struct bench_child server;
    uint16_t port;
    uint64_t requests, bodies; /* that the client sent */
    double rate[KINDS][BENCH_MAX_ROUNDS];
    double cost[KINDS][BENCH_MAX_ROUNDS];  /* processor time of the server, microseconds a request */
    double share[KINDS][BENCH_MAX_ROUNDS]; /* of its core that the server had */
    double p99[KINDS][BENCH_MAX_ROUNDS];
};

static struct contender library = {.name = "library", .start = bench_hello_start, .kinds = KINDS};
static struct contender bare = {.name = "bare epoll", .start = bare_start, .kinds = KIND_LENGTH};
#ifdef BENCH_H2O
static struct contender h2o = {.name = "libh2o", .start = h2o_hello_start, .kinds = KINDS};
static struct contender *const contenders[] = {&library, &h2o, &bare};
#else
static struct contender *const contenders[] = {&library, &bare};
#endif
#define CONTENDERS (int)(sizeof contenders / sizeof *contenders)

static void serve(int fd, void *arg)
{
    const struct contender *contender = arg;
    bench_hello_answer(fd, contender->start);
}

/* round: -1 for one that does not count. */
static void turn(struct contender *contender, const struct settings *settings, enum kind kind, int round)
{
    uint64_t used = bench_processor_time(contender->server.pid), start = bench_now();
    struct bench_load_result result = load(settings, contender->port, kind);
    uint64_t passed = bench_now() - start;
    used = bench_processor_time(contender->server.pid) - used;
    if (result.reopened > 0)
        bench_die("%s: %llu connections were not kept alive", contender->name, (unsigned long long)result.reopened);
    contender->requests += result.requests;
    contender->bodies += kind == KIND_GET ? 0 : result.requests;
    if (round < 0)
        return;
    contender->rate[kind][round] = result.rate;
    contender->cost[kind][round] = (double)used / 1e3 / (double)result.requests;
    contender->share[kind][round] = (double)used / (double)passed;
    contender->p99[kind][round] = result.p99;
}

static void take_turns(const struct settings *settings, int round)
{
    for (enum kind kind = KIND_GET; kind < KINDS; ++kind) {
        for (int i = 0; i < CONTENDERS; ++i) {
            struct contender *contender = contenders[(i + round + 1) % CONTENDERS];
            if (kind < contender->kinds)
                turn(contender, settings, kind, round);
        }
    }
}

/* Each request has reached the server exactly once, with its body. */
static void check_counts(const struct contender *contender)
{
    uint64_t served = bench_ask(&contender->server, BENCH_ASK_REQUESTS);
    uint64_t bodies = bench_ask(&contender->server, BENCH_ASK_BODIES);
    if (served != contender->requests || bodies != contender->bodies)
        bench_die("%s: %llu requests were answered and %llu bodies sent, the server counted %llu and %llu",
                  contender->name, (unsigned long long)contender->requests, (unsigned long long)contender->bodies,
                  (unsigned long long)served, (unsigned long long)bodies);
}

/* ---- The report. ---- */

static void print_contender(struct contender *contender, size_t rounds)
{
    for (enum kind kind = KIND_GET; kind < contender->kinds; ++kind)
        printf("%-12s %-28s %12.0f %12.2f %7.0f%% %12.0f\n", contender->name, kind_titles[kind],
               bench_median(contender->rate[kind], rounds), bench_median(contender->cost[kind], rounds),
               100 * bench_median(contender->share[kind], rounds), bench_median(contender->p99[kind], rounds));
}

struct series {
    struct contender *contender;
    enum kind kind;
};

static bool had_no_core(struct series series, size_t rounds)
{
    double copy[BENCH_MAX_ROUNDS];
    memcpy(copy, series.contender->share[series.kind], sizeof copy);
    return bench_median(copy, rounds) < SHARE;
}

/* target 0: none. */
static void print_ratio(struct series ours, struct series theirs, size_t rounds, double target)
{
    char title[80];
    struct bench_versus rate =
        bench_versus(ours.contender->rate[ours.kind], theirs.contender->rate[theirs.kind], rounds);
    struct bench_versus cost =
        bench_versus(theirs.contender->cost[theirs.kind], ours.contender->cost[ours.kind], rounds);
    if (ours.kind == theirs.kind)
        snprintf(title, sizeof title, "%s: %s / %s", kind_titles[ours.kind], ours.contender->name,
                 theirs.contender->name);
    else
        snprintf(title, sizeof title, "%s: %s / %s", ours.contender->name, kind_titles[ours.kind],
                 kind_titles[theirs.kind]);
    printf("%-52s %6.3f  (%.3f to %.3f) %13.3f", title, rate.median_of_ratios, rate.least, rate.most,
           cost.median_of_ratios);
    bool met = rate.median_of_ratios >= target && cost.median_of_ratios >= target;
    if (target > 0)
        printf("   at least %.2f: %s", target,
               had_no_core(ours, rounds) || had_no_core(theirs, rounds) ? "not judged"
               : met                                                    ? "met"
                                                                        : "missed");
    printf("\n");
}

/* Ratios first: the medians of print_contender sort the rounds. */
static void report(size_t rounds)
{
    printf("%-52s %6s %18s %14s\n", "", "ratio", "least, most", "by time");
#ifdef BENCH_H2O
    for (enum kind kind = KIND_GET; kind < KINDS; ++kind)
        print_ratio((struct series){&library, kind}, (struct series){&h2o, kind}, rounds,
                    kind == KIND_GET ? TARGET_H2O : 0);
#else
    printf("(This build has no libh2o to compare with.)\n");
#endif
    print_ratio((struct series){&library, KIND_GET}, (struct series){&bare, KIND_GET}, rounds, 0);
    for (int i = 0; i < CONTENDERS; ++i)
        for (enum kind kind = KIND_LENGTH; kind < contenders[i]->kinds; ++kind)
            print_ratio((struct series){contenders[i], kind}, (struct series){contenders[i], KIND_GET}, rounds,
                        contenders[i] == &library ? TARGET_BODY : 0);
    printf("\n%-12s %-28s %12s %12s %8s %12s\n", "", "", "answers/s", "server us", "core", "p99 us");
    for (int i = 0; i < CONTENDERS; ++i)
        print_contender(contenders[i], rounds);
    puts("\nRatio: the median of the rounds' ratios of answers/s, with the least and the most of them. By time: the "
         "same\n"
         "of the processor time that all threads of the server took for a request (server us). Core: how much of its\n"
         "core the server had; below 80% something else on the machine set the pace, and nothing is judged. A target\n"
         "is met when both ratios meet it.");
}

static void compare(const struct settings *settings)
{
    bench_begin("Requests: answers a second, one core for the server");
    for (int i = 0; i < CONTENDERS; ++i) {
        contenders[i]->server = bench_start(serve, contenders[i]);
        contenders[i]->port = (uint16_t)bench_ask(&contenders[i]->server, BENCH_ASK_PORT);
    }
    bench_pin(BENCH_CORE_CLIENT);
    for (int round = -1; round < settings->rounds; ++round)
        take_turns(settings, round);
    printf("%d connections, %d rounds of one turn of %llu ms each; a GET of %zu bytes.\n\n", settings->connections,
           settings->rounds, (unsigned long long)(settings->ns / 1000000), requests[KIND_GET].len);
    for (int i = 0; i < CONTENDERS; ++i)
        check_counts(contenders[i]);
    report((size_t)settings->rounds);
    for (int i = 0; i < CONTENDERS; ++i)
        bench_end(&contenders[i]->server);
}

static void drive(const struct settings *settings)
{
    bench_choose_cores();
    bench_pin(BENCH_CORE_CLIENT);
    struct bench_load_result result = load(settings, settings->port, settings->kind);
    printf("requests %llu answers %llu rate %.0f bytes %llu reopened %llu p50_us %.1f p99_us %.1f\n",
           (unsigned long long)result.requests, (unsigned long long)result.answers, result.rate,
           (unsigned long long)result.bytes, (unsigned long long)result.reopened, result.p50, result.p99);
}

static long number(const char *name, char *text, long min, long max)
{
    return bench_argument(1, &text, 0, name, 0, min, max);
}

static enum kind kind_of(const char *name)
{
    for (int kind = 0; kind < KINDS; ++kind)
        if (strcmp(name, kind_names[kind]) == 0)
            return (enum kind)kind;
    bench_die("-k: \"%s\" is not one of get, length and chunked", name);
}

int main(int argc, char **argv)
{
    struct settings settings = {.rounds = 7, .connections = 64, .ns = 500000000};
    for (int option; (option = getopt(argc, argv, "r:t:c:p:k:")) != -1;) {
        switch (option) {
        case 'r':
            settings.rounds = (int)number("-r", optarg, 1, BENCH_MAX_ROUNDS);
            break;
        case 't':
            settings.ns = (uint64_t)number("-t", optarg, 10, 60000) * 1000000;
            break;
        case 'c':
            settings.connections = (int)number("-c", optarg, 1, BENCH_MAX_LOAD);
            break;
        case 'p':
            settings.port = (uint16_t)number("-p", optarg, 1, 65535);
            break;
        case 'k':
            settings.kind = kind_of(optarg);
            break;
        default:
            bench_die("usage: requests [-r rounds] [-t milliseconds] [-c connections] [-p port [-k kind]]");
        }
    }
    make_requests();
    if (settings.port == 0)
        compare(&settings);
    else
        drive(&settings);
    return 0;
}
