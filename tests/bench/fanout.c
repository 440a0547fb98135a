/* SPDX-License-Identifier: MIT
 * Fan-out: one message to every SSE member through one loop thread, against a plain loop of send() over as many
 * sockets.
 *
 *     fanout [members [turns a round [rounds [streams [websocket [history]]]]]]
 *
 * With 1 for websocket the members are WebSockets (which have agreed to compression; the message is too short for it).
 * With a number for history the broadcaster keeps so many messages, and each one has an id.
 * With streams the library's members speak HTTP/2, so many on a connection; the plain side stays as it is, and sends as
 * many bytes to each of its sockets.
 *
 * Four processes. Two servers on one core: the library's, and one that has nothing but an array of sockets. Two clients
 * on the other core, one for each server, that receive and count. Only one pair works at a time; they take turns
 * message by message, so that whatever else the machine does meets both. Time runs from the publish (or the first send)
 * until the client has the last byte of what was sent. Nobody watches meanwhile: looking at the statistics, or waking a
 * sleeping client, costs the sender more than a send. So a client at work never sleeps, and the column pace tells
 * whether it was the server that set it. Both sides send the same number of bytes; a burst is 16 messages
 * published one right after the other, for the plain loop 16 messages in one send(). A byte too few or too many ends
 * the run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define BURST 16
#define MAX_TURNS 1000
#define OPEN_TOGETHER 100
#define PAYLOAD 64
#define PATIENCE_NS 20000000000u
#define QUIET_NS 300000000u
#define RATE 4000000 /* deliveries a second that are wanted of HTTP/2 with many streams on a connection */

/* One of the two contenders. */
struct side {
    const char *name;
    void (*serve)(int fd, void *side);
    uint64_t members;
    unsigned streams; /* of an HTTP/2 connection; 0: HTTP/1 */
    bool websocket;
    long history;
    uint16_t port;
    struct bench_child server, client;
};

/* ---- The client. Until it has all its members, a question is how many more to open, answered when they are. Then a
 * question is how many bytes to wait for, and is answered twice: with 0 once the client is at work,
 * and with the time at which it had them all. The question 0 is answered with the bytes that came until it was quiet.
 * ---- */

static void open_members(const struct side *side, int epoll, uint64_t count)
{
    char buffer[4096];
    for (uint64_t i = 0; i < count; i += side->streams == 0 ? 1 : side->streams) {
        int fd = bench_connect(side->port);
        if (side->streams != 0) {
            bench_http2_open(fd, side->streams);
        } else {
            const char *request = side->websocket ? BENCH_WEBSOCKET_REQUEST : BENCH_REQUEST;
            bench_send_all(fd, request, strlen(request));
            bench_receive_head(fd, buffer, sizeof buffer);
        }
        bench_nonblocking(fd);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            bench_die("epoll_ctl: %s", strerror(errno));
    }
}

static uint64_t receive_some(const struct side *side, int epoll)
{
    static char buffer[65536];
    struct epoll_event events[256];
    uint64_t bytes = 0;
    int n = epoll_wait(epoll, events, 256, 0);
    for (int i = 0; i < n; ++i) {
        ssize_t got = recv(events[i].data.fd, buffer, sizeof buffer, 0);
        if (got == 0)
            bench_die("%s: the server closed a connection", side->name);
        bytes += got > 0 ? (uint64_t)got : 0;
    }
    return bytes;
}

static void receive(int fd, void *arg)
{
    const struct side *side = arg;
    uint64_t expected, count;
    bench_pin(BENCH_CORE_CLIENT);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        bench_die("epoll_create1: %s", strerror(errno));
    for (uint64_t open = 0; open < side->members && bench_next(fd, &count); open += count) {
        open_members(side, epoll, count);
        bench_answer(fd, 0);
    }
    while (bench_next(fd, &expected)) {
        uint64_t bytes = 0, start = bench_now(), now = start, changed = start;
        bench_answer(fd, 0);
        while (expected == 0 ? bytes == 0 || now - changed < QUIET_NS : bytes < expected) {
            uint64_t more = receive_some(side, epoll);
            bytes += more;
            now = bench_now();
            changed = more > 0 ? now : changed;
            if (now - start > PATIENCE_NS)
                bench_die("%s: LOST: %llu bytes were received out of %llu", side->name, (unsigned long long)bytes,
                          (unsigned long long)expected);
        }
        if (expected != 0 && bytes + receive_some(side, epoll) > expected)
            bench_die("%s: more than the %llu bytes that were sent were received", side->name,
                      (unsigned long long)expected);
        bench_answer(fd, expected == 0 ? bytes : now);
    }
}

/* ---- The servers. A question is how much to send to all: for the library's how many messages together, for the plain
 * one how many bytes in one send(). Answered twice: with the time when it began, and the time when it knew itself to be
 * done, or 0. The question 0 is answered, once, with the copies delivered since the start. ---- */

/* Positions of nine digits from the start, so that all messages have the same length. */
static void keep_history(hijack_broadcaster *members, long messages)
{
    char text[16];
    if (messages == 0)
        return;
    snprintf(text, sizeof text, "%ld", messages);
    bench_check(hijack_broadcaster_set(members, HIJACK_STR("history_messages"), text, strlen(text)),
                "history_messages");
    bench_check(hijack_broadcaster_set(members, HIJACK_STR("history_position"), HIJACK_STR("e-100000000")),
                "history_position");
}

static void serve_library(int fd, void *arg)
{
    const struct side *side = arg;
    struct bench_library library;
    uint64_t messages;
    char payload[PAYLOAD];
    memset(payload, 'x', sizeof payload);
    bench_pin(BENCH_CORE_SERVER);
    bench_library_start(&library, 1, side->websocket ? HIJACK_HOLD_WEBSOCKET : HIJACK_HOLD_SSE);
    keep_history(library.members, side->history);
    bench_pin(BENCH_CORE_CLIENT);
    bench_answer(fd, library.port);
    bench_library_wait(&library, HIJACK_STAT_HELD, side->members, false);
    bench_answer(fd, 0);
    while (bench_next(fd, &messages)) {
        if (messages == 0) {
            bench_answer(fd, bench_library_stat(&library, HIJACK_STAT_DELIVERED));
            continue;
        }
        uint64_t start = bench_now();
        for (uint64_t i = 0; i < messages; ++i)
            bench_check(hijack_broadcaster_publish(library.members, HIJACK_MESSAGE_TEXT, payload, sizeof payload),
                        "hijack_broadcaster_publish");
        bench_answer(fd, start);
        bench_answer(fd, 0);
    }
}

static void accept_members(int *fds, const struct side *side, int listener)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    char buffer[4096];
    for (uint64_t i = 0; i < side->members; ++i) {
        fds[i] = bench_accept(listener);
        bench_receive_head(fds[i], buffer, sizeof buffer);
        bench_send_all(fds[i], head, strlen(head));
    }
}

static void serve_plain(int fd, void *arg)
{
    static char data[65536];
    const struct side *side = arg;
    uint64_t len;
    uint16_t port;
    int listener = bench_listen(&port);
    int *fds = calloc(side->members, sizeof *fds);
    if (fds == NULL)
        bench_die("out of memory");
    bench_pin(BENCH_CORE_SERVER);
    memset(data, 'x', sizeof data);
    bench_answer(fd, port);
    accept_members(fds, side, listener);
    bench_answer(fd, 0);
    while (bench_next(fd, &len)) {
        uint64_t start = bench_now();
        for (uint64_t i = 0; i < side->members; ++i)
            if (send(fds[i], data, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
                bench_die("plain: a send of %llu bytes was not taken at once", (unsigned long long)len);
        uint64_t end = bench_now();
        bench_answer(fd, start);
        bench_answer(fd, end);
    }
}

/* ---- The parent: takes turns and compares. ---- */

static void start_side(struct side *side)
{
    side->server = bench_start(side->serve, side);
    side->port = (uint16_t)bench_hear(&side->server);
    side->client = bench_start(receive, side);
}

/* Both sides' members in turn, a few at a time: sends to older connections take the kernel longer, so the side whose
 * members were all there first would be the slower one. */
static void open_sides(const struct side *a, const struct side *b)
{
    for (uint64_t open = 0; open < a->members; open += OPEN_TOGETHER) {
        uint64_t left = a->members - open, count = left < OPEN_TOGETHER ? left : OPEN_TOGETHER;
        bool a_first = open / OPEN_TOGETHER % 2 == 0;
        bench_ask(a_first ? &a->client : &b->client, count);
        bench_ask(a_first ? &b->client : &a->client, count);
    }
    bench_hear(&a->server);
    bench_hear(&b->server);
}

/* Finds out how many bytes the library puts on the wire for so many messages, chunk framing and all. */
static uint64_t probe(const struct side *library, uint64_t messages)
{
    bench_ask(&library->client, 0);
    bench_ask(&library->server, messages);
    bench_hear(&library->server);
    uint64_t bytes = bench_hear(&library->client);
    if (bytes % library->members != 0)
        bench_die("library: %llu bytes came, which is not the same for each of %llu members", (unsigned long long)bytes,
                  (unsigned long long)library->members);
    return bytes / library->members;
}

/* Nanoseconds of each turn of a round, and the sum of all turns of all rounds. */
struct times {
    double turns[MAX_TURNS];
    double sum;        /* until the client had it all */
    double server_sum; /* until the server was done, as far as it knows */
};

static void turn(struct times *times, long at, const struct side *side, uint64_t what, uint64_t bytes)
{
    bench_ask(&side->client, bytes * side->members);
    uint64_t start = bench_ask(&side->server, what), done = bench_hear(&side->server);
    times->turns[at] = (double)(bench_hear(&side->client) - start);
    times->sum += times->turns[at];
    times->server_sum += done == 0 ? 0 : (double)(done - start);
}

static void compare(const struct side *library, const struct side *plain, uint64_t messages, uint64_t bytes, long turns,
                    long rounds, double target)
{
    static struct times a, b;
    double ours[BENCH_MAX_ROUNDS], theirs[BENCH_MAX_ROUNDS];
    double copies = (double)library->members * (double)messages, turned = copies * (double)turns * (double)rounds;
    uint64_t cpu_a = 0, cpu_b = 0;
    for (long round = -1; round < rounds; ++round) { /* one before the first, to warm up */
        long at = round < 0 ? 0 : round;
        if (round <= 0) {
            a.sum = b.sum = b.server_sum = 0;
            cpu_a = bench_processor_time(library->server.pid);
            cpu_b = bench_processor_time(plain->server.pid);
        }
        for (long i = 0; i < turns; ++i) {
            if (i % 2 == 0)
                turn(&a, i, library, messages, bytes);
            turn(&b, i, plain, bytes, bytes);
            if (i % 2 == 1)
                turn(&a, i, library, messages, bytes);
        }
        ours[at] = copies * 1e9 / bench_median(a.turns, (size_t)turns);
        theirs[at] = copies * 1e9 / bench_median(b.turns, (size_t)turns);
    }
    cpu_a = bench_processor_time(library->server.pid) - cpu_a;
    cpu_b = bench_processor_time(plain->server.pid) - cpu_b;
    struct bench_versus result = bench_versus(ours, theirs, (size_t)rounds);
    printf("%8llu %6llu %12.0f %12.0f %11.3f %11.3f %11.3f %7.3f", (unsigned long long)messages,
           (unsigned long long)bytes, result.ours, result.theirs, result.median_of_ratios, result.of_medians,
           b.sum / a.sum, b.server_sum / b.sum);
    if (target != 0)
        printf("   at least %.2f: %s", target, result.median_of_ratios >= target ? "met" : "missed");
    const double rate = turned * 1e9 / (double)cpu_a;
    printf("\n%15s %12.0f %12.0f %11.3f   by the servers' processor time", "", rate, turned * 1e9 / (double)cpu_b,
           (double)cpu_b / (double)cpu_a);
    if (target == 0)
        printf("; at least %d a second: %s", RATE, rate >= RATE ? "met" : "missed");
    printf("\n");
}

int main(int argc, char **argv)
{
    bench_begin("Fan-out: deliveries a second to members on one loop thread");
    long members = bench_argument(argc, argv, 1, "members", 10000, 1, 19000);
    long turns = bench_argument(argc, argv, 2, "turns a round", 15, 1, MAX_TURNS);
    long rounds = bench_argument(argc, argv, 3, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    long streams = bench_argument(argc, argv, 4, "streams", 0, 0, OPEN_TOGETHER);
    if (streams != 0 && (members % streams != 0 || OPEN_TOGETHER % streams != 0))
        bench_die("streams: expected a divisor of %d and of the members (got %ld)", OPEN_TOGETHER, streams);
    bool websocket = bench_argument(argc, argv, 5, "websocket", 0, 0, 1) != 0;
    if (websocket && streams != 0)
        bench_die("websocket: not over HTTP/2");
    long history = bench_argument(argc, argv, 6, "history", 0, 0, 1000000);
    struct side library = {.name = "library",
                           .history = history,
                           .serve = serve_library,
                           .members = (uint64_t)members,
                           .streams = (unsigned)streams,
                           .websocket = websocket};
    struct side plain = {.name = "plain", .serve = serve_plain, .members = (uint64_t)members};
    start_side(&library);
    start_side(&plain);
    open_sides(&library, &plain);
    bench_pin(BENCH_CORE_CLIENT);
    /* over HTTP/2 a burst is not always in as many frames */
    uint64_t one = probe(&library, 1), burst = streams != 0 ? 0 : probe(&library, BURST);

    if (streams != 0)
        printf("The library's members speak HTTP/2 in clear, %ld streams on a connection.\n", streams);
    printf("%s members.\n", websocket ? "WebSocket" : "SSE");
    printf("%ld members, %ld rounds of %ld turns; a round's figure is its median turn. The ratio is the median of the "
           "rounds'\nratios; beside it that of the medians, and of the sums of all turns. Pace: how much of the time "
           "until "
           "the\nclient had it all the plain loop was sending; near 1 the server sets the pace.\n\n",
           members, rounds, turns);
    printf("%8s %6s %12s %12s %11s %11s %11s %7s   target\n", "messages", "bytes", "library/s", "send()/s", "ratio",
           "of medians", "of sums", "pace");
    compare(&library, &plain, 1, one, turns, rounds, streams == 0 ? 0.97 : streams == 1 ? 0.95 : 0);
    if (burst != 0)
        compare(&library, &plain, BURST, burst, turns, rounds, 0.90);

    uint64_t published = (uint64_t)(members * (1 + (burst != 0 ? BURST : 0)) * (1 + turns * (rounds + 1)));
    uint64_t delivered = bench_ask(&library.server, 0);
    bench_end(&library.client);
    bench_end(&plain.client);
    bench_end(&library.server);
    bench_end(&plain.server);
    if (delivered != published)
        bench_die("library: DELIVERED is %llu, %llu copies were received", (unsigned long long)delivered,
                  (unsigned long long)published);
    printf("\n%llu copies sent by the library, %llu received.\n", (unsigned long long)published,
           (unsigned long long)delivered);
    return 0;
}
