/* SPDX-License-Identifier: MIT
 *
 * Clients that poll, each time with the position of their last answer, on a connection that they keep or on a new one,
 * while several threads publish: each gets every message once and in order, or is told of a gap where the history did
 * not reach that far back.
 */
#include "support/exchange.h"
#include "support/publishers.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct poller {
    struct client *client; /* NULL: it is away */
    bool begun;            /* it has a position */
    uint64_t last;         /* offset of its last message, or of the position */
    uint64_t turn_ms;      /* when it leaves, or comes */
};

static struct {
    struct publishers publishers;
    struct poller *pollers;
    struct pollfd *polls;
    int count;
    unsigned seed;
    uint64_t messages, deadlines, gaps, returns;
} run;

static unsigned between(unsigned least, unsigned most)
{
    return least + (unsigned)rand_r(&run.seed) % (most - least + 1);
}

/* The offset in this field of an answer; 0 without it. */
static uint64_t field(const char *head, const char *name)
{
    const char *found = strstr(head, name);
    return found == NULL ? 0 : strtoull(found + strlen(name), NULL, 10);
}

static void note(struct poller *it, const char *head, const char *body)
{
    const bool message = strncmp(head, LIT("HTTP/1.1 200 ")) == 0;
    const uint64_t position = field(head, "\r\nHijack-Position: e-"), first = field(head, "\r\nHijack-Gap: e-");
    CHECK(message || strncmp(head, LIT("HTTP/1.1 204 ")) == 0);
    if (first != 0) {
        CHECK(it->begun && first > it->last + 1);
        it->last = first - 1;
        ++run.gaps;
    }
    if (!it->begun)
        it->last = position - message;
    if (position != it->last + message) /* one is missing, or came twice */
        check_fail(__FILE__, __LINE__, "status %d at %llu after %llu", message ? 200 : 204,
                   (unsigned long long)position, (unsigned long long)it->last);
    if (message)
        publishers_read(&run.publishers, position, body);
    it->begun = true;
    it->last = position;
    ++*(message ? &run.messages : &run.deadlines);
}

static void ask_for_more(struct poller *it)
{
    publishers_ask(it->client, "/poll", 1, it->begun, it->last);
}

static void come(struct fixture *f, struct poller *it)
{
    it->client = client_connect(f->port);
    it->turn_ms = clock_ms() + between(1, 1000);
    ask_for_more(it);
}

static void go(struct poller *it)
{
    if (between(0, 1) == 0)
        client_reset(it->client);
    else
        client_close(it->client);
    it->client = NULL;
    it->turn_ms = clock_ms() + (between(0, 9) == 0 ? between(500, 3000) : between(0, 100)); /* some for long */
    ++run.returns;
}

/* Reads the answer, if it is there as a whole, and asks for the next one, there or on a new connection. */
static void take(struct fixture *f, struct poller *it)
{
    struct client *c = it->client;
    const char *end = memmem(c->buf, c->len, "\r\n\r\n", 4);
    char text[512];
    if (end == NULL)
        return;
    const size_t head = (size_t)(end - c->buf) + 4;
    CHECK(c->len < sizeof(text));
    memcpy(text, c->buf, c->len);
    text[c->len] = '\0';
    const size_t body = field(text, "\r\nContent-Length: ");
    if (c->len < head + body)
        return;
    CHECK(c->len == head + body);
    text[head - 1] = '\0';
    note(it, text, text + head);
    client_consume(c, c->len);
    if (between(0, 9) != 0) {
        ask_for_more(it);
    } else { /* perhaps to another loop, which may be behind this one */
        go(it);
        come(f, it);
    }
}

/* Reads what is there; coming and going as their turns come. */
static void work(struct fixture *f, bool may_leave)
{
    for (int i = 0; i < run.count; i++)
        run.polls[i] = (struct pollfd){run.pollers[i].client == NULL ? -1 : run.pollers[i].client->fd, POLLIN, 0};
    CHECK(poll(run.polls, (nfds_t)run.count, 1) >= 0);
    const uint64_t now = clock_ms();
    for (int i = 0; i < run.count; i++) {
        struct poller *it = &run.pollers[i];
        if (run.polls[i].revents != 0) {
            client_peek(it->client);
            CHECK(it->client->ended == 0); /* the server keeps every connection */
            take(f, it);
        }
        if (it->client == NULL ? !may_leave || now >= it->turn_ms : may_leave && now >= it->turn_ms)
            it->client == NULL ? come(f, it) : go(it);
    }
}

static bool all_have(uint64_t newest)
{
    for (int i = 0; i < run.count; i++)
        if (run.pollers[i].client == NULL || !run.pollers[i].begun || run.pollers[i].last != newest)
            return false;
    return true;
}

static void test_polling(void **state)
{
    struct fixture *f = *state;

    run.count = clock_times(500, 60);
    run.seed = 1;
    run.pollers = calloc((size_t)run.count, sizeof(*run.pollers));
    run.polls = calloc((size_t)run.count, sizeof(*run.polls));
    fixture_option(f, OPT_THREADS, "2");
    fixture_option(f, "requests_per_connection", "0");
    hijack_broadcaster *room = fixture_hold(f, "/poll", HIJACK_HOLD_LONG_POLL);
    OK(hijack_broadcaster_set(room, LIT("history_position"), LIT("e-0")));
    OK(hijack_broadcaster_set(room, LIT("history_messages"), LIT("50"))); /* one to two seconds, or half of one */
    OK(hijack_broadcaster_set(room, LIT("long_poll_ms"), LIT("20")));
    fixture_start(f);
    publishers_start(&run.publishers, room, (unsigned)clock_times(120000, 40000));
    const uint64_t end = clock_ms() + (uint64_t)clock_times(60000, 2500);
    while (clock_ms() < end || run.returns < (uint64_t)run.count / 4) /* handshakes of TLS may take all that time */
        work(f, true);
    const uint64_t newest = publishers_stop(&run.publishers), limit = clock_ms() + 12 * clock_limit_ms();
    while (!all_have(newest)) {
        CHECK(clock_ms() < limit);
        work(f, false);
    }
    print_message("%d clients, %llu published, %llu received, %llu returns, %llu deadlines, %llu gaps\n", run.count,
                  (unsigned long long)newest, (unsigned long long)run.messages, (unsigned long long)run.returns,
                  (unsigned long long)run.deadlines, (unsigned long long)run.gaps);
    CHECK(run.returns > 0 && newest > 50);
    publishers_free(&run.publishers);
    free(run.pollers);
    free(run.polls);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_polling)};

    return RUN_TESTS(tests, argc, argv);
}
