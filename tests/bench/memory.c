/* SPDX-License-Identifier: MIT
 * Resident memory of an idle held connection: how much a server process with nothing in it but the library grows from
 * 1,000 to 19,000 connections, divided by 18,000. The client lives in this process, the server in a forked one.
 *
 *     memory [connections [rounds]]
 *
 * Held: GET on a held route of this server. Adopted: accepted elsewhere in the process and handed over. With a handle:
 * each has a request, and the program has a handle of each. WebSockets have agreed to compression. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define TARGET 128
#define FEW 1000  /* growth is counted from here */
#define BATCH 200 /* connections under way at a time */

struct method {
    const char *name;
    uint32_t kind;
    bool adopted, handles, users; /* users: each member has a number */
    int threads, target;          /* bytes; 0: TARGET */
    double rss[BENCH_MAX_ROUNDS], pss[BENCH_MAX_ROUNDS], dirty[BENCH_MAX_ROUNDS];
};

/* The server process. The first question is for its port; each other one is a number of connections, and is answered as
 * soon as it holds that many. */
static void serve(int fd, void *arg)
{
    const struct method *method = arg;
    struct bench_library library;
    uint64_t wanted, adopted = 0;
    uint16_t port = 0;
    int listener = method->adopted ? bench_listen(&port) : -1;
    bench_library_start(&library, method->threads, method->kind);
    if (!method->adopted)
        port = library.port;
    if (!bench_next(fd, &wanted))
        return;
    bench_answer(fd, port);

    while (bench_next(fd, &wanted)) {
        for (; method->adopted && adopted < wanted; ++adopted)
            bench_check(hijack_broadcaster_adopt(library.members, bench_accept(listener), method->kind,
                                                 method->users ? adopted + 1 : 0, NULL, 0, NULL, 0, NULL, 0),
                        "hijack_broadcaster_adopt");
        bench_library_wait(&library, HIJACK_STAT_HELD, wanted, false);
        bench_answer(fd, wanted);
    }
}

/* Answers requests until there are so many WebSockets. */
static void accept_websockets(hijack_queue *queue, uint64_t *open, uint64_t wanted)
{
    hijack_event events[64];
    hijack_socket *socket;
    while (*open < wanted) {
        int n = bench_check(hijack_queue_poll(events, queue, 64, 1000), "hijack_queue_poll");
        for (int i = 0; i < n; ++i) {
            if (events[i].type != HIJACK_EVENT_REQUEST)
                continue;
            bench_check(hijack_request_websocket(&socket, events[i].handle, NULL, 0, NULL, 0),
                        "hijack_request_websocket");
            bench_check(hijack_socket_read(socket, 65536), "hijack_socket_read");
            hijack_request_free(events[i].handle);
            ++*open;
        }
    }
    while (bench_check(hijack_queue_poll(events, queue, 64, 0), "hijack_queue_poll") != 0)
        ;
}

static void serve_handles(int fd, void *arg)
{
    const struct method *method = arg;
    hijack_queue *queue;
    hijack_server *server;
    char threads[16];
    uint64_t wanted, open = 0;
    snprintf(threads, sizeof threads, "%d", method->threads);
    bench_check(hijack_queue_new(&queue), "hijack_queue_new");
    bench_check(hijack_server_new(&server, queue), "hijack_server_new");
    bench_check(hijack_server_set(server, HIJACK_STR("threads"), threads, strlen(threads)), "threads");
    int port = bench_check(hijack_server_listen(server, HIJACK_STR("127.0.0.1:0")), "hijack_server_listen");
    bench_check(hijack_server_start(server), "hijack_server_start");
    if (!bench_next(fd, &wanted))
        return;
    bench_answer(fd, (uint64_t)port);
    while (bench_next(fd, &wanted)) {
        accept_websockets(queue, &open, wanted);
        bench_answer(fd, wanted);
    }
}

static void open_until(const struct bench_child *server, const struct method *method, uint16_t port, int *fds,
                       long *open, long wanted)
{
    while (*open < wanted) {
        for (int i = 0; i < BATCH && *open < wanted; ++i) {
            int fd = bench_connect(port);
            const char *request = method->kind == HIJACK_HOLD_WEBSOCKET ? BENCH_WEBSOCKET_REQUEST : BENCH_REQUEST;
            if (!method->adopted)
                bench_send_all(fd, request, strlen(request));
            fds[(*open)++] = fd;
        }
        bench_ask(server, (uint64_t)*open);
    }
}

static void measure(struct method *method, int *fds, long connections, long round)
{
    long open = 0;
    double more = (double)(connections - FEW);
    struct bench_child server = bench_start(method->handles ? serve_handles : serve, method);
    uint16_t port = (uint16_t)bench_ask(&server, 0);
    open_until(&server, method, port, fds, &open, FEW);
    struct bench_resident few = bench_resident(server.pid);
    open_until(&server, method, port, fds, &open, connections);
    struct bench_resident many = bench_resident(server.pid);
    for (long i = 0; i < open; ++i)
        close(fds[i]);
    bench_end(&server);
    method->rss[round] = (many.rss - few.rss) / more;
    method->pss[round] = (many.pss - few.pss) / more;
    method->dirty[round] = (many.private_dirty - few.private_dirty) / more;
}

int main(int argc, char **argv)
{
    static struct method methods[] = {
        {.name = "held route, SSE", .kind = HIJACK_HOLD_SSE, .threads = 1},
        {.name = "held route, raw", .kind = HIJACK_HOLD_RAW, .threads = 1},
        {.name = "adopted, SSE", .kind = HIJACK_HOLD_SSE, .adopted = true, .threads = 1},
        {.name = "adopted, raw", .kind = HIJACK_HOLD_RAW, .adopted = true, .threads = 1},
        {.name = "adopted, raw, user",
         .kind = HIJACK_HOLD_RAW,
         .adopted = true,
         .users = true,
         .threads = 1,
         .target = 104},
        {.name = "held route, WebSocket", .kind = HIJACK_HOLD_WEBSOCKET, .threads = 1, .target = 112},
        {.name = "WebSocket, handle", .kind = HIJACK_HOLD_WEBSOCKET, .handles = true, .threads = 1, .target = 256},
        {.name = "held route, SSE", .kind = HIJACK_HOLD_SSE, .threads = 2},
        {.name = "held route, raw", .kind = HIJACK_HOLD_RAW, .threads = 2},
        {.name = "adopted, SSE", .kind = HIJACK_HOLD_SSE, .adopted = true, .threads = 2},
        {.name = "adopted, raw", .kind = HIJACK_HOLD_RAW, .adopted = true, .threads = 2},
    };
    const size_t count = sizeof methods / sizeof methods[0];
    bench_begin("Memory: resident bytes per idle held connection");
    long connections = bench_argument(argc, argv, 1, "connections", 19000, FEW + 1, 1000000);
    long rounds = bench_argument(argc, argv, 2, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    int *fds = calloc((size_t)connections, sizeof *fds);
    if (fds == NULL)
        bench_die("out of memory");

    for (long round = 0; round < rounds; ++round)
        for (size_t i = 0; i < count; ++i)
            measure(&methods[i], fds, connections, round);
    free(fds);

    printf("Growth from %d to %ld connections, divided by their number; median of %ld.\n\n", FEW, connections, rounds);
    printf("%-22s %12s %8s %8s %14s   target\n", "", "loop threads", "RSS", "PSS", "private dirty");
    for (size_t i = 0; i < count; ++i) {
        struct method *method = &methods[i];
        double rss = bench_median(method->rss, (size_t)rounds);
        int target = method->target == 0 ? TARGET : method->target;
        printf("%-22s %12d %8.1f %8.1f %14.1f   at most %d: %s\n", method->name, method->threads, rss,
               bench_median(method->pss, (size_t)rounds), bench_median(method->dirty, (size_t)rounds), target,
               rss <= target ? "met" : "missed");
    }
    return 0;
}
