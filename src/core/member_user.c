/* What a program does to the members of a broadcaster that are one user's. Any thread. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/broadcaster.h"

/* Pins, asks the loops, unpins. other_handle may be NULL. */
static int ask_users(hijack_broadcaster *handle, enum hj_op op, hijack_broadcaster *other_handle, uint64_t user_data)
{
    struct hj_broadcaster *broadcaster, *other = NULL;
    if (user_data == 0)
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    if (other_handle != NULL)
        rc = hj_broadcaster_pin(&other, other_handle);
    if (rc == 0) {
        rc = other != NULL && other->server != broadcaster->server
                 ? HIJACK_EINVAL
                 : hj_broadcaster_ask(broadcaster, op, other == NULL ? NULL : &other->object, NULL, user_data);
        if (other != NULL)
            hj_handle_unpin(other_handle);
    }
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_send_user(hijack_broadcaster *handle, uint64_t user_data, uint32_t type, const char *data,
                                 size_t len)
{
    struct hj_broadcaster *broadcaster;
    struct hj_message *message;
    if (user_data == 0 || (type != HIJACK_MESSAGE_TEXT && type != HIJACK_MESSAGE_BINARY) || (data == NULL && len != 0))
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    const struct hj_message_parts parts = {
        .data = hj_slice(data, len), .retry_ms = -1, .binary = type == HIJACK_MESSAGE_BINARY};
    rc = hj_broadcaster_compose(&message, broadcaster, &parts);
    if (rc == 0) {
        rc = hj_broadcaster_ask(broadcaster, HJ_OP_SEND_USER, NULL, message, user_data);
        hj_message_unref(message);
    }
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_remove_user(hijack_broadcaster *handle, uint64_t user_data)
{
    return ask_users(handle, HJ_OP_REMOVE_USER, NULL, user_data);
}

int hijack_broadcaster_close_user(hijack_broadcaster *handle, uint64_t user_data)
{
    return ask_users(handle, HJ_OP_CLOSE_USER, NULL, user_data);
}

/* The loops of `from` are asked, where the members are. */
int hijack_broadcaster_join_user(hijack_broadcaster *handle, hijack_broadcaster *from, uint64_t user_data)
{
    if (handle == NULL || from == NULL)
        return HIJACK_EHANDLE;
    return ask_users(from, HJ_OP_JOIN_USER, handle, user_data);
}
