/* SPDX-License-Identifier: MIT
 *
 * Reason phrases and dates, the latter against the C library's calendar.
 */
#include <string.h>
#include <time.h>

#include "codec/response_head.h"
#include "support/check.h"

static void reasons(void **state)
{
    (void)state;
    assert_string_equal(hj_status_reason(100), "Continue");
    assert_string_equal(hj_status_reason(101), "Switching Protocols");
    assert_string_equal(hj_status_reason(200), "OK");
    assert_string_equal(hj_status_reason(226), "IM Used");
    assert_string_equal(hj_status_reason(304), "Not Modified");
    assert_string_equal(hj_status_reason(404), "Not Found");
    assert_string_equal(hj_status_reason(413), "Content Too Large");
    assert_string_equal(hj_status_reason(431), "Request Header Fields Too Large");
    assert_string_equal(hj_status_reason(451), "Unavailable For Legal Reasons");
    assert_string_equal(hj_status_reason(505), "HTTP Version Not Supported");
    assert_string_equal(hj_status_reason(511), "Network Authentication Required");
}

static void every_number_has_a_phrase(void **state)
{
    (void)state;
    unsigned known = 0;
    for (unsigned status = 0; status <= 1100; ++status) {
        const char *reason = hj_status_reason(status);
        assert_non_null(reason);
        assert_true(strlen(reason) > 1);
        known += strcmp(reason, "Unknown") != 0;
    }
    assert_int_equal(known, 60);
    assert_string_equal(hj_status_reason(0), "Unknown");
    assert_string_equal(hj_status_reason(99), "Unknown");
    assert_string_equal(hj_status_reason(299), "Unknown");
    assert_string_equal(hj_status_reason(512), "Unknown");
    assert_string_equal(hj_status_reason(600), "Unknown");
    assert_string_equal(hj_status_reason(~0u), "Unknown");
}

static void check_date(time_t t, int line)
{
    char ours[HJ_HTTP_DATE_LEN + 1], theirs[64];
    struct tm tm;
    memset(ours, '#', sizeof(ours));
    hj_http_date(ours, t);
    if (ours[HJ_HTTP_DATE_LEN] != '#')
        check_fail(__FILE__, line, "a date wrote past its end");
    assert_non_null(gmtime_r(&t, &tm));
    size_t len = strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    check_bytes(ours, HJ_HTTP_DATE_LEN, theirs, len, __FILE__, line);
}

static void dates(void **state)
{
    (void)state;
    char date[HJ_HTTP_DATE_LEN];
    hj_http_date(date, 784111777);
    BYTES(date, sizeof(date), "Sun, 06 Nov 1994 08:49:37 GMT", 29);
    const time_t day = 86400;
    for (time_t t = 0; t < 200 * 366 * day; t += day)
        check_date(t + (t / day * 7919) % day, __LINE__);
    for (time_t t = 0; t < day; t += 61)
        check_date(951782400 + t, __LINE__); /* 29 February 2000 */
    for (time_t t = 4107456000; t < 253402300799; t += 41 * day + 12345)
        check_date(t, __LINE__);
    check_date(253402300799, __LINE__);
}

static void dates_out_of_range(void **state)
{
    (void)state;
    char date[HJ_HTTP_DATE_LEN];
    hj_http_date(date, -1);
    BYTES(date, sizeof(date), "Thu, 01 Jan 1970 00:00:00 GMT", 29);
    hj_http_date(date, 253402300800);
    BYTES(date, sizeof(date), "Fri, 31 Dec 9999 23:59:59 GMT", 29);
    hj_http_date(date, INT64_MAX);
    BYTES(date, sizeof(date), "Fri, 31 Dec 9999 23:59:59 GMT", 29);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasons),
        cmocka_unit_test(every_number_has_a_phrase),
        cmocka_unit_test(dates),
        cmocka_unit_test(dates_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
