/* SPDX-License-Identifier: MIT
 *
 * Many held connections: all of them get every message, and the few that are slow or dead cost nobody anything.
 */
#include "support/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    MESSAGE = 64
};

static const char *message_of(int number)
{
    static char text[MESSAGE + 1];

    memset(text, '.', MESSAGE);
    snprintf(text, 10, "%08d", number);
    text[8] = ':';
    text[MESSAGE - 1] = '\n';
    return text;
}

static struct client **crowd(struct fixture *f, hijack_broadcaster *room, int count)
{
    struct client **clients = calloc((size_t)count, sizeof(*clients));

    CHECK(clients != NULL);
    CHECK(client_raise_limit() > 2 * count + 100);
    for (int i = 0; i < count; i++) {
        clients[i] = client_connect(f->port);
        ask(clients[i], "/raw");
    }
    members_wait(room, count);
    return clients;
}

static void test_all_get_all(void **state)
{
    struct fixture *f = *state;
    int count = clock_times(8000, 2000), messages = clock_times(800, 80);
    char *expected = malloc((size_t)messages * MESSAGE);

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    uint64_t start = clock_ms();
    struct client **clients = crowd(f, room, count);
    stat_wait(f->server, HIJACK_STAT_HELD, (uint64_t)count);
    print_message("%d held in %llu ms\n", count, (unsigned long long)(clock_ms() - start));
    start = clock_ms();
    for (int i = 0; i < messages; i++) {
        memcpy(expected + i * MESSAGE, message_of(i), MESSAGE);
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, message_of(i), MESSAGE), count);
    }
    for (int i = 0; i < count; i++) {
        client_expect_bytes(clients[i], expected, (size_t)messages * MESSAGE);
        free(clients[i]->buf); /* thousands of them are much memory */
        clients[i]->buf = NULL;
        clients[i]->cap = 0;
    }
    print_message("%d messages to each in %llu ms\n", messages, (unsigned long long)(clock_ms() - start));
    /* counted after the write run, which the clients may have read by then */
    WAIT_FOR(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) == (uint64_t)count * (uint64_t)messages);
    for (int i = 0; i < count; i++)
        client_close(clients[i]);
    members_wait(room, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    free(clients);
    free(expected);
}

/* Reads what is there, without keeping it: the memory measured is to be the library's. */
static uint64_t drain(struct client *client)
{
    static char scratch[65536];
    uint64_t sum = 0;
    ssize_t n;

    while ((n = recv(client->fd, scratch, sizeof(scratch), MSG_DONTWAIT)) > 0)
        sum += (uint64_t)n;
    return sum;
}

/* One member reads nothing (a dead peer looks the same), one reads a byte now and then; the others get each message at
 * once, and the memory for the slow ones stays within their backlogs. */
static void test_slow_and_dead(void **state)
{
    struct fixture *f = *state;
    int count = 500 / (int)clock_scale(), rounds = clock_times(4000, 1500);
    size_t len = 8192;
    char *message = malloc(len), byte;
    uint64_t resident = 0, longest = 0;
    uint64_t *got = calloc((size_t)count, sizeof(*got));

    CHECK(got != NULL);
    memset(message, 'm', len);
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    OK(hijack_broadcaster_set(room, LIT(OPT_OVERFLOW), LIT("drop_oldest")));
    OK(hijack_broadcaster_set(room, LIT(OPT_BACKLOG), LIT("65536")));
    fixture_start(f);
    struct client **clients = crowd(f, room, count);
    struct client *dead = client_connect_slow(f->port), *slow = client_connect_slow(f->port);
    ask(dead, "/raw");
    ask(slow, "/raw");
    members_wait(room, count + 2);
    for (int round = 0; round < rounds; round++) {
        if (round == 300)
            resident = process_resident();
        uint64_t start = clock_ms();
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, message, len), count + 2);
        /* each copy has been written, kept for its member, or dropped */
        WAIT_FOR(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) +
                     broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DROPPED) ==
                 (uint64_t)(round + 1) * (uint64_t)(count + 2));
        for (int i = round % 20; i < count; i += 20) /* a twentieth reads in each round: their buffers hold the rest */
            got[i] += drain(clients[i]);
        longest = clock_ms() - start > longest ? clock_ms() - start : longest;
        if (recv(slow->fd, &byte, 1, MSG_DONTWAIT) == 1 && round % 100 == 0)
            CHECK(byte == 'm');
        CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) <= (uint64_t)(count + 2) * (65536 + 2 * len));
    }
    print_message("longest round with a dead and a slow member: %llu ms\n", (unsigned long long)longest);
    CHECK(longest < 1000 * clock_scale());
    print_message("resident memory grew by %lld bytes\n", (long long)process_resident() - (long long)resident);
    /* one member without a bound would keep 1200 messages: 10 MB */
    if (clock_scale() == 1)
        CHECK(process_resident() <= resident + (4u << 20));
    for (int i = 0; i < count; i++)
        WAIT_FOR((got[i] += drain(clients[i])) == (uint64_t)rounds * len);
    CODE(hijack_broadcaster_count(room), count + 2);
    client_reset(dead);
    client_close(slow);
    members_wait(room, count);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    free(message);
    free(got);
    free(clients);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_all_get_all), TEST(test_slow_and_dead)};

    return RUN_TESTS(tests, argc, argv);
}
