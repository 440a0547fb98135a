/* What a program does to the members of a broadcaster that are one user's. Any thread. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/broadcaster.h"
#include "core/membership.h"

/* Pins and asks the loops. */
static int ask_users(hijack_broadcaster *handle, enum hj_op op, uint64_t user_data)
{
    struct hj_broadcaster *broadcaster;
    if (user_data == 0)
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    rc = hj_broadcaster_ask(broadcaster, &(struct hj_command){.op = (uint32_t)op, .value = user_data});
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
        const struct hj_command what = {.op = HJ_OP_SEND_USER, .message = message, .value = user_data};
        rc = hj_broadcaster_ask(broadcaster, &what);
        hj_message_unref(message);
    }
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_remove_user(hijack_broadcaster *handle, uint64_t user_data)
{
    return ask_users(handle, HJ_OP_REMOVE_USER, user_data);
}

int hijack_broadcaster_close_user(hijack_broadcaster *handle, uint64_t user_data)
{
    return ask_users(handle, HJ_OP_CLOSE_USER, user_data);
}

/* Members may come on all loops that `from` has some on, and what is published next must reach them. */
static int join_from(struct hj_broadcaster *broadcaster, struct hj_broadcaster *from, uint64_t user_data)
{
    struct hj_server *server = broadcaster->server;
    if (from->server != server)
        return HIJACK_EINVAL;
    int rc = hj_server_check_running(server);
    const uint64_t addressed = atomic_load(&from->addressed);
    for (uint32_t i = 0; rc == 0 && i < server->worker_count; ++i)
        if ((addressed >> i & 1) != 0)
            hj_membership_address(broadcaster, server->workers[i]);
    const struct hj_command what = {.op = HJ_OP_JOIN_USER, .other = &broadcaster->object, .value = user_data};
    return rc != 0 ? rc : hj_broadcaster_ask(from, &what);
}

int hijack_broadcaster_join_user(hijack_broadcaster *handle, hijack_broadcaster *from_handle, uint64_t user_data)
{
    struct hj_broadcaster *broadcaster, *from;
    if (user_data == 0)
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    rc = hj_broadcaster_pin(&from, from_handle);
    if (rc == 0) {
        rc = join_from(broadcaster, from, user_data);
        hj_handle_unpin(from_handle);
    }
    hj_handle_unpin(handle);
    return rc;
}
