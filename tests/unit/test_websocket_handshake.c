/* SPDX-License-Identifier: MIT
 *
 * The opening handshake of WebSocket (RFC 6455 section 4.2), and SHA-1 (RFC 3174) that it needs.
 */
#include <stdio.h>
#include <string.h>

#include "codec/sha1.h"
#include "codec/websocket_handshake.h"
#include "support/check.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static struct hj_ws_request good(void)
{
    return (struct hj_ws_request){.method = HJ_SLICE("GET"),
                                  .host = HJ_SLICE("example.org"),
                                  .upgrade = HJ_SLICE("websocket"),
                                  .connection = HJ_SLICE("keep-alive, Upgrade"),
                                  .version = HJ_SLICE("13"),
                                  .key = HJ_SLICE(KEY),
                                  .http1_1 = true};
}

static void digest_is(const char *text, size_t times, const char *expected)
{
    static char data[1000001];
    uint8_t out[HJ_SHA1_LEN];
    char digits[2 * HJ_SHA1_LEN + 1];
    const size_t len = strlen(text);

    for (size_t i = 0; i < times; i++)
        memcpy(data + i * len, text, len);
    hj_sha1(out, data, len * times);
    for (int i = 0; i < HJ_SHA1_LEN; i++)
        snprintf(digits + 2 * i, 3, "%02x", out[i]);
    assert_string_equal(digits, expected);
}

static void sha1_of_the_rfc(void **state)
{
    (void)state;
    digest_is("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
              "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    digest_is("a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    digest_is("0123456701234567012345670123456701234567012345670123456701234567", 10,
              "dea356a2cddd90c7a7ecedc5ebb563934f460452");
    digest_is("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    digest_is("a", 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"); /* the last that fits into one block */
    digest_is("a", 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
}

static void accept_of_the_rfc(void **state)
{
    char accept[HJ_WS_ACCEPT_LEN];

    (void)state;
    hj_ws_accept(accept, HJ_SLICE(KEY));
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", HJ_WS_ACCEPT_LEN);
}

static void requests(void **state)
{
    static const struct {
        size_t field; /* that is changed */
        struct hj_slice value;
        unsigned status;
    } cases[] = {
#define FIELD(name) offsetof(struct hj_ws_request, name)
        {FIELD(method), {"POST", 4}, 405},
        {FIELD(method), {"get", 3}, 405},
        {FIELD(upgrade), {"", 0}, 426},
        {FIELD(upgrade), {"h2c", 3}, 426},
        {FIELD(upgrade), {"WebSocket", 9}, 0},
        {FIELD(upgrade), {"h2c, websocket", 14}, 0},
        {FIELD(connection), {"keep-alive", 10}, 426},
        {FIELD(connection), {"UPGRADE", 7}, 0},
        {FIELD(version), {"8", 1}, 426},
        {FIELD(version), {"", 0}, 426},
        {FIELD(version), {"13, 8", 5}, 426},
        {FIELD(key), {"", 0}, 400},
        {FIELD(key), {"dGhlIHNhbXBsZSBub25jZQ=", 23}, 400},
        {FIELD(key), {"dGhlIHNhbXBsZSBub25jZQAA", 24}, 400},
        {FIELD(key), {"dGhlIHNhbXBsZSBub25j!Q==", 24}, 400},
    };
    const char *problem;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hj_ws_request request = good();
        *(struct hj_slice *)((char *)&request + cases[i].field) = cases[i].value;
        assert_int_equal(hj_ws_check(&request, &problem), cases[i].status);
        assert_int_equal(problem != NULL, cases[i].status != 0);
    }
    struct hj_ws_request request = good();
    request.http1_1 = false;
    assert_int_equal(hj_ws_check(&request, &problem), 426);
}

static void subprotocols(void **state)
{
    (void)state;
    assert_true(hj_ws_offers(HJ_SLICE("chat, superchat"), HJ_SLICE("superchat")));
    assert_true(hj_ws_offers(HJ_SLICE("chat"), HJ_SLICE("chat")));
    assert_false(hj_ws_offers(HJ_SLICE("chat, superchat"), HJ_SLICE("super")));
    assert_false(hj_ws_offers(HJ_SLICE("chat"), HJ_SLICE("Chat")));
    assert_false(hj_ws_offers(HJ_SLICE(""), HJ_SLICE("")));
    assert_false(hj_ws_offers(HJ_SLICE("a,,b"), HJ_SLICE("")));
}

static int allowed(const char *list, const char *origin, const char *host)
{
    return hj_ws_origin_is_allowed(hj_slice(list, strlen(list)), hj_slice(origin, strlen(origin)),
                                   hj_slice(host, strlen(host)));
}

static void origins(void **state)
{
    (void)state;
    assert_true(allowed("same", "", "example.org"));
    assert_true(allowed("same", "https://example.org", "example.org"));
    assert_true(allowed("same", "https://Example.org", "example.ORG:443"));
    assert_true(allowed("same", "http://example.org:8080", "example.org:8080"));
    assert_true(allowed("same", "http://[::1]:8080", "[::1]:8080"));
    assert_false(allowed("same", "http://example.org", "example.org:443"));
    assert_false(allowed("same", "https://evil.org", "example.org"));
    assert_false(allowed("same", "https://example.org.evil.org", "example.org"));
    assert_false(allowed("same", "https://evil-example.org", "example.org"));
    assert_false(allowed("same", "null", "null"));
    assert_false(allowed("same", "same", "example.org"));
    assert_false(allowed("same", "https://example.org", ""));
    assert_true(allowed("*", "null", ""));
    assert_true(allowed("https://a.org, https://b.org", "https://b.org", "c.org"));
    assert_false(allowed("https://a.org, https://b.org", "https://c.org", "c.org"));
    assert_true(allowed("same, https://b.org", "https://c.org", "c.org"));
    assert_false(allowed("https://a.org", "http://a.org", "a.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha1_of_the_rfc), cmocka_unit_test(accept_of_the_rfc), cmocka_unit_test(requests),
        cmocka_unit_test(subprotocols),    cmocka_unit_test(origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
