/* SPDX-License-Identifier: MIT
 *
 * Clients that drop and return at random while several threads publish: each gets every message once and in order, or
 * is told of a gap where the history did not reach that far back. By SSE with Last-Event-ID, and by WebSocket with a
 * parameter and the convention of docs/guides/history.md.
 */
#include "support/websocket_client.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PUBLISHERS 4
#define OFFSETS 1000000

struct subscriber {
    struct client *client; /* NULL: it is away */
    bool websocket;
    bool begun;       /* it has a position */
    uint64_t last;    /* offset of its last message, or of the position */
    uint64_t turn_ms; /* when it leaves, or comes */
};

static struct {
    uint32_t *published; /* at each offset, as who read it first has seen it; 0: nobody yet */
    struct subscriber *subscribers;
    struct pollfd *polls;
    int count;
    unsigned seed;
    uint64_t messages, gaps, returns;
    hijack_broadcaster *room;
    _Atomic bool publishing;
    _Atomic int errors; /* of the publishers */
    unsigned pause_us;  /* of a publisher, after each message */
} run;

static void note(struct subscriber *it, uint64_t offset, const char *text)
{
    unsigned publisher, number;
    CHECK(sscanf(text, "%u:%u", &publisher, &number) == 2 && publisher < PUBLISHERS && offset < OFFSETS);
    const uint32_t value = (publisher + 1) << 24 | number;
    if (offset != it->last + 1) /* one is missing, or came twice */
        check_fail(__FILE__, __LINE__, "message %llu after %llu", (unsigned long long)offset,
                   (unsigned long long)it->last);
    if (run.published[offset] == 0)
        run.published[offset] = value;
    CHECK(run.published[offset] == value);
    it->last = offset;
    ++run.messages;
}

static void gap(struct subscriber *it, uint64_t first)
{
    CHECK(!it->begun || first > it->last + 1);
    it->last = first - 1;
    ++run.gaps;
}

static void begin(struct subscriber *it, uint64_t position)
{
    if (!it->begun)
        it->last = position;
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
            it->last = offset - 1;
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

/* Connects, at the position that it has reached. */
static void come(struct fixture *f, struct subscriber *it)
{
    char text[256];
    int len;
    if (it->websocket) {
        len = snprintf(text, sizeof(text), "/ws?from=");
        if (it->begun)
            snprintf(text + len, sizeof(text) - (size_t)len, "e-%llu", (unsigned long long)it->last);
        it->client = ws_connect(f, text);
    } else {
        len = snprintf(text, sizeof(text), "GET /sse HTTP/1.0\r\nHost: x\r\n");
        if (it->begun)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "Last-Event-ID: e-%llu\r\n",
                            (unsigned long long)it->last);
        snprintf(text + len, sizeof(text) - (size_t)len, "\r\n");
        it->client = client_connect(f->port);
        client_puts(it->client, text);
        client_consume(it->client, client_until(it->client, "\r\n\r\n") + 4);
    }
    it->turn_ms = clock_ms() + between(1, 4000);
    take(it); /* what came together with the head */
}

static void go(struct subscriber *it)
{
    if (between(0, 1) == 0)
        client_reset(it->client);
    else
        client_close(it->client);
    it->client = NULL;
    it->turn_ms = clock_ms() + (between(0, 9) == 0 ? between(500, 3000) : between(0, 100)); /* some for long */
    ++run.returns;
}

/* Reads what is there; coming and going as their turns come. */
static void work(struct fixture *f, bool may_leave)
{
    for (int i = 0; i < run.count; i++)
        run.polls[i] =
            (struct pollfd){run.subscribers[i].client == NULL ? -1 : run.subscribers[i].client->fd, POLLIN, 0};
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
        if (it->client == NULL ? !may_leave || now >= it->turn_ms : may_leave && now >= it->turn_ms)
            it->client == NULL ? come(f, it) : go(it);
    }
}

static void *publish(void *argument)
{
    const int publisher = (int)(intptr_t)argument;
    char text[64];
    for (int number = 0; atomic_load(&run.publishing); number++) {
        int len = snprintf(text, sizeof(text), "%d:%d", publisher, number);
        if (hijack_broadcaster_publish(run.room, HIJACK_MESSAGE_TEXT, text, (size_t)len) < 0)
            atomic_fetch_add(&run.errors, 1);
        usleep(run.pause_us);
    }
    return NULL;
}

static bool all_have(uint64_t newest)
{
    for (int i = 0; i < run.count; i++)
        if (run.subscribers[i].client == NULL || !run.subscribers[i].begun || run.subscribers[i].last != newest)
            return false;
    return true;
}

static void test_returning(void **state)
{
    struct fixture *f = *state;
    pthread_t publishers[PUBLISHERS];
    char position[64];

    run.count = clock_times(4000, 200);
    run.seed = 1;
    run.pause_us = (unsigned)clock_times(40000, 4000);
    run.published = calloc(OFFSETS, sizeof(*run.published));
    run.subscribers = calloc((size_t)run.count, sizeof(*run.subscribers));
    run.polls = calloc((size_t)run.count, sizeof(*run.polls));
    fixture_option(f, OPT_THREADS, "2");
    fixture_option(f, OPT_HEARTBEAT, "0");
    OK(hijack_server_set(f->server, LIT("websocket_ping_ms"), LIT("0")));
    run.room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    OK(hijack_server_hold(f->server, LIT("/ws"), HIJACK_HOLD_WEBSOCKET, NULL, 0, run.room));
    OK(hijack_server_route_set(f->server, LIT("/ws"), LIT("position"), LIT("query:from")));
    OK(hijack_broadcaster_set(run.room, LIT("history_position"), LIT("e-0")));
    snprintf(position, sizeof(position), "%d", clock_times(100, 1000)); /* about a second */
    OK(hijack_broadcaster_set(run.room, LIT("history_messages"), STR(position)));
    fixture_start(f);
    atomic_store(&run.publishing, true);
    for (int i = 0; i < PUBLISHERS; i++)
        CHECK(pthread_create(&publishers[i], NULL, publish, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < run.count; i++)
        run.subscribers[i].websocket = i % 2 != 0;
    const uint64_t end = clock_ms() + (uint64_t)clock_times(60000, 2500);
    while (clock_ms() < end || run.returns < (uint64_t)run.count / 4) /* handshakes of TLS may take all that time */
        work(f, true);
    atomic_store(&run.publishing, false);
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i], NULL);
    CHECK(atomic_load(&run.errors) == 0);
    CODE(hijack_broadcaster_position(position, sizeof(position), run.room) > 0, 1);
    const uint64_t newest = strtoull(position + 2, NULL, 10), limit = clock_ms() + 12 * clock_limit_ms();
    while (!all_have(newest)) {
        CHECK(clock_ms() < limit);
        work(f, false);
    }
    print_message("%d clients, %llu published, %llu received, %llu returns, %llu gaps\n", run.count,
                  (unsigned long long)newest, (unsigned long long)run.messages, (unsigned long long)run.returns,
                  (unsigned long long)run.gaps);
    CHECK(run.returns > 0 && newest > 100);
    free(run.published);
    free(run.subscribers);
    free(run.polls);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_returning)};

    return RUN_TESTS(tests, argc, argv);
}
