/* TLS from the first byte to the first request: the ClientHello decides which certificate is used and who reads the
 * connection, OpenSSL does the handshake, and its keys are taken over where that is possible. Loop thread. */
#ifndef HJ_LOOP_TLS_HANDSHAKE_H
#define HJ_LOOP_TLS_HANDSHAKE_H

#include "loop/conn.h"

#if HIJACK_TLS

/* Before the loop's thread runs: what its handshakes need, if there is a listener with TLS. 0, HIJACK_ENOMEM. */
int hj_handshake_open(struct hj_loop *loop);
void hj_handshake_close(struct hj_loop *loop); /* after the last connection */

/* The turn's share of handshakes begins anew. */
void hj_handshake_begin_turn(struct hj_loop *loop);

/* The peer of a HANDSHAKE connection has sent something. */
void hj_handshake_read(struct hj_loop *loop, struct hj_conn *conn);

#else

static inline int hj_handshake_open(struct hj_loop *loop)
{
    (void)loop;
    return 0;
}

static inline void hj_handshake_close(struct hj_loop *loop)
{
    (void)loop;
}

static inline void hj_handshake_begin_turn(struct hj_loop *loop)
{
    (void)loop;
}

static inline void hj_handshake_read(struct hj_loop *loop, struct hj_conn *conn)
{
    (void)loop;
    (void)conn;
}

#endif
#endif
