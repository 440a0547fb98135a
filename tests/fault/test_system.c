/* SPDX-License-Identifier: MIT
 *
 * Each call of the operating system that may fail for a reason outside the program fails once: nothing crashes, leaks
 * or hangs, the program's call says what is wrong, and a failure that passes costs nobody anything.
 */
#include "fault/run.h"

#include <errno.h>
#include <stdlib.h>

static struct fault faults[] = {
    /* call, errno, code of a public function, reason of a lost connection */
    {FAULT_ACCEPT4, ECONNABORTED, 0, 0},
    {FAULT_ACCEPT4, EINTR, 0, 0},
    {FAULT_EPOLL_CTL, ENOMEM, HIJACK_ELIMIT, HIJACK_ENOMEM},
    {FAULT_EPOLL_WAIT, EINTR, 0, 0},
    {FAULT_SEND, EPIPE, 0, HIJACK_ERESET},
    {FAULT_SEND, ECONNRESET, 0, HIJACK_ERESET},
    {FAULT_SEND, ETIMEDOUT, 0, HIJACK_ETIMEDOUT},
    {FAULT_SEND, EAGAIN, 0, 0},
    {FAULT_SEND, ENOBUFS, 0, 0},
    {FAULT_SEND, EINTR, 0, 0},
    {FAULT_SENDMSG, EPIPE, 0, HIJACK_ERESET},
    {FAULT_SENDMSG, EAGAIN, 0, 0},
    {FAULT_SENDMSG, EINTR, 0, 0},
    {FAULT_RECV, ECONNRESET, 0, HIJACK_ERESET},
    {FAULT_RECV, ETIMEDOUT, 0, HIJACK_ETIMEDOUT},
    {FAULT_RECV, EINTR, 0, 0},
    {FAULT_SPLICE, ECONNRESET, 0, HIJACK_ERESET},
    {FAULT_SPLICE, EAGAIN, 0, 0},
    {FAULT_SPLICE, EINTR, 0, 0},
    {FAULT_PIPE2, EMFILE, 0, 0},
    {FAULT_EVENTFD, EMFILE, HIJACK_ELIMIT, 0},
    {FAULT_EPOLL_CREATE1, EMFILE, HIJACK_ELIMIT, 0},
    {FAULT_SOCKET, EMFILE, HIJACK_ELIMIT, 0},
    {FAULT_BIND, EADDRINUSE, HIJACK_EADDRINUSE, 0},
    {FAULT_BIND, EACCES, HIJACK_EACCES, 0},
    {FAULT_LISTEN, EADDRINUSE, HIJACK_EADDRINUSE, 0},
    {FAULT_PTHREAD_CREATE, EAGAIN, HIJACK_ELIMIT, 0},
    {FAULT_POLL, EINTR, 0, 0},
    {FAULT_WRITE, EINTR, 0, 0},
    {FAULT_READ, EINTR, 0, 0},
    {FAULT_SETSOCKOPT, ENOPROTOOPT, 0, 0},
};

/* Of these it does not matter what a connection does later, or they are taken for one of the above: some scenarios are
 * enough. */
static const struct fault alike[] = {
    {FAULT_ACCEPT4, EMFILE, 0, 0},
    {FAULT_ACCEPT4, ENFILE, 0, 0},
    {FAULT_ACCEPT4, ENOBUFS, 0, 0},
    {FAULT_EPOLL_CTL, ENOSPC, HIJACK_ELIMIT, HIJACK_ENOMEM},
};

enum {
    FAULTS = sizeof(faults) / sizeof(faults[0])
};

static unsigned strikes[FAULTS];

/* With private_fds a descriptor of the program's goes to a loop by sendmsg, which fails as the loop's end does. */
static void expect_passing(void)
{
    for (int i = 0; i < FAULTS; i++) {
        if (faults[i].call == FAULT_SENDMSG && faults[i].error == EPIPE)
            faults[i].code = HIJACK_ESHUTDOWN;
        if (faults[i].call == FAULT_SENDMSG && faults[i].error == EAGAIN)
            faults[i].code = faults[i].reason = HIJACK_ELIMIT;
    }
}

static void run_all(const struct scenario *scenarios)
{
    for (int i = 0; i < FAULTS; i++)
        for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
            strikes[i] += run_scenario(scenario, &faults[i]);
}

static void test_http(void **state)
{
    (void)state;
    run_all(scenarios_http);
}

static void test_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(alike) / sizeof(alike[0]); i++)
        for (int scenario = 1; scenario < 4; scenario++)
            CHECK(run_scenario(&scenarios_http[scenario], &alike[i]) +
                      run_scenario(&scenarios_held[scenario], &alike[i]) >
                  0);
}

static void test_held(void **state)
{
    (void)state;
    run_all(scenarios_held);
    run_all(scenarios_relay);
}

/* Each of them has met its call somewhere. */
static void test_all_struck(void **state)
{
    (void)state;
    for (int i = 0; i < FAULTS; i++)
        if (strikes[i] == 0)
            check_fail(__FILE__, __LINE__, "no scenario calls %s", fault_name(faults[i].call));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_all_struck),
    };

    if (getenv("HIJACK_TEST_PRIVATE_FDS") != NULL)
        expect_passing();
    return RUN_TESTS(tests, argc, argv);
}
