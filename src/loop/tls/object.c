/* Connections with OpenSSL's object; see object.h. Loop thread. */
#include "loop/tls/object.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "loop/tls/cursor.h"
#include "loop/tls/output.h"

static int bio_read(BIO *bio, char *data, int len)
{
    struct hj_tls *tls = BIO_get_data(bio);
    const size_t have = (size_t)(tls->object_end - tls->object_in);
    const size_t n = have < (size_t)len ? have : (size_t)len;
    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(data, tls->object_in, n);
    tls->object_in += n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct hj_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!hj_tls_output_reserve(tls, (size_t)len)) {
        tls->out_failed = true;
        return -1;
    }
    memcpy(tls->out + tls->out_len, data, (size_t)len);
    tls->out_len += (size_t)len;
    return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data)
{
    (void)bio;
    (void)number;
    (void)data;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *hj_tls_object_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "libhijack");
    if (method != NULL) {
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    return method;
}

struct hj_tls_object *hj_tls_object_new(struct hj_tls *tls, SSL_CTX *ctx)
{
    struct hj_tls_object *object = calloc(1, sizeof(*object));
    BIO *bio = object == NULL ? NULL : BIO_new(tls->bio_method);
    if (bio != NULL) {
        BIO_set_data(bio, tls);
        BIO_set_init(bio, 1);
        object->ssl = SSL_new(ctx);
    }
    if (object == NULL || object->ssl == NULL) {
        BIO_free(bio);
        free(object);
        return NULL;
    }
    SSL_set_bio(object->ssl, bio, bio);
    return object;
}

void hj_tls_object_move(struct hj_tls *tls, struct hj_tls_object *object)
{
    BIO_set_data(SSL_get_rbio(object->ssl), tls);
}

void hj_tls_object_free(struct hj_tls_object *object)
{
    SSL_free(object->ssl);
    if (object->secrets != NULL)
        OPENSSL_cleanse(object->secrets, sizeof(*object->secrets));
    free(object->secrets);
    free(object);
}

/* The data of the next record, together: only more than one part needs a copy. */
static struct hj_slice gather(struct hj_tls *tls, struct hj_tls_cursor *cursor)
{
    struct hj_slice part = hj_tls_cursor_take(cursor, 0);
    size_t len = part.len;
    if (cursor->count == 0 || len == HJ_TLS_PLAIN_MAX)
        return part;
    memcpy(tls->in, part.base, len);
    while (cursor->count != 0 && len < HJ_TLS_PLAIN_MAX) {
        part = hj_tls_cursor_take(cursor, len);
        memcpy(tls->in + len, part.base, part.len);
        len += part.len;
    }
    return hj_slice((const char *)tls->in, len);
}

ssize_t hj_tls_object_write(struct hj_tls *tls, int fd, struct hj_tls_object *object, struct hj_buf *const *bufs,
                            int count, size_t offset)
{
    struct hj_tls_cursor cursor = {bufs, count, offset};
    ssize_t taken = 0;
    while (cursor.count != 0 && hj_tls_unsent(&object->layer) == 0) {
        const struct hj_slice data = gather(tls, &cursor);
        size_t written = 0;
        ERR_clear_error();
        if (data.len != 0 && (SSL_write_ex(object->ssl, data.base, data.len, &written) != 1 || written != data.len)) {
            ERR_clear_error();
            tls->out_failed = false;
            tls->out_len = 0;     /* the next connection's records begin there */
            return HIJACK_ENOMEM; /* nothing else can fail: the BIO takes all */
        }
        ssize_t n = hj_tls_output_send(tls, fd, &object->layer);
        if (n < 0)
            return n;
        taken += (ssize_t)data.len;
    }
    return taken;
}

/* What a failed SSL_read means. 0: no more for now. */
static int read_failed(struct hj_tls_object *object)
{
    switch (SSL_get_error(object->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        object->layer.flags |= HJ_TLS_IN_ENDED;
        return 0;
    default:
        object->layer.flags |= HJ_TLS_OUT_ENDED; /* OpenSSL has said why, or the peer has */
        if ((SSL_get_shutdown(object->ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
            return HIJACK_ERESET;
        object->layer.flags |= HJ_TLS_FAILED;
        return HIJACK_EPROTOCOL;
    }
}

int hj_tls_object_open(struct hj_tls *tls, struct hj_tls_object *object, const uint8_t *data, size_t len,
                       struct hj_tls_sink *sink)
{
    uint8_t record[HJ_TLS_PLAIN_MAX];
    size_t n;
    bool kept = true;
    tls->object_in = data;
    tls->object_end = data + len;
    ERR_clear_error();
    while (kept && SSL_read_ex(object->ssl, record, sizeof(record), &n) == 1)
        kept = hj_tls_sink_put(sink, &object->layer, record, n);
    int rc = kept ? read_failed(object) : HIJACK_ENOMEM;
    tls->object_in = tls->object_end = NULL;
    ERR_clear_error();
    if (tls->out_failed)
        rc = HIJACK_ENOMEM;
    tls->out_failed = false;
    return rc;
}

void hj_tls_object_end(struct hj_tls *tls, struct hj_tls_object *object)
{
    if ((object->layer.flags & HJ_TLS_OUT_ENDED) != 0)
        return;
    object->layer.flags |= HJ_TLS_OUT_ENDED;
    ERR_clear_error();
    SSL_shutdown(object->ssl);
    ERR_clear_error();
    tls->out_failed = false; /* the connection ends without it */
}
