/* SPDX-License-Identifier: MIT
 *
 * Clients that drop and return while several threads publish. By SSE with Last-Event-ID, and by WebSocket with a
 * parameter and the convention of docs/guides/missed-events.md.
 *
 * returning: at random times, and the history holds a second (over TLS eight): each client gets every message once and
 * in order, or is told of a gap where the history did not reach that far back. drops: for two seconds again and again,
 * and the history holds more: each client gets every message, and what share of them was published while its client was
 * away is printed beside that.
 */
#include "support/publishers.h"
#include "support/transport.h"
#include "support/websocket_client.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct subscriber {
    struct client *client; /* NULL before the first one */
    bool websocket;
    bool away;
    bool open;        /* the client lost its network: the server has not seen an end of its connection */
    bool begun;       /* it has a position */
    uint64_t first;   /* its first position */
    uint64_t last;    /* offset of its last message, or of the position */
    uint64_t turn_ms; /* when it leaves, or comes */
};

/* How the clients of a test behave. */
struct habits {
    unsigned stay_least, stay_most;   /* milliseconds between coming and leaving */
    unsigned away_least, away_most;   /* and between leaving and coming back; */
    unsigned tenth_least, tenth_most; /* of every tenth time these */
};

static struct {
    struct publishers publishers;
    struct subscriber *subscribers;
    struct pollfd *polls;
    int count;
    unsigned seed;
    struct habits habits;
    uint64_t messages, gaps, returns;
    uint64_t lost; /* messages that gaps have announced */
    uint64_t late; /* messages that were published while their client was away */
    hijack_broadcaster *room;
    unsigned pause_us; /* of a publisher, after each message */
} run;

static void note(struct subscriber *it, uint64_t offset, const char *text)
{
    if (offset != it->last + 1) /* one is missing, or came twice */
        check_fail(__FILE__, __LINE__, "message %llu after %llu", (unsigned long long)offset,
                   (unsigned long long)it->last);
    publishers_read(&run.publishers, offset, text);
    it->last = offset;
    ++run.messages;
}

static void gap(struct subscriber *it, uint64_t first)
{
    CHECK(it->begun && first > it->last + 1);
    run.lost += first - 1 - it->last;
    it->last = first - 1;
    ++run.gaps;
}

static void begin(struct subscriber *it, uint64_t position)
{
    if (!it->begun)
        it->first = it->last = position;
    CHECK(it->last == position);
}

/* One event of SSE. */
static void read_event(struct subscriber *it, const char *text)
{
    unsigned long long offset = 0, first = 0;
    const char *data = strstr(text, "data: "), *id = strstr(text, "id: e-");
    CHECK(id != NULL && sscanf(id, "id: e-%llu", &offset) == 1);
    if (data == NULL) {
        begin(it, offset);
    } else if (strncmp(text, LIT("event: hijack-gap")) == 0) {
        CHECK(sscanf(data, "data: e-%llu", &first) == 1 && first == offset + 1);
        gap(it, first);
    } else {
        if (!it->begun)
            it->first = it->last = offset - 1;
        note(it, offset, data + 6);
    }
    it->begun = true;
}

/* One text of a WebSocket. */
static void read_text(struct subscriber *it, const char *text)
{
    unsigned long long offset;
    if (sscanf(text, "\x1ehijack-position e-%llu", &offset) == 1) {
        begin(it, offset);
    } else if (sscanf(text, "\x1ehijack-gap e-%llu", &offset) == 1) {
        gap(it, offset);
    } else {
        CHECK(it->begun);
        note(it, it->last + 1, text);
    }
    it->begun = true;
}

/* The length of the event or frame at the beginning of what has come, and where its text is; 0: it is not whole. */
static size_t whole(const struct subscriber *it, size_t *skip)
{
    const struct client *c = it->client;
    if (!it->websocket) {
        const char *end = memmem(c->buf, c->len, "\n\n", 2);
        *skip = 0;
        return end == NULL ? 0 : (size_t)(end - c->buf) + 2;
    }
    *skip = 2;
    if (c->len < 2 || c->len < 2 + (size_t)c->buf[1])
        return 0;
    CHECK(c->buf[0] == (char)0x81 && c->buf[1] < 126);
    return 2 + (size_t)c->buf[1];
}

static void take(struct subscriber *it)
{
    size_t len, skip;
    while ((len = whole(it, &skip)) != 0) {
        char text[256];
        CHECK(len - skip < sizeof(text));
        memcpy(text, it->client->buf + skip, len - skip);
        text[len - skip] = '\0';
        if (it->websocket)
            read_text(it, text);
        else
            read_event(it, text);
        client_consume(it->client, len);
    }
}

static unsigned between(unsigned least, unsigned most)
{
    return least + (unsigned)rand_r(&run.seed) % (most - least + 1);
}

/* What a client that has ended was sent is not looked at any more, and there will be thousands of them. */
static void forget(struct client *client)
{
    free(client->buf);
    client->buf = NULL;
    client->len = client->cap = 0;
}

static void connect_sse(struct fixture *f, struct subscriber *it)
{
    it->client = client_connect(f->port);
    publishers_ask(it->client, "/sse", 0, it->begun, it->last);
    client_consume(it->client, client_until(it->client, "\r\n\r\n") + 4);
}

static void connect_websocket(struct fixture *f, struct subscriber *it)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "/ws?from=");
    if (it->begun)
        snprintf(text + len, sizeof(text) - (size_t)len, "e-%llu", (unsigned long long)it->last);
    it->client = ws_connect(f, text);
}

/* Connects, at the position that it has reached. */
static void come(struct fixture *f, struct subscriber *it)
{
    const struct habits *habits = &run.habits;
    if (it->open) {
        client_reset(it->client);
        forget(it->client);
        it->open = false;
    }
    if (it->begun)
        run.late += publishers_newest(&run.publishers) - it->last;
    /* At first they come together, and shall not leave together. */
    it->turn_ms = clock_ms() + between(it->begun ? habits->stay_least : 1, habits->stay_most);
    it->websocket ? connect_websocket(f, it) : connect_sse(f, it);
    it->away = false;
    take(it); /* what came together with the head */
}

static void go(struct subscriber *it)
{
    const struct habits *habits = &run.habits;
    switch (it->client->ended != 0 ? 0 : between(0, 2)) {
    case 0:
        client_close(it->client);
        break;
    case 1:
        client_reset(it->client);
        break;
    default:
        client_vanish(it->client);
        it->open = true;
    }
    if (!it->open)
        forget(it->client);
    it->away = true;
    it->turn_ms = clock_ms() + (between(0, 9) == 0 ? between(habits->tenth_least, habits->tenth_most)
                                                   : between(habits->away_least, habits->away_most));
    ++run.returns;
}

/* Reads what is there; coming and going as their turns come. */
static void work(struct fixture *f, bool may_leave)
{
    for (int i = 0; i < run.count; i++)
        run.polls[i] = (struct pollfd){run.subscribers[i].away ? -1 : run.subscribers[i].client->fd, POLLIN, 0};
    CHECK(poll(run.polls, (nfds_t)run.count, 1) >= 0);
    const uint64_t now = clock_ms();
    for (int i = 0; i < run.count; i++) {
        struct subscriber *it = &run.subscribers[i];
        if (run.polls[i].revents != 0) {
            client_peek(it->client);
            take(it);
            if (it->client->ended != 0)
                go(it);
        }
        if (it->away ? !may_leave || now >= it->turn_ms : may_leave && now >= it->turn_ms)
            it->away ? come(f, it) : go(it);
    }
}

static bool all_have(uint64_t newest)
{
    for (int i = 0; i < run.count; i++)
        if (run.subscribers[i].away || !run.subscribers[i].begun || run.subscribers[i].last != newest)
            return false;
    return true;
}

/* a_second: how many messages all publishers together publish in a second. history: messages that it holds. */
static void prepare(struct fixture *f, const struct habits *habits, unsigned a_second, unsigned history)
{
    char messages[16];
    memset(&run, 0, sizeof(run));
    run.habits = *habits;
    run.count = clock_times(4000, 200);
    run.seed = 1;
    run.pause_us = PUBLISHERS * 1000000 / a_second;
    run.subscribers = calloc((size_t)run.count, sizeof(*run.subscribers));
    run.polls = calloc((size_t)run.count, sizeof(*run.polls));
    CHECK(run.subscribers != NULL && run.polls != NULL);
    for (int i = 0; i < run.count; i++) {
        run.subscribers[i].websocket = i % 2 != 0;
        run.subscribers[i].away = true;
    }
    fixture_option(f, OPT_THREADS, "2");
    fixture_option(f, OPT_HEARTBEAT, "0");
    OK(hijack_server_set(f->server, LIT("websocket_ping_ms"), LIT("0")));
    run.room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    OK(hijack_server_hold(f->server, LIT("/ws"), HIJACK_HOLD_WEBSOCKET, NULL, 0, run.room));
    OK(hijack_server_route_set(f->server, LIT("/ws"), LIT("position"), LIT("query:from")));
    OK(hijack_broadcaster_set(run.room, LIT("history_position"), LIT("e-0")));
    snprintf(messages, sizeof(messages), "%u", history);
    OK(hijack_broadcaster_set(run.room, LIT("history_messages"), STR(messages)));
    fixture_start(f);
}

/* Publishes for so long while clients come and go, then waits until all are there and have everything. */
static void carry_out(struct fixture *f, int ms)
{
    publishers_start(&run.publishers, run.room, run.pause_us);
    const uint64_t end = clock_ms() + (uint64_t)ms;
    while (clock_ms() < end || run.returns < (uint64_t)run.count / 4) /* handshakes of TLS may take all that time */
        work(f, true);
    const uint64_t newest = publishers_stop(&run.publishers), limit = clock_ms() + 12 * clock_limit_ms();
    while (!all_have(newest)) {
        CHECK(clock_ms() < limit);
        work(f, false);
    }
    uint64_t due = 0;
    for (int i = 0; i < run.count; i++)
        due += newest - run.subscribers[i].first;
    print_message("%d clients, %llu published, %llu due, %llu received, %.1f %% of them published while the client was "
                  "away; %llu returns, %llu gaps\n",
                  run.count, (unsigned long long)newest, (unsigned long long)due, (unsigned long long)run.messages,
                  100 * (double)run.late / (double)due, (unsigned long long)run.returns, (unsigned long long)run.gaps);
    CHECK(run.messages + run.lost == due);
    CHECK(run.returns > 0 && newest > 20);
    publishers_free(&run.publishers);
    free(run.subscribers);
    free(run.polls);
}

/* So many messages a second. Over TLS every copy goes through the tunnels, one process that shares the machine. */
static unsigned rate(int long_form, int short_form, int tls_long_form, int tls_short_form)
{
    return (unsigned)(transport_is_tls() ? clock_times(tls_long_form, tls_short_form)
                                         : clock_times(long_form, short_form)) *
           clock_scale();
}

static void test_returning(void **state)
{
    const struct habits habits = {1, 4000, 0, 100, 500, 3000}; /* some are away for long */
    const unsigned a_second = rate(100, 1000, 4, 125);
    /* Over TLS clients are longer on their way. */
    prepare(*state, &habits, a_second, transport_is_tls() ? 8 * a_second : a_second);
    carry_out(*state, clock_times(60000, 2500));
}

/* The short form lives ten times as fast. With 11 seconds between two drops a client is away for 2 of 13 seconds. */
static void test_drops(void **state)
{
    const unsigned second = (unsigned)clock_times(1000, 100) * clock_scale();
    const struct habits habits = {9 * second, 13 * second, 2 * second, 2 * second, 2 * second, 2 * second};
    prepare(*state, &habits, rate(10, 100, 3, 60), 1000);
    carry_out(*state, clock_times(60000, 3000));
    CHECK(run.gaps == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_returning), TEST(test_drops)};

    return RUN_TESTS(tests, argc, argv);
}
