/* SPDX-License-Identifier: MIT
 *
 * Addresses: every form in, every form out, and what is no address.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/address.h"
#include "support/check.h"

/* Parses a copy of exactly that many bytes, so that ASan sees a read past the end. */
static int parse(struct hj_address *address, const char *text, size_t len)
{
    char *copy = malloc(len != 0 ? len : 1);
    memcpy(copy, text, len);
    int result = hj_address_parse(address, hj_slice(copy, len));
    free(copy);
    return result;
}

static void check_back(const char *text, const char *expected, int line)
{
    struct hj_address address;
    char out[HJ_ADDRESS_TEXT_SIZE] = "";
    if (parse(&address, STR(text)) != 0)
        check_fail(__FILE__, line, "%s is not understood", text);
    int len = hj_address_format(out, sizeof(out), (struct sockaddr *)&address.sa, address.sa_len);
    assert_int_equal(len, strlen(out));
    check_bytes(out, strlen(out), expected, strlen(expected), __FILE__, line);
}

#define BACK(text, expected) check_back(text, expected, __LINE__)

static void there_and_back(void **state)
{
    (void)state;
    BACK("127.0.0.1:8080", "127.0.0.1:8080");
    BACK("0.0.0.0:0", "0.0.0.0:0");
    BACK("255.255.255.255:65535", "255.255.255.255:65535");
    BACK("1.2.3.4:00080", "1.2.3.4:80");
    BACK("[::1]:8080", "[::1]:8080");
    BACK("[::]:1", "[::]:1");
    BACK("[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443");
    BACK("[::ffff:10.1.2.3]:80", "10.1.2.3:80");
    BACK("*:8080", "[::]:8080");
    BACK("unix:/tmp/a socket", "unix:/tmp/a socket");
    BACK("unix:relative", "unix:relative");
    BACK("unix:/tmp/caf\xc3\xa9:1", "unix:/tmp/caf\xc3\xa9:1");
}

static void kinds(void **state)
{
    (void)state;
    struct hj_address address;
    CODE(parse(&address, LIT("127.0.0.1:80")), 0);
    assert_int_equal(address.kind, HJ_ADDRESS_TCP);
    assert_int_equal(address.fd, -1);
    assert_int_equal(address.sa.ss_family, AF_INET);
    assert_int_equal(address.sa_len, sizeof(struct sockaddr_in));
    assert_false(address.any);
    assert_string_equal(address.path, "");
    CODE(parse(&address, LIT("*:80")), 0);
    assert_int_equal(address.sa.ss_family, AF_INET6);
    assert_int_equal(address.sa_len, sizeof(struct sockaddr_in6));
    assert_true(address.any);
    CODE(parse(&address, LIT("[::]:80")), 0);
    assert_false(address.any);
    CODE(parse(&address, LIT("unix:/a")), 0);
    assert_int_equal(address.kind, HJ_ADDRESS_UNIX);
    assert_string_equal(address.path, "/a");
    assert_string_equal(((struct sockaddr_un *)&address.sa)->sun_path, "/a");
    CODE(parse(&address, LIT("fd:0")), 0);
    assert_int_equal(address.kind, HJ_ADDRESS_FD);
    assert_int_equal(address.fd, 0);
    CODE(parse(&address, LIT("fd:2147483647")), 0);
    assert_int_equal(address.fd, INT32_MAX);
}

static void localhost(void **state)
{
    (void)state;
    struct hj_address address;
    CODE(parse(&address, LIT("localhost:1234")), 0);
    char out[HJ_ADDRESS_TEXT_SIZE];
    OK(hj_address_format(out, sizeof(out), (struct sockaddr *)&address.sa, address.sa_len));
    CHECK(strcmp(out, "127.0.0.1:1234") == 0 || strcmp(out, "[::1]:1234") == 0);
}

static void interfaces(void **state)
{
    (void)state;
    struct hj_address address;
    const unsigned loopback = if_nametoindex("lo");
    if (loopback == 0)
        skip();
    CODE(parse(&address, LIT("[fe80::1%lo]:80")), 0);
    assert_int_equal(((struct sockaddr_in6 *)&address.sa)->sin6_scope_id, loopback);
    char out[HJ_ADDRESS_TEXT_SIZE], expected[64];
    OK(hj_address_format(out, sizeof(out), (struct sockaddr *)&address.sa, address.sa_len));
    snprintf(expected, sizeof(expected), "[fe80::1%%%u]:80", loopback);
    assert_string_equal(out, expected);
    CODE(parse(&address, LIT("[fe80::1%no_such_one]:80")), HIJACK_EADDRNOTAVAIL);
    CODE(parse(&address, LIT("[fe80::1%]:80")), HIJACK_EADDR);
    CODE(parse(&address, LIT("[fe80::g%no_such_one]:80")), HIJACK_EADDR);
}

static const char *const bad[] = {
    "",
    ":",
    ":80",
    "80",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:-1",
    "127.0.0.1:+1",
    "127.0.0.1:80 ",
    " 127.0.0.1:80",
    "127.0.0.1:8a",
    "127.1:80",
    "256.0.0.1:80",
    "127.0.0.1.1:80",
    "01.2.3.4.5:1",
    "::1:80",
    "[::1]",
    "[::1]:",
    "[::1]80",
    "[::1:80",
    "::1]:80",
    "[]:80",
    "[:80",
    "]:80",
    "[127.0.0.1]:80",
    "[::g]:80",
    "[[::1]]:80",
    "**:80",
    "*",
    "*:",
    "*.*:80",
    "Localhost:80",
    "localhost",
    "localhost:",
    "localhost.:80",
    "example.com:80",
    "http://127.0.0.1:80",
    "unix:",
    "unix",
    "UNIX:/a",
    "fd:",
    "fd:-1",
    "fd:a",
    "fd:3 ",
    "fd:2147483648",
    "fd:18446744073709551617",
    "fd",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345:80"};

static void no_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        struct hj_address address = {.fd = 77};
        if (parse(&address, STR(bad[i])) != HIJACK_EADDR)
            check_fail(__FILE__, __LINE__, "\"%s\" is taken for an address", bad[i]);
        assert_int_equal(address.fd, 77);
    }
    struct hj_address address;
    CODE(hj_address_parse(&address, hj_slice(NULL, 0)), HIJACK_EADDR);
    CODE(parse(&address, LIT("unix:/a\0b")), HIJACK_EADDR);
    CODE(parse(&address, LIT("unix:/a\0")), HIJACK_EADDR);
    CODE(parse(&address, LIT("unix:\0a")), HIJACK_EADDR);
    CODE(parse(&address, LIT("*\0:80")), HIJACK_EADDR);
    CODE(parse(&address, LIT("127.0.0.1:80\0")), HIJACK_EADDR);
}

/* Where all but the port is right, the port is named. */
static void ports_out_of_range(void **state)
{
    (void)state;
    static const char *const over[] = {"127.0.0.1:65536", "127.0.0.1:99999",     "[::1]:65536",
                                       "*:65536",         "localhost:123456789", "*:99999999999999999999"};
    for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); ++i) {
        struct hj_address address = {.fd = 77};
        CODE(parse(&address, STR(over[i])), HIJACK_ERANGE);
        assert_int_equal(address.fd, 77);
    }
    struct hj_address address;
    CODE(parse(&address, LIT("nonsense:65536")), HIJACK_EADDR);
    CODE(parse(&address, LIT("[::1:65536")), HIJACK_EADDR);
}

static void the_longest_path(void **state)
{
    (void)state;
    struct hj_address address;
    struct sockaddr_un sun;
    char text[5 + sizeof(sun.sun_path)], out[HJ_ADDRESS_TEXT_SIZE];
    memset(text, 'x', sizeof(text));
    memcpy(text, "unix:", 5);
    CODE(parse(&address, text, sizeof(text)), HIJACK_ETOOBIG);
    CODE(parse(&address, text, sizeof(text) - 1), 0);
    CODE(hj_address_format(out, sizeof(out), (struct sockaddr *)&address.sa, address.sa_len), (int)sizeof(text) - 1);
    BYTES(out, strlen(out), text, sizeof(text) - 1);
    /* The kernel may give a path that fills sun_path without a NUL. */
    sun.sun_family = AF_UNIX;
    memset(sun.sun_path, 'x', sizeof(sun.sun_path));
    CODE(hj_address_format(out, sizeof(out), (struct sockaddr *)&sun, sizeof(sun)), (int)sizeof(text));
    BYTES(out, strlen(out), text, sizeof(text));
}

static void peers_of_other_kinds(void **state)
{
    (void)state;
    char out[HJ_ADDRESS_TEXT_SIZE];
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    const socklen_t nameless = sizeof(sun.sun_family);
    CODE(hj_address_format(out, sizeof(out), (struct sockaddr *)&sun, nameless), 5);
    assert_string_equal(out, "unix:");
    CODE(hj_address_format(out, sizeof(out), (struct sockaddr *)&sun, sizeof(sun)), 6);
    assert_string_equal(out, "unix:@"); /* an abstract name of NULs */
    memcpy(sun.sun_path, "\0name", 5);
    CODE(hj_address_format(out, sizeof(out), (struct sockaddr *)&sun, nameless + 5), 10);
    assert_string_equal(out, "unix:@name");
    struct sockaddr other = {.sa_family = AF_UNSPEC};
    CODE(hj_address_format(out, sizeof(out), &other, sizeof(other)), 8);
    assert_string_equal(out, "unknown:");
    CODE(hj_address_format(out, sizeof(out), &other, 0), 8);
}

static void text_that_does_not_fit(void **state)
{
    (void)state;
    struct hj_address address;
    char out[32];
    static const char *const texts[] = {"127.0.0.1:80", "[::1]:80", "unix:/tmp/a"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
        const int len = (int)strlen(texts[i]);
        CODE(parse(&address, STR(texts[i])), 0);
        const struct sockaddr *sa = (struct sockaddr *)&address.sa;
        CODE(hj_address_format(out, (size_t)len + 1, sa, address.sa_len), len);
        assert_string_equal(out, texts[i]);
        CODE(hj_address_format(out, (size_t)len, sa, address.sa_len), HIJACK_ETOOBIG);
        CODE(hj_address_format(out, 0, sa, address.sa_len), HIJACK_ETOOBIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(kinds),
        cmocka_unit_test(localhost),
        cmocka_unit_test(interfaces),
        cmocka_unit_test(no_addresses),
        cmocka_unit_test(ports_out_of_range),
        cmocka_unit_test(the_longest_path),
        cmocka_unit_test(peers_of_other_kinds),
        cmocka_unit_test(text_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
