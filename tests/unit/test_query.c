/* SPDX-License-Identifier: MIT
 *
 * Parameters of a target's query, as browsers write them and as nobody should.
 */
#include "codec/query.h"

#include <stdio.h>

#include "support/check.h"

static void check_parameter(const char *target, const char *name, const char *expected, int line)
{
    char buffer[HJ_PARAMETER_MAX];
    struct hj_slice value = HJ_SLICE("before");
    bool found = hj_query_parameter(&value, buffer, hj_slice(STR(target)), hj_slice(STR(name)));
    if (expected == NULL) {
        assert_false(found);
        expected = "before";
    } else {
        assert_true(found);
    }
    check_bytes(value.base, value.len, expected, strlen(expected), __FILE__, line);
}

#define IS(target, name, expected) check_parameter((target), (name), (expected), __LINE__)

static void values(void **state)
{
    (void)state;
    IS("/a?at=e-5", "at", "e-5");
    IS("/a?x=1&at=e-5&y=2", "at", "e-5");
    IS("/a?at=1&at=2", "at", "1");
    IS("/a?at=", "at", "");
    IS("/a?at", "at", "");
    IS("/a?at&b", "b", "");
    IS("/a?at=a%2db%20c+d", "at", "a-b c d");
    IS("/a?%61t=1", "at", "1");
    IS("/a?at=1=2", "at", "1=2");
    IS("/a??at=1", "?at", "1");
    IS("http://x/a?at=1", "at", "1");
}

static void nothing(void **state)
{
    (void)state;
    IS("/a", "at", NULL);
    IS("/a?", "at", NULL);
    IS("/at=1", "at", NULL);
    IS("/a?&&", "at", NULL);
    IS("/a?atx=1&xat=2&At=3", "at", NULL);
    IS("", "at", NULL);
}

static void what_is_no_escape_stands_for_itself(void **state)
{
    (void)state;
    IS("/a?at=%", "at", "%");
    IS("/a?at=%4", "at", "%4");
    IS("/a?at=%zz%41", "at", "%zzA");
    IS("/a?at=%4&b=1", "at", "%4");
}

static void too_long(void **state)
{
    (void)state;
    char target[HJ_PARAMETER_MAX + 32], expected[HJ_PARAMETER_MAX + 1];
    memset(expected, 'x', HJ_PARAMETER_MAX);
    expected[HJ_PARAMETER_MAX] = '\0';
    snprintf(target, sizeof(target), "/a?at=%s", expected);
    IS(target, "at", expected);
    snprintf(target, sizeof(target), "/a?at=%sx&b=1", expected);
    IS(target, "at", "");
    IS(target, "b", "1");
    snprintf(target, sizeof(target), "/a?%sx=1&b=1", expected);
    IS(target, "b", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(nothing),
        cmocka_unit_test(what_is_no_escape_stands_for_itself),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
