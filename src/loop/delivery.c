/* Acknowledgement and stall timeouts; see delivery.h. Loop thread.
 *
 * TCP_USER_TIMEOUT would be less work, but it also resets a peer whose program pauses reading while its system answers
 * every window probe. So the kernel is asked, as seldom as it may be: only for connections that were written to lately,
 * a share of the table in each sweep, and mostly it has nothing outstanding. A connection that has comes into the list,
 * and stays there until it has nothing outstanding: what is remembered of it needs no room in the table. */
#include "loop/delivery.h"

#include <stdlib.h>

#include "base/os/outstanding.h"
#include "base/os/socket.h"
#include "loop/conn.h"
#include "loop/fanout/shard.h"

/* So many turns a timeout: a peer is found at most two of them late. */
#define TURNS 4

/* The stall timeout of a connection that the program has ended, where there is no other. */
#define LEAVING_MS 300000

static uint32_t shorter_limit(uint64_t a, uint64_t b)
{
    return (uint32_t)(a == 0 || (b != 0 && b < a) ? b : a);
}

void hj_delivery_init(struct hj_loop *loop)
{
    const struct hj_server_options *options = &loop->server->options;
    uint32_t shortest = shorter_limit(options->ack_timeout_ms, options->stall_timeout_ms);
    loop->deliveries.period_ms = (shortest == 0 ? LEAVING_MS : shortest) / TURNS + 1;
}

static void watch(struct hj_loop *loop, struct hj_conn *conn, uint32_t now)
{
    struct hj_deliveries *deliveries = &loop->deliveries;
    struct hj_outstanding outstanding;
    if (!hj_outstanding_any(conn->fd))
        return;
    hj_outstanding_read(&outstanding, conn->fd);
    if (outstanding.bytes == 0)
        return;
    if (deliveries->count == deliveries->capacity) {
        uint32_t capacity = deliveries->capacity == 0 ? 16 : deliveries->capacity * 2;
        struct hj_delivery *list = realloc(deliveries->list, capacity * sizeof(*list));
        if (list == NULL)
            return; /* its next turn may have more luck */
        deliveries->list = list;
        deliveries->capacity = capacity;
    }
    deliveries->list[deliveries->count++] =
        (struct hj_delivery){outstanding.socket, conn->index, outstanding.taken, now};
    conn->flags |= HJ_CONN_WATCHED;
}

/* Twice the period: nobody who was written to is missed because a turn came a little late. */
static bool written_lately(struct hj_loop *loop, struct hj_conn *conn, uint32_t now, uint32_t period)
{
    hj_shard_refresh(loop, conn);
    return conn->backlog != NULL || now - conn->out_ms <= 2 * period;
}

/* Whether it has a socket of its own, with a peer that could still take something. */
static bool has_peer(const struct hj_conn *conn)
{
    return hj_conn_is_open(conn) && conn->fd != -1 && (conn->flags & HJ_CONN_UNPOLLED) == 0;
}

static void look_at_table(struct hj_loop *loop, uint32_t share, uint32_t now)
{
    struct hj_deliveries *deliveries = &loop->deliveries;
    for (; share != 0; --share) {
        if (deliveries->next_conn == 0 || deliveries->next_conn >= loop->table.used)
            deliveries->next_conn = 1;
        struct hj_conn *conn = hj_table_at(&loop->table, deliveries->next_conn++);
        if (has_peer(conn) && conn->kind != HJ_CONN_LINGERING && (conn->flags & HJ_CONN_WATCHED) == 0 &&
            written_lately(loop, conn, now, deliveries->period_ms))
            watch(loop, conn, now);
    }
}

/* Nobody waits for a peer for ever whom the program cannot end any more. */
static uint64_t stall_limit(const struct hj_loop *loop, const struct hj_conn *conn)
{
    uint64_t limit = loop->server->options.stall_timeout_ms;
    bool leaving = (conn->flags & (HJ_CONN_ENDING | HJ_CONN_DETACHING)) != 0;
    return limit == 0 && leaving ? LEAVING_MS : limit;
}

/* Whether the peer of delivery must be given up. */
static bool is_over(const struct hj_loop *loop, const struct hj_conn *conn, const struct hj_delivery *delivery,
                    const struct hj_outstanding *outstanding, uint32_t now)
{
    uint64_t ack = loop->server->options.ack_timeout_ms, stall = stall_limit(loop, conn);
    uint32_t waited = now - delivery->since_ms;
    /* a shut window is probed ever less often, down to every 2 minutes: silence between two probes means nothing */
    bool dead =
        ack != 0 && waited >= ack && outstanding->silent_ms >= ack && (outstanding->unanswered || outstanding->asked);
    return dead || (stall != 0 && waited >= stall);
}

/* False when the delivery is over, one way or the other. */
static bool look_at_delivery(struct hj_loop *loop, struct hj_delivery *delivery, uint32_t now)
{
    struct hj_outstanding outstanding;
    struct hj_conn *conn = hj_table_at(&loop->table, delivery->index);
    if (!has_peer(conn))
        return false;
    hj_outstanding_read(&outstanding, conn->fd);
    if (outstanding.bytes != 0 && outstanding.socket != delivery->socket)
        return false; /* the entry has another connection by now */
    if (outstanding.bytes == 0) {
        conn->flags &= (uint16_t)~HJ_CONN_WATCHED;
        return false;
    }
    if (outstanding.taken != delivery->taken) {
        delivery->taken = outstanding.taken;
        delivery->since_ms = now;
        return true;
    }
    if (!is_over(loop, conn, delivery, &outstanding, now))
        return true;
    hj_socket_reset(conn->fd);
    hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
    return false;
}

static void look_at_list(struct hj_loop *loop, uint32_t share, uint32_t now)
{
    struct hj_deliveries *deliveries = &loop->deliveries;
    for (; share != 0 && deliveries->count != 0; --share) {
        if (deliveries->next_one >= deliveries->count)
            deliveries->next_one = 0;
        struct hj_delivery delivery = deliveries->list[deliveries->next_one];
        bool more = look_at_delivery(loop, &delivery, now);
        deliveries->list[deliveries->next_one] = more ? delivery : deliveries->list[--deliveries->count];
        deliveries->next_one += more;
    }
}

/* How many of count have their turn in the time that went by. */
static uint32_t share_of(uint32_t count, uint32_t elapsed, uint32_t period)
{
    return elapsed >= period ? count : (uint32_t)(((uint64_t)count * elapsed + period - 1) / period);
}

void hj_delivery_look(struct hj_loop *loop)
{
    struct hj_deliveries *deliveries = &loop->deliveries;
    uint32_t now = hj_loop_time(loop), elapsed = now - deliveries->looked_ms, period = deliveries->period_ms;
    deliveries->looked_ms = now;
    uint32_t entries = loop->table.used == 0 ? 0 : loop->table.used - 1;
    look_at_list(loop, share_of(deliveries->count, elapsed, period), now);
    look_at_table(loop, share_of(entries, elapsed, period), now);
}
