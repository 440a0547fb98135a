/* SPDX-License-Identifier: MIT
 * Crowd: a part of very many clients, for bindings/bench/many.py.
 *
 *     crowd port connections number
 *
 * Opens the connections from addresses of 127.number.0.0/16, asks each for /, and prints "open" with the number of
 * those whose head has come. Then, for each line "expect COUNT SECONDS" on the standard input, it reads until every
 * connection has received the string BEEP so often, and prints "received", how many have, how often it came in all, how
 * many connections have closed, and the moment of the last (CLOCK_MONOTONIC, nanoseconds). One process, one thread; it
 * ends with its standard input. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define STRING "BEEP"
#define UNDER_WAY 16 /* connections that are being opened at a time: a crowd is many processes */
#define ADDRESSES 64 /* with all from one address the kernel would spend its time on looking for a free port */
#define OPENING_SECONDS 600
#define READS 512

struct client {
    int fd;
    uint16_t count;  /* how often the string came */
    uint8_t matched; /* its bytes at the end of what came */
    bool begun;      /* its head has begun */
};

struct crowd {
    struct client *clients;
    long opened, begun, closed;
    uint64_t received, last_ns;
    int epoll;
};

static void connect_one(struct crowd *crowd, uint16_t port, unsigned number)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";
    struct client *client = &crowd->clients[crowd->opened];
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* no port stays in TIME_WAIT */
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)crowd->opened};
    int on = 1;
    from.sin_addr.s_addr = htonl(0x7f000001u + (number << 16) + (unsigned)crowd->opened % ADDRESSES);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        bench_die("socket: %s", strerror(errno));
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(client->fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(client->fd, (struct sockaddr *)&to, sizeof to) != 0)
        bench_die("connecting to 127.0.0.1:%d: %s", port, strerror(errno));
    bench_send_all(client->fd, request, sizeof request - 1);
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
    ++crowd->opened;
}

static void count(struct crowd *crowd, struct client *client, const char *data, size_t len)
{
    for (size_t i = 0; i < len; ++i) {
        if (data[i] != STRING[client->matched])
            client->matched = 0;
        if (data[i] != STRING[client->matched])
            continue;
        if (STRING[++client->matched] == '\0') {
            client->matched = 0;
            ++client->count;
            ++crowd->received;
            crowd->last_ns = bench_now();
        }
    }
}

static void receive(struct crowd *crowd, int timeout_ms)
{
    static struct epoll_event events[READS];
    char buffer[4096];
    int n = epoll_wait(crowd->epoll, events, READS, timeout_ms);
    for (int i = 0; i < n; ++i) {
        struct client *client = &crowd->clients[events[i].data.u64];
        ssize_t got = recv(client->fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got > 0) {
            crowd->begun += !client->begun;
            client->begun = true;
            count(crowd, client, buffer, (size_t)got);
        } else if (got == 0 || errno != EAGAIN) {
            close(client->fd);
            client->fd = -1;
            ++crowd->closed;
        }
    }
}

static void expect(struct crowd *crowd, long times, long seconds)
{
    uint64_t wanted = (uint64_t)crowd->opened * (uint64_t)times, end = bench_now() + (uint64_t)seconds * 1000000000u;
    long enough = 0;
    while (crowd->received < wanted && bench_now() < end)
        receive(crowd, 50);
    for (long i = 0; i < crowd->opened; ++i)
        enough += crowd->clients[i].count >= times;
    printf("received %ld %llu %ld %llu\n", enough, (unsigned long long)crowd->received, crowd->closed,
           (unsigned long long)crowd->last_ns);
}

int main(int argc, char **argv)
{
    struct crowd crowd = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
    char line[128];
    long times, seconds;
    uint16_t port = (uint16_t)bench_argument(argc, argv, 1, "port", 0, 1, 65535);
    long connections = bench_argument(argc, argv, 2, "connections", 1000, 1, 1000000);
    unsigned number = (unsigned)bench_argument(argc, argv, 3, "number", 1, 0, 255);
    setvbuf(stdout, NULL, _IOLBF, 0);
    crowd.clients = calloc((size_t)connections, sizeof *crowd.clients);
    if (crowd.clients == NULL || crowd.epoll < 0)
        bench_die("out of memory or descriptors");
    uint64_t end = bench_now() + OPENING_SECONDS * 1000000000ull;
    while (crowd.begun + crowd.closed < connections && bench_now() < end) {
        if (crowd.opened < connections && crowd.opened - crowd.begun - crowd.closed < UNDER_WAY)
            connect_one(&crowd, port, number);
        else
            receive(&crowd, 50);
    }
    printf("open %ld\n", crowd.begun);
    for (;;) {
        struct pollfd input[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = crowd.epoll, .events = POLLIN}};
        if (poll(input, 2, -1) < 0)
            bench_die("poll: %s", strerror(errno));
        if (input[1].revents != 0)
            receive(&crowd, 0);
        if (input[0].revents == 0)
            continue;
        if (fgets(line, sizeof line, stdin) == NULL)
            break;
        if (sscanf(line, "expect %ld %ld", &times, &seconds) == 2)
            expect(&crowd, times, seconds);
    }
    return 0; /* the kernel closes them all */
}
