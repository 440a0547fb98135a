/* How a connection's bytes travel: decided here alone, by a tag in the connection's entry. Loop thread.
 *
 * Nothing outside loop/io calls send, recv, shutdown or close on a connection of the table. (Not in the table: the
 * descriptors of loop/http2, an adopted one that cannot be held, a detached one that nobody polls.) Results are values:
 * a number of bytes, 0 for "not now", or a HIJACK_E* that says why the connection is dead (HIJACK_ECLOSED from a read:
 * the peer's graceful end). */
#ifndef HJ_LOOP_IO_TRANSPORT_H
#define HJ_LOOP_IO_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/slice.h"
#include "loop/conn.h"
#include "loop/io/plain.h"

/* Writes bufs in order, the first one from offset on. What is written need not be at the peer. */
ssize_t hj_transport_write(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *const *bufs, int count,
                           size_t offset);

/* The same for bytes that lie together. */
ssize_t hj_transport_write_bytes(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len);

/* Whether its bytes are those of its descriptor. */
bool hj_transport_is_descriptor(const struct hj_conn *conn);

/* Reads into data. */
ssize_t hj_transport_read(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len);

/* The poller reported these events (HJ_POLL_*) of a connection whose bytes nobody wants now: what came for the
 * transport itself has its effect. Returns what remains: the peer's end, room to read only if there is data, and
 * HJ_POLL_GONE if the connection is dead. */
unsigned hj_transport_attend(struct hj_loop *loop, struct hj_conn *conn, unsigned events);

/* What can be read without the poller's saying so, as events that it would report (HJ_POLL_*). */
unsigned hj_transport_pending(struct hj_loop *loop, const struct hj_conn *conn);

/* Sends what the transport has taken and the kernel has not: 1 once there is nothing of it, 0 for "not now", or why the
 * connection is dead. */
int hj_transport_flush(struct hj_loop *loop, struct hj_conn *conn);

/* Whether the kernel has all that was written. */
bool hj_transport_is_flushed(struct hj_loop *loop, const struct hj_conn *conn);

/* Throws away what has come, some of it: 0, or why nothing comes any more (as a read). Not over HTTP/2. */
int hj_transport_discard(struct hj_loop *loop, struct hj_conn *conn);

/* Whether bytes wait to be read. */
bool hj_transport_has_unread(struct hj_loop *loop, const struct hj_conn *conn);

/* Why a dead connection died: HIJACK_ERESET, ETIMEDOUT, EPROTOCOL or ECLOSED. */
int hj_transport_error(struct hj_loop *loop, const struct hj_conn *conn);

/* No more bytes from us: close_notify over TLS, and FIN. */
void hj_transport_shutdown(struct hj_loop *loop, struct hj_conn *conn);

/* What a transport sends at its end before it is closed. False if the kernel has not taken all of it: the connection
 * must wait. */
bool hj_transport_say_last(struct hj_loop *loop, struct hj_conn *conn);

/* The last chunk of the response, with trailers. A transport that has no chunks sends the trailers when it is finished;
 * the others are written it. */
void hj_transport_keep_trailers(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *last);

/* The response is complete, and the entry will be closed: where the transport can tell the peer so and still deliver
 * what was written before, it does both, and true is returned. False: TCP, where it takes a lingering close. */
bool hj_transport_finish(struct hj_loop *loop, struct hj_conn *conn);

/* Ends both directions for this reason: after EABORTED and ESLOW the peer sees a reset, and what was not sent yet is
 * thrown away; an HTTP/2 stream is reset unless it was finished. The entry has no connection any more. */
void hj_transport_close(struct hj_loop *loop, struct hj_conn *conn, int reason);

/* Brings out_ms up to what the transport has sent since by itself. */
void hj_transport_refresh(struct hj_loop *loop, struct hj_conn *conn);

/* Tells the poller what to tell of this connection: HJ_POLL_*. False if it refuses (hj_conn_set_interest). IN alone is
 * not taken out before the poller reports it: a program that asks for one piece after the other asks for the next one
 * before it comes, mostly. */
bool hj_transport_set_interest(struct hj_loop *loop, struct hj_conn *conn, unsigned interest);

/* Takes out of *events, which the poller has reported, what is no longer of interest. False if the poller refuses. */
bool hj_transport_take_events(struct hj_loop *loop, struct hj_conn *conn, unsigned *events);

/* Takes it out of the poller: it is dead, and only unread bytes keep it. */
void hj_transport_unpoll(struct hj_loop *loop, struct hj_conn *conn);

/* Puts one back that was taken out and lives. False if the poller refuses. */
bool hj_transport_poll(struct hj_loop *loop, struct hj_conn *conn);

/* The peer's address as text, in out or static memory. */
struct hj_slice hj_transport_peer(struct hj_loop *loop, char *out, size_t size, const struct hj_conn *conn);

/* What its handshake has settled; NULL without TLS. */
struct hj_facts *hj_transport_facts(struct hj_loop *loop, const struct hj_conn *conn);

/* A connection that goes to another loop. What it has beside its descriptor is copied; then the old entry forgets it,
 * or the copy is dropped; the new entry takes it, or nobody does. False when out of memory: nothing was copied; nothing
 * is taken, and what it had is gone. */
bool hj_transport_copy_keys(void **copy, struct hj_loop *loop, const struct hj_conn *conn);
void hj_transport_moved(struct hj_loop *loop, struct hj_conn *conn);
void hj_transport_drop_keys(const struct hj_conn *conn, void *copy);
bool hj_transport_take_keys(struct hj_loop *loop, const struct hj_conn *conn, void *copy);
void hj_transport_drop_moved(const struct hj_conn *conn, void *copy);

/* Gives the connection away as a descriptor that nothing here refers to any more. PLAIN only. */
int hj_transport_export(struct hj_loop *loop, struct hj_conn *conn);

#endif
