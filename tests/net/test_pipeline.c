/* SPDX-License-Identifier: MIT
 *
 * Clients that send requests without end: one that does not read the answers costs a bounded amount, some that do
 * leave the others their turn.
 */
#include "support/exchange.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PAD "0123456789012345678901234567890123456789" /* what is to be answered is not to be millions */

enum {
    BACKLOG_MOST = 1 << 20 /* unsent bytes that one client may cost */
};

/* Sends the request over and over until the server takes no more, or has ended; how many bytes went out. */
static size_t stuff(struct fixture *f, struct client *c, const char *request)
{
    size_t len = strlen(request), count = 65536 / len, sent = 0;
    char *many = malloc(count * len);
    uint64_t taken = clock_ms();

    CHECK(many != NULL);
    for (size_t i = 0; i < count; i++)
        memcpy(many + i * len, request, len);
    while (clock_ms() - taken < 300 && sent < (64u << 20)) {
        ssize_t n = send(c->fd, many + sent % len, count * len - sent % len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            break;
        if (n > 0) {
            sent += (size_t)n;
            taken = clock_ms();
        } else {
            clock_tick();
        }
        CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) < BACKLOG_MOST);
    }
    free(many);
    return sent;
}

/* The empty line of the head at start; heads here are short. */
static char *head_end(char *start, size_t len)
{
    return memmem(start, len < 512 ? len : 512, "\r\n\r\n", 4);
}

/* Takes the answers that are whole; how many. */
static size_t take_answers(struct client *c, int status)
{
    size_t count = 0, at = 0;
    char *end, start[16];

    snprintf(start, sizeof(start), "HTTP/1.1 %d", status);
    while ((end = head_end(c->buf + at, c->len - at)) != NULL) {
        char *head = c->buf + at, *length = memmem(head, (size_t)(end - head), "Content-Length: ", 16);
        size_t whole = (size_t)(end - head) + 4 + (length == NULL ? 0 : strtoul(length + 16, NULL, 10));
        if (strncmp(head, start, strlen(start)) != 0)
            check_fail(__FILE__, __LINE__, "not a %d: %.80s", status, head);
        if (whole > c->len - at)
            break;
        at += whole;
        count++;
    }
    client_consume(c, at);
    return count;
}

/* A server without a queue answers by itself; when nobody reads it waits, without work, and serves the others. */
static void test_answers_unread(void **state)
{
    static const char request[] = "GET /none HTTP/1.1\r\nHost: x\r\nX-Pad: " PAD PAD PAD PAD "\r\n\r\n";
    struct fixture *f = *state;
    size_t answered = 0;

    fixture_without_queue(f);
    fixture_option(f, OPT_THREADS, "1");
    fixture_option(f, OPT_REQUESTS, "0");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    size_t sent = stuff(f, c, request);
    clock_until_idle();
    struct client *other = client_connect(f->port);
    ask(other, "/none");
    response_expect(other, 404, NULL);
    CHECK(sent < (64u << 20)); /* it was made to wait */
    size_t whole = sent / (sizeof(request) - 1);
    WAIT_FOR((client_peek(c), (answered += take_answers(c, 404)) >= whole));
    CHECK(answered == whole);
    client_puts(c, request + sent % (sizeof(request) - 1));
    response_expect(c, 404, NULL);
    clock_until_idle();
}

/* The head of a held route again and again: the answers that wait are bounded, and those that come are whole. */
static void test_heads_unread(void **state)
{
    struct fixture *f = *state;
    static const char request[] = "HEAD /sse HTTP/1.1\r\nHost: x\r\n\r\n";
    size_t answered = 0;

    fixture_option(f, OPT_THREADS, "1");
    fixture_option(f, OPT_REQUESTS, "0");
    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    uint64_t resident = process_resident();
    stuff(f, c, request);
    CHECK(process_resident() < resident + (32u << 20) * clock_scale()); /* sanitizers keep what was freed */
    clock_until_idle();
    /* the server may have had enough of it, or goes on now; either way it ends in order */
    client_shutdown(c);
    WAIT_FOR((client_peek(c), answered += take_answers(c, 200), c->ended != 0));
    answered += take_answers(c, 200);
    CHECK(answered > 0);
    BYTES(c->buf, c->len, "", 0);
    CODE(c->ended, 1);
    CODE(hijack_broadcaster_count(room), 0);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

struct pump {
    pthread_t thread;
    int fd;
    _Atomic int *stop;
    uint64_t answered; /* bytes */
};

/* Sends requests and throws the answers away, as fast as it can. */
static void *pump_on(void *argument)
{
    static const char request[] = "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde";
    enum {
        LEN = sizeof(request) - 1,
        SIZE = 700 * LEN
    };
    struct pump *pump = argument;
    char *many = malloc(SIZE), *scratch = malloc(65536);
    size_t at = 0;

    for (size_t i = 0; many != NULL && i < SIZE; i++)
        many[i] = request[i % LEN];
    while (many != NULL && scratch != NULL && !*pump->stop) {
        ssize_t n = send(pump->fd, many + at, SIZE - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        at = n > 0 ? (at + (size_t)n) % LEN : at;
        if (n < 0 && errno != EAGAIN)
            break;
        while ((n = recv(pump->fd, scratch, 65536, MSG_DONTWAIT)) > 0)
            pump->answered += (uint64_t)n;
    }
    free(many);
    free(scratch);
    return NULL;
}

/* Others are pumping requests with bodies through the only thread; a member gets what is published all the same. */
static void test_busy_neighbours(void **state)
{
    enum {
        PUMPS = 6,
        PUBLISHES = 40
    };
    struct fixture *f = *state;
    struct pump pumps[PUMPS];
    _Atomic int stop = 0;
    uint64_t longest = 0, limit = 5000 * clock_scale(); /* a busy machine is slow, a starved member waits for ever */

    fixture_without_queue(f);
    fixture_option(f, OPT_THREADS, "1");
    fixture_option(f, OPT_REQUESTS, "0");
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    ask(c, "/raw");
    members_wait(room, 1);
    for (int i = 0; i < PUMPS; i++) {
        pumps[i] = (struct pump){.fd = client_connect(f->port)->fd, .stop = &stop};
        CHECK(pthread_create(&pumps[i].thread, NULL, pump_on, &pumps[i]) == 0);
    }
    for (size_t i = 1; i <= PUBLISHES && longest <= limit; i++) {
        struct pollfd poller = {.fd = c->fd, .events = POLLIN};
        poll(NULL, 0, 5); /* let them get on */
        uint64_t start = clock_ms();
        int code = hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, "x", 1);
        poll(&poller, 1, (int)limit + 1);
        longest = clock_ms() - start > longest ? clock_ms() - start : longest;
        if (code != 1 || client_peek(c) != i)
            break;
    }
    stop = 1;
    for (int i = 0; i < PUMPS; i++)
        pthread_join(pumps[i].thread, NULL);
    print_message("longest from publish to member: %llu ms\n", (unsigned long long)longest);
    CHECK(longest <= limit && c->len == PUBLISHES);
    for (int i = 0; i < PUMPS; i++)
        CHECK(pumps[i].answered > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_answers_unread), TEST(test_heads_unread), TEST(test_busy_neighbours)};

    return RUN_TESTS(tests, argc, argv);
}
