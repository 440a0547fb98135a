/* Reading WebSockets; see websocket.h. Loop thread.
 *
 * Frames are read where they lie, in the bytes that one read has brought. Only what that read leaves unfinished takes
 * memory: a state (websocket_state.h), and of a message in parts what has come. */
#include "loop/held/websocket.h"

#include <stdlib.h>
#include <string.h>

#include "codec/websocket.h"
#include "core/broadcaster.h"
#include "loop/fanout/shard.h"
#include "loop/held/websocket_closing.h"
#include "loop/held/websocket_inflate.h"
#include "loop/held/websocket_state.h"
#include "loop/io/relay.h"
#include "loop/io/transport.h"
#include "loop/io/writer.h"
#include "loop/producer.h"

#define INFLATED_PART 16384  /* bytes that a compressed message grows by at once */
#define FIRST_PART_MAX 65536 /* bytes that are made room for because a frame announces them */

/* One run over bytes that came. */
struct feed {
    struct hj_loop *loop;
    struct hj_conn *conn;
    struct hj_websocket *state;  /* NULL: none yet; fresh is used instead */
    struct hj_ws_reader *reader; /* the state's, or fresh */
    struct hj_ws_reader fresh;
    bool drops; /* nobody wants the message under way */
};

static void begin_feed(struct feed *feed, struct hj_loop *loop, struct hj_conn *conn)
{
    feed->loop = loop;
    feed->conn = conn;
    feed->state = hj_websocket_find(loop, conn);
    feed->reader = feed->state == NULL ? &feed->fresh : &feed->state->reader;
    feed->drops = feed->state != NULL && feed->state->drops;
    if (feed->state != NULL && feed->reader->max_message != 0)
        return;
    *feed->reader = (struct hj_ws_reader){.max_message = loop->server->options.websocket_message_bytes,
                                          .may_compress = hj_wire_is_compressed(conn->wire)};
}

static bool need_state(struct feed *feed)
{
    if (feed->state != NULL)
        return true;
    if ((feed->state = hj_websocket_need(feed->loop, feed->conn)) == NULL) {
        hj_conn_close(feed->loop, feed->conn, HIJACK_ENOMEM);
        return false;
    }
    feed->state->reader = feed->fresh;
    feed->reader = &feed->state->reader;
    return true;
}

static bool is_between_messages(const struct hj_ws_reader *reader)
{
    return !reader->in_frame && reader->kind == 0 && reader->have == 0 && !reader->over;
}

/* Keeps what is under way, and nothing else. */
static void end_feed(struct feed *feed)
{
    if (!hj_conn_is_open(feed->conn))
        return;
    if (!is_between_messages(feed->reader)) {
        if (need_state(feed))
            feed->state->drops = feed->drops;
        return;
    }
    const struct hj_websocket *state = feed->state;
    if (state != NULL && state->closer == HJ_WEBSOCKET_OPEN && !state->owes_pong && !state->keeps_window &&
        !state->half_ended)
        hj_websocket_forget(feed->loop, feed->conn);
}

static bool has_closed(const struct feed *feed)
{
    return !hj_conn_is_open(feed->conn) || (feed->state != NULL && feed->state->closer != HJ_WEBSOCKET_OPEN);
}

/* Whether a broadcaster of this member wants what it sends. Without a queue nobody gets it. */
static bool is_listened_to(struct hj_loop *loop, const struct hj_conn *conn)
{
    if (loop->server->queue_count == 0)
        return false;
    for (uint32_t i = conn->memberships; i != 0; i = hj_member_table_at(&loop->members, i)->next)
        if (atomic_load_explicit(&hj_member_table_at(&loop->members, i)->shard->broadcaster->delivers,
                                 memory_order_relaxed))
            return true;
    return false;
}

static bool is_wanted_by_program(const struct feed *feed)
{
    if (has_closed(feed))
        return false;
    return feed->conn->kind != HJ_CONN_HELD || is_listened_to(feed->loop, feed->conn);
}

/* Whether the program, or whoever has its messages, takes what may come next. */
static bool may_deliver(const struct feed *feed)
{
    struct hj_conn *conn = feed->conn;
    if (!is_wanted_by_program(feed))
        return true; /* it goes nowhere */
    if (conn->kind == HJ_CONN_RELAY)
        return hj_relay_takes(feed->loop, conn);
    if (conn->kind == HJ_CONN_SOCKET)
        return conn->channel->credit != 0 && hj_producer_has_room(feed->loop, conn, conn->channel->queue);
    return hj_producer_has_room(feed->loop, conn, feed->loop->server->queues[0]);
}

static bool push_message(struct feed *feed, struct hj_queue *queue, uint32_t type, struct hj_object *object,
                         struct hj_buf *buf, uint32_t kind)
{
    struct hj_event *event = buf == NULL ? NULL : hj_event_new(type, object, buf);
    if (event == NULL) {
        hj_conn_close(feed->loop, feed->conn, HIJACK_ENOMEM);
        return false;
    }
    event->status = (int32_t)kind;
    hj_loop_push(feed->loop, queue, event);
    return true;
}

/* To each broadcaster that wants it: the member's number, and the message. */
static bool push_member_message(struct feed *feed, const struct hj_buf *message, uint32_t kind)
{
    struct hj_loop *loop = feed->loop;
    for (uint32_t i = feed->conn->memberships; i != 0; i = hj_member_table_at(&loop->members, i)->next) {
        const struct hj_membership *membership = hj_member_table_at(&loop->members, i);
        const uint64_t user_data = hj_shard_user(membership->shard, membership->position);
        struct hj_broadcaster *broadcaster = membership->shard->broadcaster;
        if (!atomic_load_explicit(&broadcaster->delivers, memory_order_relaxed))
            continue;
        struct hj_buf *buf = hj_buf_new(sizeof(user_data) + message->len);
        if (buf != NULL) {
            memcpy(buf->data, &user_data, sizeof(user_data));
            memcpy(buf->data + sizeof(user_data), message->data, message->len);
        }
        if (!push_message(feed, loop->server->queues[0], HIJACK_EVENT_MEMBER_MESSAGE, &broadcaster->object, buf, kind))
            return false;
    }
    return true;
}

/* The peer of a tunnel's socket says that it sends no more. The program may have read as far as that before it relays:
 * it is no message, and kept for then. False if that closed it. */
static bool is_end_of_direction(const struct feed *feed, const struct hj_buf *message, uint32_t kind)
{
    return message->len == 0 && kind == HIJACK_MESSAGE_BINARY && feed->conn->kind == HJ_CONN_SOCKET &&
           feed->conn->channel->half_closes;
}

static bool keep_end(struct feed *feed)
{
    if (need_state(feed))
        feed->state->half_ended = true;
    return hj_conn_is_open(feed->conn);
}

/* The other connection gets it. False if that closed this one. */
static bool relay_message(struct feed *feed, struct hj_buf *message, uint32_t kind)
{
    struct hj_conn *conn = feed->conn;
    if (message->len == 0 && kind == HIJACK_MESSAGE_BINARY && (conn->flags & HJ_CONN_HALF_CLOSES) != 0)
        hj_relay_pass_end(feed->loop, conn);
    else
        hj_relay_pass(feed->loop, conn, message, kind);
    return hj_conn_is_open(conn);
}

/* Gives the program a message or a piece; takes over buf (NULL: out of memory). False if that closed it. */
static bool deliver_message(struct feed *feed, struct hj_buf *buf, uint32_t kind)
{
    struct hj_channel *channel = feed->conn->channel;
    if (buf == NULL) {
        hj_conn_close(feed->loop, feed->conn, HIJACK_ENOMEM);
        return false;
    }
    if (is_end_of_direction(feed, buf, kind)) {
        hj_buf_unref(buf);
        return keep_end(feed);
    }
    if (feed->conn->kind != HJ_CONN_SOCKET) {
        bool delivered =
            feed->conn->kind == HJ_CONN_RELAY ? relay_message(feed, buf, kind) : push_member_message(feed, buf, kind);
        hj_buf_unref(buf);
        return delivered;
    }
    const uint64_t cost = buf->len == 0 ? 1 : buf->len; /* empty messages are no way around it */
    if (channel->credit != UINT64_MAX)
        channel->credit -= cost < channel->credit ? cost : channel->credit;
    return push_message(feed, channel->queue, HIJACK_EVENT_MESSAGE, &channel->object, buf, kind);
}

/* What has been put together so far. */
static bool deliver_parts(struct feed *feed, uint32_t kind)
{
    struct hj_websocket *state = feed->state;
    struct hj_buf *message = state->message == NULL ? hj_buf_new(0) : hj_buf_resize(state->message, state->message_len);
    state->message = NULL;
    state->message_len = 0;
    return deliver_message(feed, message, kind);
}

static bool append_part(struct feed *feed, struct hj_slice part)
{
    struct hj_websocket *state = feed->state;
    const size_t need = state->message_len + part.len;
    const size_t have = state->message == NULL ? 0 : state->message->len;
    if (need > have) {
        size_t announced = state->reader.head.len < FIRST_PART_MAX ? (size_t)state->reader.head.len : FIRST_PART_MAX;
        size_t capacity = have == 0 ? announced : have * 2;
        capacity = capacity < need ? need : capacity;
        struct hj_buf *more = state->message == NULL ? hj_buf_new(capacity) : hj_buf_resize(state->message, capacity);
        if (more == NULL) {
            hj_conn_close(feed->loop, feed->conn, HIJACK_ENOMEM);
            return false;
        }
        state->message = more;
    }
    if (part.len != 0)
        memcpy(state->message->data + state->message_len, part.base, part.len);
    state->message_len = (uint32_t)need;
    return true;
}

/* What is relayed is passed on whole. */
static uint64_t piece_bytes(const struct feed *feed)
{
    return feed->conn->kind == HJ_CONN_RELAY ? 0 : feed->loop->server->options.websocket_piece_bytes;
}

/* Adds to the message under way. What is over the length of a piece goes to the program before the rest has come; a
 * piece that may be the last one waits. */
static bool collect_piece(struct feed *feed, uint32_t kind, struct hj_slice rest)
{
    const uint64_t option = piece_bytes(feed);
    const size_t most = option == 0 ? SIZE_MAX : (size_t)option;
    if (!need_state(feed))
        return false;
    while (rest.len != 0) {
        if (feed->state->message_len == most && !deliver_parts(feed, kind | HIJACK_MESSAGE_MORE))
            return false;
        const size_t room = most - feed->state->message_len, part = rest.len < room ? rest.len : room;
        if (!append_part(feed, hj_slice(rest.base, part)))
            return false;
        rest = hj_slice(rest.base + part, rest.len - part);
    }
    return true;
}

/* What a compressed message has become so far: bounded, and checked as a text. False if that ended it. */
static bool take_inflated(struct feed *feed, enum hj_ws_opcode kind, struct hj_slice out, bool is_last)
{
    struct hj_websocket *state = feed->state;
    struct hj_utf8 *utf8 = &state->reader.utf8;
    unsigned code = 0;
    state->inflated += out.len;
    if (state->inflated > state->reader.max_message)
        code = HJ_WS_TOO_BIG;
    else if (kind == HJ_WS_TEXT && (!hj_utf8_feed(utf8, out.base, out.len) || (is_last && !hj_utf8_is_whole(utf8))))
        code = HJ_WS_INVALID_DATA;
    if (code != 0) {
        hj_websocket_fail(feed->loop, feed->conn, code);
        return false;
    }
    return feed->drops || collect_piece(feed, (uint32_t)kind, out);
}

static bool take_compressed_piece(struct feed *feed, const struct hj_ws_item *item)
{
    uint8_t out[INFLATED_PART];
    struct hj_slice data = item->piece;
    enum hj_websocket_inflated result;
    if (!need_state(feed))
        return false;
    if (feed->drops && !feed->state->keeps_window)
        return true;
    if (item->first)
        feed->state->inflated = 0;
    do {
        size_t len = sizeof(out);
        result = hj_websocket_inflate(feed->loop, feed->state, &data, item->last, out, &len);
        if (result == HJ_WEBSOCKET_INFLATE_BROKEN)
            hj_websocket_fail(feed->loop, feed->conn, HJ_WS_INVALID_DATA);
        else if (result == HJ_WEBSOCKET_INFLATE_NO_MEMORY)
            hj_conn_close(feed->loop, feed->conn, HIJACK_ENOMEM);
        if (result == HJ_WEBSOCKET_INFLATE_BROKEN || result == HJ_WEBSOCKET_INFLATE_NO_MEMORY)
            return false;
        const bool is_last = item->last && result == HJ_WEBSOCKET_INFLATED;
        if (!take_inflated(feed, item->kind, hj_slice((const char *)out, len), is_last))
            return false;
    } while (result == HJ_WEBSOCKET_INFLATED_PART);
    return feed->drops || !item->last || deliver_parts(feed, (uint32_t)item->kind);
}

static bool take_message_piece(struct feed *feed, const struct hj_ws_item *item)
{
    const uint64_t option = piece_bytes(feed);
    if (item->first)
        feed->drops = !is_wanted_by_program(feed);
    if (has_closed(feed))
        return true;
    if (item->compressed)
        return take_compressed_piece(feed, item);
    if (feed->drops)
        return true;
    if (item->first && item->last && (option == 0 || item->piece.len <= option))
        return deliver_message(feed, hj_buf_copy(item->piece.base, item->piece.len), (uint32_t)item->kind);
    return collect_piece(feed, (uint32_t)item->kind, item->piece) &&
           (!item->last || deliver_parts(feed, (uint32_t)item->kind));
}

/* False if that closed the connection. */
static bool send_pong(struct hj_loop *loop, struct hj_conn *conn, struct hj_slice payload)
{
    return hj_writer_send_own(loop, conn, hj_ws_frame(HJ_WS_PONG, true, payload));
}

/* The last ping counts where several wait (RFC 6455 section 5.5.3), so that a peer that only sends them costs no
 * memory.
 */
static bool take_ping(struct feed *feed, struct hj_slice payload)
{
    if (has_closed(feed))
        return true;
    if (feed->conn->backlog == NULL)
        return send_pong(feed->loop, feed->conn, payload);
    if (!need_state(feed))
        return false;
    feed->state->owes_pong = true;
    feed->state->pong_len = (uint8_t)payload.len;
    memcpy(feed->state->pong, payload.base, payload.len);
    return true;
}

void hj_websocket_flushed(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_websocket *state = hj_websocket_find(loop, conn);
    if (state == NULL || !state->owes_pong)
        return;
    state->owes_pong = false;
    if (state->closer == HJ_WEBSOCKET_OPEN)
        send_pong(loop, conn, hj_slice((const char *)state->pong, state->pong_len));
}

/* False if nothing more is to be read. */
static bool take_item(struct feed *feed, const struct hj_ws_item *item)
{
    switch (item->found) {
    case HJ_WS_PIECE:
        return take_message_piece(feed, item);
    case HJ_WS_CONTROL:
        if (item->kind == HJ_WS_PING)
            return take_ping(feed, item->piece);
        if (item->kind == HJ_WS_CLOSE && need_state(feed))
            hj_websocket_take_close(feed->loop, feed->conn, item->code, item->piece);
        return item->kind == HJ_WS_PONG;
    case HJ_WS_FAILED:
        if (need_state(feed))
            hj_websocket_fail(feed->loop, feed->conn, item->code);
        return false;
    case HJ_WS_NOTHING:
        break;
    }
    return true;
}

bool hj_websocket_feed(struct hj_loop *loop, struct hj_conn *conn, char *data, size_t len)
{
    struct feed feed;
    size_t at = 0;
    conn->pinged = 0;
    begin_feed(&feed, loop, conn);
    while (at < len && hj_conn_is_open(conn)) {
        if (!may_deliver(&feed)) {
            if (!hj_conn_keep_input(conn, data + at, len - at))
                hj_conn_close(loop, conn, HIJACK_ENOMEM);
            break;
        }
        size_t used;
        struct hj_ws_item item = hj_ws_read(feed.reader, (uint8_t *)data + at, len - at, &used);
        at += used;
        if (!take_item(&feed, &item))
            return false; /* it closes, or is closed */
    }
    end_feed(&feed);
    return at == len && hj_conn_is_open(conn);
}

bool hj_websocket_feed_input(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_input *input = conn->input;
    if (input == NULL)
        return true;
    conn->input = NULL; /* what has to wait becomes a new one */
    bool all = hj_websocket_feed(loop, conn, input->data + input->start, input->len);
    free(input);
    return all;
}

void hj_websocket_keep_window(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_websocket *state = hj_websocket_need(loop, conn);
    if (state == NULL)
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else
        state->keeps_window = true;
}

void hj_websocket_read_once(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    if (!hj_websocket_feed_input(loop, conn) || (events & (HJ_POLL_IN | HJ_POLL_PEER | HJ_POLL_GONE)) == 0)
        return;
    ssize_t n = hj_transport_read(loop, conn, loop->scratch, HJ_SCRATCH_SIZE);
    if (n == HIJACK_ECLOSED) {
        hj_websocket_peer_ended(loop, conn);
    } else if (n < 0) {
        hj_conn_close(loop, conn, (int)n);
    } else if (n > 0) {
        conn->in_ms = hj_loop_time(loop);
        hj_websocket_feed(loop, conn, loop->scratch, (size_t)n);
    } else if ((events & HJ_POLL_GONE) != 0) {
        hj_conn_close(loop, conn, hj_transport_error(loop, conn));
    }
}

void hj_websocket_read_held(struct hj_loop *loop, struct hj_conn *conn, unsigned events)
{
    hj_websocket_read_once(loop, conn, events);
    if (!hj_conn_is_open(conn) || conn->kind != HJ_CONN_HELD)
        return;
    const unsigned wanted = conn->input == NULL ? HJ_POLL_IN | HJ_POLL_PEER : 0;
    hj_conn_set_interest(loop, conn, (conn->interest & HJ_POLL_OUT) | wanted);
}

void hj_websocket_become_held(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_websocket *state = hj_websocket_find(loop, conn);
    if (state != NULL) {
        hj_buf_unref(state->message);
        state->message = NULL;
        state->message_len = 0;
        state->drops = true;
    }
    hj_websocket_read_held(loop, conn, 0);
}
