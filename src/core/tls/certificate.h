/* A certificate chain with its key, and the names that it is for. Counted; constant but for its contexts, which are set
 * before other threads see it. Any thread. */
#ifndef HJ_CORE_TLS_CERTIFICATE_H
#define HJ_CORE_TLS_CERTIFICATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "base/slice.h"

struct hj_certificate {
    _Atomic uint32_t refs;
    X509 *leaf;
    STACK_OF(X509) * chain; /* without the leaf */
    EVP_PKEY *key;
    char *staple; /* an OCSP response in DER; NULL: none */
    size_t staple_len;
    char **names; /* of hosts, in lower case, sorted; may begin with "*." */
    uint32_t name_count;
    SSL_CTX *http1; /* for connections that we read; NULL until the server starts */
    SSL_CTX *http2; /* for those that libh2o reads; NULL without HTTP/2 */
};

/* Reads chain and key (PEM text, or the path of a file) and the OCSP response (DER, or the path of a file; or empty).
 * The caller owns a reference. 0, HIJACK_ETLS, ENOENT, EACCES, ETOOBIG, EIO or ENOMEM. */
int hj_certificate_load(struct hj_certificate **out, struct hj_slice chain, struct hj_slice key,
                        struct hj_slice staple);

struct hj_certificate *hj_certificate_ref(struct hj_certificate *certificate);
void hj_certificate_unref(struct hj_certificate *certificate); /* NULL is a no-op */

/* Takes its contexts away again. */
void hj_certificate_strip(struct hj_certificate *certificate);

/* Whether both are for the same names. */
bool hj_certificate_same_names(const struct hj_certificate *a, const struct hj_certificate *b);

/* How well it fits a host, in lower case: 0 not at all, 1 by a wildcard, 2 by name (RFC 9525 section 6.3). */
int hj_certificate_matches(const struct hj_certificate *certificate, struct hj_slice host);

#endif
