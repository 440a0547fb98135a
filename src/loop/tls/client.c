/* TLS of outgoing connections; see client.h. Loop thread.
 *
 * OpenSSL verifies the peer during the handshake, so an entry whose handshake is complete has reached the right one. */
#include "loop/tls/client.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "core/target.h"
#include "loop/io/plain.h"
#include "loop/io/transport.h"
#include "loop/tls/bytes.h"
#include "loop/tls/negotiation.h"
#include "loop/tls/object.h"

/* Names are those of the subjectAltName alone, and a wildcard stands for a whole label (RFC 9525 section 6.3). */
#define NAME_RULES (X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)

/* A dot at the end belongs to the name server's way of writing, and to no certificate (RFC 6066 section 3). */
static bool expect_name(SSL *ssl, const char *host)
{
    char name[HJ_HOST_MAX + 1];
    snprintf(name, sizeof(name), "%s", host);
    const size_t len = strlen(name);
    if (len != 0 && name[len - 1] == '.')
        name[len - 1] = '\0';
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

static bool expect_address(SSL *ssl, const struct sockaddr *address)
{
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    if (address->sa_family == AF_INET)
        return X509_VERIFY_PARAM_set1_ip(rules, (const unsigned char *)&v4->sin_addr, sizeof(v4->sin_addr)) == 1;
    return X509_VERIFY_PARAM_set1_ip(rules, (const unsigned char *)&v6->sin6_addr, sizeof(v6->sin6_addr)) == 1;
}

bool hj_tls_client_prepare(struct hj_loop *loop, struct hj_conn *conn, const char *host, const struct sockaddr *address)
{
    struct hj_tls_object *object =
        hj_negotiation_need(loop) ? hj_negotiation_begin(loop, conn, atomic_load(&loop->server->outgoing_tls)) : NULL;
    if (object == NULL)
        return false;
    conn->transport = HJ_TRANSPORT_TLS_OBJECT;
    SSL_set_connect_state(object->ssl);
    SSL_set_hostflags(object->ssl, NAME_RULES);
    const bool done = host != NULL ? expect_name(object->ssl, host) : expect_address(object->ssl, address);
    ERR_clear_error();
    return done;
}

bool hj_tls_client_has_begun(struct hj_loop *loop, const struct hj_conn *conn)
{
    const struct hj_tls_object *object =
        conn->transport == HJ_TRANSPORT_TLS_OBJECT ? hj_table_layer(&loop->table, conn->index) : NULL;
    return object != NULL && SSL_in_before(object->ssl) == 0;
}

/* Why OpenSSL, or the peer by an alert, has refused, as it is found in OpenSSL's queue of errors, which is emptied. */
static struct hj_buf *describe_refusal(const SSL *ssl)
{
    char text[256];
    const long verdict = SSL_get_verify_result(ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    if (verdict != X509_V_OK)
        snprintf(text, sizeof(text), "certificate verify failed: %s", X509_verify_cert_error_string(verdict));
    else
        snprintf(text, sizeof(text), "handshake failed: %s", reason == NULL ? "no reason is known" : reason);
    return hj_buf_copy(text, strlen(text));
}

/* The peer ended its side instead of answering. */
static int note_silent_end(struct hj_buf **why)
{
    static const char text[] = "the peer closed the connection during the handshake";
    *why = hj_buf_copy(text, sizeof(text) - 1);
    return HIJACK_ETLS;
}

/* What came behind the handshake is here already, and no poller will report it. */
static int take_early_data(struct hj_loop *loop, struct hj_conn *conn)
{
    const struct hj_tls_layer *layer = hj_table_layer(&loop->table, conn->index);
    if (layer->rest == NULL || layer->rest->in == NULL)
        return 1;
    const bool gone = (hj_transport_attend(loop, conn, 0) & HJ_POLL_GONE) != 0;
    return gone && !hj_transport_has_unread(loop, conn) ? hj_transport_error(loop, conn) : 1;
}

/* Sends what is kept, receives, and gives OpenSSL what came; nothing comes before the first step. As
 * hj_negotiation_step. */
static int advance_client(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **why)
{
    struct hj_tls *tls = loop->tls;
    if (!hj_tls_client_has_begun(loop, conn))
        return hj_negotiation_step(loop, conn, tls->in, 0);
    const int rc = hj_transport_flush(loop, conn);
    const ssize_t n = rc < 0 ? rc : hj_plain_receive(conn->fd, tls->in, HJ_TLS_RECORD_MAX);
    if (n == HIJACK_ECLOSED)
        return note_silent_end(why);
    return n <= 0 ? (int)n : hj_negotiation_step(loop, conn, tls->in, (size_t)n);
}

int hj_tls_client_go_on(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **why)
{
    *why = NULL;
    if (!hj_negotiation_may_step(loop->tls))
        return 0;
    const struct hj_tls_object *object = hj_table_layer(&loop->table, conn->index);
    const int rc = advance_client(loop, conn, why);
    if (rc == HIJACK_ETLS && *why == NULL)
        *why = describe_refusal(object->ssl);
    if (rc == 1)
        return take_early_data(loop, conn);
    if (rc == 0 && !hj_transport_set_interest(loop, conn, HJ_POLL_IN)) /* and room, if something is kept */
        return HIJACK_ENOMEM;
    return rc;
}
