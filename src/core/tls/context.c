/* SSL_CTX; see context.h. Callbacks run on loop threads, inside of handshakes; the rest on any thread.
 *
 * The choice of protocols, ciphers and groups is Mozilla's "intermediate", without finite-field Diffie-Hellman. */
#include "core/tls/context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include <hijack/hijack.h>

#include "base/ascii.h"
#include "base/os/file.h"
#include "core/tls/authorities.h"

#define GROUPS "X25519:P-256:P-384"
#define INTERMEDIATE                                                                                                   \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

static pthread_once_t indexes_once = PTHREAD_ONCE_INIT;
static int secrets_index, keylog_index, staple_index;

/* The OCSP response of a context, which may outlive its certificate: a handshake that has begun keeps it. */
struct staple {
    size_t len;
    unsigned char data[];
};

#define NO_KEYLOG ((intptr_t)0) /* else the descriptor and 1 */

static _Thread_local SSL *last_ssl;

SSL *hj_tls_context_last(void)
{
    return last_ssl;
}

static void free_staple(void *ctx, void *staple, CRYPTO_EX_DATA *all, int index, long number, void *argument)
{
    (void)ctx;
    (void)all;
    (void)index;
    (void)number;
    (void)argument;
    free(staple);
}

static void make_indexes(void)
{
    secrets_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    keylog_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    staple_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_staple);
}

int hj_tls_keylog_open(int *out, const struct hj_server_options *options)
{
    *out = -1;
    if (options->tls_keylog_file[0] == '\0')
        return 0;
    *out = open(options->tls_keylog_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return *out == -1 ? hj_file_error(errno) : 0;
}

int hj_tls_context_open(struct hj_tls_context *context, const struct hj_server_options *options, int keylog_fd)
{
    context->options = options;
    context->keylog_fd = keylog_fd;
    return hj_tickets_open(&context->tickets, options->tls_ticket_key);
}

void hj_tls_context_close(struct hj_tls_context *context)
{
    hj_tickets_close(&context->tickets);
}

/* The secret at the end of a key log line; false if it is not one of ours. */
static bool read_hex(uint8_t out[48], const char *hex)
{
    const size_t len = hex == NULL ? 0 : strlen(hex);
    if (len != 64 && len != 96)
        return false;
    for (size_t i = 0; i < len / 2; ++i)
        out[i] = (uint8_t)(hj_ascii_hex_value(hex[2 * i]) << 4 | hj_ascii_hex_value(hex[2 * i + 1]));
    return true;
}

static bool begins_with(const char *line, const char *label)
{
    return strncmp(line, label, strlen(label)) == 0;
}

static void write_key_log(int fd, const char *line)
{
    struct iovec iov[2] = {{(void *)(uintptr_t)line, strlen(line)}, {(char[]){"\n"}, 1}};
    if (writev(fd, iov, 2) == -1)
        return; /* it is for debugging: a full disk must not end connections */
}

static void on_key_log(const SSL *ssl, const char *line)
{
    const intptr_t keylog = (intptr_t)SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keylog_index);
    struct hj_handshake_secrets *secrets = SSL_get_ex_data(ssl, secrets_index);
    const char *space = strrchr(line, ' ');
    const char *hex = space == NULL ? NULL : space + 1;
    if (keylog != NO_KEYLOG)
        write_key_log((int)keylog - 1, line);
    if (secrets == NULL)
        return;
    if (begins_with(line, "SERVER_TRAFFIC_SECRET_0 "))
        secrets->has_server = read_hex(secrets->server, hex);
    else if (begins_with(line, "CLIENT_TRAFFIC_SECRET_0 "))
        secrets->has_client = read_hex(secrets->client, hex);
}

/* Counts what a server seals with its application traffic secret before the keys are taken over. */
static void on_record(int write, int version, int content_type, const void *data, size_t len, SSL *ssl, void *arg)
{
    struct hj_handshake_secrets *secrets = SSL_get_ex_data(ssl, secrets_index);
    (void)version;
    (void)arg;
    if (write && content_type == SSL3_RT_HEADER && secrets != NULL && secrets->has_server && len != 0 &&
        *(const uint8_t *)data == SSL3_RT_APPLICATION_DATA)
        ++secrets->sealed;
}

/* arg: the only protocol that this context speaks, as in a list. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    const unsigned char *wanted = arg;
    last_ssl = ssl;
    for (unsigned i = 0; i < in_len; i += in[i] + 1u)
        if (in[i] == wanted[0] && i + 1u + in[i] <= in_len && memcmp(in + i + 1, wanted + 1, in[i]) == 0) {
            *out = in + i + 1;
            *out_len = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol (RFC 7301 section 3.2) */
}

/* The name was looked at before the context was chosen. */
static int accept_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

static int give_staple(SSL *ssl, void *arg)
{
    const struct staple *staple = arg;
    void *copy = OPENSSL_memdup(staple->data, staple->len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len);
    return SSL_TLSEXT_ERR_OK;
}

static int set_client_ca(SSL_CTX *ctx, const struct hj_server_options *options)
{
    const int modes[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
    if (options->tls_client_verify == HJ_VERIFY_NONE)
        return 0;
    SSL_CTX_set_verify(ctx, modes[options->tls_client_verify], NULL);
    if (options->tls_client_ca[0] == '\0')
        return HIJACK_ETLS; /* nobody could be verified */
    int rc = hj_file_check(options->tls_client_ca);
    if (rc != 0)
        return rc;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->tls_client_ca);
    if (names == NULL || SSL_CTX_load_verify_file(ctx, options->tls_client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return HIJACK_ETLS;
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    return 0;
}

static bool set_staple(SSL_CTX *ctx, const struct hj_certificate *certificate)
{
    struct staple *staple = malloc(sizeof(*staple) + certificate->staple_len);
    if (staple == NULL || SSL_CTX_set_ex_data(ctx, staple_index, staple) != 1) {
        free(staple);
        return false;
    }
    staple->len = certificate->staple_len;
    memcpy(staple->data, certificate->staple, staple->len);
    SSL_CTX_set_tlsext_status_cb(ctx, give_staple);
    SSL_CTX_set_tlsext_status_arg(ctx, staple);
    return true;
}

/* A resumed client is not asked for its certificate. So only sessions are resumed of servers that ask in the same way,
 * whoever shares their ticket key: what they ask is the context of a session. */
static bool set_session_context(SSL_CTX *ctx, const struct hj_server_options *options)
{
    unsigned char piece[4096] = {(unsigned char)options->tls_client_verify}, digest[EVP_MAX_MD_SIZE];
    unsigned len;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    BIO *file = options->tls_client_verify == HJ_VERIFY_NONE ? NULL : BIO_new_file(options->tls_client_ca, "r");
    bool done = hash != NULL && (file != NULL || options->tls_client_verify == HJ_VERIFY_NONE) &&
                EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;
    for (int n = 1; done && n > 0; n = file == NULL ? 0 : BIO_read(file, piece, sizeof(piece)))
        done = EVP_DigestUpdate(hash, piece, (size_t)n) == 1;
    done = done && EVP_DigestFinal_ex(hash, digest, &len) == 1 && SSL_CTX_set_session_id_context(ctx, digest, len) == 1;
    BIO_free(file);
    EVP_MD_CTX_free(hash);
    return done;
}

static bool set_certificate(SSL_CTX *ctx, const struct hj_certificate *certificate)
{
    if (SSL_CTX_use_cert_and_key(ctx, certificate->leaf, certificate->key, certificate->chain, 1) != 1)
        return false;
    return certificate->staple == NULL || set_staple(ctx, certificate);
}

/* What a context has whoever begins. False when out of memory, or for an option that cannot be used. */
static bool set_common(SSL_CTX *ctx, const struct hj_server_options *options, int keylog_fd)
{
    const char *ciphers = strcmp(options->tls_ciphers, "intermediate") == 0 ? INTERMEDIATE : options->tls_ciphers;
    int version = options->tls_min_version == HJ_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);         /* a write is whole: its BIO takes everything */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets alone: nothing is kept for a client */
    return SSL_CTX_set_ex_data(ctx, keylog_index, (void *)(NO_KEYLOG + keylog_fd + 1)) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, version) == 1 && SSL_CTX_set_cipher_list(ctx, ciphers) == 1 &&
           SSL_CTX_set1_groups_list(ctx, GROUPS) == 1;
}

static int new_ctx(SSL_CTX **out, struct hj_tls_context *context, const struct hj_certificate *certificate,
                   const unsigned char *protocol)
{
    const struct hj_server_options *options = context->options;
    pthread_once(&indexes_once, make_indexes);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL)
        return HIJACK_ENOMEM;
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, (void *)(uintptr_t)protocol);
    SSL_CTX_set_tlsext_servername_callback(ctx, accept_name);
    bool done = set_common(ctx, options, context->keylog_fd) && hj_tickets_use(&context->tickets, ctx) &&
                set_certificate(ctx, certificate);
    int rc = done ? set_client_ca(ctx, options) : HIJACK_ETLS;
    if (rc == 0 && !set_session_context(ctx, options))
        rc = HIJACK_ETLS;
    if (rc == 0)
        *out = ctx;
    else
        SSL_CTX_free(ctx);
    ERR_clear_error();
    return rc;
}

int hj_tls_context_equip(struct hj_tls_context *context, struct hj_certificate *certificate)
{
    int rc = new_ctx(&certificate->http1, context, certificate, (const unsigned char *)"\x08http/1.1");
    if (rc != 0)
        return rc;
    SSL_CTX_set_keylog_callback(certificate->http1, on_key_log);
    if (context->options->tls_takeover == HJ_SWITCH_ON)
        SSL_CTX_set_msg_callback(certificate->http1, on_record);
#if HIJACK_HTTP2
    if (context->options->http2 == HJ_SWITCH_ON) {
        rc = new_ctx(&certificate->http2, context, certificate, (const unsigned char *)"\x02h2");
        if (rc == 0 && context->keylog_fd != -1)
            SSL_CTX_set_keylog_callback(certificate->http2, on_key_log);
    }
#endif
    return rc;
}

int hj_tls_context_outgoing(SSL_CTX **out, const struct hj_server_options *options, int keylog_fd)
{
    pthread_once(&indexes_once, make_indexes);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL)
        return HIJACK_ENOMEM;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); /* of TLS 1.2; in TLS 1.3 they come unasked, and are dropped */
    SSL_CTX_set_keylog_callback(ctx, on_key_log);
    const int rc = set_common(ctx, options, keylog_fd) ? 0 : HIJACK_ETLS;
    if (rc == 0)
        *out = ctx;
    else
        SSL_CTX_free(ctx);
    ERR_clear_error();
    return rc;
}

int hj_tls_context_present(SSL_CTX *ctx, const struct hj_certificate *certificate)
{
    const int rc = set_certificate(ctx, certificate) ? 0 : HIJACK_ETLS;
    ERR_clear_error();
    return rc;
}

bool hj_tls_context_watch(SSL *ssl, struct hj_handshake_secrets *secrets)
{
    return SSL_set_ex_data(ssl, secrets_index, secrets) == 1;
}
