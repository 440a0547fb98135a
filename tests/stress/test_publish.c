/* SPDX-License-Identifier: MIT
 *
 * A program that publishes faster than the threads can send: it gets EAGAIN before the memory is gone, however short
 * the messages are. In a process of its own, which ends without working off what it has piled up.
 */
#include "support/exchange.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MEMBERS = 200,
    MOST = 3000000 /* without a bound these are 600 megabytes */
};

/* Copies that were delivered, or dropped because these members do not read. */
static uint64_t worked_off(const struct fixture *f)
{
    return stat_of(f->server, HIJACK_STAT_DELIVERED) + stat_of(f->server, HIJACK_STAT_DROPPED);
}

/* Publishes to members that are more work than the publishing. The exit code says what was wrong. */
static int pile_up(struct fixture *f, hijack_broadcaster *room)
{
    uint64_t before = process_resident(), count = 0;
    int code = 0;

    while (code >= 0 && count < MOST) {
        code = hijack_broadcaster_publish_sse(room, NULL, 0, NULL, 0, NULL, 0, LIT("key"), -1);
        count++;
    }
    uint64_t grown = process_resident() - before;
    print_message("%llu empty messages: %s, memory grew by %llu bytes\n", (unsigned long long)count,
                  hijack_errname(code < 0 ? code : 0), (unsigned long long)grown);
    if (code != HIJACK_EAGAIN)
        return 1;
    if (clock_scale() == 1 && grown > (400u << 20))
        return 2;
    uint64_t done = worked_off(f);
    WAIT_FOR(worked_off(f) > done); /* it is busy, not stuck */
    /* there is room again once some are sent */
    for (uint64_t end = clock_ms() + 4 * clock_limit_ms(); code == HIJACK_EAGAIN && clock_ms() < end; clock_tick())
        code = hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, NULL, 0);
    return code < 0 ? 3 : 0;
}

static void test_empty_messages(void **state)
{
    int status = 0;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct fixture f;
        alarm(60 * clock_scale());
        fixture_init(&f);
        fixture_option(&f, OPT_THREADS, "1");
        hijack_broadcaster *room = fixture_hold(&f, "/sse", HIJACK_HOLD_SSE);
        OK(hijack_broadcaster_set(room, LIT(OPT_OVERFLOW), LIT("drop_newest")));
        fixture_start(&f);
        for (int i = 0; i < MEMBERS; i++)
            ask(client_connect(f.port), "/sse");
        members_wait(room, MEMBERS);
        _exit(pile_up(&f, room));
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CODE(WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_empty_messages)};

    return RUN_TESTS(tests, argc, argv);
}
