/* SPDX-License-Identifier: MIT
 *
 * Connections by address: what counts as one address, the limit, and that the count comes down again, from many threads
 * too.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/address_count.h"
#include "support/check.h"

/* Whether the address is counted, and by what. */
static bool key_of(uint64_t *out, const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(1)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return hj_address_count_key(out, (const struct sockaddr *)&v4);
    CHECK(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1);
    return hj_address_count_key(out, (const struct sockaddr *)&v6);
}

static void never_counted(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"};
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    uint64_t key = 7;
    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); ++i) {
        check_context("%s", addresses[i]);
        CHECK(!key_of(&key, addresses[i]));
    }
    CHECK(!hj_address_count_key(&key, (const struct sockaddr *)&local));
    CHECK(key == 7);
}

static void counted_as_one(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"126.0.0.1", "128.0.0.1", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true}, /* a listener of both families */
        {"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
        {"2001:db8::1", "2001:db8:0:1::1", false},
        {"2001:db8::1", "2001:db9::1", false},
        {"0.0.0.1", "::2", false},
        {"0.0.0.0", "::", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); ++i) {
        uint64_t a, b;
        check_context("%s and %s", pairs[i].a, pairs[i].b);
        CHECK(key_of(&a, pairs[i].a));
        CHECK(key_of(&b, pairs[i].b));
        CHECK((a == b) == pairs[i].same);
    }
}

static void up_to_the_limit(void **state)
{
    struct hj_address_counts *counts = hj_address_counts_new(3);
    uint32_t taken[4] = {0}, other;
    (void)state;
    CHECK(counts != NULL);
    for (int i = 0; i < 3; ++i)
        CODE(hj_address_count_take(&taken[i], counts, 5), 0);
    CHECK(taken[0] != 0 && taken[0] == taken[2]);
    CODE(hj_address_count_take(&taken[3], counts, 5), HIJACK_ELIMIT);
    CHECK(taken[3] == 0); /* untouched */
    CODE(hj_address_count_take(&other, counts, 6), 0);
    CHECK(other != taken[0]);
    hj_address_count_give(counts, taken[0]);
    CODE(hj_address_count_take(&taken[3], counts, 5), 0);
    CODE(hj_address_count_take(&taken[0], counts, 5), HIJACK_ELIMIT);
    hj_address_counts_free(counts);
    hj_address_counts_free(NULL);
}

/* A deterministic order of 0 .. count - 1 that is none of theirs. */
static uint32_t shuffled(uint32_t i, uint32_t count)
{
    return (uint32_t)((uint64_t)i * 7919 % count); /* a prime that does not divide count */
}

/* Many addresses, so that buckets have long chains and places are used again; each keeps its own count. */
static void many_addresses(void **state)
{
    enum {
        COUNT = 200000
    };
    struct hj_address_counts *counts = hj_address_counts_new(2);
    uint32_t *taken = calloc(2 * COUNT, sizeof(*taken)), none = 0;
    (void)state;
    CHECK(counts != NULL && taken != NULL);
    for (int round = 0; round < 2; ++round) {
        for (uint32_t i = 0; i < 2 * COUNT; ++i)
            CODE(hj_address_count_take(&taken[i], counts, (uint64_t)(i / 2) << 16), 0);
        for (uint32_t i = 0; i < COUNT; i += 1000)
            CODE(hj_address_count_take(&none, counts, (uint64_t)i << 16), HIJACK_ELIMIT);
        for (uint32_t i = 0; i < 2 * COUNT; ++i)
            hj_address_count_give(counts, taken[shuffled(i, 2 * COUNT)]);
    }
    /* all were given back: each of them has its two again, which no count that stayed would allow */
    for (uint32_t i = 0; i < 2 * COUNT; ++i)
        CODE(hj_address_count_take(&taken[i], counts, (uint64_t)(i / 2) << 16), 0);
    hj_address_counts_free(counts);
    free(taken);
}

struct crowd {
    pthread_t thread;
    struct hj_address_counts *counts;
    _Atomic int *at_once, *most;
    int took;
};

/* Takes and gives back the same addresses as all the others. */
static void *crowd_run(void *argument)
{
    struct crowd *crowd = argument;
    for (int i = 0; i < 20000; ++i) {
        uint32_t taken;
        int address = i % 3;
        if (hj_address_count_take(&taken, crowd->counts, (uint64_t)address) != 0)
            continue;
        int now = ++crowd->at_once[address];
        if (now > crowd->most[address])
            crowd->most[address] = now;
        ++crowd->took;
        --crowd->at_once[address];
        hj_address_count_give(crowd->counts, taken);
    }
    return NULL;
}

static void many_threads(void **state)
{
    enum {
        THREADS = 4,
        LIMIT = 2
    };
    struct hj_address_counts *counts = hj_address_counts_new(LIMIT);
    struct crowd crowds[THREADS];
    _Atomic int at_once[3] = {0}, most[3] = {0};
    uint32_t taken;
    int took = 0;
    (void)state;
    for (int i = 0; i < THREADS; ++i) {
        crowds[i] = (struct crowd){.counts = counts, .at_once = at_once, .most = most};
        CHECK(pthread_create(&crowds[i].thread, NULL, crowd_run, &crowds[i]) == 0);
    }
    for (int i = 0; i < THREADS; ++i) {
        pthread_join(crowds[i].thread, NULL);
        took += crowds[i].took;
    }
    CHECK(took > 0);
    for (int address = 0; address < 3; ++address) {
        CHECK(most[address] <= LIMIT && at_once[address] == 0);
        for (int i = 0; i < LIMIT; ++i)
            CODE(hj_address_count_take(&taken, counts, (uint64_t)address), 0);
        CODE(hj_address_count_take(&taken, counts, (uint64_t)address), HIJACK_ELIMIT);
    }
    hj_address_counts_free(counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_counted),  cmocka_unit_test(counted_as_one), cmocka_unit_test(up_to_the_limit),
        cmocka_unit_test(many_addresses), cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
