/* SPDX-License-Identifier: MIT
 *
 * Each allocation of each scenario fails once: nothing crashes, leaks or hangs, the call that met it says ENOMEM and
 * can be made again, a connection that met it is closed with ENOMEM, and the server serves the next client.
 */
#include "fault/run.h"

static const struct fault memory = {FAULT_MEMORY, 0, HIJACK_ENOMEM, HIJACK_ENOMEM};

static void run_all(const struct scenario *scenarios)
{
    unsigned total = 0;

    for (; scenarios->name != NULL; scenarios++) {
        unsigned count = run_scenario(scenarios, &memory);
        print_message("%s: %u allocations\n", scenarios->name, count);
        total += count;
    }
    CHECK(total > 50);
}

static void test_http(void **state)
{
    (void)state;
    run_all(scenarios_http);
}

static void test_held(void **state)
{
    (void)state;
    run_all(scenarios_held);
    run_all(scenarios_relay);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_held),
    };

    return RUN_TESTS(tests, argc, argv);
}
