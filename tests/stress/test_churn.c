/* SPDX-License-Identifier: MIT
 *
 * Members come and go, in every way, while two threads publish without pause; at the end every count is 0.
 */
#include "support/exchange.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    AT_ONCE = 50
};

struct publisher {
    hijack_broadcaster *room;
    atomic_int *over;
    int failed;
    long published;
    pthread_t thread;
};

static void *publish_on(void *argument)
{
    struct publisher *publisher = argument;
    char data[200];

    memset(data, 'p', sizeof(data));
    while (!atomic_load(publisher->over) && publisher->failed == 0) {
        int code = hijack_broadcaster_publish(publisher->room, HIJACK_MESSAGE_TEXT, data, sizeof(data));
        if (code < 0)
            publisher->failed = code;
        publisher->published++;
        if (publisher->published % 8 == 0)
            clock_tick();
    }
    return NULL;
}

/* The number-th client leaves in one of four ways, some before they are members. */
static void leave(struct client *c, int number)
{
    if (number % 4 == 0)
        client_reset(c);
    else if (number % 4 == 1)
        client_close(c);
    else if (number % 4 == 2) {
        client_until(c, "pppp");
        client_close(c);
    } else {
        client_shutdown(c);
        client_until_end(c);
        client_close(c);
    }
}

static void churn(struct fixture *f, hijack_broadcaster *room, int total)
{
    struct publisher publishers[2];
    atomic_int over = 0;

    for (int i = 0; i < 2; i++) {
        publishers[i] = (struct publisher){.room = room, .over = &over};
        CHECK(pthread_create(&publishers[i].thread, NULL, publish_on, &publishers[i]) == 0);
    }
    for (int done = 0; done < total; done += AT_ONCE) {
        struct client *c[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++) {
            c[i] = client_connect(f->port);
            ask(c[i], i % 3 == 0 ? "/sse" : i % 3 == 1 ? "/stream" : "/raw");
        }
        for (int i = 0; i < AT_ONCE; i++)
            leave(c[i], done + i);
        clients_free();
    }
    atomic_store(&over, 1);
    for (int i = 0; i < 2; i++) {
        pthread_join(publishers[i].thread, NULL);
        CODE(publishers[i].failed, 0);
        CHECK(publishers[i].published > 10);
    }
}

static void test_held_routes(void **state)
{
    struct fixture *f = *state;
    int total = clock_times(100000, 4000);
    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);

    OK(hijack_server_hold(f->server, LIT("/stream"), HIJACK_HOLD_STREAM, NULL, 0, room));
    OK(hijack_server_hold(f->server, LIT("/raw"), HIJACK_HOLD_RAW, NULL, 0, room));
    fixture_start(f);
    churn(f, room, total);
    members_wait(room, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    stat_wait(f->server, HIJACK_STAT_HELD, 0);
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 0);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    CHECK(stat_of(f->server, HIJACK_STAT_ACCEPTED) == (uint64_t)total);
    CHECK(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_MEMBERS) == 0);
}

/* The same through events, with handles in many rooms that are freed while messages are under way. */
static void test_handles(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *rooms[8];
    int total = clock_times(20000, 1000);

    for (int i = 0; i < 8; i++)
        rooms[i] = fixture_broadcaster(f);
    fixture_start(f);
    for (int n = 0; n < total; n++) {
        struct client *c;
        void *handle = n % 2 ? (void *)socket_open(f, &c) : (void *)sse_open(f, &c);
        for (int i = 0; i < 3; i++)
            OK(hijack_broadcaster_add(rooms[(n + i) % 8], handle, 0, NULL, 0));
        for (int i = 0; i < 8; i++)
            OK(hijack_broadcaster_publish(rooms[i], HIJACK_MESSAGE_TEXT, LIT("message\n")));
        if (n % 5 == 0)
            OK(hijack_broadcaster_remove(rooms[n % 8], handle));
        if (n % 3 == 0) {
            if (n % 2)
                socket_free(f, handle);
            else
                stream_free(f, handle);
        }
        if (n % 7 == 0)
            client_reset(c);
        if (n % 50 == 49)
            clients_free();
    }
    clients_free();
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 0);
    for (int i = 0; i < 8; i++)
        CODE(hijack_broadcaster_count(rooms[i]), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_held_routes), TEST(test_handles)};

    return RUN_TESTS(tests, argc, argv);
}
