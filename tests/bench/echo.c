/* SPDX-License-Identifier: MIT
 * Echo: messages a second over WebSockets, the library (one loop thread, one polling thread that sends each message
 * back) against an epoll server that only unmasks and sends back.
 *
 *     echo [connections [milliseconds a turn [rounds]]]
 *     echo connections milliseconds port PORT
 *
 * Each server is a process of its own with all its threads on one core; the client, this process, is on the other core
 * and has one message of 64 bytes under way on each connection, whose echo it checks. The servers take turns.
 *
 * With "port" it puts load on the server of another program at 127.0.0.1, path /echo. It opens the connections and
 * prints "open"; then each line on its standard input makes it take one turn and print one line of numbers, until the
 * input ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define PAYLOAD 64
#define IN (PAYLOAD + 6)  /* bytes of a client's frame */
#define OUT (PAYLOAD + 2) /* and of a server's */
#define TARGET 0.90
#define CREDIT 1024

#define REQUEST                                                                                                        \
    "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                           \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/* ---- The library's server. ---- */

static void on_event(const hijack_event *event)
{
    hijack_socket *socket;
    if (event->type == HIJACK_EVENT_REQUEST) {
        bench_check(hijack_request_websocket(&socket, event->handle, NULL, 0, NULL, 0), "hijack_request_websocket");
        bench_check(hijack_socket_read(socket, CREDIT), "hijack_socket_read");
        hijack_request_free(event->handle);
    } else if (event->type == HIJACK_EVENT_MESSAGE) {
        /* a client that has gone meanwhile is told by CLOSED */
        if (hijack_socket_send_message(event->handle, (uint32_t)event->status, event->data, event->len) == 0)
            hijack_socket_read(event->handle, event->len);
    } else if (event->type == HIJACK_EVENT_CLOSED) {
        hijack_socket_free(event->handle);
    }
}

static void serve_library(int fd, void *arg)
{
    hijack_queue *queue;
    hijack_server *server;
    hijack_event events[256];
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    bench_check(hijack_queue_new(&queue), "hijack_queue_new");
    bench_check(hijack_server_new(&server, queue), "hijack_server_new");
    bench_check(hijack_server_set(server, HIJACK_STR("threads"), HIJACK_STR("1")), "threads");
    int port = bench_check(hijack_server_listen(server, HIJACK_STR("127.0.0.1:0")), "hijack_server_listen");
    bench_check(hijack_server_start(server), "hijack_server_start");
    bench_answer(fd, (uint64_t)port);
    for (;;) {
        int n = bench_check(hijack_queue_poll(events, queue, 256, -1), "hijack_queue_poll");
        for (int i = 0; i < n; ++i)
            on_event(&events[i]);
    }
}

/* ---- The bare one. ---- */

static void accept_bare(int epoll, int listener)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    char head[4096];
    int fd = bench_accept(listener);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    bench_receive_head(fd, head, sizeof head);
    bench_send_all(fd, answer, strlen(answer));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

/* One frame, which is whole: the client sends nothing else. */
static void echo_bare(int fd)
{
    unsigned char data[65536];
    ssize_t n = recv(fd, data, sizeof data, 0);
    if (n <= 0) {
        close(fd);
        return;
    }
    const unsigned char mask[4] = {data[2], data[3], data[4], data[5]};
    for (ssize_t i = 6; i < n; ++i)
        data[i - 4] = data[i] ^ mask[(i - 6) & 3];
    data[1] &= 0x7f;
    send(fd, data, (size_t)n - 4, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void serve_bare(int fd, void *arg)
{
    struct epoll_event events[256];
    uint16_t port;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    int listener = bench_listen(&port), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        bench_die("epoll: %s", strerror(errno));
    bench_answer(fd, port);
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.fd == listener)
                accept_bare(epoll, listener);
            else
                echo_bare(events[i].data.fd);
        }
    }
}

/* ---- The client. ---- */

struct side {
    const char *name;
    struct bench_child server;
    uint16_t port;
    int epoll;
    long connections;
    int *fds;
};

static unsigned char in[IN], out[OUT];

static void make_frames(void)
{
    static const unsigned char mask[4] = {0x12, 0xa5, 0xff, 0x07};
    in[0] = out[0] = 0x81;
    in[1] = 0x80 | PAYLOAD;
    out[1] = PAYLOAD;
    memcpy(in + 2, mask, 4);
    for (int i = 0; i < PAYLOAD; ++i) {
        out[2 + i] = (unsigned char)('a' + i % 26);
        in[6 + i] = out[2 + i] ^ mask[i & 3];
    }
}

static void open_side(struct side *side)
{
    char head[4096];
    side->epoll = epoll_create1(EPOLL_CLOEXEC);
    side->fds = calloc((size_t)side->connections, sizeof *side->fds);
    if (side->epoll < 0 || side->fds == NULL)
        bench_die("no epoll, or out of memory");
    for (long i = 0; i < side->connections; ++i) {
        int fd = side->fds[i] = bench_connect(side->port);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        bench_send_all(fd, REQUEST, strlen(REQUEST));
        bench_receive_head(fd, head, sizeof head);
        if (strncmp(head, "HTTP/1.1 101", 12) != 0)
            bench_die("%s: the handshake was refused: %.40s", side->name, head);
        if (epoll_ctl(side->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            bench_die("epoll_ctl: %s", strerror(errno));
    }
}

/* Takes the echo of one connection, and checks it. */
static void take_echo(const struct side *side, int fd)
{
    unsigned char data[OUT + 1];
    ssize_t n = recv(fd, data, sizeof data, 0);
    while (n > 0 && n < OUT) {
        ssize_t more = recv(fd, data + n, sizeof data - (size_t)n, 0);
        n = more <= 0 ? more : n + more;
    }
    if (n != OUT || memcmp(data, out, OUT) != 0)
        bench_die("%s: the echo is wrong", side->name);
}

/* Messages a second over one turn, and how many; what is under way at its end is waited for. */
static double turn(const struct side *side, uint64_t ns, uint64_t *messages)
{
    struct epoll_event events[256];
    uint64_t echoed = 0, start = bench_now(), now = start;
    long under_way = side->connections;
    for (long i = 0; i < side->connections; ++i)
        bench_send_all(side->fds[i], (const char *)in, IN);
    while (under_way > 0) {
        int n = epoll_wait(side->epoll, events, 256, 10000);
        if (n <= 0)
            bench_die("%s: no echo within 10 seconds", side->name);
        now = bench_now();
        for (int i = 0; i < n; ++i) {
            take_echo(side, events[i].data.fd);
            ++echoed;
            if (now - start < ns)
                bench_send_all(events[i].data.fd, (const char *)in, IN);
            else
                --under_way;
        }
    }
    *messages = echoed;
    return (double)echoed * 1e9 / (double)(now - start);
}

static void start_side(struct side *side, const char *name, void (*serve)(int, void *), long connections)
{
    *side = (struct side){.name = name, .connections = connections};
    side->server = bench_start(serve, NULL);
    side->port = (uint16_t)bench_hear(&side->server);
}

static void compare(long connections, uint64_t ns, long rounds)
{
    struct side library, bare;
    double ours[BENCH_MAX_ROUNDS], theirs[BENCH_MAX_ROUNDS], ours_cpu[BENCH_MAX_ROUNDS], theirs_cpu[BENCH_MAX_ROUNDS];
    start_side(&library, "library", serve_library, connections);
    start_side(&bare, "bare", serve_bare, connections);
    bench_pin(BENCH_CORE_CLIENT);
    open_side(&library);
    open_side(&bare);
    for (long round = -1; round < rounds; ++round) { /* one before the first, to warm up */
        long at = round < 0 ? 0 : round;
        uint64_t a = bench_processor_time(library.server.pid), b = bench_processor_time(bare.server.pid);
        uint64_t messages;
        ours[at] = turn(&library, ns, &messages);
        theirs[at] = turn(&bare, ns, &messages);
        ours_cpu[at] = ours[at] / (double)(bench_processor_time(library.server.pid) - a);
        theirs_cpu[at] = theirs[at] / (double)(bench_processor_time(bare.server.pid) - b);
    }
    struct bench_versus rate = bench_versus(ours, theirs, (size_t)rounds);
    struct bench_versus cpu = bench_versus(ours_cpu, theirs_cpu, (size_t)rounds);
    printf("%ld connections, one message of %d bytes under way on each; %ld rounds of %.1f s.\n\n", connections,
           PAYLOAD, rounds, (double)ns / 1e9);
    printf(
        "library/s %.0f, bare/s %.0f, ratio %.3f (%.3f to %.3f), by the servers' processor time %.3f   at least %.2f: "
        "%s\n",
        rate.ours, rate.theirs, rate.median_of_ratios, rate.least, rate.most, cpu.median_of_ratios, TARGET,
        rate.median_of_ratios >= TARGET ? "met" : "missed");
    bench_end(&library.server);
    bench_end(&bare.server);
}

static void drive(long connections, uint64_t ns, uint16_t port)
{
    char line[64];
    struct side other = {.name = "server", .port = port, .connections = connections};
    bench_choose_cores();
    bench_pin(BENCH_CORE_CLIENT);
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_side(&other);
    puts("open");
    while (fgets(line, sizeof line, stdin) != NULL) {
        uint64_t messages;
        const double rate = turn(&other, ns, &messages);
        printf("requests %llu rate %.0f\n", (unsigned long long)messages, rate);
    }
}

int main(int argc, char **argv)
{
    const bool drives = argc == 5 && strcmp(argv[3], "port") == 0;
    if (!drives)
        bench_begin("Echo: messages a second over WebSockets on one core");
    long connections = bench_argument(argc, argv, 1, "connections", 1000, 1, 19000);
    uint64_t ns = (uint64_t)bench_argument(argc, argv, 2, "milliseconds a turn", 1000, 10, 60000) * 1000000u;
    make_frames();
    if (drives)
        drive(connections, ns, (uint16_t)bench_argument(argc, argv, 4, "port", 0, 1, 65535));
    else
        compare(connections, ns, bench_argument(argc, argv, 3, "rounds", 5, 1, BENCH_MAX_ROUNDS));
    return 0;
}
