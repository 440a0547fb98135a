/* SPDX-License-Identifier: MIT
 * Events: what one costs on its way through the queue, polled in batches of 64 against one at a time.
 *
 *     events [sockets [turns [rounds]]]
 *
 * One process with one loop thread, on the server's core; the polling thread is on the other. Each turn, every one of
 * some adopted socket pairs gets 32 bytes from its far end, so that each becomes a DATA event of its own. "From a full
 * queue" times the polls alone, once all of them wait there; "from end to end" times the writes, the loop and the polls
 * together. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define BYTES 32
#define BATCH 64
#define PATIENCE_MS 20000

struct plant {
    hijack_queue *queue;
    hijack_server *server;
    long sockets;
    hijack_socket **ours;
    int *far; /* the other ends */
};

static void plant_new(struct plant *plant, long sockets)
{
    static const char threads[] = "threads", one[] = "1";
    plant->sockets = sockets;
    plant->ours = calloc((size_t)sockets, sizeof *plant->ours);
    plant->far = calloc((size_t)sockets, sizeof *plant->far);
    if (plant->ours == NULL || plant->far == NULL)
        bench_die("out of memory");
    bench_check(hijack_queue_new(&plant->queue), "hijack_queue_new");
    bench_check(hijack_server_new(&plant->server, plant->queue), "hijack_server_new");
    bench_check(hijack_server_set(plant->server, threads, strlen(threads), one, strlen(one)), threads);
    bench_check(hijack_server_start(plant->server), "hijack_server_start");
    for (long i = 0; i < sockets; ++i) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            bench_die("socketpair: %s", strerror(errno));
        bench_check(hijack_server_adopt(&plant->ours[i], plant->server, pair[0], NULL, 0), "hijack_server_adopt");
        bench_check(hijack_socket_read(plant->ours[i], UINT64_MAX), "hijack_socket_read");
        plant->far[i] = pair[1];
    }
}

static void plant_free(struct plant *plant)
{
    bench_check(hijack_server_stop(plant->server), "hijack_server_stop");
    for (long i = 0; i < plant->sockets; ++i) {
        hijack_socket_free(plant->ours[i]);
        close(plant->far[i]);
    }
    hijack_server_free(plant->server);
    hijack_queue_free(plant->queue);
    free(plant->ours);
    free(plant->far);
}

static void write_all(const struct plant *plant)
{
    static const char data[BYTES] = "thirty-two bytes of one message";
    for (long i = 0; i < plant->sockets; ++i)
        bench_send_all(plant->far[i], data, sizeof data);
}

static void wait_queued(const struct plant *plant)
{
    uint64_t values[HIJACK_STAT_COUNT] = {0};
    for (int i = 0; i < PATIENCE_MS * 10; ++i) {
        bench_check(hijack_server_stats(values, HIJACK_STAT_COUNT, plant->server), "hijack_server_stats");
        if (values[HIJACK_STAT_EVENTS_QUEUED] >= (uint64_t)plant->sockets)
            return;
        bench_sleep(100000);
    }
    bench_die("%llu events are queued, %ld were expected", (unsigned long long)values[HIJACK_STAT_EVENTS_QUEUED],
              plant->sockets);
}

/* Polls until the turn's bytes are all there; two messages of one socket never meet, so that each is an event. */
static uint64_t poll_all(const struct plant *plant, uint32_t batch, uint64_t *events)
{
    hijack_event out[BATCH];
    uint64_t bytes = 0, wanted = (uint64_t)plant->sockets * BYTES, start = bench_now();
    while (bytes < wanted) {
        int n = bench_check(hijack_queue_poll(out, plant->queue, batch, PATIENCE_MS), "hijack_queue_poll");
        if (n == 0)
            bench_die("%llu bytes came in events, %llu were expected", (unsigned long long)bytes,
                      (unsigned long long)wanted);
        for (int i = 0; i < n; ++i) {
            if (out[i].type != HIJACK_EVENT_DATA)
                bench_die("a %s event came, only DATA was expected", hijack_event_name(out[i].type));
            bytes += out[i].len;
        }
        *events += (uint64_t)n;
    }
    return bench_now() - start;
}

/* Nanoseconds an event over so many turns. */
static double round_of(const struct plant *plant, uint32_t batch, bool full, long turns)
{
    uint64_t ns = 0, events = 0;
    for (long i = 0; i < turns; ++i) {
        uint64_t start = bench_now();
        write_all(plant);
        if (full)
            wait_queued(plant);
        uint64_t polled = poll_all(plant, batch, &events);
        ns += full ? polled : bench_now() - start;
    }
    return (double)ns / (double)events;
}

static void compare(const struct plant *plant, const char *name, bool full, long turns, long rounds)
{
    double one[BENCH_MAX_ROUNDS], many[BENCH_MAX_ROUNDS];
    round_of(plant, BATCH, full, 1);
    for (long i = 0; i < rounds; ++i) {
        one[i] = round_of(plant, 1, full, turns);
        many[i] = round_of(plant, BATCH, full, turns);
    }
    struct bench_versus result = bench_versus(one, many, (size_t)rounds);
    printf("%-20s %12.0f %12.0f %12.2f %16.2f\n", name, result.ours, result.theirs, result.of_medians,
           result.median_of_ratios);
}

int main(int argc, char **argv)
{
    struct plant plant;
    bench_begin("Events: nanoseconds for a DATA event of 32 bytes");
    long sockets = bench_argument(argc, argv, 1, "sockets", 500, 1, 5000);
    long turns = bench_argument(argc, argv, 2, "turns a round", 200, 1, 100000);
    long rounds = bench_argument(argc, argv, 3, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    bench_pin(BENCH_CORE_SERVER);
    plant_new(&plant, sockets);
    bench_pin(BENCH_CORE_CLIENT);

    printf("%ld sockets, %ld turns a round, median of %ld rounds that took turns.\n\n", sockets, turns, rounds);
    printf("%-20s %12s %12s %12s %16s\n", "", "1 a poll", "64 a poll", "of medians", "median of ratios");
    compare(&plant, "from a full queue", true, turns, rounds);
    compare(&plant, "from end to end", false, turns, rounds);
    plant_free(&plant);
    return 0;
}
