/* TLS of outgoing connections, from the moment when the program asks for one until data can flow. Loop thread.
 *
 * The entry has its layer from the beginning, also while its name is looked up, so that whom it shall reach stands
 * there and nowhere else. */
#ifndef HJ_LOOP_TLS_CLIENT_H
#define HJ_LOOP_TLS_CLIENT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "loop/conn.h"

#if HIJACK_TLS

/* The entry, which has no descriptor yet, shall speak TLS with the host of this name, or, without a name, of this
 * address, and with nobody else. False when out of memory. */
bool hj_tls_client_prepare(struct hj_loop *loop, struct hj_conn *conn, const char *host,
                           const struct sockaddr *address);

/* Whether the handshake has begun. */
bool hj_tls_client_has_begun(struct hj_loop *loop, const struct hj_conn *conn);

/* TCP is connected, or the poller has reported the entry since. 1 once data can flow, 0 if not yet, or why it cannot:
 * HIJACK_ETLS, with a sentence in *why, the caller's (NULL when out of memory), or why the connection is dead. */
int hj_tls_client_go_on(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **why);

#else /* there is no outgoing connection with TLS */

static inline bool hj_tls_client_prepare(struct hj_loop *loop, struct hj_conn *conn, const char *host,
                                         const struct sockaddr *address)
{
    (void)loop;
    (void)conn;
    (void)host;
    (void)address;
    return false;
}

static inline bool hj_tls_client_has_begun(struct hj_loop *loop, const struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
    return false;
}

static inline int hj_tls_client_go_on(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf **why)
{
    (void)loop;
    (void)conn;
    (void)why;
    return HIJACK_ENOTSUP;
}

#endif
#endif
