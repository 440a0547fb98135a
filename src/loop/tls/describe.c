/* Facts of a handshake; see describe.h. Loop thread. */
#include "loop/tls/describe.h"

#include <string.h>

#include <openssl/pem.h>

static struct hj_slice text_of(const char *text)
{
    return text == NULL ? HJ_SLICE("") : hj_slice(text, strlen(text));
}

static struct hj_slice memory_of(BIO *bio)
{
    char *data;
    const long len = BIO_get_mem_data(bio, &data);
    return hj_slice(data, len < 0 ? 0 : (size_t)len);
}

/* With what the client's certificate says. */
static struct hj_facts *describe_client(struct hj_slice fact[HJ_FACTS], X509 *certificate)
{
    BIO *subject = BIO_new(BIO_s_mem()), *text = BIO_new(BIO_s_mem());
    struct hj_facts *facts = NULL;
    if (subject != NULL && text != NULL &&
        X509_NAME_print_ex(subject, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0 &&
        PEM_write_bio_X509(text, certificate) == 1) {
        fact[HJ_FACT_TLS_SUBJECT] = memory_of(subject);
        fact[HJ_FACT_TLS_CERTIFICATE] = memory_of(text);
        facts = hj_facts_new(fact);
    }
    BIO_free(subject);
    BIO_free(text);
    return facts;
}

struct hj_facts *hj_tls_describe(struct hj_tls *tls, const SSL *ssl)
{
    struct hj_slice fact[HJ_FACTS] = {
        [HJ_FACT_TLS_VERSION] = text_of(SSL_get_version(ssl)),
        [HJ_FACT_TLS_CIPHER] = text_of(SSL_get_cipher_name(ssl)),
        [HJ_FACT_TLS_SERVER_NAME] = text_of(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)),
    };
    /* of an outgoing connection nobody asks for it */
    X509 *certificate = SSL_is_server(ssl) == 1 ? SSL_get0_peer_certificate(ssl) : NULL;
    if (certificate != NULL)
        return describe_client(fact, certificate);
    bool same = tls->recent != NULL;
    for (int i = 0; same && i < HJ_FACTS; ++i)
        same = hj_slice_equal(tls->recent->fact[i], fact[i]);
    if (!same) {
        hj_facts_unref(tls->recent);
        tls->recent = hj_facts_new(fact);
    }
    return tls->recent == NULL ? NULL : hj_facts_ref(tls->recent);
}
