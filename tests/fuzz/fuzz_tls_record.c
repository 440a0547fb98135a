/* SPDX-License-Identifier: MIT
 *
 * TLS 1.3 records. Sealed, a record opens as what it was, whatever its parts; changed, it does not; and bytes that
 * nobody sealed are refused with an alert. The first byte chooses cipher, number of the record and where it is cut.
 */
#include <string.h>

#include "codec/tls_record.h"
#include "fuzz.h"

static struct hj_tls_crypto *crypto;
static struct hj_tls_keys keys[HJ_TLS_SUITES];
static uint8_t record[HJ_TLS_RECORD_MAX + 1], sealed[HJ_TLS_RECORD_MAX + 1];

static void prepare(void)
{
    if (crypto != NULL)
        return;
    hj_tls_crypto_free(hj_tls_crypto_new());
    HOLDS((crypto = hj_tls_crypto_new()) != NULL);
    for (int suite = 0; suite < HJ_TLS_SUITES; ++suite) {
        memset(keys[suite].secret, suite + 1, hj_tls_secret_len(suite));
        HOLDS(hj_tls_keys_derive(crypto, suite, &keys[suite]));
    }
}

/* A record that was sealed with the next keys opens with these alone. */
static void check_update(enum hj_tls_suite suite, uint64_t seq)
{
    struct hj_tls_keys next = keys[suite];
    enum hj_tls_content type;
    const struct hj_slice part = {"text", 4};
    HOLDS(hj_tls_keys_update(crypto, suite, &next));
    HOLDS(memcmp(next.secret, keys[suite].secret, hj_tls_secret_len(suite)) != 0);
    const size_t len = hj_tls_seal(crypto, suite, &next, seq, HJ_TLS_HANDSHAKE, &part, 1, record);
    memcpy(sealed, record, len);
    HOLDS(hj_tls_open(crypto, suite, &keys[suite], seq, sealed, len, &type) == -HJ_TLS_BAD_RECORD_MAC);
    HOLDS(hj_tls_open(crypto, suite, &next, seq, record, len, &type) == 4 && type == HJ_TLS_HANDSHAKE);
}

static void check_suite_of(const uint8_t *data, size_t size)
{
    const enum hj_tls_suite found = hj_tls_suite_of((uint32_t)0x1300 | data[size - 1]);
    HOLDS(found <= HJ_TLS_SUITES);
    if (found != HJ_TLS_SUITES)
        HOLDS(strncmp(hj_tls_suite_name(found), "TLS_", 4) == 0);
}

static int is_alert(int result)
{
    return result == -HJ_TLS_UNEXPECTED_MESSAGE || result == -HJ_TLS_BAD_RECORD_MAC ||
           result == -HJ_TLS_RECORD_OVERFLOW;
}

static void check_sealed(enum hj_tls_suite suite, uint64_t seq, const char *data, size_t size)
{
    const size_t cut = size == 0 ? 0 : (size_t)seq % size;
    const struct hj_slice parts[] = {{data, cut}, {data + cut, size - cut}};
    enum hj_tls_content type = 0;
    const size_t len = hj_tls_seal(crypto, suite, &keys[suite], seq, HJ_TLS_APPLICATION_DATA, parts, 2, sealed);
    HOLDS(len == size + HJ_TLS_OVERHEAD);
    for (size_t n = 0; n < HJ_TLS_HEADER; ++n)
        HOLDS(hj_tls_record_len(sealed, n) == 0);
    HOLDS(hj_tls_record_len(sealed, len) == (int)len);
    memcpy(record, sealed, len);
    HOLDS(hj_tls_open(crypto, suite, &keys[suite], seq, record, len, &type) == (int)size);
    HOLDS(type == HJ_TLS_APPLICATION_DATA && memcmp(record + HJ_TLS_HEADER, data, size) == 0);
    memcpy(record, sealed, len);
    record[(seq * 7 + size) % len] ^= (uint8_t)(1 << seq % 8);
    HOLDS(hj_tls_open(crypto, suite, &keys[suite], seq, record, len, &type) == -HJ_TLS_BAD_RECORD_MAC);
    memcpy(record, sealed, len);
    HOLDS(hj_tls_open(crypto, suite, &keys[suite], seq + 1, record, len, &type) == -HJ_TLS_BAD_RECORD_MAC);
}

/* What the content and padding of a sealed record are: data takes the place of both. */
static void check_content(enum hj_tls_suite suite, uint64_t seq, const char *data, size_t size)
{
    enum hj_tls_content type = 0;
    const struct hj_slice part = {data, size};
    size_t end = size;
    const size_t len = hj_tls_seal(crypto, suite, &keys[suite], seq, 0, &part, 1, record);
    const int result = hj_tls_open(crypto, suite, &keys[suite], seq, record, len, &type);
    while (end > 0 && data[end - 1] == 0)
        --end;
    if (end == 0)
        HOLDS(result == -HJ_TLS_UNEXPECTED_MESSAGE);
    else
        HOLDS(result == (int)end - 1 && (uint8_t)type == (uint8_t)data[end - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum hj_tls_content type;
    if (size == 0 || size > HJ_TLS_PLAIN_MAX)
        return 0;
    prepare();
    const enum hj_tls_suite suite = data[0] % HJ_TLS_SUITES;
    const uint64_t seq = data[0] / HJ_TLS_SUITES;
    check_sealed(suite, seq, (const char *)data + 1, size - 1);
    check_content(suite, seq, (const char *)data + 1, size - 1);
    check_update(suite, seq);
    check_suite_of(data, size);
    const int len = hj_tls_record_len(data + 1, size - 1);
    HOLDS(len == 0 || is_alert(len) || (len >= HJ_TLS_HEADER && len <= HJ_TLS_RECORD_MAX));
    uint8_t *copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    HOLDS(is_alert(hj_tls_open(crypto, suite, &keys[suite], seq, copy, size - 1, &type)));
    free(copy);
    return 0;
}
