/* Reason phrases (IANA's registry of status codes) and dates; see response.h. Pure; any thread. */
#include "codec/response_head.h"

#include <string.h>

/* By the hundreds, then by the last two digits. */
static const char *const reasons_1[] = {
    [0] = "Continue",
    [1] = "Switching Protocols",
    [2] = "Processing",
    [3] = "Early Hints",
};
static const char *const reasons_2[] = {
    [0] = "OK",
    [1] = "Created",
    [2] = "Accepted",
    [3] = "Non-Authoritative Information",
    [4] = "No Content",
    [5] = "Reset Content",
    [6] = "Partial Content",
    [7] = "Multi-Status",
    [8] = "Already Reported",
    [26] = "IM Used",
};
static const char *const reasons_3[] = {
    [0] = "Multiple Choices",   [1] = "Moved Permanently",  [2] = "Found",
    [3] = "See Other",          [4] = "Not Modified",       [5] = "Use Proxy",
    [7] = "Temporary Redirect", [8] = "Permanent Redirect",
};
static const char *const reasons_4[] = {
    [0] = "Bad Request",
    [1] = "Unauthorized",
    [2] = "Payment Required",
    [3] = "Forbidden",
    [4] = "Not Found",
    [5] = "Method Not Allowed",
    [6] = "Not Acceptable",
    [7] = "Proxy Authentication Required",
    [8] = "Request Timeout",
    [9] = "Conflict",
    [10] = "Gone",
    [11] = "Length Required",
    [12] = "Precondition Failed",
    [13] = "Content Too Large",
    [14] = "URI Too Long",
    [15] = "Unsupported Media Type",
    [16] = "Range Not Satisfiable",
    [17] = "Expectation Failed",
    [21] = "Misdirected Request",
    [22] = "Unprocessable Content",
    [23] = "Locked",
    [24] = "Failed Dependency",
    [25] = "Too Early",
    [26] = "Upgrade Required",
    [28] = "Precondition Required",
    [29] = "Too Many Requests",
    [31] = "Request Header Fields Too Large",
    [51] = "Unavailable For Legal Reasons",
};
static const char *const reasons_5[] = {
    [0] = "Internal Server Error",
    [1] = "Not Implemented",
    [2] = "Bad Gateway",
    [3] = "Service Unavailable",
    [4] = "Gateway Timeout",
    [5] = "HTTP Version Not Supported",
    [6] = "Variant Also Negotiates",
    [7] = "Insufficient Storage",
    [8] = "Loop Detected",
    [11] = "Network Authentication Required",
};

const char *hj_status_reason(unsigned status)
{
#define CLASS(phrases)                                                                                                 \
    {                                                                                                                  \
        phrases, sizeof(phrases) / sizeof((phrases)[0])                                                                \
    }
    static const struct {
        const char *const *phrases;
        size_t count;
    } classes[] = {CLASS(reasons_1), CLASS(reasons_2), CLASS(reasons_3), CLASS(reasons_4), CLASS(reasons_5)};
#undef CLASS
    if (status < 100 || status > 599 || status % 100 >= classes[status / 100 - 1].count)
        return "Unknown";
    const char *phrase = classes[status / 100 - 1].phrases[status % 100];
    return phrase != NULL ? phrase : "Unknown";
}

static char *put_text(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static char *put_digits(char *at, unsigned number, size_t count)
{
    for (size_t i = count; i-- > 0; number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + count;
}

void hj_http_date(char out[HJ_HTTP_DATE_LEN], time_t t)
{
    const int64_t last = 253402300799; /* 9999-12-31 23:59:59 */
    const int64_t time = t < 0 ? 0 : (int64_t)t > last ? last : (int64_t)t;
    const unsigned days = (unsigned)(time / 86400), seconds = (unsigned)(time % 86400);
    /* Years here start in March, so that the leap day is a year's last; 1970-01-01 is day 719468 since 0000-03-01, and
     * 400 years have 146097 days. */
    const unsigned day = days + 719468, era = day / 146097, day_of_era = day % 146097;
    const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned march_month = (5 * day_of_year + 2) / 153;                     /* 0: March */
    const unsigned month = march_month < 10 ? march_month + 2 : march_month - 10; /* 0: January */
    const unsigned year = era * 400 + year_of_era + (month < 2);

    char *at = put_text(out, &"ThuFriSatSunMonTueWed"[days % 7 * 3], 3);
    at = put_text(at, ", ", 2);
    at = put_digits(at, day_of_year - (153 * march_month + 2) / 5 + 1, 2);
    at = put_text(at, " ", 1);
    at = put_text(at, &"JanFebMarAprMayJunJulAugSepOctNovDec"[month * 3], 3);
    at = put_text(at, " ", 1);
    at = put_digits(at, year, 4);
    at = put_text(at, " ", 1);
    at = put_digits(at, seconds / 3600, 2);
    at = put_text(at, ":", 1);
    at = put_digits(at, seconds / 60 % 60, 2);
    at = put_text(at, ":", 1);
    at = put_digits(at, seconds % 60, 2);
    put_text(at, " GMT", 4);
}
