/* SPDX-License-Identifier: MIT
 * A storm of handshakes beside a held member: how late its heartbeats are, at worst, while thousands of clients begin
 * their TLS 1.3 handshakes at the same time.
 *
 *     tls/storm [handshakes [rounds]]
 *
 * The server has one loop thread, on a core of its own. The clients of the storm, this process, share the other core
 * with the member, whose arrivals the kernel stamps, so that it does not matter when the member gets to read. A
 * heartbeat is due one interval after the one before it. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tls.h"

#define HEARTBEAT "200" /* ms */
#define HEARTBEAT_NS 200000000u
#define ALONE_NS 3000000000u
#define TARGET_MS 100.0
#define MAX_TOGETHER 9000

static struct bench_pem pem;
static uint16_t port;

/* Before whatever else runs on the machine, if that is permitted: it is not what is measured. */
static void come_first(void)
{
    const struct sched_param param = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_RR, &param);
}

static void serve(int fd, void *arg)
{
    const struct bench_place place = {"tls:127.0.0.1:0", pem.certificate, pem.key};
    const struct bench_option options[] = {
        {"threads", "1"}, {"heartbeat_ms", HEARTBEAT}, {"tls_handshake_timeout_ms", "60000"}, {NULL, NULL}};
    struct bench_library library;
    uint64_t question;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    come_first();
    bench_library_start_at(&library, &place, options, HIJACK_HOLD_SSE);
    bench_pin(BENCH_CORE_CLIENT);
    bench_answer(fd, library.port);
    while (bench_next(fd, &question))
        bench_answer(fd, bench_library_stat(&library, (int)question));
}

/* Reads what has come, and returns when the kernel got it; 0 for nothing. */
static uint64_t arrival(int fd)
{
    char data[4096], control[128];
    struct iovec iov = {data, sizeof data};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct timespec when;
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
    if (n == 0)
        bench_die("the server closed the held member");
    if (n < 0)
        return 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&when, CMSG_DATA(c), sizeof when);
            return (uint64_t)when.tv_sec * 1000000000u + (uint64_t)when.tv_nsec;
        }
    bench_die("the kernel stamps no arrivals");
}

/* The member's process. Each question is answered with how late a heartbeat was at worst since the last one, in
 * nanoseconds. */
static void hold(int fd, void *arg)
{
    SSL *ssl;
    int on = 1;
    uint64_t question, before = 0, worst = 0;
    (void)arg;
    bench_pin(BENCH_CORE_CLIENT);
    come_first();
    bench_tls_open(&ssl, 1, bench_tls_client(TLS1_3_VERSION), port, NULL);
    bench_tls_hold(ssl);
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = bench_tls_strip(ssl), .events = POLLIN}};
    if (setsockopt(fds[1].fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0)
        bench_die("SO_TIMESTAMPNS: %s", strerror(errno));
    while (poll(fds, 2, 20000) > 0) {
        if (fds[1].revents != 0) {
            uint64_t now = arrival(fds[1].fd);
            if (before != 0 && now > before + HEARTBEAT_NS && now - before - HEARTBEAT_NS > worst)
                worst = now - before - HEARTBEAT_NS;
            before = now == 0 ? before : now;
        }
        if (fds[0].revents != 0) {
            if (!bench_next(fd, &question))
                return;
            bench_answer(fd, worst);
            worst = 0;
        }
    }
    bench_die("no heartbeat came within 20 seconds");
}

static double milliseconds(uint64_t ns)
{
    return (double)ns / 1e6;
}

int main(int argc, char **argv)
{
    double alone[BENCH_MAX_ROUNDS], storm[BENCH_MAX_ROUNDS], seconds[BENCH_MAX_ROUNDS];
    bench_begin("A storm of TLS handshakes: how late a held member's heartbeats are at worst");
    long handshakes = bench_argument(argc, argv, 1, "handshakes", 5000, 1, MAX_TOGETHER);
    long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    SSL **ssls = calloc((size_t)handshakes, sizeof *ssls);
    bench_make_certificate(&pem);
    struct bench_child server = bench_start(serve, NULL);
    port = (uint16_t)bench_hear(&server);
    struct bench_child member = bench_start(hold, NULL);
    SSL_CTX *ctx = bench_tls_client(TLS1_3_VERSION);
    bench_pin(BENCH_CORE_CLIENT);
    for (long round = 0; round < rounds; ++round) {
        bench_ask(&member, 0);
        bench_sleep(ALONE_NS);
        alone[round] = milliseconds(bench_ask(&member, 0));
        uint64_t start = bench_now();
        bench_tls_open(ssls, (int)handshakes, ctx, port, NULL);
        seconds[round] = (double)(bench_now() - start) / 1e9;
        storm[round] = milliseconds(bench_ask(&member, 0));
        for (long i = 0; i < handshakes; ++i)
            bench_tls_close(ssls[i]);
    }
    uint64_t failed = bench_ask(&server, HIJACK_STAT_TLS_FAILED);
    printf("Heartbeats every " HEARTBEAT " ms; %ld handshakes at the same time, %ld rounds; %llu failed.\n\n",
           handshakes, rounds, (unsigned long long)failed);
    printf("Late at worst, ms: the medians of the rounds, and the worst round.\n");
    double a = bench_median(alone, (size_t)rounds), b = bench_median(storm, (size_t)rounds);
    printf("%-24s %8.1f %8.1f\n", "alone, 3 seconds", a, alone[rounds - 1]);
    printf("%-24s %8.1f %8.1f   at most %.0f: %s (the storm takes %.1f s)\n", "in the storm", b, storm[rounds - 1],
           TARGET_MS, storm[rounds - 1] <= TARGET_MS && failed == 0 ? "met" : "missed",
           bench_median(seconds, (size_t)rounds));
    bench_end(&member);
    bench_end(&server);
    SSL_CTX_free(ctx);
    free(ssls);
    return 0;
}
