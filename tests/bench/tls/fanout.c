/* SPDX-License-Identifier: MIT
 * Fan-out over TLS 1.3 with AES-256-GCM: what a delivery to an SSE member costs the sender's processor, against a plain
 * loop of send() of the same text in clear over as many sockets.
 *
 *     tls/fanout [members [turns a round [rounds]]]
 *
 * Six processes. Three servers on one core: the library over TLS, the library in clear, and one that has nothing but an
 * array of sockets. Three clients on the other core, one for each server, that receive and count. They take turns
 * message by message. Processor time of the server's process is compared, not wall time: the client's core has its
 * share of the network's work. The clients do not decrypt, except for a sample of the members that checks every byte.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "tls.h"

#define MAX_TURNS 1000
#define OPEN_TOGETHER 50
#define SAMPLE 20 /* members that decrypt */
#define PAYLOAD_MAX 4096
#define PATIENCE_NS 30000000000u
#define QUIET_NS 3000000000u
#define OVERHEAD 22 /* bytes of a record around its data */

static struct bench_pem pem;

/* One of the contenders. */
struct side {
    const char *name;
    void (*serve)(int fd, void *side);
    bool tls;
    uint64_t members;
    uint16_t port;
    struct bench_child server, client;
};

/* ---- The client. Until it has all its members, a question is how many more to open, answered when they are. Then a
 * question is how many bytes to wait for, and is answered twice: with 0 once the client is at work, and with how many
 * 'x' the sample has read once it has them all. The question 0 is answered with the bytes that came until it was quiet.
 * ---- */

struct members {
    const struct side *side;
    int epoll;
    SSL_CTX *ctx;
    int fds[SAMPLE + 1]; /* of the sample, to which more than that is not added */
    SSL *ssls[SAMPLE];
    uint32_t sampled;
    uint64_t read; /* 'x' that the sample has decrypted */
};

static void watch(struct members *members, int fd, uint32_t sample)
{
    bench_nonblocking(fd);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)sample << 32 | (uint32_t)fd};
    if (epoll_ctl(members->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void open_over_tls(struct members *members, int count)
{
    SSL *ssls[OPEN_TOGETHER];
    bench_tls_open(ssls, count, members->ctx, members->side->port, NULL);
    for (int i = 0; i < count; ++i) {
        bench_tls_hold(ssls[i]);
        int fd = SSL_get_fd(ssls[i]);
        if (members->sampled == SAMPLE) {
            watch(members, bench_tls_strip(ssls[i]), SAMPLE);
            continue;
        }
        SSL_set0_rbio(ssls[i], BIO_new(BIO_s_mem()));
        members->ssls[members->sampled] = ssls[i];
        watch(members, fd, members->sampled++);
    }
}

static void open_members(struct members *members, int count)
{
    char buffer[4096];
    if (members->side->tls) {
        open_over_tls(members, count);
        return;
    }
    for (int i = 0; i < count; ++i) {
        int fd = bench_connect(members->side->port);
        bench_send_all(fd, BENCH_REQUEST, strlen(BENCH_REQUEST));
        bench_receive_head(fd, buffer, sizeof buffer);
        watch(members, fd, SAMPLE);
    }
}

static void decrypt(struct members *members, uint32_t sample, const char *data, int len)
{
    char text[16384];
    size_t n;
    SSL *ssl = members->ssls[sample];
    if (BIO_write(SSL_get_rbio(ssl), data, len) != len)
        bench_die("out of memory");
    ERR_clear_error();
    while (SSL_read_ex(ssl, text, sizeof text, &n) == 1)
        for (size_t i = 0; i < n; ++i)
            members->read += text[i] == 'x';
    if (SSL_get_error(ssl, 0) != SSL_ERROR_WANT_READ)
        bench_die("a record cannot be opened");
}

static uint64_t receive_some(struct members *members)
{
    static char buffer[65536];
    struct epoll_event events[256];
    uint64_t bytes = 0;
    int n = epoll_wait(members->epoll, events, 256, 0);
    for (int i = 0; i < n; ++i) {
        const uint32_t sample = (uint32_t)(events[i].data.u64 >> 32);
        ssize_t got = recv((int)(uint32_t)events[i].data.u64, buffer, sizeof buffer, 0);
        if (got == 0)
            bench_die("%s: the server closed a connection", members->side->name);
        if (got > 0 && sample < SAMPLE && members->side->tls)
            decrypt(members, sample, buffer, (int)got);
        bytes += got > 0 ? (uint64_t)got : 0;
    }
    return bytes;
}

/* Bytes that came; expected 0: until it was quiet. */
static uint64_t receive_all(struct members *members, uint64_t expected)
{
    uint64_t bytes = 0, start = bench_now(), now = start, changed = start;
    while (expected == 0 ? bytes == 0 || now - changed < QUIET_NS : bytes < expected) {
        uint64_t more = receive_some(members);
        bytes += more;
        now = bench_now();
        changed = more > 0 ? now : changed;
        if (now - start > PATIENCE_NS)
            bench_die("%s: LOST: %llu bytes were received out of %llu", members->side->name, (unsigned long long)bytes,
                      (unsigned long long)expected);
    }
    if (expected != 0 && bytes + receive_some(members) > expected)
        bench_die("%s: more than the %llu bytes that were sent were received", members->side->name,
                  (unsigned long long)expected);
    return bytes;
}

static void receive(int fd, void *arg)
{
    struct members members = {.side = arg, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    uint64_t expected, count;
    bench_pin(BENCH_CORE_CLIENT);
    members.ctx = bench_tls_client(TLS1_3_VERSION);
    for (uint64_t open = 0; open < members.side->members && bench_next(fd, &count); open += count) {
        open_members(&members, (int)count);
        bench_answer(fd, 0);
    }
    while (bench_next(fd, &expected)) {
        members.read = 0;
        bench_answer(fd, 0);
        uint64_t bytes = receive_all(&members, expected);
        bench_answer(fd, expected == 0 ? bytes : members.read);
    }
}

/* ---- The servers. The first question is answered once all members are there; each other one is how much to send to
 * all: for the library's the bytes of a message, for the plain one those of a send(). ---- */

static void serve_library(int fd, void *arg)
{
    const struct side *side = arg;
    const struct bench_place sealed = {"tls:127.0.0.1:0", pem.certificate, pem.key},
                             clear = {"127.0.0.1:0", NULL, NULL};
    const struct bench_option options[] = {{"threads", "1"}, {NULL, NULL}};
    static char payload[PAYLOAD_MAX];
    struct bench_library library;
    uint64_t len;
    memset(payload, 'x', sizeof payload);
    bench_pin(BENCH_CORE_SERVER);
    bench_library_start_at(&library, side->tls ? &sealed : &clear, options, HIJACK_HOLD_SSE);
    bench_pin(BENCH_CORE_CLIENT);
    bench_answer(fd, library.port);
    if (!bench_next(fd, &len))
        return;
    bench_library_wait(&library, HIJACK_STAT_HELD, side->members, false);
    bench_answer(fd, 0);
    while (bench_next(fd, &len)) {
        bench_check(hijack_broadcaster_publish(library.members, HIJACK_MESSAGE_TEXT, payload, len),
                    "hijack_broadcaster_publish");
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
    if (!bench_next(fd, &len))
        return;
    bench_answer(fd, 0);
    while (bench_next(fd, &len)) {
        for (uint64_t i = 0; i < side->members; ++i)
            if (send(fds[i], data, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
                bench_die("plain: a send of %llu bytes was not taken at once", (unsigned long long)len);
        bench_answer(fd, 0);
    }
}

/* ---- The parent: takes turns and compares. ---- */

static void start_side(struct side *side)
{
    side->server = bench_start(side->serve, side);
    side->port = (uint16_t)bench_hear(&side->server);
    side->client = bench_start(receive, side);
}

/* The members of all in turn: sends to older connections take the kernel longer. */
static void open_sides(const struct side *const *sides, int count)
{
    const uint64_t members = sides[0]->members;
    for (uint64_t open = 0; open < members; open += OPEN_TOGETHER) {
        uint64_t left = members - open;
        for (int i = 0; i < count; ++i)
            bench_ask(&sides[(i + (int)(open / OPEN_TOGETHER)) % count]->client,
                      left < OPEN_TOGETHER ? left : OPEN_TOGETHER);
    }
    for (int i = 0; i < count; ++i)
        bench_ask(&sides[i]->server, 0);
}

/* Bytes on the wire of a message with so much text. */
static uint64_t probe(const struct side *library, uint64_t payload)
{
    bench_ask(&library->client, 0);
    bench_ask(&library->server, payload);
    uint64_t bytes = bench_hear(&library->client);
    if (bytes % library->members != 0)
        bench_die("library: %llu bytes came, which is not the same for each of %llu members", (unsigned long long)bytes,
                  (unsigned long long)library->members);
    return bytes / library->members;
}

/* Nanoseconds of the server's processor for a member. */
static double turn(const struct side *side, uint64_t what, uint64_t bytes)
{
    uint64_t used = bench_processor_time(side->server.pid);
    bench_ask(&side->client, bytes * side->members);
    bench_ask(&side->server, what);
    uint64_t read = bench_hear(&side->client), sample = side->members < SAMPLE ? side->members : SAMPLE;
    if (side->tls && read != sample * what)
        bench_die("%s: the sample has decrypted %llu bytes of text out of %llu", side->name, (unsigned long long)read,
                  (unsigned long long)(sample * what));
    return (double)(bench_processor_time(side->server.pid) - used) / (double)side->members;
}

static void compare(const struct side *library, const struct side *plain, uint64_t payload, long turns, long rounds,
                    double target)
{
    static double a[MAX_TURNS], b[MAX_TURNS];
    double ours[BENCH_MAX_ROUNDS], theirs[BENCH_MAX_ROUNDS];
    const uint64_t bytes = probe(library, payload), clear = library->tls ? bytes - OVERHEAD : bytes;
    for (long round = -1; round < rounds; ++round) { /* one before the first, to warm up */
        long at = round < 0 ? 0 : round;
        for (long i = 0; i < turns; ++i) {
            if (i % 2 == 0)
                a[i] = turn(library, payload, bytes);
            b[i] = turn(plain, clear, clear);
            if (i % 2 == 1)
                a[i] = turn(library, payload, bytes);
        }
        ours[at] = 1e6 / bench_median(a, (size_t)turns);
        theirs[at] = 1e6 / bench_median(b, (size_t)turns);
    }
    struct bench_versus result = bench_versus(ours, theirs, (size_t)rounds);
    printf("%-9s %7llu %8llu %12.2f %12.2f %8.3f   %.3f to %.3f   at least %.2f: %s\n", library->name,
           (unsigned long long)payload, (unsigned long long)bytes, 1e3 / result.ours, 1e3 / result.theirs,
           result.median_of_ratios, result.least, result.most, target,
           result.median_of_ratios >= target ? "met" : "missed");
}

int main(int argc, char **argv)
{
    bench_begin("Fan-out over TLS: processor time of the sender for a delivery to an SSE member, one loop thread");
    long members = bench_argument(argc, argv, 1, "members", 10000, 1, 19000);
    long turns = bench_argument(argc, argv, 2, "turns a round", 15, 1, MAX_TURNS);
    long rounds = bench_argument(argc, argv, 3, "rounds", 5, 1, BENCH_MAX_ROUNDS);
    struct side sealed = {.name = "TLS", .serve = serve_library, .tls = true, .members = (uint64_t)members};
    struct side clear = {.name = "in clear", .serve = serve_library, .members = (uint64_t)members};
    struct side plain = {.name = "plain", .serve = serve_plain, .members = (uint64_t)members};
    bench_make_certificate(&pem);
    struct side *const sides[] = {&sealed, &clear, &plain};
    for (int i = 0; i < 3; ++i)
        start_side(sides[i]);
    open_sides((const struct side *const *)sides, 3);
    bench_pin(BENCH_CORE_CLIENT);
    printf("%ld members, TLS 1.3, AES-256-GCM; %ld rounds of %ld turns; a round's figure is its median turn, the ratio "
           "the\nmedian of the rounds' ratios of deliveries a second of processor time.\n\n",
           members, rounds, turns);
    printf("%-9s %7s %8s %12s %12s %8s   least to most    target\n", "", "text", "bytes", "library us", "send() us",
           "ratio");
    compare(&clear, &plain, 64, turns, rounds, 0.97);
    compare(&sealed, &plain, 64, turns, rounds, 0.85);
    compare(&sealed, &plain, 512, turns, rounds, 0.85);
    compare(&sealed, &plain, 4096, turns, rounds, 0.70);
    for (int i = 0; i < 3; ++i) {
        bench_end(&sides[i]->client);
        bench_end(&sides[i]->server);
    }
    return 0;
}
