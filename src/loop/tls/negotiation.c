/* Handshakes of both sides; see negotiation.h. Loop thread. */
#include "loop/tls/negotiation.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/sslerr.h>

#include "loop/tls/bytes.h"
#include "loop/tls/describe.h"
#include "loop/tls/object.h"
#include "loop/tls/output.h"
#include "loop/tls/slab.h"

/* Steps of handshakes in one turn: each costs up to a millisecond, and whoever is connected already comes first. */
#define STEPS_MAX 16

/* Bytes that a peer sends before its handshake must be complete: OpenSSL takes a certificate's chain of 100 KB, and
 * ignores some messages without end. Such a peer gets no alert. */
#define HANDSHAKE_MAX (256u << 10)

bool hj_negotiation_need(struct hj_loop *loop)
{
    if (loop->tls != NULL)
        return true;
    struct hj_tls *tls = loop->tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return false;
    tls->out_capacity = 2 * HJ_TLS_RECORD_MAX;
    tls->crypto = hj_tls_crypto_new();
    tls->bio_method = hj_tls_object_bio_method();
    tls->in = malloc(HJ_TLS_INPUT_SIZE);
    tls->out = malloc(tls->out_capacity);
    if (tls->crypto != NULL && tls->bio_method != NULL && tls->in != NULL && tls->out != NULL)
        return true;
    hj_negotiation_close(loop);
    return false;
}

void hj_negotiation_close(struct hj_loop *loop)
{
    struct hj_tls *tls = loop->tls;
    if (tls == NULL)
        return;
    hj_tls_slab_dispose(&tls->slab);
    hj_tls_crypto_free(tls->crypto);
    hj_certificates_unref(tls->certificates);
    hj_facts_unref(tls->recent);
    BIO_meth_free(tls->bio_method);
    free(tls->in);
    free(tls->out);
    free(tls);
    loop->tls = NULL;
}

bool hj_negotiation_may_step(struct hj_tls *tls)
{
    return ++tls->handshakes <= STEPS_MAX;
}

struct hj_tls_object *hj_negotiation_begin(struct hj_loop *loop, struct hj_conn *conn, SSL_CTX *ctx)
{
    struct hj_tls_object *object = hj_tls_object_new(loop->tls, ctx);
    if (object == NULL)
        return NULL;
    object->secrets = calloc(1, sizeof(*object->secrets));
    if (object->secrets != NULL && hj_tls_context_watch(object->ssl, object->secrets) &&
        hj_table_set_layer(&loop->table, conn->index, object))
        return object;
    hj_tls_object_free(object);
    return NULL;
}

/* Whether a client has asked for smaller records (max_fragment_length, RFC 6066 section 4), which OpenSSL makes. */
static bool wants_small_records(const SSL *ssl)
{
    const uint8_t mode = SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl));
    return mode >= TLSEXT_max_fragment_length_512 && mode <= TLSEXT_max_fragment_length_4096;
}

/* Whether the keys can be taken over: TLS 1.3, nothing buffered in OpenSSL, a suite that our codec knows. */
static bool can_take_over(const struct hj_loop *loop, const struct hj_tls_object *object, enum hj_tls_suite suite)
{
    const struct hj_handshake_secrets *secrets = object->secrets;
    return loop->server->options.tls_takeover == HJ_SWITCH_ON && SSL_version(object->ssl) == TLS1_3_VERSION &&
           suite != HJ_TLS_SUITES && secrets->has_client && secrets->has_server && SSL_has_pending(object->ssl) == 0 &&
           !wants_small_records(object->ssl);
}

/* Makes the keyed layer that replaces the object; NULL when out of memory. */
static struct hj_tls_keyed *take_keys(struct hj_tls *tls, struct hj_tls_object *object, enum hj_tls_suite suite)
{
    struct hj_tls_keyed *keyed = hj_tls_slab_take(&tls->slab);
    if (keyed == NULL)
        return NULL;
    const struct hj_handshake_secrets *secrets = object->secrets;
    const bool server = SSL_is_server(object->ssl) == 1;
    keyed->layer = object->layer;
    keyed->layer.flags |= (uint32_t)suite << HJ_TLS_SUITE_SHIFT | (server ? 0 : HJ_TLS_CLIENT);
    keyed->layer.write_seq = (uint32_t)secrets->sealed; /* session tickets */
    memcpy(keyed->write.secret, server ? secrets->server : secrets->client, sizeof(keyed->write.secret));
    memcpy(keyed->read.secret, server ? secrets->client : secrets->server, sizeof(keyed->read.secret));
    if (hj_tls_keys_derive(tls->crypto, suite, &keyed->write) && hj_tls_keys_derive(tls->crypto, suite, &keyed->read))
        return keyed;
    hj_tls_slab_give(&tls->slab, keyed);
    return NULL;
}

static bool take_over(struct hj_loop *loop, struct hj_conn *conn, struct hj_tls_object *object)
{
    enum hj_tls_suite suite = hj_tls_suite_of(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(object->ssl)));
    if (!can_take_over(loop, object, suite)) {
        OPENSSL_cleanse(object->secrets, sizeof(*object->secrets));
        hj_tls_context_watch(object->ssl, NULL);
        free(object->secrets);
        object->secrets = NULL;
        return true;
    }
    struct hj_tls_keyed *keyed = take_keys(loop->tls, object, suite);
    if (keyed == NULL)
        return false;
    hj_table_set_layer(&loop->table, conn->index, keyed);
    conn->transport = HJ_TRANSPORT_TLS;
    hj_tls_object_free(object);
    return true;
}

/* What OpenSSL did not read of the input goes on to the layer. */
static bool keep_rest_of_input(struct hj_tls *tls, struct hj_tls_layer *layer)
{
    const size_t len = (size_t)(tls->object_end - tls->object_in);
    struct hj_tls_rest *rest = len == 0 ? NULL : hj_tls_rest_of(layer);
    return len == 0 || (rest != NULL && hj_tls_bytes_add(&rest->in, tls->object_in, len));
}

/* 1, or why the connection is dead. */
static int complete_handshake(struct hj_loop *loop, struct hj_conn *conn, struct hj_tls_object *object)
{
    struct hj_tls *tls = loop->tls;
    object->layer.facts = hj_tls_describe(tls, object->ssl);
    bool resumed = SSL_session_reused(object->ssl) == 1;
    ssize_t sent = hj_tls_output_send(tls, conn->fd, &object->layer);
    if (sent < 0 || object->layer.facts == NULL || !keep_rest_of_input(tls, &object->layer) ||
        !take_over(loop, conn, object))
        return sent < 0 ? (int)sent : HIJACK_ENOMEM;
    hj_loop_count(loop, HIJACK_STAT_TLS_HANDSHAKES, 1);
    if (resumed)
        hj_loop_count(loop, HIJACK_STAT_TLS_RESUMED, 1);
    return 1;
}

/* OpenSSL has put the alert, if there is one, into tls->out. */
static int send_alert(struct hj_tls *tls, struct hj_conn *conn, struct hj_tls_object *object)
{
    hj_tls_output_send(tls, conn->fd, &object->layer);
    object->layer.flags |= HJ_TLS_OUT_ENDED;
    return HIJACK_ETLS;
}

/* What has become of it after OpenSSL's answer. */
static int look_at_step(struct hj_loop *loop, struct hj_conn *conn, struct hj_tls_object *object, int answer)
{
    struct hj_tls *tls = loop->tls;
    const int error = answer == 1 ? SSL_ERROR_NONE : SSL_get_error(object->ssl, answer);
    if (tls->out_failed) {
        tls->out_failed = false;
        return HIJACK_ENOMEM;
    }
    if (answer == 1)
        return complete_handshake(loop, conn, object);
    if (error != SSL_ERROR_WANT_READ)
        return send_alert(tls, conn, object);
    const ssize_t sent = hj_tls_output_send(tls, conn->fd, &object->layer);
    return sent < 0 ? (int)sent : 0;
}

int hj_negotiation_step(struct hj_loop *loop, struct hj_conn *conn, const uint8_t *data, size_t len)
{
    struct hj_tls *tls = loop->tls;
    struct hj_tls_object *object = hj_table_layer(&loop->table, conn->index);
    tls->object_in = data;
    tls->object_end = data + len;
    ERR_clear_error();
    int rc = look_at_step(loop, conn, object, SSL_do_handshake(object->ssl));
    if (rc == 0 && (object->received += len) > HANDSHAKE_MAX) {
        ERR_raise(ERR_LIB_SSL, SSL_R_EXCESSIVE_MESSAGE_SIZE);
        rc = HIJACK_ETLS;
    }
    if (rc != HIJACK_ETLS)
        ERR_clear_error();
    tls->object_in = tls->object_end = NULL;
    tls->out_len = 0;
    return rc;
}
