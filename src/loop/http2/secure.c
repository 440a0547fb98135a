/* TLS under HTTP/2; see secure.h. Loop thread. */
#include "loop/http2/secure.h"

#if HIJACK_TLS

#include <sys/socket.h>

#include "core/tls/context.h"
#include "loop/http2/session.h"
#include "loop/io/plain.h"
#include "loop/tls/describe.h"

/* Steps of handshakes in one turn: what clients have held back can come all at once, and each costs up to a
 * millisecond. */
#define STEPS_MAX 16

/* A connection in its handshake: from the ClientHello to the session, or the end. */
struct hj_http2_secure {
    struct hj_http2_secure *next, **link;
    struct hj_http2 *http2;
    struct hj_session_origin origin;
    h2o_socket_t *sock;
    SSL_CTX *ctx;              /* a reference, until the handshake begins */
    SSL *ssl;                  /* libh2o's; NULL before it has begun */
    hj_compat_timer go_on;     /* libh2o must be running when it does */
    h2o_linklist_t put_off;    /* linked while it waits for a turn with room */
    h2o_socket_cb read, write; /* libh2o's, of the handshake */
};

static void drop_secure(struct hj_http2_secure *secure)
{
    if ((*secure->link = secure->next) != NULL)
        secure->next->link = secure->link;
    if (secure->http2->begun == secure)
        secure->http2->begun = NULL;
    hj_compat_timer_stop(&secure->go_on);
    if (h2o_linklist_is_linked(&secure->put_off))
        h2o_linklist_unlink(&secure->put_off);
    SSL_CTX_free(secure->ctx);
    free(secure);
}

/* libh2o frees its connection at once when it ends, but the socket only when the kernel has taken close_notify; a
 * session has both. So the kernel gets close_notify here, or has no room and nobody waits: libh2o is told that it could
 * not be written, and closes the socket too. */
static long write_last(BIO *bio, int what, const char *data, size_t len, int i, long l, int result, size_t *processed)
{
    const struct hj_session *session = (const void *)BIO_get_callback_arg(bio);
    (void)i;
    (void)l;
    (void)processed;
    if (what != BIO_CB_WRITE || (SSL_get_shutdown(session->origin.ssl) & SSL_SENT_SHUTDOWN) == 0)
        return result;
    (void)hj_plain_send(h2o_socket_get_fd(session->sock), data, len);
    return -1;
}

/* The session has been opened. */
static void watch_end(struct hj_session *session)
{
    BIO *bio = SSL_get_wbio(session->origin.ssl);
    BIO_set_callback_ex(bio, write_last);
    BIO_set_callback_arg(bio, (char *)session);
}

static void on_secure(h2o_socket_t *sock, const char *error)
{
    struct hj_http2_secure *secure = sock->data;
    struct hj_http2 *http2 = secure->http2;
    struct hj_loop *loop = http2->owner;
    struct hj_session_origin origin = secure->origin;
    sock->data = NULL;
    if (error == NULL) {
        origin.facts = hj_tls_describe(loop->tls, secure->ssl);
        origin.ssl = secure->ssl;
    }
    bool resumed = error == NULL && h2o_socket_get_ssl_session_reused(sock) == 1;
    drop_secure(secure);
    if (error != NULL) {
        hj_loop_count(loop, HIJACK_STAT_TLS_FAILED, 1);
        hj_session_lose(loop, sock, &origin, HIJACK_ETLS);
        return;
    }
    hj_loop_count(loop, HIJACK_STAT_TLS_HANDSHAKES, 1);
    hj_loop_count(loop, HIJACK_STAT_TLS_RESUMED, resumed);
    origin.since_ms = hj_loop_time(loop);
    if (origin.facts == NULL || loop->stopping || !hj_session_open(http2, &origin, sock)) {
        hj_session_lose(loop, sock, &origin, loop->stopping ? HIJACK_ESHUTDOWN : HIJACK_ENOMEM);
        return;
    }
    watch_end(http2->sessions);
    if (loop->draining)
        hj_session_go_away(http2->sessions);
}

static void on_secure_readable(h2o_socket_t *sock, const char *error);
static void on_secure_written(h2o_socket_t *sock, const char *error);

/* Puts itself in front of what libh2o has left to be called next. */
static void watch_steps(struct hj_http2_secure *secure)
{
    h2o_socket_t *sock = secure->sock;
    if (sock->_cb.read != NULL && sock->_cb.read != on_secure_readable) {
        secure->read = sock->_cb.read;
        sock->_cb.read = on_secure_readable;
    }
    if (sock->_cb.write != NULL && sock->_cb.write != on_secure_written) {
        secure->write = sock->_cb.write;
        sock->_cb.write = on_secure_written;
    }
}

/* Lets libh2o do what callback does. */
static void step(struct hj_http2_secure *secure, h2o_socket_cb callback, const char *error)
{
    struct hj_http2 *http2 = secure->http2;
    http2->begun = secure;
    callback(secure->sock, error); /* may free it */
    if (http2->begun != NULL)
        watch_steps(secure);
    http2->begun = NULL;
}

/* What the peer has sent was received; reading it is what costs. */
static void on_secure_readable(h2o_socket_t *sock, const char *error)
{
    struct hj_http2_secure *secure = sock->data;
    if (error != NULL || secure->http2->steps++ < STEPS_MAX) {
        step(secure, secure->read, error);
        return;
    }
    h2o_socket_read_stop(sock);
    h2o_linklist_insert(&secure->http2->put_off, &secure->put_off);
}

static void on_secure_written(h2o_socket_t *sock, const char *error)
{
    struct hj_http2_secure *secure = sock->data;
    step(secure, secure->write, error);
}

static void go_on_secure(hj_compat_timer *entry)
{
    struct hj_http2_secure *secure = H2O_STRUCT_FROM_MEMBER(struct hj_http2_secure, go_on, entry);
    step(secure, secure->read, NULL);
}

/* Those that were put off go on with the next run, at most so many. */
static void resume(struct hj_http2 *http2, unsigned most)
{
    while (most-- != 0 && !h2o_linklist_is_empty(&http2->put_off)) {
        struct hj_http2_secure *secure = H2O_STRUCT_FROM_MEMBER(struct hj_http2_secure, put_off, http2->put_off.next);
        h2o_linklist_unlink(&secure->put_off);
        secure->go_on.cb = go_on_secure;
        hj_compat_timer_start(&http2->context, &secure->go_on);
        ++http2->steps;
    }
}

void hj_secure_begin_turn(struct hj_http2 *http2)
{
    http2->steps = 0;
    resume(http2, STEPS_MAX);
}

static void begin_secure(hj_compat_timer *entry)
{
    struct hj_http2_secure *secure = H2O_STRUCT_FROM_MEMBER(struct hj_http2_secure, go_on, entry);
    SSL_CTX *ctx = secure->ctx;
    struct hj_http2 *http2 = secure->http2;
    secure->ctx = NULL;
    http2->begun = secure;
    hj_compat_handshake(secure->sock, ctx, on_secure); /* may free it; reads the ClientHello */
    if (http2->begun != NULL) {
        secure->ssl = hj_tls_context_last();
        watch_steps(secure);
    }
    http2->begun = NULL;
    SSL_CTX_free(ctx);
}

bool hj_secure_begin(struct hj_http2 *http2, const struct hj_session_origin *origin, h2o_socket_t *sock, SSL_CTX *ctx)
{
    struct hj_http2_secure *secure = calloc(1, sizeof(*secure));
    if (secure == NULL)
        return false;
    secure->http2 = http2;
    secure->origin = *origin;
    secure->sock = sock;
    secure->go_on.cb = begin_secure;
    SSL_CTX_up_ref(ctx);
    secure->ctx = ctx;
    sock->data = secure;
    secure->link = &http2->secures;
    if ((secure->next = http2->secures) != NULL)
        secure->next->link = &secure->next;
    http2->secures = secure;
    hj_compat_timer_start(&http2->context, &secure->go_on);
    return true;
}

/* It now fails to read, which ends the handshake. */
static void cut_off(struct hj_http2_secure *secure)
{
    shutdown(h2o_socket_get_fd(secure->sock), SHUT_RDWR);
}

void hj_secure_sweep(struct hj_http2 *http2, uint32_t now)
{
    uint64_t limit = http2->owner->server->options.tls_handshake_timeout_ms;
    for (struct hj_http2_secure *secure = http2->secures; secure != NULL; secure = secure->next)
        if (now - secure->origin.since_ms >= limit)
            cut_off(secure);
}

void hj_secure_close(struct hj_http2 *http2)
{
    for (struct hj_http2_secure *secure = http2->secures; secure != NULL; secure = secure->next)
        cut_off(secure);
    http2->steps = 0;
    resume(http2, UINT_MAX);
}

#endif
