/* SPDX-License-Identifier: MIT
 *
 * TLS 1.3 records: the trace of RFC 8448 section 3, round trips of each cipher, and what a wrong record is refused
 * with.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/tls_record.h"
#include "support/check.h"

#define WIRE_MAX (HJ_TLS_RECORD_MAX + 64)

struct peer {
    struct hj_tls_crypto *crypto;
    struct hj_tls_keys keys;
    uint8_t *record; /* room for one that is too large */
    size_t len;
};

/* Bytes written as hexadecimal digits; spaces are for the reader. */
static size_t hex(uint8_t *out, const char *text)
{
    size_t len = 0;

    for (; *text != 0; text++) {
        const char digits[] = {text[0], text[1], 0};
        if (*text == ' ')
            continue;
        out[len++] = (uint8_t)strtoul(digits, NULL, 16);
        text++;
    }
    return len;
}

static void is_hex(const uint8_t *data, size_t len, const char *text)
{
    uint8_t expected[128];
    size_t expected_len = hex(expected, text);

    BYTES((const char *)data, len, (const char *)expected, expected_len);
}

static int peer_setup(void **state)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    CHECK(peer != NULL);
    peer->crypto = hj_tls_crypto_new();
    peer->record = malloc(WIRE_MAX);
    CHECK(peer->crypto != NULL && peer->record != NULL);
    *state = peer;
    return 0;
}

static int peer_teardown(void **state)
{
    struct peer *peer = *state;

    hj_tls_crypto_free(peer->crypto);
    free(peer->record);
    free(peer);
    return 0;
}

static void set_secret(struct peer *peer, enum hj_tls_suite suite, uint8_t first)
{
    for (size_t i = 0; i < hj_tls_secret_len(suite); i++)
        peer->keys.secret[i] = (uint8_t)(first + i);
    CHECK(hj_tls_keys_derive(peer->crypto, suite, &peer->keys));
}

static void seal_text(struct peer *peer, enum hj_tls_suite suite, uint64_t seq, enum hj_tls_content type,
                      const char *data, size_t len)
{
    struct hj_slice part = {data, len};

    peer->len = hj_tls_seal(peer->crypto, suite, &peer->keys, seq, type, &part, 1, peer->record);
    CHECK(peer->len == len + HJ_TLS_OVERHEAD);
    CODE(hj_tls_record_len(peer->record, HJ_TLS_HEADER), (int)peer->len);
}

static int open_record(struct peer *peer, enum hj_tls_suite suite, uint64_t seq, enum hj_tls_content *type)
{
    return hj_tls_open(peer->crypto, suite, &peer->keys, seq, peer->record, peer->len, type);
}

/* One direction of RFC 8448 section 3 after the handshake: its secret, what it makes of it, its last two records. */
static void trace(struct peer *peer, const char *secret, const char *key, const char *iv, uint64_t seq,
                  const char *data_record, const char *alert_record)
{
    static const enum hj_tls_suite suite = HJ_TLS_AES_128_GCM_SHA256;
    char data[50];
    enum hj_tls_content type;

    for (int i = 0; i < 50; i++)
        data[i] = (char)i;
    CHECK(hex(peer->keys.secret, secret) == 32);
    CHECK(hj_tls_keys_derive(peer->crypto, suite, &peer->keys));
    is_hex(peer->keys.key, 16, key);
    is_hex(peer->keys.iv, 12, iv);
    seal_text(peer, suite, seq, HJ_TLS_APPLICATION_DATA, data, sizeof(data));
    is_hex(peer->record, peer->len, data_record);
    CODE(open_record(peer, suite, seq, &type), sizeof(data));
    CODE(type, HJ_TLS_APPLICATION_DATA);
    BYTES((char *)peer->record + HJ_TLS_HEADER, sizeof(data), data, sizeof(data));
    seal_text(peer, suite, seq + 1, HJ_TLS_ALERT, "\1", 2);
    is_hex(peer->record, peer->len, alert_record);
    CODE(open_record(peer, suite, seq + 1, &type), 2);
    CODE(type, HJ_TLS_ALERT);
}

static void test_rfc8448(void **state)
{
    trace(*state, "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
          "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9", 0,
          "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b 98 19 a8"
          "a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4",
          "17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3");
    trace(*state, "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
          "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984", 1,
          "17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b 36 e3 0e fa f9"
          "7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1 67 c2 95 5d",
          "17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9");
}

static void test_suites(void **state)
{
    (void)state;
    CODE(hj_tls_suite_of(0x1301), HJ_TLS_AES_128_GCM_SHA256);
    CODE(hj_tls_suite_of(0x1302), HJ_TLS_AES_256_GCM_SHA384);
    CODE(hj_tls_suite_of(0x03001303), HJ_TLS_CHACHA20_POLY1305_SHA256); /* as OpenSSL numbers it */
    CODE(hj_tls_suite_of(0x1304), HJ_TLS_SUITES);
    CODE(hj_tls_suite_of(0xc02f), HJ_TLS_SUITES);
    CHECK(strcmp(hj_tls_suite_name(HJ_TLS_AES_256_GCM_SHA384), "TLS_AES_256_GCM_SHA384") == 0);
}

/* Each cipher, each of some lengths, in one part and in three, under the first keys and under the next. */
static void test_round_trips(void **state)
{
    static const size_t lens[] = {0, 1, 15, 16, 17, 1000, HJ_TLS_PLAIN_MAX};
    struct peer *peer = *state;
    char *data = malloc(HJ_TLS_PLAIN_MAX);
    enum hj_tls_content type;

    CHECK(data != NULL);
    for (size_t i = 0; i < HJ_TLS_PLAIN_MAX; i++)
        data[i] = (char)(i * 13 + i / 256);
    for (int suite = 0; suite < HJ_TLS_SUITES; suite++) {
        set_secret(peer, suite, 3);
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            size_t len = lens[i];
            struct hj_slice parts[] = {{data, len / 3}, {data + len / 3, 0}, {data + len / 3, len - len / 3}};
            check_context("suite %d, %zu bytes", suite, len);
            seal_text(peer, suite, i, HJ_TLS_APPLICATION_DATA, data, len);
            uint8_t *whole = malloc(peer->len);
            memcpy(whole, peer->record, peer->len);
            CHECK(hj_tls_seal(peer->crypto, suite, &peer->keys, i, HJ_TLS_APPLICATION_DATA, parts, 3, peer->record) ==
                  peer->len);
            BYTES((char *)peer->record, peer->len, (char *)whole, peer->len);
            free(whole);
            CODE(open_record(peer, suite, i, &type), (int)len);
            BYTES((char *)peer->record + HJ_TLS_HEADER, len, data, len);
        }
        CHECK(hj_tls_keys_update(peer->crypto, suite, &peer->keys));
    }
    check_context("%s", "");
    free(data);
}

/* The keys of a KeyUpdate are other keys, and both sides come to the same ones. */
static void test_update(void **state)
{
    struct peer *peer = *state;
    enum hj_tls_content type;

    for (int suite = 0; suite < HJ_TLS_SUITES; suite++) {
        set_secret(peer, suite, 3);
        struct hj_tls_keys before = peer->keys;
        CHECK(hj_tls_keys_update(peer->crypto, suite, &peer->keys));
        CHECK(memcmp(before.secret, peer->keys.secret, hj_tls_secret_len(suite)) != 0);
        CHECK(memcmp(before.key, peer->keys.key, 16) != 0 && memcmp(before.iv, peer->keys.iv, 12) != 0);
        struct hj_tls_keys after = peer->keys;
        seal_text(peer, suite, 0, HJ_TLS_APPLICATION_DATA, "next", 4);
        peer->keys = before;
        CHECK(hj_tls_keys_update(peer->crypto, suite, &peer->keys));
        CHECK(memcmp(&after, &peer->keys, sizeof(after)) == 0);
        CODE(open_record(peer, suite, 0, &type), 4);
        seal_text(peer, suite, 0, HJ_TLS_APPLICATION_DATA, "next", 4);
        peer->keys = before;
        CODE(open_record(peer, suite, 0, &type), -HJ_TLS_BAD_RECORD_MAC);
    }
}

/* Any bit that is wrong, the header's too, another number, another key, or a record cut short. */
static void test_wrong_tag(void **state)
{
    struct peer *peer = *state;
    enum hj_tls_content type;
    uint8_t good[64];

    for (int suite = 0; suite < HJ_TLS_SUITES; suite++) {
        set_secret(peer, suite, 3);
        seal_text(peer, suite, 7, HJ_TLS_APPLICATION_DATA, "payload", 7);
        const size_t len = peer->len;
        memcpy(good, peer->record, len);
        for (size_t bit = 0; bit < len * 8; bit++) {
            memcpy(peer->record, good, len);
            peer->record[bit / 8] ^= (uint8_t)(1 << bit % 8);
            CODE(open_record(peer, suite, 7, &type), -HJ_TLS_BAD_RECORD_MAC);
        }
        for (peer->len = 0; peer->len < len; peer->len++) {
            memcpy(peer->record, good, len);
            CODE(open_record(peer, suite, 7, &type), -HJ_TLS_BAD_RECORD_MAC);
        }
        memcpy(peer->record, good, len);
        CODE(open_record(peer, suite, 8, &type), -HJ_TLS_BAD_RECORD_MAC);
        memcpy(peer->record, good, len);
        CODE(open_record(peer, suite, 7 + (UINT64_C(1) << 32), &type), -HJ_TLS_BAD_RECORD_MAC);
        memcpy(peer->record, good, len);
        CODE(open_record(peer, suite, 7, &type), 7);
    }
}

/* Zeros after the content type are padding; nothing else is no record (RFC 8446 section 5.4). */
static void test_padding(void **state)
{
    static const char padded[] = "text\x17\0\0\0\0\0\0", alone[12] = {0};
    struct peer *peer = *state;
    enum hj_tls_content type;

    set_secret(peer, HJ_TLS_AES_256_GCM_SHA384, 3);
    /* the type that seal writes is 0: one more byte of padding */
    seal_text(peer, HJ_TLS_AES_256_GCM_SHA384, 0, 0, padded, sizeof(padded) - 1);
    CODE(open_record(peer, HJ_TLS_AES_256_GCM_SHA384, 0, &type), 4);
    CODE(type, HJ_TLS_APPLICATION_DATA);
    BYTES((char *)peer->record + HJ_TLS_HEADER, 4, "text", 4);
    seal_text(peer, HJ_TLS_AES_256_GCM_SHA384, 0, 0, alone, sizeof(alone));
    CODE(open_record(peer, HJ_TLS_AES_256_GCM_SHA384, 0, &type), -HJ_TLS_UNEXPECTED_MESSAGE);
    seal_text(peer, HJ_TLS_AES_256_GCM_SHA384, 0, 0, NULL, 0);
    CODE(open_record(peer, HJ_TLS_AES_256_GCM_SHA384, 0, &type), -HJ_TLS_UNEXPECTED_MESSAGE);
}

/* At most 2^14 bytes and the type, padding counted (RFC 8446 section 5.4). */
static void test_overflow(void **state)
{
    struct peer *peer = *state;
    enum hj_tls_content type;
    char *zeros = calloc(1, HJ_TLS_PLAIN_MAX + 2);

    CHECK(zeros != NULL);
    set_secret(peer, HJ_TLS_CHACHA20_POLY1305_SHA256, 3);
    zeros[0] = HJ_TLS_APPLICATION_DATA;
    seal_text(peer, HJ_TLS_CHACHA20_POLY1305_SHA256, 0, 0, zeros, HJ_TLS_PLAIN_MAX);
    CODE(open_record(peer, HJ_TLS_CHACHA20_POLY1305_SHA256, 0, &type), 0);
    seal_text(peer, HJ_TLS_CHACHA20_POLY1305_SHA256, 0, 0, zeros, HJ_TLS_PLAIN_MAX + 1);
    CODE(open_record(peer, HJ_TLS_CHACHA20_POLY1305_SHA256, 0, &type), -HJ_TLS_RECORD_OVERFLOW);
    free(zeros);
}

static void test_record_len(void **state)
{
    uint8_t header[] = {23, 3, 3, 0x41, 0x00};

    (void)state;
    CODE(hj_tls_record_len(header, 0), 0);
    for (size_t len = 1; len < sizeof(header); len++)
        CODE(hj_tls_record_len(header, len), 0);
    CODE(hj_tls_record_len(header, 5), 5 + 0x4100);
    header[4] = 1;
    CODE(hj_tls_record_len(header, 5), -HJ_TLS_RECORD_OVERFLOW);
    header[3] = header[4] = 0xff;
    CODE(hj_tls_record_len(header, 5), -HJ_TLS_RECORD_OVERFLOW);
    for (int type = 0; type < 256; type++) {
        header[0] = (uint8_t)type;
        CODE(hj_tls_record_len(header, 1), type == 23 ? 0 : -HJ_TLS_UNEXPECTED_MESSAGE);
    }
}

#define PEER(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PEER(test_rfc8448),     cmocka_unit_test(test_suites),
        PEER(test_round_trips), PEER(test_update),
        PEER(test_wrong_tag),   PEER(test_padding),
        PEER(test_overflow),    cmocka_unit_test(test_record_len),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
