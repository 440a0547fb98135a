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
#define SLOTS 2048

struct client {
    int fd;
    uint64_t sent; /* when its request was sent */
    size_t have;
    char buffer[1024]; /* the answer so far */
};

struct run {
    const struct bench_load *load;
    struct bench_load_result result;
    struct client *clients;
    int epoll;
    int waiting;           /* clients whose request is not answered yet */
    uint64_t end;          /* when the last requests are sent */
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

/* The value of the one Content-Length in a head, whose end is known. */
static unsigned long content_length(const struct client *client, const char *end)
{
    static const char name[] = "content-length:";
    for (const char *line = client->buffer; (line = memchr(line, '\n', (size_t)(end - line))) != NULL;)
        if (strncasecmp(++line, name, sizeof name - 1) == 0)
            return strtoul(line + sizeof name - 1, NULL, 10);
    die_of_answer(client, "an answer has no Content-Length");
}

/* Whether the answer has come whole; a wrong one ends the program. */
static bool whole(const struct client *client)
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
    if (content_length(client, end + 2) != body_len)
        die_of_answer(client, "an answer has the wrong Content-Length");
    size_t len = (size_t)(end - client->buffer) + 4 + body_len;
    if (client->have > len)
        die_of_answer(client, "more came than the answer");
    if (client->have < len)
        return false;
    if (memcmp(end + 4, BENCH_HELLO, body_len) != 0)
        die_of_answer(client, "an answer has the wrong body");
    return true;
}

/* Reads what has come; true when the answer is whole. flags: MSG_DONTWAIT or 0. */
static bool receive(struct client *client, int flags)
{
    ssize_t n = recv(client->fd, client->buffer + client->have, sizeof client->buffer - client->have, flags);
    if (n == 0)
        die_of_answer(client, "the server closed a connection whose request it had not answered");
    if (n < 0 && (errno != EAGAIN || flags == 0))
        bench_die("waiting for an answer: %s", errno == EAGAIN ? "none came in 20 seconds" : strerror(errno));
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

/* Each connection has had an answer before the clock starts: what is made for a first request is there then. */
static void open_clients(struct run *run)
{
    run->clients = calloc((size_t)run->load->connections, sizeof *run->clients);
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (run->clients == NULL || run->epoll < 0)
        bench_die("out of memory or descriptors");
    for (int i = 0; i < run->load->connections; ++i) {
        struct client *client = &run->clients[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        client->fd = bench_connect(run->load->port);
        ask(run, client, 0);
        while (!receive(client, 0))
            ;
        if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
            bench_die("epoll_ctl: %s", strerror(errno));
    }
}

static void readable(struct run *run, struct client *client)
{
    if (!receive(client, MSG_DONTWAIT))
        return;
    uint64_t now = bench_now();
    ++run->slots[slot_of(now - client->sent)];
    ++run->result.answers;
    run->result.bytes += client->have;
    if (now < run->end)
        ask(run, client, now);
    else
        --run->waiting;
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
    open_clients(&run);
    uint64_t start = bench_now();
    run.end = start + load->ns;
    for (int i = 0; i < load->connections; ++i)
        ask(&run, &run.clients[i], bench_now());
    go_on(&run);
    run.result.rate = (double)run.result.answers * 1e9 / (double)(bench_now() - start);
    run.result.p50 = percentile(&run, 0.5);
    run.result.p99 = percentile(&run, 0.99);
    for (int i = 0; i < load->connections; ++i)
        close(run.clients[i].fd);
    close(run.epoll);
    free(run.clients);
    return run.result;
}
