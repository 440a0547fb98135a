/* TLS handshakes; see handshake.h. Loop thread.
 *
 * What comes before the ClientHello is whole waits in the entry's input. From then on OpenSSL gets what is received,
 * and what it does not read when the handshake is over belongs to the layer. */
#include "loop/tls/handshake.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "codec/client_hello.h"
#include "loop/http/refusal.h"
#include "loop/http/request_head.h"
#include "loop/http2/http2.h"
#include "loop/io/transport.h"
#include "loop/tls/bytes.h"
#include "loop/tls/describe.h"
#include "loop/tls/object.h"
#include "loop/tls/output.h"
#include "loop/tls/slab.h"

/* Steps of handshakes in one turn: each costs up to a millisecond, and whoever is connected already comes first. The
 * poller reports the others again. */
#define STEPS_MAX 16

int hj_handshake_open(struct hj_loop *loop)
{
    if (loop->server->tls == NULL || !loop->server->tls->equipped)
        return 0;
    struct hj_tls *tls = loop->tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return HIJACK_ENOMEM;
    tls->out_capacity = 2 * HJ_TLS_RECORD_MAX;
    tls->crypto = hj_tls_crypto_new();
    tls->bio_method = hj_tls_object_bio_method();
    tls->in = malloc(HJ_TLS_INPUT_SIZE);
    tls->out = malloc(tls->out_capacity);
    tls->certificates = hj_certificates_current(loop->server->tls, &tls->version);
    return tls->crypto == NULL || tls->bio_method == NULL || tls->in == NULL || tls->out == NULL ? HIJACK_ENOMEM : 0;
}

void hj_handshake_close(struct hj_loop *loop)
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
}

void hj_handshake_begin_turn(struct hj_loop *loop)
{
    if (loop->tls != NULL)
        loop->tls->handshakes = 0;
}

static struct hj_certificate *find_certificate(struct hj_loop *loop, struct hj_slice server_name)
{
    struct hj_tls *tls = loop->tls;
    if (atomic_load_explicit(&loop->server->tls->version, memory_order_acquire) != tls->version) {
        hj_certificates_unref(tls->certificates);
        tls->certificates = hj_certificates_current(loop->server->tls, &tls->version);
    }
    return hj_certificates_find(tls->certificates, server_name);
}

/* The connection becomes one that waits for its first request, which may be here already. */
static void begin_http(struct hj_loop *loop, struct hj_conn *conn)
{
    hj_conn_set_kind(loop, conn, HJ_CONN_HEAD);
    conn->in_ms = hj_loop_time(loop);
    hj_loop_count(loop, HIJACK_STAT_TLS_HANDSHAKES, 1);
    hj_request_head_read(loop, conn);
}

/* Whether the client has asked for smaller records (max_fragment_length, RFC 6066 section 4), which OpenSSL makes. */
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
    keyed->layer = object->layer;
    keyed->layer.flags |= (uint32_t)suite << HJ_TLS_SUITE_SHIFT;
    keyed->layer.write_seq = (uint32_t)object->secrets->sealed; /* session tickets */
    memcpy(keyed->write.secret, object->secrets->server, sizeof(keyed->write.secret));
    memcpy(keyed->read.secret, object->secrets->client, sizeof(keyed->read.secret));
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

static void complete_handshake(struct hj_loop *loop, struct hj_conn *conn, struct hj_tls_object *object)
{
    struct hj_tls *tls = loop->tls;
    object->layer.facts = hj_tls_describe(tls, object->ssl);
    bool resumed = SSL_session_reused(object->ssl) == 1;
    ssize_t sent = hj_tls_output_send(tls, conn->fd, &object->layer);
    if (sent < 0 || object->layer.facts == NULL || !keep_rest_of_input(tls, &object->layer) ||
        !take_over(loop, conn, object)) {
        hj_conn_close(loop, conn, sent < 0 ? (int)sent : HIJACK_ENOMEM);
        return;
    }
    if (resumed)
        hj_loop_count(loop, HIJACK_STAT_TLS_RESUMED, 1);
    begin_http(loop, conn);
}

/* OpenSSL has put the alert, if there is one, into tls->out. */
static void fail(struct hj_loop *loop, struct hj_conn *conn, struct hj_tls_object *object)
{
    hj_loop_count(loop, HIJACK_STAT_TLS_FAILED, 1);
    hj_tls_output_send(loop->tls, conn->fd, &object->layer);
    object->layer.flags |= HJ_TLS_OUT_ENDED;
    hj_conn_close_gracefully(loop, conn, HIJACK_ETLS, false);
}

/* One step, with what has been received. */
static void advance(struct hj_loop *loop, struct hj_conn *conn, const uint8_t *data, size_t len)
{
    struct hj_tls *tls = loop->tls;
    struct hj_tls_object *object = hj_table_layer(&loop->table, conn->index);
    tls->object_in = data;
    tls->object_end = data + len;
    ERR_clear_error();
    int rc = SSL_do_handshake(object->ssl);
    int error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(object->ssl, rc);
    ERR_clear_error();
    if (tls->out_failed) {
        tls->out_failed = false;
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    } else if (rc == 1) {
        complete_handshake(loop, conn, object);
    } else if (error != SSL_ERROR_WANT_READ) {
        fail(loop, conn, object);
    } else {
        ssize_t sent = hj_tls_output_send(tls, conn->fd, &object->layer);
        if (sent < 0)
            hj_conn_close(loop, conn, (int)sent);
        else
            hj_conn_set_interest(loop, conn, conn->interest); /* room, if something of it is left */
    }
    tls->object_in = tls->object_end = NULL;
    tls->out_len = 0;
}

/* The object that does the handshake; false when out of memory. */
static bool make_object(struct hj_loop *loop, struct hj_conn *conn, SSL_CTX *ctx)
{
    struct hj_tls_object *object = hj_tls_object_new(loop->tls, ctx);
    if (object == NULL)
        return false;
    object->secrets = calloc(1, sizeof(*object->secrets));
    if (object->secrets != NULL && hj_tls_context_watch(object->ssl, object->secrets) &&
        hj_table_set_layer(&loop->table, conn->index, object))
        return true;
    hj_tls_object_free(object);
    return false;
}

/* These are not the first bytes of TLS. */
static void refuse_hello(struct hj_loop *loop, struct hj_conn *conn, int alert, bool clear_text)
{
    const uint8_t record[] = {HJ_TLS_ALERT, 3, 3, 0, 2, 2, (uint8_t)alert};
    hj_loop_count(loop, HIJACK_STAT_TLS_FAILED, 1);
    if (clear_text) {
        conn->transport = HJ_TRANSPORT_PLAIN; /* so that whoever typed http:// can read it */
        hj_refusal_send(loop, conn, 400, "this port speaks TLS: use https");
        return;
    }
    (void)hj_plain_send(conn->fd, record, sizeof(record));
    hj_conn_close_gracefully(loop, conn, HIJACK_ETLS, false);
}

/* Looks at the first bytes; goes on once the ClientHello is whole. */
static void read_hello(struct hj_loop *loop, struct hj_conn *conn, const uint8_t *data, size_t len)
{
    struct hj_client_hello hello;
    int rc = hj_client_hello_parse(&hello, data, len);
    if (rc == 0 && len < HJ_CLIENT_HELLO_INPUT_MAX)
        return;
    if (rc <= 0) {
        refuse_hello(loop, conn, rc == 0 ? HJ_TLS_DECODE_ERROR : -rc, data[0] >= 'A' && data[0] <= 'Z');
        return;
    }
    const struct hj_slice name = hj_slice(hello.server_name, hello.server_name_len);
    const struct hj_certificate *certificate = find_certificate(loop, name);
#if HIJACK_HTTP2
    if (hello.offers_h2 && certificate->http2 != NULL) {
        hj_http2_begin_secure(loop, conn, certificate->http2, data, len);
        return;
    }
#endif
    if (make_object(loop, conn, certificate->http1))
        advance(loop, conn, data, len);
    else
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
}

/* The beginning of a ClientHello waits for the rest in the entry's input. */
static void gather_hello(struct hj_loop *loop, struct hj_conn *conn, size_t len)
{
    struct hj_input *input = conn->input;
    conn->input = NULL;
    if (input != NULL) {
        memmove(loop->tls->in + input->len, loop->tls->in, len);
        memcpy(loop->tls->in, input->data + input->start, input->len);
        len += input->len;
        free(input);
    }
    read_hello(loop, conn, loop->tls->in, len);
    if (hj_conn_is_open(conn) && conn->kind == HJ_CONN_HANDSHAKE && hj_table_layer(&loop->table, conn->index) == NULL &&
        !hj_conn_keep_input(conn, (const char *)loop->tls->in, len))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
}

void hj_handshake_read(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_tls *tls = loop->tls;
    if (++tls->handshakes > STEPS_MAX)
        return;
    ssize_t n = hj_plain_receive(conn->fd, tls->in, HJ_TLS_RECORD_MAX);
    if (n < 0) {
        if (hj_table_layer(&loop->table, conn->index) != NULL || conn->input != NULL)
            hj_loop_count(loop, HIJACK_STAT_TLS_FAILED, 1);
        hj_conn_close(loop, conn, (int)n);
    } else if (n > 0 && hj_table_layer(&loop->table, conn->index) == NULL) {
        gather_hello(loop, conn, (size_t)n);
    } else if (n > 0) {
        advance(loop, conn, tls->in, (size_t)n);
    }
}
