/* TLS 1.3 records; see tls_record.h. Pure; a struct hj_tls_crypto belongs to one thread. */
#include "codec/tls_record.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#define TAG 16
#define IV 12

static const struct suite {
    const char *name, *cipher, *digest;
    uint32_t id;
    uint8_t secret_len, key_len;
} suites[HJ_TLS_SUITES] = {
    [HJ_TLS_AES_128_GCM_SHA256] = {"TLS_AES_128_GCM_SHA256", "AES-128-GCM", "SHA256", 0x1301, 32, 16},
    [HJ_TLS_AES_256_GCM_SHA384] = {"TLS_AES_256_GCM_SHA384", "AES-256-GCM", "SHA384", 0x1302, 48, 32},
    [HJ_TLS_CHACHA20_POLY1305_SHA256] = {"TLS_CHACHA20_POLY1305_SHA256", "ChaCha20-Poly1305", "SHA256", 0x1303, 32, 32},
};

struct hj_tls_crypto {
    EVP_CIPHER_CTX *seal[HJ_TLS_SUITES], *open[HJ_TLS_SUITES];
    EVP_MAC_CTX *hmac[HJ_TLS_SUITES];
};

static bool prepare(struct hj_tls_crypto *crypto, int i, EVP_MAC *hmac)
{
    char *digest = (char *)(uintptr_t)suites[i].digest; /* OSSL_PARAM has no const */
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, suites[i].cipher, NULL);
    bool done = cipher != NULL && (crypto->seal[i] = EVP_CIPHER_CTX_new()) != NULL &&
                (crypto->open[i] = EVP_CIPHER_CTX_new()) != NULL && (crypto->hmac[i] = EVP_MAC_CTX_new(hmac)) != NULL &&
                EVP_EncryptInit_ex2(crypto->seal[i], cipher, NULL, NULL, NULL) == 1 &&
                EVP_DecryptInit_ex2(crypto->open[i], cipher, NULL, NULL, NULL) == 1 &&
                EVP_MAC_CTX_set_params(crypto->hmac[i], params) == 1;
    EVP_CIPHER_free(cipher);
    return done;
}

struct hj_tls_crypto *hj_tls_crypto_new(void)
{
    struct hj_tls_crypto *crypto = calloc(1, sizeof(*crypto));
    EVP_MAC *hmac = crypto == NULL ? NULL : EVP_MAC_fetch(NULL, "HMAC", NULL);
    bool done = hmac != NULL;
    for (int i = 0; done && i < HJ_TLS_SUITES; ++i)
        done = prepare(crypto, i, hmac);
    EVP_MAC_free(hmac);
    if (done)
        return crypto;
    hj_tls_crypto_free(crypto);
    return NULL;
}

void hj_tls_crypto_free(struct hj_tls_crypto *crypto)
{
    if (crypto == NULL)
        return;
    for (int i = 0; i < HJ_TLS_SUITES; ++i) {
        EVP_CIPHER_CTX_free(crypto->seal[i]);
        EVP_CIPHER_CTX_free(crypto->open[i]);
        EVP_MAC_CTX_free(crypto->hmac[i]);
    }
    free(crypto);
}

enum hj_tls_suite hj_tls_suite_of(uint32_t protocol_id)
{
    int i = 0;
    while (i < HJ_TLS_SUITES && suites[i].id != (protocol_id & 0xffff))
        ++i;
    return (enum hj_tls_suite)i;
}

const char *hj_tls_suite_name(enum hj_tls_suite suite)
{
    return suites[suite].name;
}

size_t hj_tls_secret_len(enum hj_tls_suite suite)
{
    return suites[suite].secret_len;
}

/* HKDF-Expand-Label with an empty context, of at most one block of the hash (RFC 8446 section 7.1, RFC 5869). */
static bool expand(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, const uint8_t *secret, const char *label,
                   uint8_t *out, uint8_t out_len)
{
    uint8_t info[32], block[EVP_MAX_MD_SIZE];
    size_t block_len, n = 0;
    const size_t label_len = strlen(label);
    info[n++] = 0;
    info[n++] = out_len;
    info[n++] = (uint8_t)(6 + label_len);
    memcpy(info + n, "tls13 ", 6);
    memcpy(info + n + 6, label, label_len);
    n += 6 + label_len;
    info[n++] = 0;
    info[n++] = 1;
    EVP_MAC_CTX *hmac = crypto->hmac[suite];
    bool done = EVP_MAC_init(hmac, secret, suites[suite].secret_len, NULL) == 1 && EVP_MAC_update(hmac, info, n) == 1 &&
                EVP_MAC_final(hmac, block, &block_len, sizeof(block)) == 1;
    if (done)
        memcpy(out, block, out_len);
    OPENSSL_cleanse(block, sizeof(block));
    return done;
}

bool hj_tls_keys_derive(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, struct hj_tls_keys *keys)
{
    return expand(crypto, suite, keys->secret, "key", keys->key, suites[suite].key_len) &&
           expand(crypto, suite, keys->secret, "iv", keys->iv, IV);
}

bool hj_tls_keys_update(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, struct hj_tls_keys *keys)
{
    return expand(crypto, suite, keys->secret, "traffic upd", keys->secret, suites[suite].secret_len) &&
           hj_tls_keys_derive(crypto, suite, keys);
}

/* RFC 8446 section 5.3. */
static void make_nonce(uint8_t nonce[IV], const struct hj_tls_keys *keys, uint64_t seq)
{
    memcpy(nonce, keys->iv, IV);
    for (int i = 0; i < 8; ++i)
        nonce[IV - 1 - i] ^= (uint8_t)(seq >> (8 * i));
}

size_t hj_tls_seal(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, const struct hj_tls_keys *keys, uint64_t seq,
                   enum hj_tls_content type, const struct hj_slice *parts, int count, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = crypto->seal[suite];
    const uint8_t content = (uint8_t)type;
    uint8_t nonce[IV], *at = out + HJ_TLS_HEADER;
    size_t len = 1 + TAG;
    int n;
    for (int i = 0; i < count; ++i)
        len += parts[i].len;
    memcpy(out, (uint8_t[]){HJ_TLS_APPLICATION_DATA, 3, 3, (uint8_t)(len >> 8), (uint8_t)len}, HJ_TLS_HEADER);
    make_nonce(nonce, keys, seq);
    if (EVP_EncryptInit_ex(ctx, NULL, NULL, keys->key, nonce) != 1 ||
        EVP_EncryptUpdate(ctx, NULL, &n, out, HJ_TLS_HEADER) != 1)
        return 0;
    for (int i = 0; i < count; ++i) {
        if (parts[i].len != 0 && EVP_EncryptUpdate(ctx, at, &n, (const uint8_t *)parts[i].base, (int)parts[i].len) != 1)
            return 0;
        at += parts[i].len; /* these ciphers give a byte for a byte */
    }
    if (EVP_EncryptUpdate(ctx, at, &n, &content, 1) != 1 || EVP_EncryptFinal_ex(ctx, at + 1, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, at + 1) != 1)
        return 0;
    return HJ_TLS_HEADER + len;
}

int hj_tls_record_len(const uint8_t *data, size_t len)
{
    if (len != 0 && data[0] != HJ_TLS_APPLICATION_DATA)
        return -HJ_TLS_UNEXPECTED_MESSAGE; /* nothing is sent in clear any more, a change_cipher_spec neither */
    if (len < HJ_TLS_HEADER)
        return 0;
    const int body = data[3] << 8 | data[4];
    if (body > HJ_TLS_CIPHER_MAX)
        return -HJ_TLS_RECORD_OVERFLOW;
    return HJ_TLS_HEADER + body;
}

int hj_tls_open(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, const struct hj_tls_keys *keys, uint64_t seq,
                uint8_t *record, size_t len, enum hj_tls_content *type)
{
    EVP_CIPHER_CTX *ctx = crypto->open[suite];
    uint8_t nonce[IV], *body = record + HJ_TLS_HEADER;
    int n;
    if (len < HJ_TLS_OVERHEAD)
        return -HJ_TLS_BAD_RECORD_MAC;
    int body_len = (int)(len - HJ_TLS_HEADER - TAG);
    make_nonce(nonce, keys, seq);
    if (EVP_DecryptInit_ex(ctx, NULL, NULL, keys->key, nonce) != 1 ||
        EVP_DecryptUpdate(ctx, NULL, &n, record, HJ_TLS_HEADER) != 1 ||
        EVP_DecryptUpdate(ctx, body, &n, body, body_len) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, body + body_len) != 1)
        return -HJ_TLS_INTERNAL_ERROR;
    if (EVP_DecryptFinal_ex(ctx, body + body_len, &n) != 1)
        return -HJ_TLS_BAD_RECORD_MAC;
    if (body_len > HJ_TLS_PLAIN_MAX + 1)
        return -HJ_TLS_RECORD_OVERFLOW;
    while (body_len != 0 && body[body_len - 1] == 0)
        --body_len;
    if (body_len == 0)
        return -HJ_TLS_UNEXPECTED_MESSAGE; /* padding alone (RFC 8446 section 5.4) */
    *type = (enum hj_tls_content)body[body_len - 1];
    return body_len - 1;
}
