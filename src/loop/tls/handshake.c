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
#include "loop/io/plain.h"
#include "loop/io/transport.h"
#include "loop/tls/negotiation.h"

int hj_handshake_open(struct hj_loop *loop)
{
    if (loop->server->tls == NULL || !loop->server->tls->equipped)
        return 0;
    if (!hj_negotiation_need(loop))
        return HIJACK_ENOMEM;
    loop->tls->certificates = hj_certificates_current(loop->server->tls, &loop->tls->version);
    return 0;
}

void hj_handshake_close(struct hj_loop *loop)
{
    hj_negotiation_close(loop);
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
    hj_request_head_read(loop, conn);
}

/* One step, with what has been received. */
static void advance(struct hj_loop *loop, struct hj_conn *conn, const uint8_t *data, size_t len)
{
    const int rc = hj_negotiation_step(loop, conn, data, len);
    if (rc > 0) {
        begin_http(loop, conn);
    } else if (rc == 0) {
        hj_conn_set_interest(loop, conn, conn->interest); /* room, if something of it is left */
    } else if (rc != HIJACK_ETLS) {
        hj_conn_close(loop, conn, rc);
    } else {
        ERR_clear_error();
        hj_loop_count(loop, HIJACK_STAT_TLS_FAILED, 1);
        hj_conn_close_gracefully(loop, conn, HIJACK_ETLS, false);
    }
}

/* The object that does the handshake; false when out of memory. */
static bool make_object(struct hj_loop *loop, struct hj_conn *conn, SSL_CTX *ctx)
{
    struct hj_tls_object *object = hj_negotiation_begin(loop, conn, ctx);
    if (object != NULL)
        SSL_set_accept_state(object->ssl);
    return object != NULL;
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
    if (!hj_negotiation_may_step(tls))
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
