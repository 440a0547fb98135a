/* The ends of WebSockets; see websocket_closing.h. Loop thread.
 *
 * After a close frame of ours nothing of the program goes out (DISCARD). Who has sent first waits for the other's, and
 * the server then ends the TCP connection. */
#include "loop/held/websocket_closing.h"

#include <stdio.h>
#include <string.h>

#include "codec/websocket.h"
#include "loop/fanout/shard.h"
#include "loop/held/ending.h"
#include "loop/held/websocket_state.h"
#include "loop/io/relay.h"
#include "loop/io/transport.h"
#include "loop/io/writer.h"

#define WORDS_MAX 160 /* a code, who, and a reason */

static const char *problem_of(unsigned code)
{
    return code == HJ_WS_TOO_BIG        ? "the message is too long (option websocket_message_bytes)"
           : code == HJ_WS_INVALID_DATA ? "the text is not UTF-8, or the compressed data is broken"
                                        : "the frames break the protocol";
}

/* What the last event says. NULL when out of memory, which says less. */
static struct hj_buf *say(unsigned code, const char *who, struct hj_slice reason)
{
    char words[WORDS_MAX];
    int len = snprintf(words, sizeof(words), "%u %s %.*s", code, who, (int)reason.len, reason.base);
    return hj_buf_copy(words, (size_t)len);
}

/* Takes it out of its rooms, for this reason, and sends the frame behind everything else; nothing follows it. False if
 * that closed it. */
static bool send_last(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *frame, int why)
{
    hj_shard_remove_all(loop, conn, why);
    if (frame == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return false;
    }
    if (!hj_writer_send(loop, conn, frame, false))
        return false;
    conn->flags |= HJ_CONN_DISCARD;
    if (conn->channel != NULL)
        atomic_store(&conn->channel->state, HJ_CHANNEL_CLOSING);
    return true;
}

void hj_websocket_close(struct hj_loop *loop, struct hj_conn *conn, struct hj_buf *frame)
{
    struct hj_websocket *state = hj_websocket_need(loop, conn);
    if (state == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    if (state->closer != HJ_WEBSOCKET_OPEN || (conn->flags & HJ_CONN_ENDING) != 0)
        return;
    hj_relay_closed(loop, conn, 0);
    if (!send_last(loop, conn, frame, loop->draining || loop->stopping ? HIJACK_ESHUTDOWN : 0))
        return;
    const uint8_t *payload = (const uint8_t *)frame->data + 2;
    state->closer = HJ_WEBSOCKET_WE;
    state->last_words = say((unsigned)payload[0] << 8 | payload[1], "us", hj_slice(frame->data + 4, frame->len - 4));
    state->close_ms = hj_loop_time(loop);
    if (conn->kind == HJ_CONN_SOCKET) {
        conn->channel->credit = UINT64_MAX; /* what comes before the peer's close frame is thrown away */
        hj_conn_set_interest(loop, conn, conn->interest | HJ_POLL_IN | HJ_POLL_PEER);
        if (conn->input != NULL)
            hj_conn_make_ready(loop, conn);
    } else if (conn->kind == HJ_CONN_RELAY) {
        hj_conn_make_ready(loop, conn); /* the same, if it was not read because of the other one */
    }
}

/* All is said: ends as soon as it is written. */
static void end(struct hj_loop *loop, struct hj_conn *conn, struct hj_websocket *state, int reason)
{
    state->reason = reason;
    hj_ending_begin(loop, conn, HJ_CONN_ENDING);
}

/* Whether the peer ends because something went wrong. */
static bool is_trouble(unsigned code)
{
    return code != HJ_WS_NORMAL && code != HJ_WS_GOING_AWAY && code != HJ_WS_NO_CODE;
}

void hj_websocket_take_close(struct hj_loop *loop, struct hj_conn *conn, unsigned code, struct hj_slice reason)
{
    struct hj_websocket *state = hj_websocket_find(loop, conn);
    if (state->closer != HJ_WEBSOCKET_OPEN) {
        end(loop, conn, state, 0);
        return;
    }
    struct hj_buf *answer = hj_ws_close_frame(code, reason);
    hj_relay_closed(loop, conn, is_trouble(code) ? HIJACK_ERESET : 0);
    state->closer = HJ_WEBSOCKET_PEER;
    state->last_words = say(code, "peer", reason);
    if (send_last(loop, conn, answer, HIJACK_ECLOSED))
        end(loop, conn, state, HIJACK_ECLOSED);
    hj_buf_unref(answer);
}

void hj_websocket_fail(struct hj_loop *loop, struct hj_conn *conn, unsigned code)
{
    struct hj_websocket *state = hj_websocket_find(loop, conn);
    const char *problem = problem_of(code);
    const struct hj_slice reason = hj_slice(problem, strlen(problem));
    if (state->closer != HJ_WEBSOCKET_OPEN) { /* ours is on the way: what comes after it may be anything */
        end(loop, conn, state, 0);
        return;
    }
    struct hj_buf *frame = hj_ws_close_frame(code, reason);
    hj_relay_closed(loop, conn, HIJACK_EPROTOCOL);
    state->closer = HJ_WEBSOCKET_WE;
    state->last_words = say(code, "us", reason);
    if (send_last(loop, conn, frame, HIJACK_EPROTOCOL))
        end(loop, conn, state, HIJACK_EPROTOCOL);
    hj_buf_unref(frame);
}

/* The program has no say any more: a member without a handle does not wait for the answer either, nor does anybody
 * whose loop stops. */
static void end_by_close_frame(struct hj_loop *loop, struct hj_conn *conn)
{
    const bool stops = loop->draining || loop->stopping;
    struct hj_buf *frame = hj_ws_close_frame(stops ? HJ_WS_GOING_AWAY : HJ_WS_NORMAL, HJ_SLICE(""));
    if (frame == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else if (conn->kind == HJ_CONN_SOCKET)
        hj_websocket_close(loop, conn, frame);
    else if (send_last(loop, conn, frame, stops ? HIJACK_ESHUTDOWN : 0))
        hj_ending_begin(loop, conn, HJ_CONN_ENDING);
    hj_buf_unref(frame);
}

void hj_held_finish(struct hj_loop *loop, struct hj_conn *conn)
{
    if (conn->channel != NULL && hj_conn_is_open(conn))
        atomic_store(&conn->channel->state, HJ_CHANNEL_CLOSING);
    if (!hj_conn_is_websocket(conn))
        hj_ending_finish(loop, conn, NULL);
    else if (hj_conn_is_live_websocket(conn))
        end_by_close_frame(loop, conn);
}

void hj_websocket_peer_ended(struct hj_loop *loop, struct hj_conn *conn)
{
    const struct hj_websocket *state = hj_websocket_find(loop, conn);
    conn->flags |= HJ_CONN_EOF;
    hj_relay_closed(loop, conn, HIJACK_ERESET); /* where it has not ended yet, this is no end in order */
    hj_conn_close_gracefully(loop, conn, state != NULL && state->closer == HJ_WEBSOCKET_WE ? 0 : HIJACK_ECLOSED, false);
}

void hj_websocket_look(struct hj_loop *loop, struct hj_conn *conn, uint32_t now)
{
    const struct hj_server_options *options = &loop->server->options;
    const struct hj_websocket *state = hj_websocket_find(loop, conn);
    const uint32_t silent = now - conn->in_ms;
    if (state != NULL && state->closer == HJ_WEBSOCKET_WE && now - state->close_ms >= options->websocket_pong_ms) {
        hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
        return;
    }
    if (options->websocket_ping_ms == 0 || (conn->flags & (HJ_CONN_DISCARD | HJ_CONN_ENDING)) != 0 ||
        (conn->interest & HJ_POLL_IN) == 0) /* nobody reads: the answer may have come */
        return;
    if (conn->pinged && silent >= options->websocket_ping_ms + options->websocket_pong_ms) {
        hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
    } else if (!conn->pinged && silent >= options->websocket_ping_ms && conn->backlog == NULL) {
        conn->pinged = 1;
        hj_loop_count(loop, HIJACK_STAT_HEARTBEATS, 1);
        hj_writer_send(loop, conn, loop->websockets.ping, false);
    }
}
