/* SPDX-License-Identifier: MIT
 *
 * Certificates of the tests, by OpenSSL's own functions. A failure here is one of the test's surroundings, so it ends
 * the program and is no test's result.
 */
#include "certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

enum {
    HOUR = 3600,
    WEEK = 7 * 24 * HOUR
};

static void must_make(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "a certificate of the tests cannot be made: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    must_make(extension != NULL && X509_add_ext(x509, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static char *text_of(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = malloc((size_t)len + 1);

    must_make(text != NULL, "memory");
    memcpy(text, data, (size_t)len);
    text[len] = 0;
    BIO_free(bio);
    return text;
}

static void set_names(X509 *x509, const struct certificate *issuer, const char *subject)
{
    X509_NAME *name = X509_get_subject_name(x509);
    unsigned char serial[8];

    must_make(RAND_bytes(serial, sizeof(serial)) == 1, "random bytes");
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 1); /* a positive number of always the same length */
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    must_make(number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != NULL, "serial number");
    BN_free(number);
    must_make(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"libhijack tests", -1, -1,
                                         0) == 1 &&
                  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)subject, -1, -1, 0) == 1,
              subject);
    must_make(X509_set_issuer_name(x509, issuer == NULL ? name : X509_get_subject_name(issuer->x509)) == 1, "issuer");
}

/* Signs it; its chain as PEM. */
static char *sign(X509 *x509, const struct certificate *issuer, EVP_PKEY *own)
{
    must_make(X509_sign(x509, issuer == NULL ? own : issuer->key, EVP_sha256()) > 0, "signature");
    BIO *chain = BIO_new(BIO_s_mem());
    must_make(chain != NULL && PEM_write_bio_X509(chain, x509) == 1, "PEM of the certificate");
    if (issuer != NULL)
        must_make(PEM_write_bio_X509(chain, issuer->x509) == 1, "PEM of the issuer");
    return text_of(chain);
}

void certificate_make(struct certificate *out, const struct certificate *issuer, enum certificate_key kind,
                      const char *subject, const char *names)
{
    X509 *x509 = X509_new();
    X509 *signer = issuer == NULL ? x509 : issuer->x509;
    EVP_PKEY *key = kind == CERTIFICATE_RSA ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");

    must_make(x509 != NULL && key != NULL, "key");
    must_make(X509_set_version(x509, 2) == 1 && X509_set_pubkey(x509, key) == 1, "version and key");
    set_names(x509, issuer, subject);
    must_make(X509_gmtime_adj(X509_getm_notBefore(x509), -HOUR) != NULL &&
                  X509_gmtime_adj(X509_getm_notAfter(x509), WEEK) != NULL,
              "times");
    add_extension(x509, signer, NID_basic_constraints, issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(x509, signer, NID_subject_key_identifier, "hash");
    add_extension(x509, signer, NID_authority_key_identifier, "keyid:always");
    if (issuer == NULL)
        add_extension(x509, signer, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
    else
        add_extension(x509, signer, NID_key_usage, "critical,digitalSignature");
    if (names != NULL)
        add_extension(x509, signer, NID_subject_alt_name, names);
    char *chain_text = sign(x509, issuer, key);
    BIO *secret = BIO_new(BIO_s_mem());
    must_make(secret != NULL && PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1,
              "PEM of the key");
    *out = (struct certificate){.x509 = x509, .key = key, .chain_text = chain_text, .key_text = text_of(secret)};
}

void certificate_expire(struct certificate *certificate, const struct certificate *issuer)
{
    X509 *x509 = certificate->x509;

    must_make(X509_gmtime_adj(X509_getm_notBefore(x509), -WEEK) != NULL &&
                  X509_gmtime_adj(X509_getm_notAfter(x509), -HOUR) != NULL,
              "times");
    free(certificate->chain_text);
    certificate->chain_text = sign(x509, issuer, certificate->key);
}

void certificate_free(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    free(certificate->chain_text);
    free(certificate->key_text);
    memset(certificate, 0, sizeof(*certificate));
}
