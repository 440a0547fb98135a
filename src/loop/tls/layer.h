/* Connections over TLS whose handshake is over, for loop/io/transport.c: what the peer sees of reads, writes and ends.
 * Loop thread. conn has HJ_TRANSPORT_TLS or HJ_TRANSPORT_TLS_OBJECT; during its handshake only close and facts are
 * called. */
#ifndef HJ_LOOP_TLS_LAYER_H
#define HJ_LOOP_TLS_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "loop/conn.h"

#if HIJACK_TLS

/* As hj_transport_write and hj_transport_read. What was sealed and not taken by the kernel is kept here. */
ssize_t hj_tls_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count, size_t offset);
ssize_t hj_tls_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len);

/* Reads what has come without anybody to take it: alerts and KeyUpdates have their effect, and data waits here. 0, or
 * why the connection is dead. */
int hj_tls_pull(struct hj_loop *loop, struct hj_conn *conn);

/* Sends what is kept: 1 once nothing is, 0, or why the connection is dead. */
int hj_tls_flush(struct hj_loop *loop, struct hj_conn *conn);

bool hj_tls_is_flushed(struct hj_loop *loop, const struct hj_conn *conn);
bool hj_tls_has_unread(struct hj_loop *loop, const struct hj_conn *conn); /* data that is here and not in the kernel */

/* Why nothing more comes, which who reads is told too: HIJACK_ECLOSED after close_notify, ERESET, EPROTOCOL, ETIMEDOUT
 * or ENOMEM; 0 if more may come. */
int hj_tls_error(struct hj_loop *loop, const struct hj_conn *conn);

/* close_notify, then FIN; once what is kept has been sent. */
void hj_tls_shutdown(struct hj_loop *loop, struct hj_conn *conn);

/* Says close_notify unless quiet or said already, and frees the layer. */
void hj_tls_close(struct hj_loop *loop, struct hj_conn *conn, bool quiet);

struct hj_facts *hj_tls_facts(struct hj_loop *loop, const struct hj_conn *conn); /* NULL: none yet */

/* As hj_transport_copy_keys and what follows there. The copy is of the keys, or OpenSSL's object itself. */
void *hj_tls_copy(struct hj_loop *loop, const struct hj_conn *conn);
void hj_tls_moved(struct hj_loop *loop, const struct hj_conn *conn);
void hj_tls_drop_copy(const struct hj_conn *conn, void *copy);
bool hj_tls_take_copy(struct hj_loop *loop, const struct hj_conn *conn, void *copy);
void hj_tls_drop_moved(const struct hj_conn *conn, void *copy);

#else /* no connection has such a transport */

static inline ssize_t hj_tls_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count,
                                   size_t offset)
{
    (void)loop;
    (void)conn;
    (void)bufs;
    (void)count;
    (void)offset;
    return HIJACK_ENOTSUP;
}

static inline ssize_t hj_tls_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len)
{
    (void)loop;
    (void)conn;
    (void)data;
    (void)len;
    return HIJACK_ENOTSUP;
}

static inline int hj_tls_pull(struct hj_loop *loop, struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return HIJACK_ENOTSUP;
}

static inline int hj_tls_flush(struct hj_loop *loop, struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return 1;
}

static inline bool hj_tls_is_flushed(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return true;
}

static inline bool hj_tls_has_unread(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return false;
}

static inline int hj_tls_error(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return 0;
}

static inline void hj_tls_shutdown(struct hj_loop *loop, struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
}

static inline void hj_tls_close(struct hj_loop *loop, struct hj_conn *conn, bool quiet)
{
    (void)loop;
    (void)conn;
    (void)quiet;
}

static inline struct hj_facts *hj_tls_facts(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return NULL;
}

static inline void *hj_tls_copy(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return NULL;
}

static inline void hj_tls_moved(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
}

static inline void hj_tls_drop_copy(const struct hj_conn *conn, void *copy)
{
    (void)conn;
    (void)copy;
}

static inline bool hj_tls_take_copy(struct hj_loop *loop, const struct hj_conn *conn, void *copy)
{
    (void)loop;
    (void)conn;
    (void)copy;
    return false;
}

static inline void hj_tls_drop_moved(const struct hj_conn *conn, void *copy)
{
    (void)conn;
    (void)copy;
}

#endif
#endif
