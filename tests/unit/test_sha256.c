/* SPDX-License-Identifier: MIT
 *
 * SHA-256 by the examples of FIPS 180-4, lengths around a block's end, and the numbers that texts become.
 */
#include "codec/sha256.h"

#include <hijack/hijack.h>
#include <stdio.h>
#include <string.h>

#include "support/check.h"

static void check_digest(const char *text, size_t len, const char *expected, int line)
{
    uint8_t digest[HJ_SHA256_LEN];
    char hex[2 * HJ_SHA256_LEN + 1];
    hj_sha256(digest, text, len);
    for (int i = 0; i < HJ_SHA256_LEN; ++i)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    check_bytes(hex, strlen(hex), expected, strlen(expected), __FILE__, line);
}

#define DIGEST(text, expected) check_digest(LIT(text), (expected), __LINE__)

static void examples(void **state)
{
    (void)state;
    static char many[1000000];
    DIGEST("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    DIGEST("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    DIGEST("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(many, 'a', sizeof(many));
    check_digest(many, sizeof(many), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", __LINE__);
    check_digest(many, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318", __LINE__);
    check_digest(many, 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a", __LINE__);
    check_digest(many, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb", __LINE__);
}

static void numbers(void **state)
{
    (void)state;
    assert_true(hijack_hash(LIT("7")) == 7);
    assert_true(hijack_hash(LIT("18446744073709551615")) == UINT64_MAX);
    assert_true(hijack_hash(LIT("abc")) == 0xba7816bf8f01cfeaull);
    assert_true(hijack_hash(NULL, 0) == 0);
    /* what looks like a number and is none must not become another user's */
    assert_true(hijack_hash(LIT("18446744073709551616")) != 0 && hijack_hash(LIT("007")) != 7);
    assert_true(hijack_hash(LIT("+7")) != 7 && hijack_hash(LIT("7 ")) != 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
