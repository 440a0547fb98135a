/* Relaying; see relay.h. Loop thread. Flags of a RELAY entry: EOF, it has ended and all was read; SHUTTING and SHUT,
 * the other side has ended, and FIN is owed or sent; PEER_ENDED, the program has closed its descriptor. */
#include "loop/io/relay.h"

#include <unistd.h>

#include "base/os/socket.h"
#include "loop/io/writer.h"

/* How often one side is read in a turn, so that everybody else has theirs. */
#define READS_MAX 4

/* NULL where it is closed already. */
static struct hj_conn *partner_of(struct hj_loop *loop, const struct hj_conn *conn)
{
    const uint32_t index = hj_numbers_get(&loop->partners, conn->index);
    struct hj_conn *partner = index == 0 ? NULL : hj_table_at(&loop->table, index);
    return partner != NULL && hj_conn_is_open(partner) ? partner : NULL;
}

static bool is_drained(struct hj_loop *loop, const struct hj_conn *conn)
{
    return conn->backlog == NULL && hj_transport_is_flushed(loop, conn);
}

static unsigned interest_in(struct hj_loop *loop, const struct hj_conn *conn, const struct hj_conn *to)
{
    unsigned events = conn->backlog != NULL ? HJ_POLL_OUT : 0;
    return (conn->flags & HJ_CONN_EOF) == 0 && is_drained(loop, to) ? events | HJ_POLL_IN : events;
}

/* Passes the end of the other side on, behind what waits. */
static void pass_end(struct hj_loop *loop, struct hj_conn *to)
{
    if ((to->flags & (HJ_CONN_SHUTTING | HJ_CONN_SHUT)) != HJ_CONN_SHUTTING || !is_drained(loop, to))
        return;
    to->flags |= HJ_CONN_SHUT;
    hj_transport_shutdown(loop, to);
}

/* Reads from one side and writes to the other. */
static void pump(struct hj_loop *loop, struct hj_conn *from, struct hj_conn *to)
{
    const bool all = (from->flags & HJ_CONN_UNPOLLED) != 0; /* nobody will report the rest */
    for (int reads = 0; (all || reads < READS_MAX) && (from->flags & HJ_CONN_EOF) == 0 && is_drained(loop, to);
         ++reads) {
        ssize_t n = hj_transport_read(loop, from, loop->scratch, HJ_SCRATCH_SIZE);
        if (n == HIJACK_ECLOSED) {
            from->flags |= HJ_CONN_EOF;
            to->flags |= HJ_CONN_SHUTTING;
        } else if (n < 0) {
            hj_conn_close(loop, from, (int)n);
        }
        if (n <= 0)
            return;
        from->in_ms = hj_loop_time(loop);
        struct hj_buf *buf = hj_buf_copy(loop->scratch, (size_t)n);
        if (buf == NULL)
            hj_conn_close(loop, from, HIJACK_ENOMEM);
        bool sent = buf != NULL && hj_writer_send(loop, to, buf, false);
        hj_buf_unref(buf);
        if (!sent)
            return;
    }
}

/* Whether nothing more will flow: both have ended, or the program has closed its descriptor. */
static bool has_relayed_all(struct hj_loop *loop, const struct hj_conn *a, const struct hj_conn *b)
{
    if (!is_drained(loop, a) || !is_drained(loop, b))
        return false;
    if ((a->flags & b->flags & HJ_CONN_SHUT) != 0)
        return true;
    const struct hj_conn *pair = a->transport == HJ_TRANSPORT_PAIR ? a : b;
    return (pair->flags & HJ_CONN_PEER_ENDED) != 0 && (pair->flags & HJ_CONN_EOF) != 0;
}

void hj_relay_update(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    struct hj_conn *other = partner_of(loop, conn);
    if (other == NULL)
        return; /* it closes in this turn, and takes this one with it */
    if ((events & HJ_POLL_GONE) != 0) {
        conn->flags |= HJ_CONN_PEER_ENDED;
        hj_transport_unpoll(loop, conn); /* it would be reported for ever */
    }
    pump(loop, conn, other);
    if (hj_conn_is_open(conn) && hj_conn_is_open(other))
        pump(loop, other, conn);
    if (!hj_conn_is_open(conn) || !hj_conn_is_open(other))
        return;
    pass_end(loop, conn);
    pass_end(loop, other);
    if (has_relayed_all(loop, conn, other)) {
        struct hj_conn *pair = conn->transport == HJ_TRANSPORT_PAIR ? conn : other;
        struct hj_conn *outer = pair == conn ? other : conn;
        hj_numbers_set(&loop->partners, pair->index, 0);
        hj_numbers_set(&loop->partners, outer->index, 0);
        hj_conn_close(loop, pair, 0);
        hj_conn_close_gracefully(loop, outer, 0, (outer->flags & HJ_CONN_EOF) == 0);
        return;
    }
    hj_conn_set_interest(loop, conn, interest_in(loop, conn, other));
    hj_conn_set_interest(loop, other, interest_in(loop, other, conn));
}

void hj_relay_closed(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    struct hj_conn *other = partner_of(loop, conn);
    hj_numbers_set(&loop->partners, conn->index, 0);
    if (other != NULL)
        hj_conn_close(loop, other, reason);
}

int hj_relay_begin(struct hj_loop *loop, struct hj_conn *conn)
{
    int ends[2];
    if (!hj_socket_pair(ends))
        return HIJACK_ELIMIT;
    struct hj_conn *pair = hj_conn_open(loop, ends[0], HJ_CONN_RELAY);
    if (pair != NULL)
        pair->transport = HJ_TRANSPORT_PAIR;
    else
        close(ends[0]);
    if (pair == NULL || !hj_numbers_set(&loop->partners, conn->index, pair->index) ||
        !hj_numbers_set(&loop->partners, pair->index, conn->index)) {
        if (pair != NULL)
            hj_conn_close(loop, pair, HIJACK_ENOMEM);
        close(ends[1]);
        return HIJACK_ENOMEM;
    }
    hj_conn_set_kind(loop, conn, HJ_CONN_RELAY);
    hj_conn_unstall(loop, conn);
    conn->flags &= HJ_CONN_EOF | HJ_CONN_UNPOLLED | HJ_CONN_READY;
    conn->flags |= HJ_CONN_WAS_COUNTED; /* as detached: so is its pair, which is no connection of a client */
    pair->flags |= HJ_CONN_WAS_COUNTED;
    if ((conn->flags & HJ_CONN_EOF) != 0)
        pair->flags |= HJ_CONN_SHUTTING;
    hj_relay_update(loop, conn, 0);
    return ends[1];
}
