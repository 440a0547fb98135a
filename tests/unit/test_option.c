/* SPDX-License-Identifier: MIT
 *
 * The option table: each option's default and both its bounds as the printed table says them, what is refused, and that
 * nothing is changed by a refusal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/option.h"
#include "support/check.h"

union options {
    struct hj_server_options server;
    struct hj_queue_options queue;
    struct hj_broadcaster_options broadcaster;
    struct hj_route_options route;
};

/* One line of the table, in pieces. */
struct row {
    char text[512];
    const char *column[7]; /* scope, name, type, minimum, maximum, default, help */
    enum hj_option_scope scope;
};

static enum hj_option_scope scope_of(const char *name)
{
    if (strcmp(name, "server") == 0)
        return HJ_SCOPE_SERVER;
    if (strcmp(name, "queue") == 0)
        return HJ_SCOPE_QUEUE;
    if (strcmp(name, "route") == 0)
        return HJ_SCOPE_ROUTE;
    assert_string_equal(name, "broadcaster");
    return HJ_SCOPE_BROADCASTER;
}

static bool next_row(struct row *row, const char **cursor)
{
    const char *end = strchr(*cursor, '\n');
    if (end == NULL) {
        assert_string_equal(*cursor, "");
        return false;
    }
    const size_t len = (size_t)(end - *cursor);
    assert_true(len < sizeof(row->text));
    memcpy(row->text, *cursor, len);
    row->text[len] = '\0';
    char *at = row->text;
    for (int i = 0; i < 7; ++i) {
        assert_non_null(at);
        row->column[i] = at;
        if ((at = strchr(at, '\t')) != NULL)
            *at++ = '\0';
        assert_true(*row->column[i] != '\0' || i == 5); /* a text may be empty by default */
    }
    assert_null(at);
    row->scope = scope_of(row->column[0]);
    *cursor = end + 1;
    return true;
}

static int set(void *options, const struct row *row, const char *value)
{
    return hj_option_set(options, row->scope, hj_slice(STR(row->column[1])), hj_slice(STR(value)));
}

static void check_value(const void *options, const struct row *row, const char *expected, int line)
{
    char text[1024] = "";
    int len = hj_option_get(text, sizeof(text), options, row->scope, hj_slice(STR(row->column[1])));
    if (len < 0)
        check_fail(__FILE__, line, "%s: %s", row->column[1], hijack_errname(len));
    check_bytes(text, (size_t)len, expected, strlen(expected), __FILE__, line);
    assert_int_equal(text[len], '\0');
}

#define VALUE(options, row, expected) check_value(options, row, expected, __LINE__)

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    struct row row;
    unsigned count[4] = {0};
    for (const char *cursor = hj_option_table(); next_row(&row, &cursor);) {
        union options options;
        memset(&options, 0xa5, sizeof(options));
        hj_options_default(&options, row.scope);
        VALUE(&options, &row, row.column[5]);
        ++count[row.scope];
    }
    /* Each field has a line: nothing in the structs but 64-bit numbers and the server's texts. */
    const struct hj_server_options *server = NULL;
    const size_t texts = sizeof(server->server_name) + sizeof(server->tls_ciphers) + sizeof(server->tls_client_ca) +
                         sizeof(server->tls_ticket_key) + sizeof(server->tls_keylog_file) +
                         sizeof(server->websocket_origins) + sizeof(server->connect_ca) +
                         sizeof(server->connect_certificate) + sizeof(server->connect_key);
    assert_int_equal(count[HJ_SCOPE_SERVER] - 9, (sizeof(struct hj_server_options) - texts) / 8);
    assert_int_equal(count[HJ_SCOPE_QUEUE], sizeof(struct hj_queue_options) / 8);
    assert_int_equal(count[HJ_SCOPE_BROADCASTER] - 2, offsetof(struct hj_broadcaster_options, history_position) / 8);
    assert_int_equal(count[HJ_SCOPE_ROUTE] - 2, offsetof(struct hj_route_options, position) / 8);
}

static void known_defaults(void **state)
{
    (void)state;
    union options options;
    hj_options_default(&options, HJ_SCOPE_SERVER);
    assert_int_equal(options.server.threads, 0);
    assert_int_equal(options.server.listen_backlog, 4096);
    assert_int_equal(options.server.connections_per_address, 0);
    assert_int_equal(options.server.requests_per_connection, 1000);
    assert_int_equal(options.server.backlog_total_bytes, 1 << 30);
    assert_int_equal(options.server.max_head_bytes, 12288);
    assert_int_equal(options.server.max_body_bytes, 1048576);
    assert_int_equal(options.server.heartbeat_ms, 15000);
    assert_int_equal(options.server.high_water_bytes, 65536);
    assert_int_equal(options.server.low_water_bytes, 16384);
    assert_string_equal(options.server.server_name, "libhijack");
    hj_options_default(&options, HJ_SCOPE_QUEUE);
    assert_int_equal(options.queue.capacity, 8192);
    hj_options_default(&options, HJ_SCOPE_BROADCASTER);
    assert_int_equal(options.broadcaster.backlog_bytes, 65536);
    assert_int_equal(options.broadcaster.overflow, HJ_OVERFLOW_CLOSE);
}

/* Options of TLS are ENOTSUP where there is none. */
static bool is_left_out_of_build(const struct row *row)
{
    return !HIJACK_TLS && strncmp(row->column[1], "tls_", 4) == 0;
}

static void bounds_are_those_of_the_table(void **state)
{
    (void)state;
    struct row row;
    for (const char *cursor = hj_option_table(); next_row(&row, &cursor);) {
        if ((strcmp(row.column[2], "int") != 0 && strcmp(row.column[2], "size") != 0) || is_left_out_of_build(&row))
            continue;
        union options options;
        char text[32];
        const unsigned long long min = strtoull(row.column[3], NULL, 10), max = strtoull(row.column[4], NULL, 10);
        hj_options_default(&options, row.scope);
        CODE(set(&options, &row, row.column[3]), 0);
        VALUE(&options, &row, row.column[3]);
        CODE(set(&options, &row, row.column[4]), 0);
        VALUE(&options, &row, row.column[4]);
        if (min > 0) {
            snprintf(text, sizeof(text), "%llu", min - 1);
            CODE(set(&options, &row, text), HIJACK_ERANGE);
        }
        snprintf(text, sizeof(text), "%llu", max + 1);
        CODE(set(&options, &row, text), HIJACK_ERANGE);
        VALUE(&options, &row, row.column[4]);
    }
}

static void numbers_that_are_none(void **state)
{
    (void)state;
    struct row row;
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "+1",
                                      "-1",
                                      "0x10",
                                      "1.5",
                                      "1e3",
                                      "a",
                                      "k",
                                      "1kk",
                                      "1g",
                                      "1kb",
                                      "1 k",
                                      "99999999999999999999",
                                      "18446744073709551616",
                                      "18446744073709551615k",
                                      "18014398509481985k"};
    for (const char *cursor = hj_option_table(); next_row(&row, &cursor);) {
        if (strcmp(row.column[2], "string") == 0 || is_left_out_of_build(&row))
            continue;
        union options options;
        hj_options_default(&options, row.scope);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
            CODE(set(&options, &row, bad[i]), HIJACK_ERANGE);
            VALUE(&options, &row, row.column[5]);
        }
    }
}

static int set_server(struct hj_server_options *options, const char *name, const char *value)
{
    return hj_option_set(options, HJ_SCOPE_SERVER, hj_slice(STR(name)), hj_slice(STR(value)));
}

static void suffixes(void **state)
{
    (void)state;
    struct hj_server_options options;
    hj_options_default(&options, HJ_SCOPE_SERVER);
    CODE(set_server(&options, "max_body_bytes", "3k"), 0);
    assert_int_equal(options.max_body_bytes, 3 * 1024);
    CODE(set_server(&options, "max_body_bytes", "3M"), 0);
    assert_int_equal(options.max_body_bytes, 3 * 1024 * 1024);
    CODE(set_server(&options, "max_body_bytes", "0K"), 0);
    assert_int_equal(options.max_body_bytes, 0);
    CODE(set_server(&options, "max_body_bytes", "1048577m"), HIJACK_ERANGE);
    CODE(set_server(&options, "max_body_bytes", "1024m"), 0);
    CODE(set_server(&options, "heartbeat_ms", "1k"), HIJACK_ERANGE);
    CODE(set_server(&options, "threads", "1k"), HIJACK_ERANGE);
    assert_int_equal(options.max_body_bytes, 1 << 30);
}

static void choices(void **state)
{
    (void)state;
    static const char *const names[] = {"close", "drop_newest", "drop_oldest", "latest"};
    struct hj_broadcaster_options options;
    char text[16];
    for (unsigned i = 0; i < 4; ++i) {
        hj_options_default(&options, HJ_SCOPE_BROADCASTER);
        CODE(hj_option_set(&options, HJ_SCOPE_BROADCASTER, HJ_SLICE("overflow"), hj_slice(STR(names[i]))), 0);
        assert_int_equal(options.overflow, i);
        CODE(hj_option_get(text, sizeof(text), &options, HJ_SCOPE_BROADCASTER, HJ_SLICE("overflow")),
             (int)strlen(names[i]));
        assert_string_equal(text, names[i]);
    }
    CODE(hj_option_set(&options, HJ_SCOPE_BROADCASTER, HJ_SLICE("overflow"), HJ_SLICE("Close")), HIJACK_ERANGE);
    CODE(hj_option_set(&options, HJ_SCOPE_BROADCASTER, HJ_SLICE("overflow"), HJ_SLICE("0")), HIJACK_ERANGE);
    assert_int_equal(options.overflow, HJ_OVERFLOW_LATEST);
}

/* Rights are octal text. What a language makes of its number 0660 (432) and rights beyond rwxrwxrwx do not pass. */
static void modes(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "660", "432",  "0o660", "00660", "1777",
                                      "0778", "066", "0 60", "-660",  "Umask"};
    struct hj_server_options options;
    char text[16];
    hj_options_default(&options, HJ_SCOPE_SERVER);
    assert_true(options.unix_mode == HJ_OPTION_UNSET);
    CODE(set_server(&options, "unix_mode", "0660"), 0);
    assert_int_equal(options.unix_mode, 0660);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i)
        CODE(set_server(&options, "unix_mode", bad[i]), HIJACK_ERANGE);
    CODE(hj_option_get(text, sizeof(text), &options, HJ_SCOPE_SERVER, HJ_SLICE("unix_mode")), 4);
    assert_string_equal(text, "0660");
    CODE(set_server(&options, "unix_mode", "0000"), 0);
    assert_int_equal(options.unix_mode, 0);
    CODE(hj_option_get(text, sizeof(text), &options, HJ_SCOPE_SERVER, HJ_SLICE("unix_mode")), 4);
    assert_string_equal(text, "0000");
    CODE(set_server(&options, "unix_mode", "umask"), 0);
    assert_true(options.unix_mode == HJ_OPTION_UNSET);
}

/* A default that is a word may be set again, and is no number for an option whose default is one. */
static void words(void **state)
{
    (void)state;
    struct hj_route_options options;
    char text[16];
    hj_options_default(&options, HJ_SCOPE_ROUTE);
    assert_true(options.request_body == HJ_OPTION_UNSET && options.max_body_bytes == HJ_OPTION_UNSET);
    CODE(hj_option_set(&options, HJ_SCOPE_ROUTE, HJ_SLICE("request_body"), HJ_SLICE("pieces")), 0);
    assert_int_equal(options.request_body, HJ_BODY_PIECES);
    CODE(hj_option_set(&options, HJ_SCOPE_ROUTE, HJ_SLICE("request_body"), HJ_SLICE("inherit")), 0);
    assert_true(options.request_body == HJ_OPTION_UNSET);
    CODE(hj_option_set(&options, HJ_SCOPE_ROUTE, HJ_SLICE("max_body_bytes"), HJ_SLICE("umask")), HIJACK_ERANGE);
    CODE(hj_option_get(text, sizeof(text), &options, HJ_SCOPE_ROUTE, HJ_SLICE("max_body_bytes")), 7);
    assert_string_equal(text, "inherit");
}

static void http2(void **state)
{
    (void)state;
    struct hj_server_options options;
    hj_options_default(&options, HJ_SCOPE_SERVER);
    assert_int_equal(options.http2, HIJACK_HTTP2 ? HJ_SWITCH_ON : HJ_SWITCH_OFF); /* the default */
    CODE(set_server(&options, "http2", "off"), 0);
    assert_int_equal(options.http2, HJ_SWITCH_OFF);
    CODE(set_server(&options, "http2", "on"), HIJACK_HTTP2 ? 0 : HIJACK_ENOTSUP); /* left out of the build */
    assert_int_equal(options.http2, HIJACK_HTTP2 ? HJ_SWITCH_ON : HJ_SWITCH_OFF);
    CODE(set_server(&options, "http2", "1"), HIJACK_ERANGE);
}

static void server_names(void **state)
{
    (void)state;
    struct hj_server_options options;
    char longest[HJ_SERVER_NAME_SIZE + 1];
    hj_options_default(&options, HJ_SCOPE_SERVER);
    CODE(set_server(&options, "server_name", "my server/1.0 (caf\xc3\xa9)"), 0);
    assert_string_equal(options.server_name, "my server/1.0 (caf\xc3\xa9)");
    memset(longest, 'x', sizeof(longest));
    longest[HJ_SERVER_NAME_SIZE] = '\0';
    CODE(set_server(&options, "server_name", longest), HIJACK_ERANGE);
    longest[HJ_SERVER_NAME_SIZE - 1] = '\0';
    CODE(set_server(&options, "server_name", longest), 0);
    CODE(set_server(&options, "server_name", "a\r\nb"), HIJACK_ERANGE);
    CODE(set_server(&options, "server_name", " a"), HIJACK_ERANGE);
    CODE(set_server(&options, "server_name", "a\t"), HIJACK_ERANGE);
    CODE(hj_option_set(&options, HJ_SCOPE_SERVER, HJ_SLICE("server_name"), HJ_SLICE("a\0b")), HIJACK_ERANGE);
    assert_string_equal(options.server_name, longest);
    CODE(hj_option_set(&options, HJ_SCOPE_SERVER, HJ_SLICE("server_name"), hj_slice(NULL, 0)), 0);
    assert_string_equal(options.server_name, "");
}

static void unknown_names(void **state)
{
    (void)state;
    struct hj_server_options options;
    char text[64] = "before";
    hj_options_default(&options, HJ_SCOPE_SERVER);
    static const char *const bad[] = {"", "thread", "threadss", "THREADS", " threads", "capacity", "overflow"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        CODE(set_server(&options, bad[i], "1"), HIJACK_EOPTION);
        CODE(hj_option_get(text, sizeof(text), &options, HJ_SCOPE_SERVER, hj_slice(STR(bad[i]))), HIJACK_EOPTION);
    }
    CODE(hj_option_set(&options, HJ_SCOPE_SERVER, hj_slice(NULL, 0), hj_slice(NULL, 0)), HIJACK_EOPTION);
    CODE(hj_option_set(&options, HJ_SCOPE_SERVER, HJ_SLICE("threads\0"), HJ_SLICE("1")), HIJACK_EOPTION);
    CODE(hj_option_set(&options, HJ_SCOPE_QUEUE, HJ_SLICE("threads"), HJ_SLICE("1")), HIJACK_EOPTION);
    assert_string_equal(text, "before");
}

static void values_that_do_not_fit(void **state)
{
    (void)state;
    struct hj_server_options options;
    char text[] = "before";
    hj_options_default(&options, HJ_SCOPE_SERVER);
    CODE(hj_option_get(text, 4, &options, HJ_SCOPE_SERVER, HJ_SLICE("listen_backlog")), HIJACK_ETOOBIG);
    CODE(hj_option_get(text, 0, &options, HJ_SCOPE_SERVER, HJ_SLICE("listen_backlog")), HIJACK_ETOOBIG);
    CODE(hj_option_get(text, 0, &options, HJ_SCOPE_SERVER, HJ_SLICE("server_name")), HIJACK_ETOOBIG);
    assert_string_equal(text, "before");
    CODE(hj_option_get(text, 5, &options, HJ_SCOPE_SERVER, HJ_SLICE("listen_backlog")), 4);
    assert_string_equal(text, "4096");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(known_defaults),
        cmocka_unit_test(bounds_are_those_of_the_table),
        cmocka_unit_test(numbers_that_are_none),
        cmocka_unit_test(suffixes),
        cmocka_unit_test(choices),
        cmocka_unit_test(modes),
        cmocka_unit_test(words),
        cmocka_unit_test(http2),
        cmocka_unit_test(server_names),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(values_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
