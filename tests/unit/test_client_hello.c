/* SPDX-License-Identifier: MIT
 *
 * The first message of a TLS client: what it asks for, cut and split anywhere, and what cannot be one.
 */
#include <stdlib.h>
#include <string.h>

#if HIJACK_TLS
#include <openssl/ssl.h>
#endif

#include "codec/client_hello.h"
#include "support/check.h"

enum {
    ROOM = HJ_CLIENT_HELLO_INPUT_MAX + 65536,
    UNEXPECTED_MESSAGE = 10,
    RECORD_OVERFLOW = 22,
    DECODE_ERROR = 50
};

/* A hello that is put together by hand: the message, and then its records. */
struct hello {
    uint8_t message[ROOM];
    size_t len;
    uint8_t wire[2 * ROOM];
    size_t wire_len;
};

static struct hello hello;
static struct hj_client_hello got;

static void put(const void *data, size_t len)
{
    CHECK(hello.len + len <= sizeof(hello.message));
    memcpy(hello.message + hello.len, data, len);
    hello.len += len;
}

static void put_number(size_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        put((uint8_t[]){(uint8_t)(number >> 8 * i)}, 1);
}

static void patch_number(size_t at, size_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        hello.message[at + (size_t)i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
}

/* Up to the extensions, whose length comes later. */
static void begin(void)
{
    static const uint8_t random[32] = {1, 2, 3};

    hello.len = 0;
    put_number(1, 1); /* client_hello */
    put_number(0, 3);
    put_number(0x0303, 2);
    put(random, 32);
    put_number(32, 1);
    put(random, 32);
    put_number(2, 2);
    put_number(0x1301, 2);
    put_number(0x0100, 2); /* compression: none */
    put_number(0, 2);
}

enum {
    BEGUN = 4 + 2 + 32 + 1 + 32 + 2 + 2 + 2 /* where the length of the extensions lies */
};

static void extension(size_t type, const void *data, size_t len)
{
    put_number(type, 2);
    put_number(len, 2);
    put(data, len);
}

static void server_name(const char *name, size_t len)
{
    put_number(0, 2);
    put_number(len + 5, 2);
    put_number(len + 3, 2);
    put_number(0, 1);
    put_number(len, 2);
    put(name, len);
}

/* The lengths, and the message in records of this size. */
static void finish(size_t record)
{
    if (hello.len > BEGUN)
        patch_number(BEGUN, hello.len - BEGUN - 2, 2);
    patch_number(1, hello.len - 4, 3);
    hello.wire_len = 0;
    for (size_t at = 0; at < hello.len; at += record) {
        size_t n = hello.len - at < record ? hello.len - at : record;
        uint8_t *out = hello.wire + hello.wire_len;
        memcpy(out, (uint8_t[]){22, 3, 1, (uint8_t)(n >> 8), (uint8_t)n}, 5);
        memcpy(out + 5, hello.message + at, n);
        hello.wire_len += n + 5;
    }
}

/* In memory of exactly its size, where a sanitizer sees a read past it. */
static int parse(const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len == 0 ? 1 : len);

    CHECK(exact != NULL);
    memcpy(exact, data, len);
    int result = hj_client_hello_parse(&got, exact, len);
    free(exact);
    return result;
}

static int parse_wire(void)
{
    return parse(hello.wire, hello.wire_len);
}

static void is_name(const char *name)
{
    CODE(got.server_name_len, (int)strlen(name));
    BYTES(got.server_name, strlen(got.server_name), name, strlen(name));
}

/* Sizes of records: whole, and from a byte on. */
static void test_split(void **state)
{
    static const char protocols[] = "\0\x0c\2h2\x8http/1.1";

    (void)state;
    for (size_t record = 1; record < 400; record = record < 20 ? record + 1 : record * 3) {
        begin();
        server_name("Example.COM", 11);
        extension(16, protocols, sizeof(protocols) - 1);
        finish(record);
        check_context("records of %zu", record);
        for (size_t len = 0; len < hello.wire_len; len++)
            CODE(parse(hello.wire, len), 0);
        CODE(parse_wire(), 1);
        is_name("example.com");
        CHECK(got.has_alpn && got.offers_h2 && got.offers_http1);
        hello.wire[hello.wire_len] = 23; /* what follows is of no interest */
        CODE(parse(hello.wire, hello.wire_len + 1), 1);
    }
    check_context("%s", "");
}

#if HIJACK_TLS
/* What OpenSSL's client sends. */
static void test_openssl(void **state)
{
    static const struct {
        const char *name, *protocols;
        int h2, http1;
    } table[] = {{"example.com", "\2h2\x8http/1.1", 1, 1},
                 {"a.b", "\x8http/1.1", 0, 1},
                 {NULL, "\2h3\2h2", 1, 0},
                 {NULL, NULL, 0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL *ssl = SSL_new(context);
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        char *data;
        SSL_set_bio(ssl, in, out);
        if (table[i].name != NULL)
            SSL_set_tlsext_host_name(ssl, table[i].name);
        if (table[i].protocols != NULL)
            SSL_set_alpn_protos(ssl, (const uint8_t *)table[i].protocols, (unsigned)strlen(table[i].protocols));
        CHECK(SSL_connect(ssl) == -1);
        long len = BIO_get_mem_data(out, &data);
        for (long n = 0; n < len; n++)
            CODE(parse((uint8_t *)data, (size_t)n), 0);
        CODE(parse((uint8_t *)data, (size_t)len), 1);
        is_name(table[i].name == NULL ? "" : table[i].name);
        CODE(got.has_alpn, table[i].protocols != NULL);
        CODE(got.offers_h2, table[i].h2);
        CODE(got.offers_http1, table[i].http1);
        SSL_free(ssl);
        SSL_CTX_free(context);
    }
}

#endif

static void test_names(void **state)
{
    char longest[300];

    (void)state;
    memset(longest, 'a', sizeof(longest));
    longest[255] = 0;
    static const struct {
        const char *sent, *name;
    } table[] = {{"a", "a"},          {"example.com.", "example.com"}, {"a b", ""},
                 {"caf\xc3\xa9", ""}, {"xn--caf-dma", "xn--caf-dma"},  {"", ""},
                 {".", ""},           {"A-Z_0.9", "a-z_0.9"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        begin();
        server_name(table[i].sent, strlen(table[i].sent));
        finish(16384);
        CODE(parse_wire(), 1);
        is_name(table[i].name);
    }
    begin();
    server_name("a\0b", 3);
    finish(16384);
    CODE(parse_wire(), 1);
    is_name("");
    begin();
    server_name(longest, 255);
    finish(16384);
    CODE(parse_wire(), 1);
    is_name(longest);
    begin();
    server_name(longest, 256);
    finish(16384);
    CODE(parse_wire(), 1);
    is_name("");
}

/* Nothing that is optional is there. */
static void test_least(void **state)
{
    (void)state;
    begin();
    hello.len = BEGUN;
    finish(16384);
    CODE(parse_wire(), 1);
    CHECK(!got.has_alpn && got.server_name_len == 0);
    begin();
    finish(16384);
    CODE(parse_wire(), 1);
}

/* A length inside that points past its end, at each place. */
static void test_broken(void **state)
{
    static const char *const protocols[] = {"\0\3\3h2", "\0\1\0", "\0\5\2h2", "\0\4\2h2\0", "\0", ""};

    (void)state;
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        static const size_t lens[] = {5, 3, 5, 6, 1, 0};
        begin();
        extension(16, protocols[i], lens[i]);
        finish(16384);
        check_context("protocols %zu", i);
        CODE(parse_wire(), -DECODE_ERROR);
    }
    check_context("%s", "");
    begin();
    extension(16, "\0\3\2h2", 5);
    finish(16384);
    const size_t whole = hello.len;
    for (size_t len = 4; len < whole; len++) { /* the message ends early */
        if (len == BEGUN)
            continue;
        hello.len = len;
        patch_number(1, len - 4, 3);
        memcpy(hello.wire, (uint8_t[]){22, 3, 1, (uint8_t)(len >> 8), (uint8_t)len}, 5);
        memcpy(hello.wire + 5, hello.message, len);
        CODE(parse(hello.wire, len + 5), -DECODE_ERROR);
    }
}

static void test_other_protocols(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\n\r\n", preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const uint8_t ssl2[] = {0x80, 0x2e, 1, 0, 2}, server_hello[] = {22, 3, 3, 0, 4, 2, 0, 0, 0},
                         alert[] = {21, 3, 3, 0, 2, 2, 40}, empty[] = {22, 3, 3, 0, 0}, large[] = {22, 3, 3, 0x40, 1},
                         version[] = {22, 2, 0, 0, 4};

    (void)state;
    CODE(parse((const uint8_t *)get, 1), -UNEXPECTED_MESSAGE);
    CODE(parse((const uint8_t *)get, sizeof(get) - 1), -UNEXPECTED_MESSAGE);
    CODE(parse((const uint8_t *)preface, sizeof(preface) - 1), -UNEXPECTED_MESSAGE);
    CODE(parse(ssl2, sizeof(ssl2)), -UNEXPECTED_MESSAGE);
    CODE(parse(server_hello, sizeof(server_hello)), -UNEXPECTED_MESSAGE);
    CODE(parse(alert, sizeof(alert)), -UNEXPECTED_MESSAGE);
    CODE(parse(empty, sizeof(empty)), -DECODE_ERROR);
    CODE(parse(large, sizeof(large)), -RECORD_OVERFLOW);
    CODE(parse(version, 2), -DECODE_ERROR);
}

/* The largest that is read, and one that is larger: refused as soon as its length is known. */
static void test_huge(void **state)
{
    static char padding[HJ_CLIENT_HELLO_MAX];

    (void)state;
    begin();
    extension(21, padding, HJ_CLIENT_HELLO_MAX - hello.len - 4);
    CHECK(hello.len == HJ_CLIENT_HELLO_MAX);
    finish(16384);
    CODE(parse(hello.wire, hello.wire_len - 1), 0);
    CODE(parse_wire(), 1);
    finish(64);
    CHECK(hello.wire_len <= HJ_CLIENT_HELLO_INPUT_MAX);
    CODE(parse_wire(), 1);
    begin();
    extension(21, padding, HJ_CLIENT_HELLO_MAX - hello.len - 3);
    finish(16384);
    CODE(parse(hello.wire, 8), 0);
    CODE(parse(hello.wire, 9), -DECODE_ERROR);
    CODE(parse_wire(), -DECODE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_other_protocols),
#if HIJACK_TLS
        cmocka_unit_test(test_openssl),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
