/* Head, idle and lingering timeouts, and heartbeats; see sweep.h, and delivery.h for peers that take nothing. Loop
 * thread.
 *
 * A table entry has no timer of its own: that would cost more memory than the rest of it. The whole table is looked at
 * instead, a linear walk over a few dozen bytes each, as seldom as a tenth of the shortest deadline allows. An empty
 * table is not looked at, so that an idle server does not wake up. */
#include "loop/sweep.h"

#include "loop/conn.h"
#include "loop/delivery.h"
#include "loop/drain.h"
#include "loop/fanout/long_poll_state.h"
#include "loop/fanout/shard.h"
#include "loop/held/connecting.h"
#include "loop/held/ending.h"
#include "loop/held/websocket.h"
#include "loop/held/websocket_closing.h"
#include "loop/http/refusal.h"
#include "loop/http/request_body.h"
#include "loop/http2/http2.h"
#include "loop/io/acceptor.h"
#include "loop/io/relay.h"
#include "loop/io/writer.h"

#define LINGER_MS 2000
#define SWEEP_MIN_MS 10
#define SWEEP_MAX_MS 1000
#define PAUSED_MS 50 /* between two tries to accept again */

static uint64_t shorter(uint64_t a, uint64_t b)
{
    return b != 0 && b < a ? b : a;
}

void hj_sweep_init(struct hj_loop *loop)
{
    const struct hj_server_options *options = &loop->server->options;
    uint64_t shortest = SWEEP_MAX_MS * 10;
    shortest = shorter(shortest, options->head_timeout_ms);
    shortest = shorter(shortest, options->tls_handshake_timeout_ms);
    shortest = shorter(shortest, options->request_timeout_ms);
    shortest = shorter(shortest, options->connect_timeout_ms);
    shortest = shorter(shortest, options->relay_idle_ms);
    shortest = shorter(shortest, options->heartbeat_ms);
    shortest = shorter(shortest, options->idle_timeout_ms);
    shortest = shorter(shortest, options->websocket_ping_ms);
    shortest = shorter(shortest, options->websocket_pong_ms);
    shortest = shorter(shortest, options->ack_timeout_ms);
    shortest = shorter(shortest, options->stall_timeout_ms);
    uint64_t every = shortest / 10;
    loop->sweep_every_ms = (uint32_t)(every < SWEEP_MIN_MS   ? SWEEP_MIN_MS
                                      : every > SWEEP_MAX_MS ? SWEEP_MAX_MS
                                                             : every);
    hj_delivery_init(loop);
}

static uint64_t interval(const struct hj_loop *loop)
{
    if (loop->draining)
        return SWEEP_MIN_MS;
    const uint64_t every = shorter(loop->sweep_every_ms, loop->long_polls.every_ms);
    return loop->accept_paused && loop->may_accept ? shorter(every, PAUSED_MS) : every;
}

int hj_sweep_wait(struct hj_loop *loop)
{
    if (loop->table.live == 0 && !hj_http2_is_busy(loop) && !(loop->accept_paused && loop->may_accept) &&
        !loop->draining && loop->rolls == NULL) { /* which may wait for memory */
        loop->sweep_at_ms = 0;
        return -1;
    }
    if (loop->sweep_at_ms == 0)
        loop->sweep_at_ms = loop->now_ms + interval(loop);
    return loop->sweep_at_ms <= loop->now_ms ? 0 : (int)(loop->sweep_at_ms - loop->now_ms);
}

static void heartbeat(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->backlog != NULL || (conn->flags & (HJ_CONN_DISCARD | HJ_CONN_ENDING)) != 0)
        return;
    hj_loop_count(loop, HIJACK_STAT_HEARTBEATS, 1);
    hj_writer_send(loop, conn, loop->heartbeat[hj_wire_is_chunked(conn->wire)], false);
}

static void look_at_head(struct hj_loop *loop, struct hj_conn *conn, uint32_t now)
{
    const struct hj_server_options *options = &loop->server->options;
    bool between = (conn->flags & HJ_CONN_REUSED) != 0 && conn->input == NULL;
    uint64_t limit = between ? options->request_timeout_ms : options->head_timeout_ms;
    if (between && loop->draining) {
        hj_conn_close(loop, conn, 0);
        return;
    }
    if (limit == 0 || now - conn->in_ms < limit)
        return;
    if (conn->input != NULL)
        hj_refusal_send(loop, conn, 408, "the request head took too long (option head_timeout_ms)");
    else
        hj_conn_close(loop, conn, between ? 0 : HIJACK_ETIMEDOUT);
}

static void look_at_body(struct hj_loop *loop, struct hj_conn *conn, uint32_t now)
{
    if (!hj_request_body_waits_for_peer(conn) || now - conn->in_ms < loop->server->options.request_timeout_ms)
        return;
    if (atomic_load(&conn->request->answer) == HJ_ANSWER_OPEN && conn->backlog == NULL)
        hj_refusal_send(loop, conn, 408, "the request body took too long (option request_timeout_ms)");
    else
        hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
}

static void look_at_relay(struct hj_loop *loop, struct hj_conn *conn, uint32_t now)
{
    if (hj_relay_is_idle(loop, conn, now))
        hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
    else if (hj_conn_is_websocket(conn))
        hj_websocket_look(loop, conn, now);
}

/* Whether nothing was written for so long. What shards have written since is asked only if it matters: it is not in the
 * entry, and a look at each entry is what many idle connections cost. */
static bool is_silent(struct hj_loop *loop, struct hj_conn *conn, uint64_t limit, uint32_t now)
{
    if (now - conn->out_ms < limit)
        return false;
    hj_shard_refresh(loop, conn);
    return now - conn->out_ms >= limit;
}

static void look_at(struct hj_loop *loop, struct hj_conn *conn, uint32_t now)
{
    const struct hj_server_options *options = &loop->server->options;
    if (conn->kind == HJ_CONN_HANDSHAKE) {
        if (now - conn->in_ms < options->tls_handshake_timeout_ms)
            return;
        hj_loop_count(loop, HIJACK_STAT_TLS_FAILED, 1);
        hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
        return;
    }
    if (conn->kind == HJ_CONN_CONNECTING) {
        hj_connecting_look(loop, conn, now);
        return;
    }
    if (conn->kind == HJ_CONN_HEAD) {
        look_at_head(loop, conn, now);
        return;
    }
    if (conn->kind == HJ_CONN_BODY || hj_request_body_is_open(conn)) {
        look_at_body(loop, conn, now);
        if (conn->kind == HJ_CONN_BODY || conn->kind == HJ_CONN_PENDING)
            return;
    }
    if (conn->kind == HJ_CONN_RELAY) {
        look_at_relay(loop, conn, now);
        return;
    }
    if (conn->kind == HJ_CONN_LINGERING) {
        if (now - conn->in_ms >= LINGER_MS)
            hj_conn_close(loop, conn, 0);
        return;
    }
    hj_transport_refresh(loop, conn);
    bool leaving = (conn->flags & (HJ_CONN_ENDING | HJ_CONN_DETACHING)) != 0;
    if (conn->kind == HJ_CONN_PENDING && !leaving)
        return; /* it is the program that takes its time */
    if (hj_long_poll_is_due(loop, conn, now)) {
        hj_ending_finish(loop, conn, NULL);
        return;
    }
    if (options->idle_timeout_ms != 0 && now - conn->in_ms >= options->idle_timeout_ms &&
        is_silent(loop, conn, options->idle_timeout_ms, now)) {
        hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
        return;
    }
    if (hj_conn_is_websocket(conn))
        hj_websocket_look(loop, conn, now);
    if (hj_wire_is_sse(conn->wire) && options->heartbeat_ms != 0 && is_silent(loop, conn, options->heartbeat_ms, now))
        heartbeat(loop, conn);
}

void hj_sweep(struct hj_loop *loop)
{
    if (loop->sweep_at_ms == 0 || loop->now_ms < loop->sweep_at_ms)
        return;
    uint32_t now = hj_loop_time(loop);
    for (uint32_t i = 1; i < loop->table.used; ++i) {
        struct hj_conn *conn = hj_table_at(&loop->table, i);
        if (hj_conn_is_open(conn))
            look_at(loop, conn, now);
    }
    hj_delivery_look(loop);
    if (atomic_exchange_explicit(&loop->server->crowded, false, memory_order_relaxed) && !hj_acceptor_make_room(loop))
        hj_http2_make_room(loop);
    hj_http2_sweep(loop);
    hj_acceptor_resume(loop);
    if (loop->draining)
        hj_drain_step(loop);
    hj_long_poll_set_pace(loop);
    loop->sweep_at_ms = loop->now_ms + interval(loop);
}
