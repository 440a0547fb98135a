/* SPDX-License-Identifier: MIT
 *
 * Numbers beside the entries of a table: what was set is read back, everything else is 0.
 */
#include "loop/numbers.h"
#include "loop/table.h"
#include "support/check.h"

static void nothing_is_0(void **state)
{
    (void)state;
    struct hj_numbers numbers = {0};
    CHECK(hj_numbers_get(&numbers, 0) == 0);
    CHECK(hj_numbers_get(&numbers, UINT32_MAX) == 0);
    CHECK(hj_numbers_set(&numbers, UINT32_MAX, 0)); /* takes no memory */
    CHECK(numbers.chunks == NULL);
    hj_numbers_dispose(&numbers);
}

/* Neighbours, within a chunk and at its ends, and a chunk that lies before the first one. */
static void set_and_read_back(void **state)
{
    (void)state;
    static const uint32_t indexes[] = {5 * HJ_TABLE_CHUNK, 5 * HJ_TABLE_CHUNK + 1, 6 * HJ_TABLE_CHUNK - 1, 1,
                                       HJ_TABLE_CHUNK - 1, 9 * HJ_TABLE_CHUNK};
    const uint32_t count = sizeof(indexes) / sizeof(indexes[0]);
    struct hj_numbers numbers = {0};
    for (uint32_t i = 0; i < count; ++i)
        CHECK(hj_numbers_set(&numbers, indexes[i], UINT32_MAX - i));
    for (uint32_t i = 0; i < count; ++i)
        CHECK(hj_numbers_get(&numbers, indexes[i]) == UINT32_MAX - i);
    uint32_t set = 0;
    for (uint32_t i = 0; i < 11 * HJ_TABLE_CHUNK; ++i)
        set += hj_numbers_get(&numbers, i) != 0;
    CHECK(set == count);
    CHECK(numbers.chunks[2] == NULL);
    CHECK(hj_numbers_set(&numbers, indexes[1], 0));
    CHECK(hj_numbers_get(&numbers, indexes[1]) == 0 && hj_numbers_get(&numbers, indexes[0]) == UINT32_MAX);
    hj_numbers_dispose(&numbers);
    CHECK(hj_numbers_get(&numbers, indexes[0]) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_0),
        cmocka_unit_test(set_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
