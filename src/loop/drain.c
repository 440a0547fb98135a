/* The end of a loop's connections; see drain.h. Loop thread. */
#include "loop/drain.h"

#include "loop/closing.h"
#include "loop/conn.h"
#include "loop/held/websocket_closing.h"
#include "loop/http/pending.h"
#include "loop/http/refusal.h"
#include "loop/http/request_head.h"
#include "loop/http2/http2.h"
#include "loop/io/acceptor.h"

/* What has arrived is served. A new connection is about to send its request and has until its deadline; one that waits
 * between two requests ends now. */
static void take_last_request(struct hj_loop *loop, struct hj_conn *conn)
{
    bool between = (conn->flags & HJ_CONN_REUSED) != 0;
    hj_request_head_read(loop, conn);
    if (between && conn->kind == HJ_CONN_HEAD && conn->input == NULL)
        hj_conn_close(loop, conn, HIJACK_ESHUTDOWN);
}

void hj_drain_begin(struct hj_loop *loop, uint64_t deadline_ms)
{
    if (loop->draining)
        return;
    hj_acceptor_take_rest(loop); /* before connections stop being kept: these have sent their request, perhaps */
    loop->draining = true;
    loop->drain_start_ms = loop->now_ms;
    loop->drain_deadline_ms = deadline_ms;
    hj_acceptor_close(loop);
    for (uint32_t i = 1; i < loop->table.used; ++i) {
        struct hj_conn *conn = hj_table_at(&loop->table, i);
        if (!hj_conn_is_open(conn))
            continue;
        if (conn->kind == HJ_CONN_HELD)
            ++loop->drain_total;
        else if (conn->kind == HJ_CONN_HEAD && conn->input == NULL)
            take_last_request(loop, conn);
    }
    hj_http2_drain(loop);
    loop->sweep_at_ms = loop->now_ms;
}

/* Held members never finish by themselves. If all were closed at one moment, all would reconnect at one moment. */
static void close_share(struct hj_loop *loop)
{
    uint64_t span = loop->drain_deadline_ms - loop->drain_start_ms;
    uint64_t elapsed = loop->now_ms - loop->drain_start_ms;
    uint64_t due = span == 0 ? loop->drain_total : loop->drain_total * elapsed / span;
    for (uint32_t i = 1; i < loop->table.used && loop->drain_closed < due; ++i) {
        struct hj_conn *conn = hj_table_at(&loop->table, i);
        if (!hj_conn_is_open(conn) || conn->kind != HJ_CONN_HELD || (conn->flags & HJ_CONN_ENDING) != 0)
            continue;
        ++loop->drain_closed;
        hj_held_finish(loop, conn);
    }
}

void hj_drain_step(struct hj_loop *loop)
{
    if (loop->now_ms >= loop->drain_deadline_ms)
        loop->stopping = true;
    else
        close_share(loop);
}

bool hj_drain_done(const struct hj_loop *loop)
{
    return loop->draining && loop->table.live == 0 && !hj_http2_is_busy(loop);
}

void hj_drain_abandon(struct hj_loop *loop)
{
    hj_acceptor_close(loop);
    for (uint32_t i = 1; i < loop->table.used; ++i) {
        struct hj_conn *conn = hj_table_at(&loop->table, i);
        if (!hj_conn_is_open(conn))
            continue;
        /* a body that ends here by our doing ends as a whole one where the peer can take the last chunk */
        if ((conn->kind == HJ_CONN_HELD && (conn->flags & HJ_CONN_ENDING) == 0) || hj_conn_is_live_websocket(conn))
            hj_held_finish(loop, conn);
        else if (conn->kind == HJ_CONN_PENDING && conn->request != NULL && (conn->flags & HJ_CONN_ENDING) == 0)
            hj_refusal_send(loop, conn, 503, "the server stops");
        hj_conn_close(loop, conn, HIJACK_ESHUTDOWN);
    }
    hj_closing_run(loop);
    hj_http2_close(loop);
    hj_pending_abandon(loop);
}
