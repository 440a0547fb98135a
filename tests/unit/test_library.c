/* SPDX-License-Identifier: MIT
 *
 * What the library says about itself, against the public header read as text: each constant there has its name here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

/* The header beside this file in the source tree. */
static char *read_header(void)
{
    char path[4096];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof(path), "%.*s../../include/hijack/hijack.h", slash ? (int)(slash + 1 - __FILE__) : 0,
             __FILE__);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        check_fail(__FILE__, __LINE__, "cannot read %s", path);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 1000);
    fclose(file);
    return text;
}

/* The next "<prefix>NAME = number" from *cursor on. */
static int next_constant(char *name, size_t size, long *number, const char **cursor, const char *prefix)
{
    for (const char *at = *cursor; (at = strstr(at, prefix)) != NULL; ++at) {
        size_t len = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        if (strncmp(at + len, " = ", 3) != 0)
            continue;
        assert_true(len < size);
        memcpy(name, at, len);
        name[len] = '\0';
        *number = strtol(at + len + 3, NULL, 10);
        *cursor = at + len;
        return 1;
    }
    return 0;
}

static void every_error_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    char *header = read_header(), name[64];
    const char *cursor = header;
    long number;
    int count = 0;
    while (next_constant(name, sizeof(name), &number, &cursor, "HIJACK_")) {
        if (strcmp(name, "HIJACK_OK") != 0 && strncmp(name, "HIJACK_E", 8) != 0)
            continue;
        if (strncmp(name, "HIJACK_EVENT_", 13) == 0)
            continue;
        assert_string_equal(hijack_errname((int)number), name);
        assert_true(strlen(hijack_strerror((int)number)) > 7);
        assert_null(strstr(hijack_strerror((int)number), "unknown"));
        ++count;
    }
    free(header);
    assert_true(count >= 31);
    assert_string_equal(hijack_errname(-count), "HIJACK_UNKNOWN"); /* no gap, and the list is no longer than that */
}

static void every_sentence_is_another(void **state)
{
    (void)state;
    for (int a = 0; strcmp(hijack_errname(-a), "HIJACK_UNKNOWN") != 0; ++a)
        for (int b = 0; b < a; ++b)
            assert_string_not_equal(hijack_strerror(-a), hijack_strerror(-b));
}

static void any_number_is_answered(void **state)
{
    (void)state;
    static const int numbers[] = {INT32_MIN, INT32_MIN + 1, -1000, -31, -100, 1, 42, INT32_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); ++i) {
        assert_non_null(hijack_strerror(numbers[i]));
        assert_string_equal(hijack_errname(numbers[i]), numbers[i] > 0 ? "HIJACK_OK" : "HIJACK_UNKNOWN");
        assert_non_null(hijack_event_name((uint32_t)numbers[i]));
    }
    assert_string_equal(hijack_strerror(3), hijack_strerror(0));
}

static void every_event_has_a_name(void **state)
{
    (void)state;
    char *header = read_header(), name[64];
    const char *cursor = header;
    long number, count = 0;
    while (next_constant(name, sizeof(name), &number, &cursor, "HIJACK_EVENT_")) {
        assert_string_equal(hijack_event_name((uint32_t)number), name + strlen("HIJACK_EVENT_"));
        ++count;
    }
    free(header);
    assert_true(count >= 14);
    assert_string_equal(hijack_event_name((uint32_t)count), "UNKNOWN");
    assert_string_equal(hijack_event_name(UINT32_MAX), "UNKNOWN");
}

static void every_statistic_has_a_name(void **state)
{
    (void)state;
    char *header = read_header(), name[64];
    const char *cursor = header;
    long number, count = 0;
    while (next_constant(name, sizeof(name), &number, &cursor, "HIJACK_STAT_")) {
        if (strcmp(name, "HIJACK_STAT_COUNT") == 0)
            continue;
        for (char *at = name; *at != '\0'; ++at)
            *at = *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at;
        assert_non_null(hijack_server_stat_name((uint32_t)number));
        assert_string_equal(hijack_server_stat_name((uint32_t)number), name + strlen("HIJACK_STAT_"));
        ++count;
    }
    free(header);
    assert_int_equal(count, HIJACK_STAT_COUNT);
    assert_null(hijack_server_stat_name(HIJACK_STAT_COUNT));
    assert_null(hijack_server_stat_name(UINT32_MAX));
}

static void versions(void **state)
{
    (void)state;
    const uint32_t version = HIJACK_VERSION_NUMBER;
    char text[32];
    snprintf(text, sizeof(text), "%u.%u.%u", version >> 16, version >> 8 & 255, version & 255);
    assert_int_equal(hijack_version(), version);
    assert_string_equal(hijack_version_string(), text);
    CODE(hijack_check_version(version), 0);
    CODE(hijack_check_version(version + 1), HIJACK_EVERSION); /* a header newer than the library */
    CODE(hijack_check_version(version + 0x100), HIJACK_EVERSION);
    CODE(hijack_check_version(version + 0x10000), HIJACK_EVERSION);
    CODE(hijack_check_version(UINT32_MAX), HIJACK_EVERSION);
    if ((version & 255) != 0)
        CODE(hijack_check_version(version - 1), 0); /* an older patch */
    if (version >> 16 == 0 && (version >> 8 & 255) != 0)
        CODE(hijack_check_version(version - 0x100), HIJACK_EVERSION); /* before 1.0 a minor may break */
    if (version >> 16 != 0)
        CODE(hijack_check_version(version - 0x10000), HIJACK_EVERSION);
}

static void options(void **state)
{
    (void)state;
    assert_non_null(strstr(hijack_options(), "server\tthreads\tint\t0\t64\t0\t"));
    assert_non_null(strstr(hijack_options(), "queue\tcapacity\t"));
    assert_non_null(strstr(hijack_options(), "broadcaster\toverflow\tchoice\t-\t-\tclose\t"));
    assert_ptr_equal(hijack_options(), hijack_options());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_name_and_a_sentence),
        cmocka_unit_test(every_sentence_is_another),
        cmocka_unit_test(any_number_is_answered),
        cmocka_unit_test(every_event_has_a_name),
        cmocka_unit_test(every_statistic_has_a_name),
        cmocka_unit_test(versions),
        cmocka_unit_test(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
