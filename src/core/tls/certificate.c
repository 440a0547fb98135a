/* Certificates; see certificate.h. Any thread; files are read by the caller of hijack_server_certificate. */
#include "core/tls/certificate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <hijack/hijack.h>

#include "base/os/file.h"

#define FILE_MAX (1u << 20)

/* Bytes of a file; free with free. */
static int read_file(char **out, size_t *out_len, struct hj_slice path)
{
    char name[PATH_MAX];
    if (path.len >= sizeof(name) || memchr(path.base, '\0', path.len) != NULL)
        return HIJACK_ENOENT;
    memcpy(name, path.base, path.len);
    name[path.len] = '\0';
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return hj_file_error(errno);
    char *data = malloc(FILE_MAX);
    int rc = data == NULL ? HIJACK_ENOMEM : 0;
    size_t len = rc == 0 ? fread(data, 1, FILE_MAX, file) : 0;
    if (rc == 0 && ferror(file))
        rc = HIJACK_EIO;
    else if (rc == 0 && len == FILE_MAX)
        rc = HIJACK_ETOOBIG;
    fclose(file);
    if (rc != 0) {
        free(data);
        return rc;
    }
    *out = data;
    *out_len = len;
    return 0;
}

/* Text that is given, or the file that it names, as something to read from. */
static int open_text(BIO **out, char **file, struct hj_slice text)
{
    size_t len;
    *file = NULL;
    if (text.len > INT_MAX)
        return HIJACK_ETOOBIG;
    if (memmem(text.base, text.len, "-----BEGIN", 10) == NULL) {
        int rc = read_file(file, &len, text);
        if (rc != 0)
            return rc;
        text = hj_slice(*file, len);
    }
    *out = BIO_new_mem_buf(text.base, (int)text.len);
    return *out == NULL ? HIJACK_ENOMEM : 0;
}

/* A key that asks for a passphrase is not usable: nobody would be there to type it. */
static int no_passphrase(char *buf, int size, int rwflag, void *data)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)data;
    return -1;
}

static int load_chain(struct hj_certificate *certificate, struct hj_slice text)
{
    BIO *bio;
    char *file;
    int rc = open_text(&bio, &file, text);
    if (rc == 0) {
        certificate->leaf = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
        certificate->chain = sk_X509_new_null();
        X509 *next;
        while (certificate->chain != NULL && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
            if (sk_X509_push(certificate->chain, next) == 0) {
                X509_free(next);
                break;
            }
        rc = certificate->leaf == NULL ? HIJACK_ETLS : certificate->chain == NULL ? HIJACK_ENOMEM : 0;
        BIO_free(bio);
    }
    free(file);
    return rc;
}

static int load_key(struct hj_certificate *certificate, struct hj_slice text)
{
    BIO *bio;
    char *file;
    int rc = open_text(&bio, &file, text);
    if (rc == 0) {
        certificate->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        rc = certificate->key != NULL && X509_check_private_key(certificate->leaf, certificate->key) == 1 ? 0
                                                                                                          : HIJACK_ETLS;
        BIO_free(bio);
    }
    if (file != NULL) {
        OPENSSL_cleanse(file, FILE_MAX);
        free(file);
    }
    return rc;
}

static int load_staple(struct hj_certificate *certificate, struct hj_slice staple)
{
    /* DER begins with a SEQUENCE that is longer than 127 bytes, which no path does */
    bool der = staple.len > 1 && staple.base[0] == 0x30 && (staple.base[1] & 0x80) != 0;
    if (staple.len == 0)
        return 0;
    if (!der) {
        int rc = read_file(&certificate->staple, &certificate->staple_len, staple);
        if (rc != 0)
            return rc;
    } else {
        if ((certificate->staple = malloc(staple.len)) == NULL)
            return HIJACK_ENOMEM;
        memcpy(certificate->staple, staple.base, staple.len);
        certificate->staple_len = staple.len;
    }
    const unsigned char *at = (const unsigned char *)certificate->staple;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)certificate->staple_len);
    OCSP_RESPONSE_free(response);
    return response == NULL ? HIJACK_ETLS : 0;
}

static bool add_name(struct hj_certificate *certificate, const ASN1_STRING *text)
{
    const char *data = (const char *)ASN1_STRING_get0_data(text);
    const size_t len = (size_t)ASN1_STRING_length(text);
    if (len == 0 || len > 255 || memchr(data, '\0', len) != NULL)
        return true; /* it matches nothing */
    char **more = realloc(certificate->names, (certificate->name_count + 1) * sizeof(*more));
    if (more == NULL)
        return false;
    certificate->names = more;
    char *name = malloc(len + 1);
    if (name == NULL)
        return false;
    for (size_t i = 0; i < len; ++i)
        name[i] = hj_lower(data[i]);
    name[len] = '\0';
    more[certificate->name_count++] = name;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those of the subjectAltName; if there is none, the common name. */
static int read_names(struct hj_certificate *certificate)
{
    bool done = true;
    GENERAL_NAMES *alternatives = X509_get_ext_d2i(certificate->leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; done && i < sk_GENERAL_NAME_num(alternatives); ++i) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(alternatives, i);
        if (name->type == GEN_DNS)
            done = add_name(certificate, name->d.dNSName);
    }
    const X509_NAME *subject = X509_get_subject_name(certificate->leaf);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (alternatives == NULL && at >= 0)
        done = add_name(certificate, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    GENERAL_NAMES_free(alternatives);
    if (certificate->name_count != 0)
        qsort(certificate->names, certificate->name_count, sizeof(char *), compare_names);
    return done ? 0 : HIJACK_ENOMEM;
}

int hj_certificate_load(struct hj_certificate **out, struct hj_slice chain, struct hj_slice key, struct hj_slice staple)
{
    struct hj_certificate *certificate = calloc(1, sizeof(*certificate));
    if (certificate == NULL)
        return HIJACK_ENOMEM;
    atomic_init(&certificate->refs, 1);
    int rc = load_chain(certificate, chain);
    if (rc == 0)
        rc = load_key(certificate, key);
    if (rc == 0)
        rc = load_staple(certificate, staple);
    if (rc == 0)
        rc = read_names(certificate);
    ERR_clear_error();
    if (rc == 0)
        *out = certificate;
    else
        hj_certificate_unref(certificate);
    return rc;
}

struct hj_certificate *hj_certificate_ref(struct hj_certificate *certificate)
{
    atomic_fetch_add_explicit(&certificate->refs, 1, memory_order_relaxed);
    return certificate;
}

void hj_certificate_strip(struct hj_certificate *certificate)
{
    SSL_CTX_free(certificate->http1);
    SSL_CTX_free(certificate->http2);
    certificate->http1 = certificate->http2 = NULL;
}

void hj_certificate_unref(struct hj_certificate *certificate)
{
    if (certificate == NULL || atomic_fetch_sub_explicit(&certificate->refs, 1, memory_order_acq_rel) != 1)
        return;
    hj_certificate_strip(certificate);
    X509_free(certificate->leaf);
    sk_X509_pop_free(certificate->chain, X509_free);
    EVP_PKEY_free(certificate->key);
    free(certificate->staple);
    for (uint32_t i = 0; i < certificate->name_count; ++i)
        free(certificate->names[i]);
    free(certificate->names);
    free(certificate);
}

bool hj_certificate_same_names(const struct hj_certificate *a, const struct hj_certificate *b)
{
    bool same = a->name_count == b->name_count;
    for (uint32_t i = 0; same && i < a->name_count; ++i)
        same = strcmp(a->names[i], b->names[i]) == 0;
    return same;
}

int hj_certificate_matches(const struct hj_certificate *certificate, struct hj_slice host)
{
    const char *dot = memchr(host.base, '.', host.len);
    struct hj_slice parent = dot == NULL ? HJ_SLICE("") : hj_slice(dot, host.len - (size_t)(dot - host.base));
    int best = 0;
    for (uint32_t i = 0; i < certificate->name_count; ++i) {
        struct hj_slice name = hj_slice(certificate->names[i], strlen(certificate->names[i]));
        if (hj_slice_equal(name, host))
            return 2;
        if (name.len > 2 && name.base[0] == '*' && hj_slice_equal(hj_slice(name.base + 1, name.len - 1), parent))
            best = 1; /* a wildcard stands for one label */
    }
    return best;
}
