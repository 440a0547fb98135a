/* Reads, writes and ends over TLS; see layer.h. Loop thread. */
#include "loop/tls/layer.h"

#include <string.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "loop/io/plain.h"
#include "loop/tls/bytes.h"
#include "loop/tls/keyed.h"
#include "loop/tls/negotiation.h"
#include "loop/tls/object.h"
#include "loop/tls/output.h"
#include "loop/tls/slab.h"

/* Bytes that may wait for a peer that does not read: a record, and what OpenSSL answers to KeyUpdates and to those who
 * would renegotiate. */
#define UNSENT_MAX 65536

static struct hj_tls_layer *tls_layer(struct hj_loop *loop, const struct hj_conn *conn)
{
    return hj_table_layer(&loop->table, conn->index);
}

static bool is_keyed(const struct hj_conn *conn)
{
    return conn->transport == HJ_TRANSPORT_TLS;
}

ssize_t hj_tls_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count, size_t offset)
{
    struct hj_tls_layer *layer = tls_layer(loop, conn);
    if (layer->rest != NULL) {
        int rc = hj_tls_output_flush(conn->fd, layer);
        if (rc <= 0)
            return rc;
    }
    if ((layer->flags & HJ_TLS_OUT_ENDED) != 0)
        return HIJACK_ECLOSED;
    if (is_keyed(conn))
        return hj_tls_keyed_write(loop->tls, conn->fd, (struct hj_tls_keyed *)layer, bufs, count, offset);
    return hj_tls_object_write(loop->tls, conn->fd, (struct hj_tls_object *)layer, bufs, count, offset);
}

/* Opens len bytes in tls->in. 0, or why the connection is dead; what the peer must know of it is in tls->out. */
static int open_input(struct hj_tls *tls, struct hj_conn *conn, struct hj_tls_layer *layer, size_t len,
                      struct hj_tls_sink *sink)
{
    size_t used;
    if (!is_keyed(conn))
        return hj_tls_object_open(tls, (struct hj_tls_object *)layer, tls->in, len, sink);
    int rc = hj_tls_keyed_open(tls, (struct hj_tls_keyed *)layer, tls->in, len, &used, sink);
    if (rc != 0 || used == len || (layer->flags & HJ_TLS_IN_ENDED) != 0)
        return rc;
    struct hj_tls_rest *rest = hj_tls_rest_of(layer);
    return rest != NULL && hj_tls_bytes_add(&rest->in, tls->in + used, len - used) ? 0 : HIJACK_ENOMEM;
}

/* Why nothing more comes is asked for later, when the kernel has forgotten it. */
static void note_end(struct hj_tls_layer *layer, int rc)
{
    if (rc == HIJACK_ERESET && (layer->flags & HJ_TLS_IN_ENDED) == 0)
        layer->flags |= HJ_TLS_CUT;
    else if (rc == HIJACK_ETIMEDOUT)
        layer->flags |= HJ_TLS_TIMED_OUT;
    else if (rc == HIJACK_ENOMEM)
        layer->flags |= HJ_TLS_NO_MEMORY;
}

/* As hj_tls_error. */
static int why_ended(const struct hj_tls_layer *layer)
{
    if ((layer->flags & HJ_TLS_ENDED) == 0)
        return 0;
    return (layer->flags & HJ_TLS_NO_MEMORY) != 0   ? HIJACK_ENOMEM
           : (layer->flags & HJ_TLS_FAILED) != 0    ? HIJACK_EPROTOCOL
           : (layer->flags & HJ_TLS_CUT) != 0       ? HIJACK_ERESET
           : (layer->flags & HJ_TLS_TIMED_OUT) != 0 ? HIJACK_ETIMEDOUT
                                                    : HIJACK_ECLOSED;
}

/* Receives once, at most so much that the sink can take what is in it, or a record. 0, or why the connection is dead.
 */
static int receive(struct hj_loop *loop, struct hj_conn *conn, struct hj_tls_layer *layer, struct hj_tls_sink *sink)
{
    struct hj_tls *tls = loop->tls;
    struct hj_tls_bytes *before = layer->rest == NULL ? NULL : layer->rest->in;
    size_t have = 0, room = sink->len < HJ_TLS_RECORD_MAX ? HJ_TLS_RECORD_MAX : sink->len;
    if (room > HJ_SCRATCH_SIZE)
        room = HJ_SCRATCH_SIZE;
    if (before != NULL) {
        have = before->len;
        memcpy(tls->in, before->data + before->start, have);
        hj_tls_bytes_drop(&layer->rest->in, have);
    }
    ssize_t n = hj_plain_receive(conn->fd, tls->in + have, room > have ? room - have : HJ_TLS_RECORD_MAX);
    int rc = n == HIJACK_ECLOSED ? HIJACK_ERESET : n < 0 ? (int)n : 0; /* FIN without close_notify: cut off */
    if (n >= 0 || have != 0) {
        int opened = open_input(tls, conn, layer, have + (n > 0 ? (size_t)n : 0), sink);
        ssize_t sent = hj_tls_output_send(tls, conn->fd, layer);
        hj_tls_rest_settle(layer);
        rc = opened != 0 ? opened : sent < 0 ? (int)sent : rc;
        if (hj_tls_unsent(layer) > UNSENT_MAX) {
            layer->flags |= HJ_TLS_FAILED | HJ_TLS_OUT_ENDED;
            rc = HIJACK_EPROTOCOL;
        }
    }
    note_end(layer, rc);
    return rc;
}

static size_t take_plain(struct hj_tls_layer *layer, char *data, size_t len)
{
    struct hj_tls_bytes *plain = layer->rest->plain;
    if (len > plain->len)
        len = plain->len;
    memcpy(data, plain->data + plain->start, len);
    hj_tls_bytes_drop(&layer->rest->plain, len);
    hj_tls_rest_settle(layer);
    return len;
}

ssize_t hj_tls_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len)
{
    struct hj_tls_layer *layer = tls_layer(loop, conn);
    struct hj_tls_sink sink = {data, len, 0};
    if (hj_tls_unread(layer) != 0)
        return (ssize_t)take_plain(layer, data, len);
    int rc = why_ended(layer) == 0 ? receive(loop, conn, layer, &sink) : 0;
    if (sink.used != 0)
        return (ssize_t)sink.used; /* an end comes with the next read */
    const int why = why_ended(layer);
    return why != 0 ? why : rc;
}

int hj_tls_pull(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_tls_layer *layer = tls_layer(loop, conn);
    struct hj_tls_sink none = {NULL, 0, 0};
    if (hj_tls_unread(layer) != 0)
        return 0;
    const int why = why_ended(layer);
    if (why != 0)
        return why == HIJACK_ECLOSED ? 0 : why;
    int rc = receive(loop, conn, layer, &none);
    return why_ended(layer) == HIJACK_ECLOSED ? 0 : rc; /* a FIN behind close_notify cuts nothing off */
}

/* The last words are sent: FIN. */
static void end_output(struct hj_conn *conn, struct hj_tls_layer *layer)
{
    layer->flags &= ~(uint32_t)HJ_TLS_FIN_AFTER;
    shutdown(conn->fd, SHUT_WR);
}

int hj_tls_flush(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_tls_layer *layer = tls_layer(loop, conn);
    int rc = layer == NULL ? 1 : hj_tls_output_flush(conn->fd, layer);
    if (rc == 1 && layer != NULL && (layer->flags & HJ_TLS_FIN_AFTER) != 0)
        end_output(conn, layer);
    return rc;
}

bool hj_tls_is_flushed(struct hj_loop *loop, const struct hj_conn *conn)
{
    const struct hj_tls_layer *layer = tls_layer(loop, conn);
    return layer == NULL || hj_tls_unsent(layer) == 0;
}

bool hj_tls_has_unread(struct hj_loop *loop, const struct hj_conn *conn)
{
    const struct hj_tls_layer *layer = tls_layer(loop, conn);
    return layer != NULL && hj_tls_unread(layer) != 0;
}

int hj_tls_error(struct hj_loop *loop, const struct hj_conn *conn)
{
    const struct hj_tls_layer *layer = tls_layer(loop, conn);
    return layer == NULL ? 0 : why_ended(layer);
}

/* close_notify, behind what is kept. */
static void say_goodbye(struct hj_loop *loop, struct hj_conn *conn, struct hj_tls_layer *layer)
{
    if (is_keyed(conn))
        hj_tls_keyed_end(loop->tls, (struct hj_tls_keyed *)layer, HJ_TLS_CLOSE_NOTIFY);
    else
        hj_tls_object_end(loop->tls, (struct hj_tls_object *)layer);
    hj_tls_output_send(loop->tls, conn->fd, layer);
}

void hj_tls_shutdown(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_tls_layer *layer = tls_layer(loop, conn);
    if (layer == NULL) {
        shutdown(conn->fd, SHUT_WR);
        return;
    }
    say_goodbye(loop, conn, layer);
    layer->flags |= HJ_TLS_FIN_AFTER;
    if (hj_tls_unsent(layer) == 0)
        end_output(conn, layer);
}

void hj_tls_close(struct hj_loop *loop, struct hj_conn *conn, bool quiet)
{
    struct hj_tls_layer *layer = tls_layer(loop, conn);
    if (layer == NULL)
        return;
    if (!quiet && layer->facts != NULL)
        say_goodbye(loop, conn, layer);
    hj_table_set_layer(&loop->table, conn->index, NULL);
    hj_tls_rest_free(layer);
    hj_facts_unref(layer->facts);
    if (is_keyed(conn))
        hj_tls_slab_give(&loop->tls->slab, (struct hj_tls_keyed *)layer);
    else
        hj_tls_object_free((struct hj_tls_object *)layer);
}

struct hj_facts *hj_tls_facts(struct hj_loop *loop, const struct hj_conn *conn)
{
    const struct hj_tls_layer *layer = tls_layer(loop, conn);
    return layer == NULL ? NULL : layer->facts;
}

/* The pages for secrets belong to loops: on its way from one to the other the copy is in ordinary memory, and wiped. */
void *hj_tls_copy(struct hj_loop *loop, const struct hj_conn *conn)
{
    struct hj_tls_layer *layer = tls_layer(loop, conn);
    return is_keyed(conn) ? OPENSSL_memdup(layer, sizeof(struct hj_tls_keyed)) : layer;
}

void hj_tls_moved(struct hj_loop *loop, const struct hj_conn *conn)
{
    if (is_keyed(conn))
        hj_tls_slab_give(&loop->tls->slab, (struct hj_tls_keyed *)tls_layer(loop, conn));
    hj_table_set_layer(&loop->table, conn->index, NULL);
}

void hj_tls_drop_copy(const struct hj_conn *conn, void *copy)
{
    if (is_keyed(conn))
        OPENSSL_clear_free(copy, sizeof(struct hj_tls_keyed));
}

void hj_tls_drop_moved(const struct hj_conn *conn, void *copy)
{
    struct hj_tls_layer *layer = copy;
    hj_tls_rest_free(layer);
    hj_facts_unref(layer->facts);
    if (is_keyed(conn))
        hj_tls_drop_copy(conn, copy);
    else
        hj_tls_object_free(copy);
}

bool hj_tls_take_copy(struct hj_loop *loop, const struct hj_conn *conn, void *copy)
{
    if (!hj_negotiation_need(loop)) {
        hj_tls_drop_moved(conn, copy);
        return false;
    }
    struct hj_tls_layer *layer = is_keyed(conn) ? (struct hj_tls_layer *)hj_tls_slab_take(&loop->tls->slab) : copy;
    if (layer == NULL || !hj_table_set_layer(&loop->table, conn->index, layer)) {
        if (layer != NULL && is_keyed(conn))
            hj_tls_slab_give(&loop->tls->slab, (struct hj_tls_keyed *)layer);
        hj_tls_drop_moved(conn, copy);
        return false;
    }
    if (is_keyed(conn)) {
        memcpy(layer, copy, sizeof(struct hj_tls_keyed));
        hj_tls_drop_copy(conn, copy);
    } else {
        hj_tls_object_move(loop->tls, copy);
    }
    return true;
}
