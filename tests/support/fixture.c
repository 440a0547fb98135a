/* SPDX-License-Identifier: MIT
 *
 * The server under test. Runs on the thread of the test. fixture_end checks what must hold for every test, so that each
 * test is also a test of leaks and of the counters.
 */
#include "fixture.h"
#include "transport.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *no_work(void *argument)
{
    return argument;
}

/* A sanitizer starts a thread of its own with the first one of the program: before anybody counts. */
static void settle_threads(void)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, no_work, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

void fixture_main(int argc, char **argv)
{
    transport_start();
    settle_threads();
    alarm((getenv("HIJACK_LONG") != NULL ? 850 : 150) * clock_scale());
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
}

/* Where the environment asks for it, loops with descriptor tables of their own (HIJACK_TEST_PRIVATE_FDS=on). */
static void set_common_options(struct fixture *fixture)
{
    const char *private_fds = getenv("HIJACK_TEST_PRIVATE_FDS");

    fixture_option(fixture, OPT_THREADS, "2");
    if (private_fds != NULL)
        fixture_option(fixture, OPT_PRIVATE_FDS, private_fds);
}

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->descriptors = process_descriptors();
    fixture->threads = process_threads();
    OK(hijack_queue_new(&fixture->queue));
    OK(hijack_server_new(&fixture->server, fixture->queue));
    events_init(&fixture->events, fixture->queue);
    set_common_options(fixture);
    fixture->port = OK(transport_listen(fixture->server, "127.0.0.1:0"));
    CHECK(fixture->port > 0);
}

void fixture_option(struct fixture *fixture, const char *name, const char *value)
{
    OK(hijack_server_set(fixture->server, STR(name), STR(value)));
}

/* The server again, not started, with this queue or with none. */
static void remake_server(struct fixture *fixture, hijack_queue *queue)
{
    hijack_server_free(fixture->server);
    OK(hijack_server_new(&fixture->server, queue));
    set_common_options(fixture);
    fixture->port = OK(transport_listen(fixture->server, "127.0.0.1:0"));
}

void fixture_capacity(struct fixture *fixture, const char *capacity)
{
    hijack_queue *old = fixture->queue;

    OK(hijack_queue_new(&fixture->queue));
    OK(hijack_queue_set(fixture->queue, LIT(OPT_CAPACITY), STR(capacity)));
    fixture->events.queue = fixture->queue;
    remake_server(fixture, fixture->queue);
    hijack_queue_free(old);
}

void fixture_without_queue(struct fixture *fixture)
{
    remake_server(fixture, NULL);
    fixture->stopped = 1; /* nobody is told */
}

hijack_broadcaster *fixture_broadcaster(struct fixture *fixture)
{
    hijack_broadcaster *broadcaster = NULL;

    CHECK(fixture->broadcaster_count < FIXTURE_BROADCASTERS);
    OK(hijack_broadcaster_new(&broadcaster, fixture->server));
    fixture->broadcasters[fixture->broadcaster_count++] = broadcaster;
    return broadcaster;
}

hijack_broadcaster *fixture_hold(struct fixture *fixture, const char *path, uint32_t kind)
{
    hijack_broadcaster *broadcaster = fixture_broadcaster(fixture);

    OK(hijack_server_hold(fixture->server, STR(path), kind, NULL, 0, broadcaster));
    return broadcaster;
}

void fixture_start(struct fixture *fixture)
{
    OK(hijack_server_start(fixture->server));
    fixture->started = 1;
}

/* What must hold for the counters of a server that has stopped and whose events are all polled. */
static void check_counters(struct fixture *fixture)
{
    static const uint32_t gauges[] = {HIJACK_STAT_CONNECTIONS, HIJACK_STAT_READING,       HIJACK_STAT_HTTP,
                                      HIJACK_STAT_STREAMS,     HIJACK_STAT_SOCKETS,       HIJACK_STAT_HELD,
                                      HIJACK_STAT_MEMBERSHIPS, HIJACK_STAT_EVENTS_QUEUED, HIJACK_STAT_BACKLOG_BYTES,
                                      HIJACK_STAT_RELAYED};
    uint64_t all[HIJACK_STAT_COUNT];
    uint64_t ended = 0;

    CODE(hijack_server_stats(all, HIJACK_STAT_COUNT, fixture->server), HIJACK_STAT_COUNT);
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
        if (all[gauges[i]] != 0)
            check_fail(__FILE__, __LINE__, "after stop the gauge %s is %llu, must be 0",
                       hijack_server_stat_name(gauges[i]), (unsigned long long)all[gauges[i]]);
    for (uint32_t i = HIJACK_STAT_CLOSED_OK; i <= HIJACK_STAT_CLOSED_SHUTDOWN; i++)
        ended += all[i];
    if (ended + all[HIJACK_STAT_DETACHED] !=
        all[HIJACK_STAT_ACCEPTED] + all[HIJACK_STAT_ADOPTED] + all[HIJACK_STAT_OUTGOING]) {
        for (uint32_t i = 0; i < HIJACK_STAT_COUNT; i++)
            print_error("  %s %llu\n", hijack_server_stat_name(i), (unsigned long long)all[i]);
        check_fail(__FILE__, __LINE__, "accepted and adopted connections are not the sum of closed and detached ones");
    }
}

void fixture_stop(struct fixture *fixture)
{
    OK(hijack_server_stop(fixture->server));
    if (!fixture->stopped) {
        events_next(&fixture->events, HIJACK_EVENT_STOPPED, fixture->server);
        fixture->stopped = 1;
        events_barrier(&fixture->events);
        CHECK(events_pending(&fixture->events, HIJACK_EVENT_STOPPED, NULL) == 0);
    }
}

void fixture_end(struct fixture *fixture)
{
    if (!fixture->released) {
        if (fixture->started) {
            fixture_stop(fixture);
            size_t live = events_live(&fixture->events);
            if (live > 0)
                check_fail(__FILE__, __LINE__, "%zu handles got no last event", live);
            check_counters(fixture);
        }
    }
    for (int i = 0; i < fixture->broadcaster_count; i++)
        hijack_broadcaster_free(fixture->broadcasters[i]);
    events_free(&fixture->events);
    if (!fixture->released) {
        hijack_server_free(fixture->server);
        hijack_queue_free(fixture->queue);
    }
    clients_free();
    WAIT_FOR(process_threads() <= fixture->threads);
    WAIT_FOR(process_descriptors() <= fixture->descriptors);
    CHECK(process_descriptors() == fixture->descriptors);
}

int fixture_setup(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));

    CHECK(fixture != NULL);
    fixture_init(fixture);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_end(*state);
    free(*state);
    return 0;
}
