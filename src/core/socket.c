/* The public functions of a hijacked socket. Any thread. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/channel.h"

#define SOCKET (1u << HJ_KIND_SOCKET)

static int pin_socket(struct hj_channel **out, hijack_socket *handle)
{
    return hj_handle_pin((struct hj_object **)out, handle, SOCKET);
}

int hijack_socket_read(hijack_socket *handle, uint64_t credit)
{
    struct hj_channel *socket;
    if (credit == 0)
        return HIJACK_EINVAL;
    int rc = pin_socket(&socket, handle);
    if (rc != 0)
        return rc;
    int state = atomic_load(&socket->state);
    if (state == HJ_CHANNEL_DETACHED)
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
    int rc = pin_socket(&socket, handle);
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
    int rc = pin_socket(&socket, handle);
    if (rc != 0)
        return rc;
    rc = hj_channel_move(socket, to, below, op, NULL);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_socket_shutdown(hijack_socket *handle)
{
    return move_socket(handle, HJ_CHANNEL_ENDED, HJ_CHANNEL_ENDED, HJ_OP_SHUTDOWN);
}

int hijack_socket_close(hijack_socket *handle)
{
    return move_socket(handle, HJ_CHANNEL_CLOSING, HJ_CHANNEL_CLOSING, HJ_OP_CLOSE);
}

int hijack_socket_abort(hijack_socket *handle)
{
    return move_socket(handle, HJ_CHANNEL_GONE, HJ_CHANNEL_GONE, HJ_OP_ABORT);
}

int hijack_socket_detach(hijack_socket *handle)
{
    return move_socket(handle, HJ_CHANNEL_DETACHED, HJ_CHANNEL_CLOSING, HJ_OP_DETACH);
}

void hijack_socket_free(hijack_socket *handle)
{
    struct hj_channel *socket;
    if (pin_socket(&socket, handle) != 0)
        return;
    hj_channel_free_handle(socket);
    hj_handle_unpin(handle);
}
