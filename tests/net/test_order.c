/* SPDX-License-Identifier: MIT
 *
 * One order of publishes for all loops: what several threads publish at the same time reaches every member in the same
 * order, whichever loop it is on.
 */
#include "support/exchange.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    PUBLISHERS = 2,
    LOOPS = 2,
    MEMBERS = 4, /* adopted connections go to the loops in turn */
    MESSAGES = 20000,
    LEN = 8
};

struct publisher {
    pthread_t thread;
    hijack_broadcaster *room;
    int number;
};

static void *publish_all(void *argument)
{
    struct publisher *publisher = argument;
    char text[16]; /* of which LEN are sent; the compiler does not see that i has six digits at most */

    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof(text), "%c%06d\n", 'a' + publisher->number, i);
        if (hijack_broadcaster_publish(publisher->room, HIJACK_MESSAGE_TEXT, text, LEN) != MEMBERS)
            return argument;
    }
    return NULL;
}

static void test_one_order(void **state)
{
    struct fixture *f = *state;
    struct publisher publishers[PUBLISHERS];
    struct client *c[MEMBERS];
    void *failed = NULL;
    const size_t len = (size_t)LEN * MESSAGES * PUBLISHERS;

    fixture_option(f, OPT_THREADS, "2");
    hijack_broadcaster *room = fixture_broadcaster(f);
    OK(hijack_broadcaster_set(room, HIJACK_STR("backlog_bytes"), HIJACK_STR("64m")));
    fixture_start(f);
    for (int i = 0; i < MEMBERS; i++) {
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
        c[i] = client_wrap(fds[0]);
        OK(hijack_broadcaster_adopt(room, fds[1], HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0));
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i] = (struct publisher){.room = room, .number = i};
        CHECK(pthread_create(&publishers[i].thread, NULL, publish_all, &publishers[i]) == 0);
    }
    for (int i = 0; i < MEMBERS; i++)
        client_want(c[i], len);
    for (int i = 0; i < PUBLISHERS; i++) {
        void *result;
        pthread_join(publishers[i].thread, &result);
        failed = result != NULL ? result : failed;
    }
    CHECK(failed == NULL);
    for (int i = 1; i < MEMBERS; i++)
        BYTES(c[i]->buf, c[i]->len, c[0]->buf, c[0]->len);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_one_order)};

    return RUN_TESTS(tests, argc, argv);
}
