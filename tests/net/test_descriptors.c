/* SPDX-License-Identifier: MIT
 *
 * The descriptor table is large before the loops run: it does not grow in the middle of accepting. It never shrinks, so
 * each start is in a process of its own, whose table begins small.
 */
#include "support/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPARE 64

/* Starts a server and prints the table's room before and after it into the pipe. */
static void start_one(int out, const char *max_connections)
{
    struct fixture fixture;
    int room[2];

    client_raise_limit();
    fixture_init(&fixture);
    fixture_option(&fixture, OPT_MAX_CONNECTIONS, max_connections);
    room[0] = process_descriptor_room();
    fixture_start(&fixture);
    room[1] = process_descriptor_room();
    fixture_end(&fixture);
    if (write(out, room, sizeof(room)) != sizeof(room))
        _exit(1);
}

static void rooms_of(int *before, int *after, const char *max_connections)
{
    int fds[2], room[2], status;

    CHECK(pipe(fds) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        start_one(fds[1], max_connections);
        _exit(0);
    }
    close(fds[1]);
    CHECK(child > 0);
    ssize_t got = read(fds[0], room, sizeof(room));
    close(fds[0]);
    CHECK(waitpid(child, &status, 0) == child);
    CODE(status, 0);
    CHECK(got == sizeof(room));
    *before = room[0];
    *after = room[1];
}

static int smaller(long a, long b)
{
    return (int)(a < b ? a : b);
}

static void test_as_many_as_connections(void **state)
{
    int before, after;
    long limit = client_raise_limit();

    (void)state;
    rooms_of(&before, &after, "900");
    CHECK(before < smaller(limit, 900 + SPARE));
    CHECK(after >= smaller(limit, 900 + SPARE));
    CHECK(after < 4096); /* and not as many as anybody could want */
}

static void test_as_many_as_allowed(void **state)
{
    int before, after;
    long limit = client_raise_limit();

    (void)state;
    rooms_of(&before, &after, "0");
    CHECK(before < smaller(limit, 65536));
    CHECK(after >= smaller(limit, 65536));
    CHECK(after < 2 * 65536);
    rooms_of(&before, &after, "16777216");
    CHECK(after >= smaller(limit, 1048576));
    CHECK(after < 2 * 1048576);
}

/* The highest descriptor may be in use: then the table is large already. */
static void test_the_last_is_taken(void **state)
{
    int before, after;
    int highest = fcntl(0, F_DUPFD_CLOEXEC, smaller(client_raise_limit(), 900 + SPARE) - 1);

    (void)state;
    CHECK(highest != -1);
    rooms_of(&before, &after, "900");
    close(highest);
    CHECK(after >= highest);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_many_as_connections),
                                       cmocka_unit_test(test_as_many_as_allowed),
                                       cmocka_unit_test(test_the_last_is_taken)};

    return RUN_TESTS(tests, argc, argv);
}
