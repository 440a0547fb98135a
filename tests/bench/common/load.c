/* SPDX-License-Identifier: MIT
 * The load generator: keep-alive connections with one request under way on each; see bench.h. One thread with epoll.
 * Always holds: each request that was sent is answered and its answer checked before bench_load returns. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define WARM_UP 10 /* the part of the time that is spent before answers count */
#define SLOTS 2048

struct client {
    int fd;
    uint64_t sent; /* when its request was sent */
    size_t have;
    bool last;         /* the server closes after this answer */
    char buffer[1024]; /* the answer so far */
};

struct run {
    const struct bench_load *load;
    struct bench_load_result result;
    struct client *clients;
    int epoll;
    int waiting;           /* clients whose request is not answered yet */
    uint64_t begin, end;   /* answers count in between; no request is sent after the end */
    uint32_t slots[SLOTS]; /* answers by how long they took */
};

/* ---- How long answers took: 32 slots for each power of two. ---- */

static unsigned slot_of(uint64_t ns)
{
    unsigned shift = ns < 64 ? 0 : 58 - (unsigned)__builtin_clzll(ns);
    return shift * 32 + (unsigned)(ns >> shift);
}

static double slot_microseconds(unsigned slot)
{
    unsigned shift = slot < 64 ? 0 : slot / 32 - 1;
    return (double)((uint64_t)(slot - shift * 32) << shift) / 1e3;
}

static double percentile(const struct run *run, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)run->result.answers), seen = 0;
    for (unsigned slot = 0; slot < SLOTS; ++slot) {
        seen += run->slots[slot];
        if (seen > wanted)
            return slot_microseconds(slot);
    }
    return 0;
}

/* ---- An answer. ---- */

static _Noreturn void die_of_answer(const struct client *client, const char *what)
{
    bench_die("%s. The answer so far:\n%.*s", what, (int)client->have, client->buffer);
}

/* The value of a field in a head whose last line ends at end; NULL if it is not there. name: with its colon. */
static const char *field(const struct client *client, const char *end, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = client->buffer; (line = memchr(line, '\n', (size_t)(end - line))) != NULL;)
        if (strncasecmp(++line, name, len) == 0)
            return line + len + strspn(line + len, " ");
    return NULL;
}

/* Whether the answer has come whole; a wrong one ends the program. */
static bool whole(struct client *client)
{
    static const char start[] = "HTTP/1.1 200 ";
    const size_t body_len = strlen(BENCH_HELLO);
    const char *end = memmem(client->buffer, client->have, "\r\n\r\n", 4);
    if (end == NULL && client->have < sizeof client->buffer)
        return false;
    if (end == NULL)
        die_of_answer(client, "the head of an answer is too long");
    if (memcmp(client->buffer, start, sizeof start - 1) != 0)
        die_of_answer(client, "an answer is not a 200 of HTTP/1.1");
    const char *length = field(client, end + 2, "content-length:");
    if (length == NULL || strtoul(length, NULL, 10) != body_len)
        die_of_answer(client, "an answer has no Content-Length, or a wrong one");
    size_t len = (size_t)(end - client->buffer) + 4 + body_len;
    if (len > sizeof client->buffer)
        die_of_answer(client, "an answer is too long");
    if (client->have > len)
        die_of_answer(client, "more came than the answer");
    if (client->have < len)
        return false;
    if (memcmp(end + 4, BENCH_HELLO, body_len) != 0)
        die_of_answer(client, "an answer has the wrong body");
    const char *connection = field(client, end + 2, "connection:");
    client->last = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    return true;
}

/* Reads what has come; true when the answer is whole. */
static bool receive(struct client *client)
{
    ssize_t n = recv(client->fd, client->buffer + client->have, sizeof client->buffer - client->have, MSG_DONTWAIT);
    if (n == 0)
        die_of_answer(client, "the server closed a connection whose request it had not answered");
    if (n < 0 && errno != EAGAIN)
        bench_die("waiting for an answer: %s", strerror(errno));
    client->have += n > 0 ? (size_t)n : 0;
    return n > 0 && whole(client);
}

/* ---- The run. ---- */

static void ask(struct run *run, struct client *client, uint64_t now)
{
    client->have = 0;
    client->sent = now;
    ++run->result.requests;
    bench_send_all(client->fd, run->load->request, run->load->request_len);
}

static void open_client(const struct run *run, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    client->fd = bench_connect(run->load->port);
    if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void count(struct run *run, const struct client *client, uint64_t now)
{
    if (now < run->begin || now >= run->end)
        return;
    ++run->slots[slot_of(now - client->sent)];
    ++run->result.answers;
    run->result.bytes += client->have;
}

static void readable(struct run *run, struct client *client)
{
    if (!receive(client))
        return;
    uint64_t now = bench_now();
    count(run, client, now);
    /* At the end closed at once: a server that waits for its next request in a thread (Puma) has that thread for the
     * others. */
    if (now >= run->end || client->last)
        close(client->fd);
    if (now >= run->end) {
        --run->waiting;
        return;
    }
    if (client->last) {
        ++run->result.reopened;
        open_client(run, client);
    }
    ask(run, client, now);
}

static void go_on(struct run *run)
{
    struct epoll_event events[64];
    while (run->waiting > 0) {
        int n = epoll_wait(run->epoll, events, 64, PATIENCE_MS);
        if (n == 0)
            bench_die("%d of %d requests were not answered within %d seconds", run->waiting, run->load->connections,
                      PATIENCE_MS / 1000);
        if (n < 0 && errno != EINTR)
            bench_die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; ++i)
            readable(run, events[i].data.ptr);
    }
}

struct bench_load_result bench_load(const struct bench_load *load)
{
    struct run run = {.load = load, .waiting = load->connections};
    if (load->connections < 1 || load->connections > BENCH_MAX_LOAD)
        bench_die("a load has 1 to %d connections, not %d", BENCH_MAX_LOAD, load->connections);
    run.clients = calloc((size_t)load->connections, sizeof *run.clients);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (run.clients == NULL || run.epoll < 0)
        bench_die("out of memory or descriptors");
    for (int i = 0; i < load->connections; ++i)
        open_client(&run, &run.clients[i]);
    run.begin = bench_now() + load->ns / WARM_UP;
    run.end = run.begin + load->ns;
    for (int i = 0; i < load->connections; ++i)
        ask(&run, &run.clients[i], bench_now());
    go_on(&run);
    run.result.rate = (double)run.result.answers * 1e9 / (double)load->ns;
    run.result.p50 = percentile(&run, 0.5);
    run.result.p99 = percentile(&run, 0.99);
    close(run.epoll);
    free(run.clients);
    return run.result;
}
