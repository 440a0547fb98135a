/* SPDX-License-Identifier: MIT
 * Relay: a proxy on one core that pairs each connection with one to an origin: the library (adopt, connect, relay; one
 * loop) against a C program that splices through a pipe for each direction. The client and the origin are this process,
 * on the other core. The proxies take turns.
 *
 *     relay [milliseconds a turn [rounds [idle pairs]]]
 *
 * Bulk: as many bytes as go through, one way. Exchange: 64 bytes there and back on each of 100 pairs, again and again.
 * Idle: how much the library's process grows from 1,000 pairs on, the program having freed the handles. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define PIECE 64             /* bytes of an exchange */
#define BULK (256u << 10)    /* bytes that one call sends or receives */
#define SPLICED (256u << 10) /* ... or moves */
#define PAIRS_MAX 10000
#define FEW 1000 /* growth is counted from here */
#define TARGET 0.95
#define TARGET_IDLE 300

static uint16_t origin_port;

/* ---- The library's proxy. ---- */

static void serve_library(int fd, void *arg)
{
    hijack_queue *queue;
    hijack_server *server;
    hijack_socket *client, *origin;
    char target[32];
    uint16_t port;
    uint64_t wanted;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    int len = snprintf(target, sizeof target, "127.0.0.1:%u", origin_port), listener = bench_listen(&port);
    bench_check(hijack_queue_new(&queue), "hijack_queue_new");
    bench_check(hijack_server_new(&server, queue), "hijack_server_new");
    bench_check(hijack_server_set(server, HIJACK_STR("threads"), HIJACK_STR("1")), "threads");
    bench_check(hijack_server_start(server), "hijack_server_start");
    bench_answer(fd, port);
    while (bench_next(fd, &wanted)) { /* so many connections more */
        for (uint64_t i = 0; i < wanted; ++i) {
            hijack_event events[64];
            bench_check(hijack_server_adopt(&client, server, bench_accept(listener), NULL, 0), "hijack_server_adopt");
            bench_check(hijack_server_connect(&origin, server, target, (size_t)len, 0), "hijack_server_connect");
            bench_check(hijack_socket_relay(client, origin), "hijack_socket_relay");
            hijack_socket_free(client);
            hijack_socket_free(origin);
            hijack_queue_poll(events, queue, 64, 0);
        }
        bench_answer(fd, wanted);
    }
}

/* ---- The one that splices. ---- */

struct end {
    int fd, pipe[2];
    size_t in_pipe; /* bytes on their way from here to the other end */
    struct end *other;
};

static void watch_end(int epoll, struct end *end)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = end};
    if (pipe2(end->pipe, O_NONBLOCK) != 0 || fcntl(end->pipe[1], F_SETPIPE_SZ, (int)SPLICED) < 0)
        bench_die("pipe: %s", strerror(errno));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, end->fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void accept_spliced(int epoll, int listener)
{
    struct end *ends = calloc(2, sizeof *ends);
    if (ends == NULL)
        bench_die("out of memory");
    ends[0].fd = bench_accept(listener);
    ends[1].fd = bench_connect(origin_port);
    ends[0].other = &ends[1];
    ends[1].other = &ends[0];
    for (int i = 0; i < 2; ++i) {
        bench_nonblocking(ends[i].fd);
        watch_end(epoll, &ends[i]);
    }
}

/* As much as goes through; the other end's EPOLLOUT goes on. */
static void splice_from(struct end *end)
{
    const unsigned flags = SPLICE_F_NONBLOCK | SPLICE_F_MOVE;
    for (;;) {
        ssize_t in = splice(end->fd, NULL, end->pipe[1], NULL, SPLICED - end->in_pipe, flags);
        if (in > 0)
            end->in_pipe += (size_t)in;
        if (end->in_pipe == 0)
            return;
        ssize_t out = splice(end->pipe[0], NULL, end->other->fd, NULL, end->in_pipe, flags);
        if (out <= 0)
            return;
        end->in_pipe -= (size_t)out;
    }
}

static void serve_spliced(int fd, void *arg)
{
    struct epoll_event events[256];
    uint16_t port;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    int listener = bench_listen(&port), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        bench_die("epoll: %s", strerror(errno));
    bench_answer(fd, port);
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; ++i) {
            struct end *end = events[i].data.ptr;
            if (end == NULL) {
                accept_spliced(epoll, listener);
                continue;
            }
            if ((events[i].events & EPOLLIN) != 0)
                splice_from(end);
            if ((events[i].events & EPOLLOUT) != 0)
                splice_from(end->other);
        }
    }
}

/* ---- The client and the origin. ---- */

struct side {
    struct bench_child proxy;
    uint16_t port;
    int listener, epoll, pairs;
    int clients[PAIRS_MAX], origins[PAIRS_MAX];
};

static void open_pairs(struct side *side, int pairs, bool counted)
{
    for (; side->pairs < pairs; ++side->pairs) {
        side->clients[side->pairs] = bench_connect(side->port);
        if (counted)
            bench_ask(&side->proxy, 1);
        side->origins[side->pairs] = bench_accept(side->listener);
    }
}

static void watch_pairs(struct side *side, uint32_t client_events)
{
    if (side->epoll >= 0)
        close(side->epoll);
    side->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < side->pairs; ++i) {
        struct epoll_event client = {.events = client_events, .data.u64 = (uint64_t)i * 2};
        struct epoll_event origin = {.events = EPOLLIN, .data.u64 = (uint64_t)i * 2 + 1};
        bench_nonblocking(side->clients[i]);
        bench_nonblocking(side->origins[i]);
        if (epoll_ctl(side->epoll, EPOLL_CTL_ADD, side->clients[i], &client) != 0 ||
            epoll_ctl(side->epoll, EPOLL_CTL_ADD, side->origins[i], &origin) != 0)
            bench_die("epoll_ctl: %s", strerror(errno));
    }
}

static char bulk[BULK];

/* Bytes a second, one way; the rest arrives before it returns. */
static double bulk_turn(struct side *side, uint64_t ns, uint64_t *bytes)
{
    struct epoll_event events[256];
    uint64_t sent = 0, received = 0, start = bench_now(), now = start;
    watch_pairs(side, EPOLLOUT);
    for (;;) {
        now = bench_now();
        const bool ends = now - start >= ns;
        if (ends && sent == received)
            break;
        int n = epoll_wait(side->epoll, events, 256, 10000);
        if (n <= 0)
            bench_die("nothing has moved for 10 seconds");
        for (int i = 0; i < n; ++i) {
            const uint64_t pair = events[i].data.u64 / 2;
            ssize_t k;
            if (events[i].data.u64 % 2 != 0)
                received += (k = recv(side->origins[pair], bulk, sizeof bulk, MSG_TRUNC)) > 0 ? (uint64_t)k : 0;
            else if (!ends)
                sent += (k = send(side->clients[pair], bulk, sizeof bulk, MSG_NOSIGNAL)) > 0 ? (uint64_t)k : 0;
        }
    }
    *bytes = received;
    return (double)received * 1e9 / (double)(now - start);
}

/* Exchanges a second; those under way at the end are waited for. */
static double exchange_turn(struct side *side, uint64_t ns, uint64_t *exchanges)
{
    struct epoll_event events[256];
    uint64_t done = 0, start = bench_now(), now = start;
    int under_way = side->pairs;
    watch_pairs(side, EPOLLIN);
    for (int i = 0; i < side->pairs; ++i)
        bench_send_all(side->clients[i], bulk, PIECE);
    while (under_way > 0) {
        int n = epoll_wait(side->epoll, events, 256, 10000);
        if (n <= 0)
            bench_die("no answer within 10 seconds");
        now = bench_now();
        for (int i = 0; i < n; ++i) {
            const uint64_t pair = events[i].data.u64 / 2;
            const bool at_origin = events[i].data.u64 % 2 != 0;
            char piece[PIECE + 1];
            ssize_t k = recv(at_origin ? side->origins[pair] : side->clients[pair], piece, sizeof piece, 0);
            if (k != PIECE)
                bench_die("%zd bytes came instead of %d", k, PIECE);
            done += !at_origin;
            if (at_origin)
                bench_send_all(side->origins[pair], piece, PIECE);
            else if (now - start < ns)
                bench_send_all(side->clients[pair], piece, PIECE);
            else
                --under_way;
        }
    }
    *exchanges = done;
    return (double)done * 1e9 / (double)(now - start);
}

static void compare(const char *what, struct side *library, struct side *spliced, uint64_t ns, long rounds,
                    double (*turn)(struct side *, uint64_t, uint64_t *), double unit, const char *name)
{
    double ours[BENCH_MAX_ROUNDS], theirs[BENCH_MAX_ROUNDS], ours_cpu[BENCH_MAX_ROUNDS], theirs_cpu[BENCH_MAX_ROUNDS];
    for (long round = -1; round < rounds; ++round) { /* one before the first, to warm up */
        const long at = round < 0 ? 0 : round;
        struct side *const sides[] = {library, spliced};
        for (int i = 0; i < 2; ++i) {
            uint64_t before = bench_processor_time(sides[i]->proxy.pid), count;
            double rate = turn(sides[i], ns, &count);
            double used = (double)(bench_processor_time(sides[i]->proxy.pid) - before);
            (i == 0 ? ours : theirs)[at] = rate / unit;
            (i == 0 ? ours_cpu : theirs_cpu)[at] = (double)count / used;
        }
    }
    struct bench_versus rate = bench_versus(ours, theirs, (size_t)rounds);
    struct bench_versus cpu = bench_versus(ours_cpu, theirs_cpu, (size_t)rounds);
    printf(
        "%s: library %.0f %s, splice %.0f, ratio %.3f (%.3f to %.3f), by the proxies' processor time %.3f   at least "
        "%.2f: %s\n",
        what, rate.ours, name, rate.theirs, rate.median_of_ratios, rate.least, rate.most, cpu.median_of_ratios, TARGET,
        rate.median_of_ratios >= TARGET ? "met" : "missed");
}

static void start_side(struct side *side, void (*serve)(int, void *), int listener)
{
    side->listener = listener;
    side->epoll = -1;
    side->pairs = 0;
    side->proxy = bench_start(serve, NULL);
    side->port = (uint16_t)bench_hear(&side->proxy);
}

static void measure_idle(struct side *library, long idle)
{
    open_pairs(library, FEW, true);
    bench_sleep(200000000);
    struct bench_resident before = bench_resident(library->proxy.pid);
    open_pairs(library, (int)idle, true);
    bench_sleep(200000000);
    struct bench_resident after = bench_resident(library->proxy.pid);
    double each = (after.private_dirty - before.private_dirty) / (double)(idle - FEW);
    printf("idle: %.1f bytes a pair without handles, from %d to %ld pairs   at most %d: %s\n", each, FEW, idle,
           TARGET_IDLE, each <= TARGET_IDLE ? "met" : "missed");
}

int main(int argc, char **argv)
{
    static struct side library, spliced;
    bench_begin("Relay: a proxy on one core");
    const uint64_t ns = (uint64_t)bench_argument(argc, argv, 1, "milliseconds a turn", 1000, 10, 60000) * 1000000u;
    const long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    const long idle = bench_argument(argc, argv, 3, "idle pairs", 9000, FEW + 1, PAIRS_MAX);
    int listener = bench_listen(&origin_port);
    start_side(&library, serve_library, listener);
    start_side(&spliced, serve_spliced, listener);
    bench_pin(BENCH_CORE_CLIENT);
    open_pairs(&library, 1, true);
    open_pairs(&spliced, 1, false);
    compare("bulk, one pair", &library, &spliced, ns, rounds, bulk_turn, 1e6, "MB/s");
    open_pairs(&library, 10, true);
    open_pairs(&spliced, 10, false);
    compare("bulk, 10 pairs", &library, &spliced, ns, rounds, bulk_turn, 1e6, "MB/s");
    open_pairs(&library, 100, true);
    open_pairs(&spliced, 100, false);
    compare("exchange, 100 pairs", &library, &spliced, ns, rounds, exchange_turn, 1, "a second");
    bench_end(&spliced.proxy);
    measure_idle(&library, idle);
    bench_end(&library.proxy);
    return 0;
}
