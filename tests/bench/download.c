/* SPDX-License-Identifier: MIT
 * Download: one client takes a large body over loopback, sent with hijack_stream_send and back-pressure; the same from
 * a stream that is a member of a broadcaster, for several values of unsent_bytes, an option for members; and from a
 * plain loop of blocking send().
 *
 *     download [MiB [rounds]]
 *
 * One process for each contender on one core, which take turns, and the client, this process, on the other core. The
 * program sends pieces of 64 KiB until HIJACK_EAGAIN, waits for DRAINED and goes on. The ratios are to the member with
 * unsent_bytes 0, of which the kernel takes as much as it likes. The processor time of both processes stands beside the
 * rate: other programs on the machine change it less. A byte too few or too many ends the run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define PIECE 65536

static const char *const contenders[] = {"0", "16384", "65536", "131072", "262144", "stream", "plain"};
#define COUNT (sizeof contenders / sizeof *contenders)

static uint64_t total; /* bytes of the body */
static char piece[PIECE];

/* ---- The library's servers. ---- */

struct server {
    hijack_queue *queue;
    hijack_server *server;
    hijack_broadcaster *members; /* NULL: the streams are no members */
    uint16_t port;
};

static void start_server(struct server *server, const char *unsent_bytes)
{
    static const char address[] = "127.0.0.1:0";
    bench_check(hijack_queue_new(&server->queue), "hijack_queue_new");
    bench_check(hijack_server_new(&server->server, server->queue), "hijack_server_new");
    bench_check(hijack_server_set(server->server, "threads", 7, "1", 1), "threads");
    server->members = NULL;
    if (strcmp(unsent_bytes, "stream") != 0) {
        bench_check(hijack_server_set(server->server, "unsent_bytes", 12, unsent_bytes, strlen(unsent_bytes)),
                    "unsent_bytes");
        bench_check(hijack_broadcaster_new(&server->members, server->server), "hijack_broadcaster_new");
    }
    server->port = (uint16_t)bench_check(hijack_server_listen(server->server, address, strlen(address)), address);
    bench_check(hijack_server_start(server->server), "hijack_server_start");
}

static hijack_event next_event(const struct server *server, uint32_t type)
{
    hijack_event event;
    do {
        if (bench_check(hijack_queue_poll(&event, server->queue, 1, 30000), "hijack_queue_poll") != 1)
            bench_die("no event came within 30 s, awaited was %s", hijack_event_name(type));
    } while (event.type != type);
    return event;
}

static void send_body(const struct server *server)
{
    hijack_request *request = next_event(server, HIJACK_EVENT_REQUEST).handle;
    hijack_stream *stream;
    bench_check(hijack_request_stream(&stream, request, 200, NULL, 0), "hijack_request_stream");
    hijack_request_free(request);
    if (server->members != NULL)
        bench_check(hijack_broadcaster_add(server->members, stream, 0, NULL, 0), "hijack_broadcaster_add");
    for (uint64_t sent = 0; sent < total;) {
        int result = hijack_stream_send(stream, piece, PIECE);
        if (result == HIJACK_EAGAIN) {
            next_event(server, HIJACK_EVENT_DRAINED);
            continue;
        }
        bench_check(result, "hijack_stream_send");
        sent += PIECE;
    }
    bench_check(hijack_stream_finish(stream, NULL, 0), "hijack_stream_finish");
    next_event(server, HIJACK_EVENT_CLOSED);
    hijack_stream_free(stream);
}

/* A question asks for the port, each further one for a body. */
static void serve_library(int fd, void *arg)
{
    struct server server;
    uint64_t question;
    bench_pin(BENCH_CORE_SERVER);
    start_server(&server, arg);
    while (bench_next(fd, &question)) {
        bench_answer(fd, server.port);
        if (question != 0)
            send_body(&server);
    }
}

static void serve_plain(int fd, void *arg)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    char buffer[4096];
    uint16_t port;
    uint64_t question;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    int listener = bench_listen(&port);
    while (bench_next(fd, &question)) {
        bench_answer(fd, port);
        if (question == 0)
            continue;
        int client = bench_accept(listener);
        bench_receive_head(client, buffer, sizeof buffer);
        bench_send_all(client, head, strlen(head));
        for (uint64_t sent = 0; sent < total; sent += PIECE)
            bench_send_all(client, piece, PIECE);
        shutdown(client, SHUT_WR);
        if (recv(client, buffer, sizeof buffer, 0) > 0)
            bench_die("plain: the client sent more than its request");
        close(client);
    }
}

/* ---- The client. ---- */

struct result {
    double rates[BENCH_MAX_ROUNDS]; /* MiB a second, from the request to the end of the body */
    double times[BENCH_MAX_ROUNDS]; /* milliseconds of processor time for a GiB, server and client */
};

static void download(struct result *result, long round, const struct bench_child *child)
{
    static char buffer[262144];
    static const char request[] = "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    uint16_t port = (uint16_t)bench_ask(child, 1);
    memset(buffer, 0, sizeof buffer);
    int fd = bench_connect(port);
    uint64_t used = bench_processor_time(child->pid) + bench_processor_time(getpid());
    uint64_t start = bench_now(), bytes;
    bench_send_all(fd, request, strlen(request));
    size_t head = bench_receive_head(fd, buffer, sizeof buffer);
    ssize_t n = (ssize_t)(strlen(buffer) - head); /* what came with the head; the body has no NUL */
    for (bytes = (uint64_t)n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0; bytes += (uint64_t)n)
        ;
    uint64_t time = bench_now() - start;
    close(fd);
    if (n < 0 || bytes != total)
        bench_die("%llu bytes came out of %llu: %s", (unsigned long long)bytes, (unsigned long long)total,
                  n < 0 ? strerror(errno) : "end");
    used = bench_processor_time(child->pid) + bench_processor_time(getpid()) - used;
    result->rates[round] = (double)total / 1048576 * 1e9 / (double)time;
    result->times[round] = (double)used / 1e6 * (1u << 30) / (double)total;
}

int main(int argc, char **argv)
{
    static struct bench_child children[COUNT];
    static struct result results[COUNT];
    bench_begin("Download: MiB a second to one client");
    long size = bench_argument(argc, argv, 1, "MiB", 1024, 1, 1048576);
    long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    total = (uint64_t)size << 20;
    memset(piece, 'x', sizeof piece);
    for (size_t i = 0; i < COUNT; ++i)
        children[i] = bench_start(i + 1 < COUNT ? serve_library : serve_plain, (void *)contenders[i]);
    bench_pin(BENCH_CORE_CLIENT);
    for (long round = -1; round < rounds; ++round) /* one before the first, to warm up */
        for (size_t i = 0; i < COUNT; ++i)
            download(&results[i], round < 0 ? 0 : round, &children[i]);
    for (size_t i = 0; i < COUNT; ++i)
        bench_end(&children[i]);
    printf("%ld MiB, %ld rounds; the median round, and the median of the rounds' ratios.\n\n", size, rounds);
    printf("%14s %10s %8s %12s %8s\n", "unsent_bytes", "MiB/s", "ratio", "CPU ms/GiB", "ratio");
    for (size_t i = 0; i < COUNT; ++i) {
        struct bench_versus rate = bench_versus(results[i].rates, results[0].rates, (size_t)rounds);
        struct bench_versus time = bench_versus(results[i].times, results[0].times, (size_t)rounds);
        printf("%14s %10.0f %8.3f %12.0f %8.3f\n", contenders[i], rate.ours, rate.median_of_ratios, time.ours,
               time.median_of_ratios);
    }
    return 0;
}
