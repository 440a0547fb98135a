/* SPDX-License-Identifier: MIT
 *
 * A broadcaster for each user: 100,000 of them in one process.
 */
#include "support/exchange.h"

#include <stdio.h>
#include <stdlib.h>

static void test_hundred_thousand(void **state)
{
    struct fixture *f = *state;
    int count = 100000 / (int)clock_scale();
    hijack_broadcaster **rooms = calloc((size_t)count, sizeof(*rooms));
    struct client *c[100];

    CHECK(rooms != NULL);
    fixture_start(f);
    uint64_t before = process_resident(), start = clock_ms();
    for (int i = 0; i < count; i++)
        OK(hijack_broadcaster_new(&rooms[i], f->server));
    uint64_t made = clock_ms() - start, each = (process_resident() - before) / (uint64_t)count;
    print_message("%d broadcasters: %llu bytes each, made in %llu ms\n", count, (unsigned long long)each,
                  (unsigned long long)made);
    if (clock_scale() == 1)
        CHECK(each < 1024);

    for (int i = 0; i < 100; i++)
        OK(hijack_broadcaster_add(rooms[i * (count / 100)], socket_open(f, &c[i]), 0, NULL, 0));
    start = clock_ms();
    for (int i = 0; i < count; i++)
        CODE(hijack_broadcaster_publish(rooms[i], HIJACK_MESSAGE_TEXT, LIT("hello")),
             i % (count / 100) == 0 && i / (count / 100) < 100);
    for (int i = 0; i < 100; i++) {
        client_expect(c[i], "hello");
        CHECK(client_peek(c[i]) == 0);
    }
    uint64_t published = clock_ms() - start;
    start = clock_ms();
    for (int i = 0; i < count; i++)
        hijack_broadcaster_free(rooms[i]);
    uint64_t freed = clock_ms() - start;
    print_message("published to each in %llu ms, freed in %llu ms\n", (unsigned long long)published,
                  (unsigned long long)freed);
    CHECK(made < 2000 * clock_scale() && published < 3000 * clock_scale() && freed < 2000 * clock_scale());
    for (int i = 0; i < 100; i++)
        CODE(hijack_broadcaster_count(rooms[i * (count / 100)]), HIJACK_EHANDLE);
    free(rooms);
}

/* Made and freed again and again, memory stays where it is. */
static void test_no_growth(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *rooms[100];
    uint64_t before = 0;

    fixture_start(f);
    for (int round = 0; round < clock_times(5000, 500); round++) {
        if (round == 100)
            before = process_resident();
        for (int i = 0; i < 100; i++) {
            OK(hijack_broadcaster_new(&rooms[i], f->server));
            OK(hijack_broadcaster_publish(rooms[i], HIJACK_MESSAGE_TEXT, LIT("x")));
        }
        for (int i = 0; i < 100; i++)
            hijack_broadcaster_free(rooms[i]);
    }
    if (clock_scale() == 1)
        CHECK(process_resident() <= before + (2u << 20));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_hundred_thousand), TEST(test_no_growth)};

    return RUN_TESTS(tests, argc, argv);
}
