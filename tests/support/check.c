/* SPDX-License-Identifier: MIT
 *
 * Assertions and the clock of the tests. Runs on the thread of the test; a failed assertion leaves the test by longjmp,
 * as cmocka does it.
 */
#include "check.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int check_ok(int code, const char *text, const char *file, int line)
{
    if (code < 0)
        check_fail(file, line, "%s is %s (%s), must be 0 or more", text, hijack_errname(code), hijack_strerror(code));
    return code;
}

int check_code(int code, int expected, const char *text, const char *file, int line)
{
    if (code != expected)
        check_fail(file, line, "%s is %d (%s), must be %d (%s)", text, code, code <= 0 ? hijack_errname(code) : "",
                   expected, expected <= 0 ? hijack_errname(expected) : "");
    return code;
}

void check_true(int condition, const char *text, const char *file, int line)
{
    if (!condition)
        check_fail(file, line, "not so: %s", text);
}

static char context[256];

void check_context(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(context, sizeof(context), format, args);
    va_end(args);
}

void check_fail(const char *file, int line, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    print_error("%s%s%s\n", context, context[0] == 0 ? "" : ": ", text);
    _fail(file, line);
    abort();
}

static void print_bytes(const char *name, const char *data, size_t len)
{
    print_error("%s (%zu bytes): \"", name, len);
    for (size_t i = 0; i < len && i < 600; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (byte == '\r')
            print_error("\\r");
        else if (byte == '\n')
            print_error("\\n");
        else if (byte < 32 || byte > 126)
            print_error("\\x%02x", byte);
        else
            print_error("%c", byte);
    }
    print_error("%s\"\n", len > 600 ? "..." : "");
}

void check_bytes(const char *data, size_t len, const char *expected, size_t expected_len, const char *file, int line)
{
    if (len == expected_len && (len == 0 || memcmp(data, expected, len) == 0))
        return;
    print_bytes("got ", data, len);
    print_bytes("must", expected, expected_len);
    check_fail(file, line, "the bytes differ");
}

uint64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_cpu_ms(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

void clock_until_idle_at(const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms(), used;

    do {
        uint64_t before = clock_cpu_ms();
        if (clock_ms() > end)
            check_fail(file, line, "the process is not idle after %u ms", clock_limit_ms());
        poll(NULL, 0, 300);
        used = clock_cpu_ms() - before;
    } while (used >= 100);
}

unsigned clock_scale(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 4;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 4;
#else
    return 1;
#endif
#else
    return 1;
#endif
}

int clock_times(int long_form, int short_form)
{
    return (getenv("HIJACK_LONG") != NULL ? long_form : short_form) / (int)clock_scale();
}

unsigned clock_limit_ms(void)
{
    return (getenv("HIJACK_LONG") != NULL ? 30000 : 5000) * clock_scale();
}

void clock_tick(void)
{
    poll(NULL, 0, 1);
}
