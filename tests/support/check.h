/* SPDX-License-Identifier: MIT
 *
 * Assertions that name the library's codes, and the clock that every wait of the tests is bound by. Asserting is for
 * the thread that runs the test: other threads hand their result over instead.
 */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hijack/hijack.h>

/* A function that says it did well: 0 or more. The value of the call. */
#define OK(call) check_ok((call), #call, __FILE__, __LINE__)
/* A function that answers exactly this code or number. */
#define CODE(call, expected) check_code((call), (expected), #call, __FILE__, __LINE__)
/* A condition, with the text of it on failure. */
#define CHECK(condition) check_true((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
/* A string literal as the two arguments "pointer, length". */
#define LIT(literal) HIJACK_STR(literal)
/* A C string as the two arguments "pointer, length". */
#define STR(string) (string), strlen(string)
/* Ends the wait with a failure if expression is still false at the deadline; looks again every millisecond. */
#define WAIT_FOR(expression)                                                                                           \
    do {                                                                                                               \
        uint64_t wait_end = clock_ms() + clock_limit_ms();                                                             \
        while (!(expression)) {                                                                                        \
            if (clock_ms() > wait_end)                                                                                 \
                check_fail(__FILE__, __LINE__, "not so within %u ms: %s", clock_limit_ms(), #expression);              \
            clock_tick();                                                                                              \
        }                                                                                                              \
    } while (0)

int check_ok(int code, const char *text, const char *file, int line);
int check_code(int code, int expected, const char *text, const char *file, int line);
void check_true(int condition, const char *text, const char *file, int line);
__attribute__((format(printf, 3, 4), noreturn)) void check_fail(const char *file, int line, const char *format, ...);
/* What a failure says first: in which of many similar steps it was. */
__attribute__((format(printf, 1, 2))) void check_context(const char *format, ...);
void check_bytes(const char *data, size_t len, const char *expected, size_t expected_len, const char *file, int line);
#define BYTES(data, len, expected, expected_len)                                                                       \
    check_bytes((data), (len), (expected), (expected_len), __FILE__, __LINE__)

/* Milliseconds of a clock that only goes forward. */
uint64_t clock_ms(void);
/* Milliseconds of processor time this process has used. */
uint64_t clock_cpu_ms(void);
/* Until a window of 300 ms has passed in which the process used less than 100 ms of processor time: nothing spins. */
void clock_until_idle_at(const char *file, int line);
#define clock_until_idle() clock_until_idle_at(__FILE__, __LINE__)
/* How long a test waits for something that must happen: 5 s, in the long form, which loads the machine, 30 s; four
 * times as long under a sanitizer. */
unsigned clock_limit_ms(void);
/* 1, or 4 under a sanitizer: for counts and for bounds on time. */
unsigned clock_scale(void);
/* How often a stress test does something: the first number in its long form (HIJACK_LONG is set: make stress), else the
 * second; a quarter of it under a sanitizer. */
int clock_times(int long_form, int short_form);
/* Gives the processor away for a millisecond: the pause between two looks at a condition. */
void clock_tick(void);

#endif
