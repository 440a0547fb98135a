/* TLS 1.3 records after the handshake (RFC 8446 sections 5, 7.2 and 7.3): sealing, opening, and the next keys. Pure.
 *
 * A direction of a connection is its keys and a count of records; the EVP contexts belong to the thread and are keyed
 * anew for each record. Neither a secret nor a key is ever printed or copied out of struct hj_tls_keys. */
#ifndef HJ_CODEC_TLS_RECORD_H
#define HJ_CODEC_TLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define HJ_TLS_PLAIN_MAX 16384                     /* bytes of plaintext in one record */
#define HJ_TLS_HEADER 5                            /* bytes before what is sealed */
#define HJ_TLS_OVERHEAD (HJ_TLS_HEADER + 1 + 16)   /* header, content type and tag */
#define HJ_TLS_CIPHER_MAX (HJ_TLS_PLAIN_MAX + 256) /* bytes after the header */
#define HJ_TLS_RECORD_MAX (HJ_TLS_HEADER + HJ_TLS_CIPHER_MAX)

enum hj_tls_suite {
    HJ_TLS_AES_128_GCM_SHA256,
    HJ_TLS_AES_256_GCM_SHA384,
    HJ_TLS_CHACHA20_POLY1305_SHA256,
    HJ_TLS_SUITES /* none of them */
};

enum hj_tls_content {
    HJ_TLS_CHANGE_CIPHER_SPEC = 20,
    HJ_TLS_ALERT = 21,
    HJ_TLS_HANDSHAKE = 22,
    HJ_TLS_APPLICATION_DATA = 23
};

/* Descriptions of alerts (RFC 8446 section 6). */
enum hj_tls_alert {
    HJ_TLS_CLOSE_NOTIFY = 0,
    HJ_TLS_UNEXPECTED_MESSAGE = 10,
    HJ_TLS_BAD_RECORD_MAC = 20,
    HJ_TLS_RECORD_OVERFLOW = 22,
    HJ_TLS_ILLEGAL_PARAMETER = 47,
    HJ_TLS_DECODE_ERROR = 50,
    HJ_TLS_INTERNAL_ERROR = 80,
    HJ_TLS_USER_CANCELED = 90
};

/* What one direction is sealed or opened with. */
struct hj_tls_keys {
    uint8_t secret[48]; /* application traffic secret, from which the next one is made; 32 bytes with SHA-256 */
    uint8_t key[32];    /* 16 bytes with AES-128 */
    uint8_t iv[12];
};

/* The EVP contexts of one thread. */
struct hj_tls_crypto;

struct hj_tls_crypto *hj_tls_crypto_new(void);         /* NULL when out of memory, or OpenSSL lacks a cipher */
void hj_tls_crypto_free(struct hj_tls_crypto *crypto); /* NULL is a no-op */

/* The suite of this number on the wire (0x1301 and so on); HJ_TLS_SUITES if it is none of them. */
enum hj_tls_suite hj_tls_suite_of(uint32_t protocol_id);

/* The name of a suite, as "TLS_AES_128_GCM_SHA256". */
const char *hj_tls_suite_name(enum hj_tls_suite suite);

/* Bytes of a traffic secret. */
size_t hj_tls_secret_len(enum hj_tls_suite suite);

/* Makes key and iv from the secret. False when out of memory. */
bool hj_tls_keys_derive(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, struct hj_tls_keys *keys);

/* Replaces the secret by the next one (KeyUpdate), and key and iv with it. False when out of memory. */
bool hj_tls_keys_update(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, struct hj_tls_keys *keys);

/* Seals the parts, together at most HJ_TLS_PLAIN_MAX bytes, as record number seq into out, which has room for them and
 * HJ_TLS_OVERHEAD. Returns the record's length; 0 when out of memory. */
size_t hj_tls_seal(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, const struct hj_tls_keys *keys, uint64_t seq,
                   enum hj_tls_content type, const struct hj_slice *parts, int count, uint8_t *out);

/* The length with its header of the record that data begins with; 0 if more bytes are needed to know it; minus an alert
 * if it cannot be one after the handshake. */
int hj_tls_record_len(const uint8_t *data, size_t len);

/* Opens, in place, the whole record number seq. Returns the length of the plaintext, which begins HJ_TLS_HEADER bytes
 * after record, and its content type; or minus an alert. */
int hj_tls_open(struct hj_tls_crypto *crypto, enum hj_tls_suite suite, const struct hj_tls_keys *keys, uint64_t seq,
                uint8_t *record, size_t len, enum hj_tls_content *type);

#endif
