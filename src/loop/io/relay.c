/* Relaying; see relay.h. Loop thread. Flags of a RELAY entry: EOF, it has ended and all was read; SHUTTING and SHUT,
 * the other side has ended, and FIN is owed or sent, or what a WebSocket is told instead; PEER_ENDED, the program has
 * closed its descriptor; RESET, the other side has died. */
#include "loop/io/relay.h"

#include <unistd.h>

#include "base/os/socket.h"
#include "codec/websocket.h"
#include "loop/fanout/shard.h"
#include "loop/io/pipes.h"
#include "loop/io/writer.h"

#define MOVES_MAX 4     /* how often one side is read in a turn, so that everybody else has theirs */
#define FEW_BYTES 16384 /* from one read: they are copied, which takes fewer system calls */

struct hj_conn *hj_relay_partner(struct hj_loop *loop, const struct hj_conn *conn)
{
    const uint32_t index = hj_numbers_get(&loop->partners, conn->index);
    struct hj_conn *partner = index == 0 ? NULL : hj_table_at(&loop->table, index);
    return partner != NULL && hj_conn_is_open(partner) ? partner : NULL;
}

static bool is_drained(struct hj_loop *loop, const struct hj_conn *conn)
{
    return conn->backlog == NULL && hj_transport_is_flushed(loop, conn) && !hj_pipes_has(loop, conn);
}

/* Whether it can be written to now. One that is not open yet has a backlog from the beginning. */
static bool takes_more(struct hj_loop *loop, const struct hj_conn *to)
{
    return is_drained(loop, to) && (to->flags & (HJ_CONN_ENDING | HJ_CONN_DISCARD)) == 0;
}

bool hj_relay_is_paired(const struct hj_loop *loop, const struct hj_conn *conn)
{
    return hj_numbers_get(&loop->partners, conn->index) != 0;
}

bool hj_relay_takes(struct hj_loop *loop, const struct hj_conn *conn)
{
    const struct hj_conn *to = hj_relay_partner(loop, conn);
    if ((conn->flags & HJ_CONN_DISCARD) != 0)
        return true; /* a WebSocket that waits for the peer's close frame */
    if (to != NULL)
        return takes_more(loop, to);
    return !hj_relay_is_paired(loop, conn) && (conn->channel == NULL || !hj_channel_waits(conn->channel));
}

static unsigned interest_in(struct hj_loop *loop, const struct hj_conn *conn, const struct hj_conn *to)
{
    unsigned events = conn->backlog != NULL || hj_pipes_has(loop, conn) ? HJ_POLL_OUT : 0;
    return (conn->flags & HJ_CONN_EOF) == 0 && takes_more(loop, to) ? events | HJ_POLL_IN : events;
}

/* Passes the end of the other side on, behind what waits. */
static void pass_end(struct hj_loop *loop, struct hj_conn *to)
{
    if ((to->flags & (HJ_CONN_SHUTTING | HJ_CONN_SHUT)) != HJ_CONN_SHUTTING || !is_drained(loop, to))
        return;
    to->flags |= HJ_CONN_SHUT;
    hj_transport_shutdown(loop, to);
}

/* All has been read of from. */
static void note_eof(struct hj_loop *loop, struct hj_conn *from, struct hj_conn *to)
{
    from->flags |= HJ_CONN_EOF;
    if (hj_conn_is_websocket(to))
        hj_conn_make_ready(loop, to); /* it is told in its own way */
    else
        to->flags |= HJ_CONN_SHUTTING;
}

/* False if that closed one of them. */
static bool write_message(struct hj_loop *loop, struct hj_conn *to, uint32_t kind, struct hj_slice data)
{
    return hj_writer_send_own(loop, to, hj_ws_frame((enum hj_ws_opcode)kind, true, data));
}

static bool write_bytes(struct hj_loop *loop, struct hj_conn *to, const char *data, size_t len)
{
    hj_loop_count(loop, HIJACK_STAT_RELAYED_BYTES, len);
    if (hj_conn_is_websocket(to))
        return write_message(loop, to, HIJACK_MESSAGE_BINARY, hj_slice(data, len));
    return hj_writer_send_bytes(loop, to, data, len);
}

/* What was read before, and nobody had. */
static bool pass_input(struct hj_loop *loop, struct hj_conn *from, struct hj_conn *to)
{
    struct hj_input *input = from->input;
    if (input == NULL)
        return true;
    if (!takes_more(loop, to))
        return false;
    bool sent = write_bytes(loop, to, input->data + input->start, input->len);
    hj_conn_drop_input(from);
    return sent;
}

/* Whether bytes can go from one to the other as they are, and are so many that splicing them is faster. */
static bool splices(const struct hj_conn *from, const struct hj_conn *to)
{
    return (from->flags & HJ_CONN_BULKY) != 0 && hj_transport_is_descriptor(from) && hj_transport_is_descriptor(to) &&
           !hj_conn_is_websocket(to);
}

/* Moves some bytes. How many; 0 for "not now"; why the first one is dead; or HIJACK_EAGAIN: the second one is closed.
 */
static ssize_t move_some(struct hj_loop *loop, struct hj_conn *from, struct hj_conn *to)
{
    ssize_t n = splices(from, to) ? hj_pipes_move(loop, from, to) : HIJACK_ELIMIT;
    if (n > 0)
        hj_loop_count(loop, HIJACK_STAT_RELAYED_BYTES, (uint64_t)n);
    if (n > 0 || (n < 0 && n != HIJACK_ELIMIT && n != HIJACK_ECLOSED))
        return n; /* "not now" and an end may be an urgent byte, which only a read gets past */
    n = hj_transport_read(loop, from, loop->scratch, HJ_SCRATCH_SIZE);
    return n > 0 && !write_bytes(loop, to, loop->scratch, (size_t)n) ? HIJACK_EAGAIN : n;
}

static void note_amount(struct hj_conn *from, size_t n)
{
    if (n >= HJ_SCRATCH_SIZE)
        from->flags |= HJ_CONN_BULKY;
    else if (n < FEW_BYTES)
        from->flags &= (uint16_t)~HJ_CONN_BULKY;
}

/* From one side to the other. */
static void pump(struct hj_loop *loop, struct hj_conn *from, struct hj_conn *to)
{
    const bool all = (from->flags & HJ_CONN_UNPOLLED) != 0; /* nobody will report the rest */
    if (from->kind != HJ_CONN_RELAY)
        return; /* not open yet */
    if (hj_conn_is_websocket(from)) {
        if (takes_more(loop, to) && (from->input != NULL || (from->interest & HJ_POLL_IN) == 0))
            hj_conn_make_ready(loop, from);
        return;
    }
    if (!pass_input(loop, from, to))
        return;
    for (int moves = 0; (all || moves < MOVES_MAX) && (from->flags & HJ_CONN_EOF) == 0 && takes_more(loop, to);
         ++moves) {
        ssize_t n = move_some(loop, from, to);
        if (n == HIJACK_ECLOSED && (from->flags & HJ_CONN_RESET) == 0)
            note_eof(loop, from, to);
        else if (n < 0 && n != HIJACK_EAGAIN)
            hj_conn_close(loop, from, n == HIJACK_ECLOSED ? HIJACK_ERESET : (int)n); /* it is reported once */
        if (n <= 0)
            return;
        from->in_ms = hj_loop_time(loop);
        note_amount(from, (size_t)n);
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
    return pair->transport == HJ_TRANSPORT_PAIR && (pair->flags & HJ_CONN_PEER_ENDED) != 0 &&
           (pair->flags & HJ_CONN_EOF) != 0;
}

/* What waits for it in a pipe goes to its backlog, with which others know what to do. False when out of memory. */
static bool keep_spliced(struct hj_loop *loop, struct hj_conn *conn)
{
    bool lost;
    struct hj_buf *buf = hj_pipes_take(loop, conn, &lost);
    bool kept = buf == NULL ? !lost : hj_writer_send(loop, conn, buf, false);
    hj_buf_unref(buf);
    return kept;
}

/* It has no partner any more and ends in order, behind what waits for it. */
static void end_alone(struct hj_loop *loop, struct hj_conn *conn)
{
    if (!keep_spliced(loop, conn)) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    } else if (conn->kind == HJ_CONN_CONNECTING) {
        hj_conn_close(loop, conn, 0);
    } else if (hj_conn_is_websocket(conn)) {
        hj_conn_make_ready(loop, conn);
    } else if (conn->transport == HJ_TRANSPORT_PAIR && is_drained(loop, conn)) {
        hj_conn_close(loop, conn, 0);
    } else if (is_drained(loop, conn)) {
        hj_conn_close_gracefully(loop, conn, 0, (conn->flags & HJ_CONN_EOF) == 0);
    } else {
        conn->flags |= HJ_CONN_ENDING; /* held/ending.h does it */
        conn->out_ms = hj_loop_time(loop);
        hj_conn_set_interest(loop, conn, HJ_POLL_OUT);
    }
}

/* It has no partner any more and dies. */
static void die_alone(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    conn->flags |= HJ_CONN_RESET;
    if (hj_conn_is_websocket(conn))
        hj_conn_make_ready(loop, conn);
    else
        hj_conn_close(loop, conn, reason);
}

static void part(struct hj_loop *loop, const struct hj_conn *a, const struct hj_conn *b)
{
    hj_numbers_set(&loop->partners, a->index, 0);
    hj_numbers_set(&loop->partners, b->index, 0);
}

/* Both directions are dead. What was received before is passed on, as soon as the other one is there and takes it; what
 * waits to be sent is lost. */
static void note_gone(struct hj_loop *loop, struct hj_conn *conn, const struct hj_conn *other)
{
    const bool has_other = other != NULL || (conn->channel != NULL && hj_channel_waits(conn->channel));
    conn->flags |= HJ_CONN_PEER_ENDED;
    hj_transport_unpoll(loop, conn); /* it would be reported for ever */
    if (!is_drained(loop, conn)) {
        conn->flags |= HJ_CONN_RESET;
        hj_pipes_forget(loop, conn);
        hj_conn_drop_backlog(loop, conn);
    }
    if (has_other && (conn->input != NULL || hj_transport_has_unread(loop, conn)))
        return;
    const int error = (conn->flags & HJ_CONN_RESET) != 0 ? HIJACK_ERESET : hj_transport_error(loop, conn);
    if (!has_other || error != HIJACK_ECLOSED) /* without an error it ends as others do */
        hj_conn_close(loop, conn, error);
}

void hj_relay_update(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    struct hj_conn *other = hj_relay_partner(loop, conn);
    const int sent = hj_pipes_flush(loop, conn);
    if (sent < 0)
        hj_conn_close(loop, conn, sent);
    if (hj_conn_is_open(conn) && (events & HJ_POLL_GONE) != 0)
        note_gone(loop, conn, other);
    if (other == NULL || !hj_conn_is_open(conn))
        return; /* the other one closes in this turn, and takes this one with it */
    if (events != HJ_POLL_OUT)
        pump(loop, conn, other);
    if ((events == 0 || (events & HJ_POLL_OUT) != 0) && hj_conn_is_open(conn) && hj_conn_is_open(other))
        pump(loop, other, conn);
    if (!hj_conn_is_open(conn) || !hj_conn_is_open(other))
        return;
    pass_end(loop, conn);
    pass_end(loop, other);
    if (has_relayed_all(loop, conn, other)) {
        part(loop, conn, other);
        end_alone(loop, conn);
        end_alone(loop, other);
        return;
    }
    if (conn->kind == HJ_CONN_RELAY && !hj_conn_is_websocket(conn))
        hj_conn_set_interest(loop, conn, interest_in(loop, conn, other));
    if (other->kind == HJ_CONN_RELAY && !hj_conn_is_websocket(other))
        hj_conn_set_interest(loop, other, interest_in(loop, other, conn));
}

/* Of a WebSocket in_ms is also the time of its pongs. Without memory it counts as idle a little too soon. */
static void note_message(struct hj_loop *loop, const struct hj_conn *conn)
{
    if (loop->server->options.relay_idle_ms != 0)
        hj_numbers_set(&loop->passed, conn->index, hj_loop_time(loop) + 1);
}

bool hj_relay_is_idle(struct hj_loop *loop, const struct hj_conn *conn, uint32_t now)
{
    const uint64_t limit = loop->server->options.relay_idle_ms;
    const struct hj_conn *other = hj_relay_partner(loop, conn);
    if (limit == 0 || other == NULL || conn->transport == HJ_TRANSPORT_PAIR || other->transport == HJ_TRANSPORT_PAIR)
        return false; /* a detached one has the program's own timeouts */
    if (!hj_conn_is_websocket(conn))
        return now - conn->in_ms >= limit && now - conn->out_ms >= limit;
    return hj_conn_is_websocket(other) && now + 1 - hj_numbers_get(&loop->passed, conn->index) >= limit &&
           now + 1 - hj_numbers_get(&loop->passed, other->index) >= limit;
}

void hj_relay_pass(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *message, uint32_t kind)
{
    struct hj_conn *to = hj_relay_partner(loop, conn);
    if (to == NULL || (conn->flags & HJ_CONN_EOF) != 0 || (to->flags & (HJ_CONN_ENDING | HJ_CONN_DISCARD)) != 0)
        return;
    hj_loop_count(loop, HIJACK_STAT_RELAYED_BYTES, message->len);
    note_message(loop, conn);
    if (hj_conn_is_websocket(to))
        write_message(loop, to, kind, hj_slice(message->data, message->len));
    else if (message->len != 0)
        hj_writer_send(loop, to, message, false);
}

void hj_relay_pass_end(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_conn *to = hj_relay_partner(loop, conn);
    if (to == NULL || (conn->flags & HJ_CONN_EOF) != 0)
        return;
    note_eof(loop, conn, to);
    pass_end(loop, to);
}

static bool ends_in_order(int reason)
{
    return reason == 0 || reason == HIJACK_ECLOSED || reason == HIJACK_ESHUTDOWN;
}

void hj_relay_closed(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    struct hj_conn *other = hj_relay_partner(loop, conn);
    hj_pipes_forget(loop, conn);
    hj_numbers_set(&loop->passed, conn->index, 0);
    hj_numbers_set(&loop->partners, conn->index, 0);
    if (other == NULL)
        return;
    part(loop, conn, other);
    hj_relay_end(loop, other, reason);
}

void hj_relay_end(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    if (ends_in_order(reason))
        end_alone(loop, conn);
    else
        die_alone(loop, conn, reason);
}

static bool set_partners(struct hj_loop *loop, const struct hj_conn *a, const struct hj_conn *b)
{
    return hj_numbers_set(&loop->partners, a->index, b->index) && hj_numbers_set(&loop->partners, b->index, a->index);
}

/* Nothing of its earlier life is left but what the transport has to know. */
static void become_relay(struct hj_loop *loop, struct hj_conn *conn)
{
    hj_conn_unstall(loop, conn);
    if (conn->kind == HJ_CONN_CONNECTING)
        return;
    conn->flags &= HJ_CONN_EOF | HJ_CONN_PEER_ENDED | HJ_CONN_UNPOLLED | HJ_CONN_RESET | HJ_CONN_READY |
                   HJ_CONN_WATCHED | HJ_CONN_ENDING | HJ_CONN_DISCARD | HJ_CONN_HALF_CLOSES |
                   HJ_CONN_SHUTTING; /* the other one has ended before this one was open */
    hj_conn_set_kind(loop, conn, HJ_CONN_RELAY);
    note_message(loop, conn);
    hj_shard_limit_unsent(loop, conn); /* not at all: it is no member */
}

void hj_relay_pair(struct hj_loop *loop, struct hj_conn *a, struct hj_conn *b)
{
    if (!set_partners(loop, a, b)) {
        part(loop, a, b);
        hj_conn_close(loop, a, HIJACK_ENOMEM);
        hj_conn_close(loop, b, HIJACK_ENOMEM);
        return;
    }
    become_relay(loop, a);
    become_relay(loop, b);
    if ((a->flags & HJ_CONN_EOF) != 0)
        note_eof(loop, a, b);
    if ((b->flags & HJ_CONN_EOF) != 0)
        note_eof(loop, b, a);
    hj_relay_update(loop, a, 0);
}

void hj_relay_await(struct hj_loop *loop, struct hj_conn *conn)
{
    become_relay(loop, conn);
    if (conn->kind == HJ_CONN_RELAY)
        hj_conn_set_interest(loop, conn, conn->backlog != NULL ? HJ_POLL_OUT : 0);
}

void hj_relay_opened(struct hj_loop *loop, struct hj_conn *conn)
{
    become_relay(loop, conn);
    hj_relay_update(loop, conn, 0);
}

int hj_relay_begin(struct hj_loop *loop, struct hj_conn *conn)
{
    int ends[2];
    if (!hj_socket_pair(ends))
        return HIJACK_ELIMIT;
    struct hj_conn *pair = hj_conn_open(loop, ends[0], HJ_CONN_LINGERING);
    if (pair != NULL) {
        pair->transport = HJ_TRANSPORT_PAIR;
        hj_conn_set_kind(loop, pair, HJ_CONN_RELAY);
    } else {
        close(ends[0]);
    }
    if (pair == NULL || !set_partners(loop, conn, pair)) {
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
