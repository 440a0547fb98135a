/* SPDX-License-Identifier: MIT
 *
 * The table of byte classes against the RFCs' sets, and the small readers.
 */
#include <string.h>

#include "base/ascii.h"
#include "support/check.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool in(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static void every_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 256; ++c) {
        const char byte = (char)c;
        assert_int_equal(hj_ascii_is(byte, HJ_ASCII_TOKEN), in(c, "!#$%&'*+-.^_`|~" DIGITS LETTERS));
        assert_int_equal(hj_ascii_is(byte, HJ_ASCII_VALUE), c == '\t' || (c >= 0x20 && c != 0x7f));
        assert_int_equal(hj_ascii_is(byte, HJ_ASCII_TARGET), c > 0x20 && c < 0x7f && c != '#');
        assert_int_equal(hj_ascii_is(byte, HJ_ASCII_HOST), in(c, "-._~!$&'()*+,;=%" DIGITS LETTERS));
        assert_int_equal(hj_ascii_is(byte, HJ_ASCII_HEX), in(c, "abcdefABCDEF" DIGITS));
        assert_int_equal(hj_ascii_class[c] & ~31, 0);
    }
}

static void all(void **state)
{
    (void)state;
    assert_true(hj_ascii_all(hj_slice(NULL, 0), HJ_ASCII_TOKEN));
    assert_true(hj_ascii_all(HJ_SLICE("abc"), HJ_ASCII_TOKEN));
    assert_false(hj_ascii_all(HJ_SLICE("ab c"), HJ_ASCII_TOKEN));
    assert_true(hj_ascii_all(HJ_SLICE("ab:c"), HJ_ASCII_TOKEN | HJ_ASCII_TARGET));
    assert_false(hj_ascii_all(HJ_SLICE("ab\0"), HJ_ASCII_VALUE));
}

static void trim(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""},           {"a", "a"},  {" \ta b\t ", "a b"}, {" \t ", ""},
                                           {"\ra\n", "\ra\n"}, {" a", "a"}, {"a\t", "a"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
        struct hj_slice trimmed = hj_ascii_trim(hj_slice(STR(cases[i][0])));
        BYTES(trimmed.base, trimmed.len, cases[i][1], strlen(cases[i][1]));
    }
    assert_int_equal(hj_ascii_trim(hj_slice(NULL, 0)).len, 0);
}

static void numbers(void **state)
{
    (void)state;
    uint64_t number = 7;
    assert_true(hj_ascii_number(&number, HJ_SLICE("0")) && number == 0);
    assert_true(hj_ascii_number(&number, HJ_SLICE("000000000000000000000000000012")) && number == 12);
    assert_true(hj_ascii_number(&number, HJ_SLICE("18446744073709551615")) && number == UINT64_MAX);
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "+1",
                                      "-1",
                                      "0x1",
                                      "1e3",
                                      "1.0",
                                      "18446744073709551616",
                                      "18446744073709551625",
                                      "99999999999999999999",
                                      "184467440737095516150"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        number = 7;
        assert_false(hj_ascii_number(&number, hj_slice(STR(bad[i]))));
        assert_int_equal(number, 7);
    }
    assert_false(hj_ascii_number(&number, HJ_SLICE("1\0")));
}

static void lists(void **state)
{
    (void)state;
    static const char *const with[] = {"close",   "CLOSE",         " close\t", "a,close",
                                       "close,a", "a , Close , b", ",close",   ",,close,"};
    static const char *const without[] = {"", ",", "clos", "closed", "a close", "close;a", "c,lose", "\"close\""};
    for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); ++i)
        CHECK(hj_ascii_list_has(hj_slice(STR(with[i])), HJ_SLICE("close")));
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); ++i)
        CHECK(!hj_ascii_list_has(hj_slice(STR(without[i])), HJ_SLICE("close")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte), cmocka_unit_test(all),   cmocka_unit_test(trim),
        cmocka_unit_test(numbers),    cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
