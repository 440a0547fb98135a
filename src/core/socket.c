/* The public functions of a hijacked socket. Any thread. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "codec/utf8.h"
#include "codec/websocket.h"
#include "core/channel.h"
#include "core/message_mode.h"

#define SOCKET (1u << HJ_KIND_SOCKET)

static int pin_socket(struct hj_channel **out, hijack_socket *handle)
{
    return hj_handle_pin((struct hj_object **)out, handle, SOCKET);
}

/* Pins one that carries bytes: what is done with bytes cannot be done in message mode. */
static int pin_bytes(struct hj_channel **out, hijack_socket *handle)
{
    int rc = pin_socket(out, handle);
    if (rc != 0 || !hj_wire_is_websocket((*out)->wire))
        return rc;
    hj_handle_unpin(handle);
    return HIJACK_ESTATE;
}

int hijack_socket_read(hijack_socket *handle, uint64_t credit)
{
    struct hj_channel *socket;
    int rc = pin_socket(&socket, handle);
    if (rc != 0)
        return rc;
    int state = atomic_load(&socket->state);
    if (state == HJ_CHANNEL_DETACHED || state == HJ_CHANNEL_RELAYED)
        rc = HIJACK_ESTATE;
    else if (state >= HJ_CHANNEL_CLOSING)
        rc = HIJACK_ECLOSED;
    else
        rc = hj_channel_post(socket, HJ_OP_READ, credit);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_socket_send(hijack_socket *handle, const char *data, size_t len)
{
    struct hj_channel *socket;
    if ((data == NULL && len != 0) || len > INT32_MAX)
        return HIJACK_EINVAL;
    int rc = pin_bytes(&socket, handle);
    if (rc != 0)
        return rc;
    rc = hj_channel_reserve(socket, 0); /* before the copy, which may be for nothing */
    if (rc == 0 && len != 0)
        rc = hj_channel_send(socket, hj_buf_copy(data, len));
    hj_handle_unpin(handle);
    return rc;
}

static int move_socket(hijack_socket *handle, enum hj_channel_state to, enum hj_channel_state below, enum hj_op op)
{
    struct hj_channel *socket;
    int rc = op == HJ_OP_ABORT ? pin_socket(&socket, handle) : pin_bytes(&socket, handle);
    if (rc != 0)
        return rc;
    rc = hj_channel_move(socket, to, below, op, NULL);
    hj_handle_unpin(handle);
    return rc;
}

/* Message mode: the close frame, and what follows from it. */
static int close_message(struct hj_channel *socket, uint32_t code, struct hj_slice reason)
{
    struct hj_buf *frame = hj_ws_close_frame(code, reason);
    if (frame == NULL)
        return HIJACK_ENOMEM;
    return hj_channel_move(socket, HJ_CHANNEL_CLOSING, HJ_CHANNEL_CLOSING, HJ_OP_CLOSE, frame);
}

int hijack_socket_shutdown(hijack_socket *handle)
{
    return move_socket(handle, HJ_CHANNEL_ENDED, HJ_CHANNEL_ENDED, HJ_OP_SHUTDOWN);
}

int hijack_socket_close(hijack_socket *handle)
{
    struct hj_channel *socket;
    int rc = pin_socket(&socket, handle);
    if (rc != 0)
        return rc;
    if (hj_wire_is_websocket(socket->wire))
        rc = close_message(socket, HJ_WS_NORMAL, HJ_SLICE(""));
    else
        rc = hj_channel_move(socket, HJ_CHANNEL_CLOSING, HJ_CHANNEL_CLOSING, HJ_OP_CLOSE, NULL);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_socket_close_message(hijack_socket *handle, uint32_t code, const char *reason, size_t reason_len)
{
    struct hj_channel *socket;
    if (!hj_ws_code_is_valid(code) || reason_len > HJ_WS_REASON_MAX || (reason == NULL && reason_len != 0) ||
        !hj_utf8_check(reason, reason_len))
        return HIJACK_EINVAL;
    int rc = pin_socket(&socket, handle);
    if (rc != 0)
        return rc;
    rc = hj_wire_is_websocket(socket->wire) ? close_message(socket, code, hj_slice(reason, reason_len)) : HIJACK_ESTATE;
    hj_handle_unpin(handle);
    return rc;
}

/* The frame of a message, or of a piece of one, goes out if that is its place. */
static int send_frame(struct hj_channel *socket, uint32_t type, struct hj_slice data)
{
    int rc = hj_channel_reserve(socket, 0); /* before the copy, which may be for nothing */
    if (rc != 0)
        return rc;
    if (type == HIJACK_MESSAGE_PING)
        return hj_channel_send(socket, hj_ws_frame(HJ_WS_PING, true, data));
    return hj_message_mode_send(socket, type, data);
}

int hijack_socket_send_message(hijack_socket *handle, uint32_t type, const char *data, size_t len)
{
    struct hj_channel *socket;
    const uint32_t kind = type & ~(uint32_t)HIJACK_MESSAGE_MORE;
    const bool is_ping = type == HIJACK_MESSAGE_PING;
    if ((data == NULL && len != 0) || len > INT32_MAX || (is_ping && len > HJ_WS_CONTROL_MAX) ||
        (!is_ping && kind != HIJACK_MESSAGE_TEXT && kind != HIJACK_MESSAGE_BINARY))
        return HIJACK_EINVAL;
    int rc = pin_socket(&socket, handle);
    if (rc != 0)
        return rc;
    rc = hj_wire_is_websocket(socket->wire) ? send_frame(socket, type, hj_slice(data, len)) : HIJACK_ESTATE;
    hj_handle_unpin(handle);
    return rc;
}

int hijack_socket_abort(hijack_socket *handle)
{
    return move_socket(handle, HJ_CHANNEL_GONE, HJ_CHANNEL_GONE, HJ_OP_ABORT);
}

int hijack_socket_detach(hijack_socket *handle)
{
    return move_socket(handle, HJ_CHANNEL_DETACHED, HJ_CHANNEL_RELAYED, HJ_OP_DETACH);
}

void hijack_socket_free(hijack_socket *handle)
{
    struct hj_channel *socket;
    if (pin_socket(&socket, handle) != 0)
        return;
    hj_channel_free_handle(socket);
    hj_handle_unpin(handle);
}
