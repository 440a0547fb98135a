/* Sending messages; see message_mode.h. Any thread.
 *
 * What is published to a member must not come between the pieces of a message: a connection is either a member or has a
 * message under way. The lock of its subscriptions guards both. */
#include "core/message_mode.h"

#include <hijack/hijack.h>

#include "codec/websocket.h"
#include "core/worker.h"

#define IN_ORDER_MAX (64u << 10) /* bytes; a longer message refers to none before it, and none after it to it */

/* Whether the piece, which may begin or end within a character, goes on with the text. */
static bool goes_on_as_text(struct hj_utf8 *utf8, struct hj_slice piece, bool is_last)
{
    return hj_utf8_feed(utf8, piece.base, piece.len) && (!is_last || hj_utf8_is_whole(utf8));
}

/* The lock is held. */
static int send_piece(struct hj_channel *channel, uint32_t kind, bool is_last, struct hj_slice data)
{
    struct hj_pieces after = channel->pieces;
    const bool is_first = after.kind == 0;
    if ((!is_first && after.kind != kind) || channel->subscriptions.count != 0)
        return HIJACK_ESTATE;
    if (is_first)
        after.utf8 = (struct hj_utf8){0};
    if (kind == HIJACK_MESSAGE_TEXT && !goes_on_as_text(&after.utf8, data, is_last))
        return HIJACK_EINVAL;
    enum hj_ws_opcode opcode = is_first ? (enum hj_ws_opcode)kind : HJ_WS_CONTINUATION;
    int rc = hj_channel_send(channel, hj_ws_frame(opcode, is_last, data));
    if (rc != 0)
        return rc;
    after.kind = is_last ? 0 : (uint8_t)kind;
    channel->pieces = after;
    channel->subscriptions.exclusive = !is_last;
    return 0;
}

static struct hj_buf *make_frame(struct hj_channel *channel, enum hj_ws_opcode opcode, struct hj_slice data)
{
    if (!hj_wire_is_compressed(channel->wire))
        return hj_ws_frame(opcode, true, data);
    return hj_compressor_frame(&channel->worker->server->compressor, hj_wire_window((enum hj_wire)channel->wire),
                               opcode, data);
}

/* A frame for a peer whose window we keep. A broadcaster's messages are compressed once for all and take no part in it:
 * after them, and while they may come, nothing refers to earlier messages. The lock is held until the frame is sent. */
static struct hj_buf *make_frame_in_order(struct hj_channel *channel, enum hj_ws_opcode opcode, struct hj_slice data)
{
    const bool is_member = channel->subscriptions.count != 0;
    if (channel->subscriptions.joined)
        hj_compressor_forget(channel->deflater);
    channel->subscriptions.joined = is_member;
    if (is_member)
        return make_frame(channel, opcode, data);
    return hj_compressor_frame_after(&channel->worker->server->compressor, channel->deflater,
                                     hj_wire_window((enum hj_wire)channel->wire), opcode, data);
}

/* The lock is held. */
static int send_in_order(struct hj_channel *channel, enum hj_ws_opcode opcode, struct hj_slice data)
{
    int rc = hj_channel_reserve(channel, 0); /* what is refused anyway is not compressed */
    if (rc == 0)
        rc = hj_channel_send(channel, make_frame_in_order(channel, opcode, data));
    if (rc != 0)
        hj_compressor_forget(channel->deflater); /* the peer never sees this message */
    return rc;
}

/* A message that is sent at once. Its frame is made before the lock is taken, which loops and others wait for; of a
 * message that may refer to earlier ones under it, which takes 0.3 ms at most. */
static int send_whole(struct hj_channel *channel, uint32_t kind, struct hj_slice data)
{
    const bool is_valid = kind != HIJACK_MESSAGE_TEXT || hj_utf8_check(data.base, data.len);
    const bool in_order = channel->own_window && data.len <= IN_ORDER_MAX;
    struct hj_buf *frame = in_order ? NULL : make_frame(channel, (enum hj_ws_opcode)kind, data);
    int rc;
    hj_subscriptions_lock(&channel->subscriptions);
    if (channel->pieces.kind != 0) {
        hj_buf_unref(frame);
        rc = send_piece(channel, kind, true, data);
    } else if (!is_valid) {
        hj_buf_unref(frame);
        rc = HIJACK_EINVAL;
    } else if (in_order) {
        rc = send_in_order(channel, (enum hj_ws_opcode)kind, data);
    } else {
        if (channel->own_window)
            hj_compressor_forget(channel->deflater); /* the peer's window will have what ours has not */
        rc = hj_channel_send(channel, frame);
    }
    hj_subscriptions_unlock(&channel->subscriptions);
    return rc;
}

int hj_message_mode_send(struct hj_channel *channel, uint32_t type, struct hj_slice data)
{
    if ((type & HIJACK_MESSAGE_MORE) == 0)
        return send_whole(channel, type, data);
    hj_subscriptions_lock(&channel->subscriptions);
    int rc = send_piece(channel, type & ~(uint32_t)HIJACK_MESSAGE_MORE, false, data);
    hj_subscriptions_unlock(&channel->subscriptions);
    return rc;
}
