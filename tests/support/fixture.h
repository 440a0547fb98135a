/* SPDX-License-Identifier: MIT
 *
 * A queue, a server on a free port of 127.0.0.1, and what has to hold when they end: every handle got its last event,
 * every gauge is 0, every connection was counted under one reason, no descriptor and no thread is left.
 *
 * fixture_setup makes it and does not start it, so that a test can set options and add routes; then fixture_start.
 */
#ifndef TESTS_SUPPORT_FIXTURE_H
#define TESTS_SUPPORT_FIXTURE_H

#include <string.h>

#include "client.h"
#include "events.h"
#include "option.h"
#include "response.h"
#include "stats.h"

enum {
    FIXTURE_BROADCASTERS = 16
};

struct fixture {
    hijack_queue *queue;
    hijack_server *server;
    struct events events;
    int port;
    int started;
    int stopped;  /* STOPPED was seen */
    int released; /* the test has freed queue and server itself */
    int descriptors;
    int threads;
    hijack_broadcaster *broadcasters[FIXTURE_BROADCASTERS];
    int broadcaster_count;
};

/* cmocka's setup and teardown. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* The parts of them, for tests that have no fixture of their own or more than one. */
void fixture_init(struct fixture *fixture);
void fixture_end(struct fixture *fixture);

void fixture_option(struct fixture *fixture, const char *name, const char *value);
/* Queue and server anew, the queue with room for so many events; the server anew, without a queue. Before anything else
 * that is asked of the server. */
void fixture_capacity(struct fixture *fixture, const char *capacity);
void fixture_without_queue(struct fixture *fixture);
/* A broadcaster of the server, freed at the end. */
hijack_broadcaster *fixture_broadcaster(struct fixture *fixture);
/* A new one that holds path. */
hijack_broadcaster *fixture_hold(struct fixture *fixture, const char *path, uint32_t kind);
void fixture_start(struct fixture *fixture);
/* Stops it and takes the last events in. */
void fixture_stop(struct fixture *fixture);

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define RUN_TESTS(tests, argc, argv)                                                                                   \
    (fixture_main((argc), (argv)), cmocka_run_group_tests_name(__FILE__, (tests), NULL, NULL))
/* The first argument is a filter by name ("*head*"). A test program that hangs is ended by an alarm. */
void fixture_main(int argc, char **argv);

#endif
