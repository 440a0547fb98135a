/* SPDX-License-Identifier: MIT
 *
 * Throw-away certificates, made when a test needs them, so that none is in the repository and none expires there.
 */
#ifndef TESTS_SUPPORT_CERTIFICATE_H
#define TESTS_SUPPORT_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

enum certificate_key {
    CERTIFICATE_EC, /* P-256 */
    CERTIFICATE_RSA /* 2048 bits */
};

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
    char *chain_text; /* PEM: the certificate, then its issuer unless it is its own */
    char *key_text;   /* PEM */
};

/* Makes a certificate for a subject's common name, valid for a week. names is a subjectAltName as in openssl.cnf
 * ("DNS:localhost,IP:127.0.0.1"), or NULL. issuer NULL: it signs itself and is a CA. Ends the program if it cannot. */
void certificate_make(struct certificate *out, const struct certificate *issuer, enum certificate_key kind,
                      const char *subject, const char *names);
/* The same, signed anew, was valid until an hour ago. issuer as before. */
void certificate_expire(struct certificate *certificate, const struct certificate *issuer);
void certificate_free(struct certificate *certificate);

#endif
