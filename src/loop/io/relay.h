/* Two entries of which each gets the other one's bytes: two sockets that the program has paired, or a connection that
 * is no plain descriptor and the socket pair by which the program has it (detach). Loop thread.
 *
 * What one side has not taken stops the reading from the other. An end passes on as an end, a reset as a reset; when
 * both sides have ended, or one has died, both entries close. WebSockets are read by held/websocket_relay.h, which
 * passes their messages on here. */
#ifndef HJ_LOOP_IO_RELAY_H
#define HJ_LOOP_IO_RELAY_H

#include "loop/conn.h"

/* Makes conn, which has no handle any more, one side of a pair; returns the descriptor of the other side, which is the
 * caller's, or HIJACK_ELIMIT or ENOMEM. */
int hj_relay_begin(struct hj_loop *loop, struct hj_conn *conn);

/* Pairs two sockets, of which one or both may not be open yet. Closes both when out of memory. */
void hj_relay_pair(struct hj_loop *loop, struct hj_conn *a, struct hj_conn *b);

/* A socket that will be paired: nobody reads it until then. */
void hj_relay_await(struct hj_loop *loop, struct hj_conn *conn);

/* A socket that was paired before it was open is open now. */
void hj_relay_opened(struct hj_loop *loop, struct hj_conn *conn);

/* The other entry; NULL if there is none, or it closes. */
struct hj_conn *hj_relay_partner(struct hj_loop *loop, const struct hj_conn *conn);

/* Whether it has another entry, be it one that closes. */
bool hj_relay_is_paired(const struct hj_loop *loop, const struct hj_conn *conn);

/* Whether conn is to be read: the other entry takes more now. Without another one what comes is thrown away, unless it
 * is on its way. */
bool hj_relay_takes(struct hj_loop *loop, const struct hj_conn *conn);

/* The poller reported something of a RELAY entry (HJ_POLL_*; OUT: all that waited for it is written), or 0: both are to
 * be looked at. A WebSocket is only written to. */
void hj_relay_update(struct hj_loop *loop, struct hj_conn *conn, unsigned events);

/* A message of a WebSocket goes to the other entry: to a WebSocket as one of this kind, else as bytes. */
void hj_relay_pass(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *message, uint32_t kind);

/* No more comes from conn, a WebSocket whose peer has said so: the other entry is told, behind what waits for it. */
void hj_relay_pass_end(struct hj_loop *loop, struct hj_conn *conn);

/* Whether nothing has passed between the two for as long as option relay_idle_ms allows. */
bool hj_relay_is_idle(struct hj_loop *loop, const struct hj_conn *conn, uint32_t now);

/* conn ends, for this reason: the other entry is told the same way, after all that it was given, or reset. Nothing
 * happens where there is none. */
void hj_relay_closed(struct hj_loop *loop, struct hj_conn *conn, int reason);

/* The same for conn itself: what it was to be paired with has ended. */
void hj_relay_end(struct hj_loop *loop, struct hj_conn *conn, int reason);

#endif
