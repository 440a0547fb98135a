/* Outgoing connections: what the program asks for. Any thread. */
#include <hijack/hijack.h>

#include <string.h>

#include "base/handle.h"
#include "core/channel.h"
#include "core/server.h"
#include "core/target.h"
#include "core/tls/outgoing.h"
#include "core/worker.h"

/* What the loop gets of a target: a list of addresses, or port and host, each with a NUL. NULL when out of memory. */
static struct hj_buf *describe_target(const struct hj_target *target)
{
    if (!target->named)
        return hj_target_list(&target->address);
    const size_t port_len = strlen(target->port) + 1, host_len = strlen(target->host) + 1;
    struct hj_buf *buf = hj_buf_new(port_len + host_len);
    if (buf == NULL)
        return NULL;
    memcpy(buf->data, target->port, port_len);
    memcpy(buf->data + port_len, target->host, host_len);
    return buf;
}

static int post_connect(struct hj_channel *channel, const struct hj_target *target)
{
    struct hj_command *command = hj_command_new(HJ_OP_CONNECT, &channel->object, NULL);
    if (command == NULL)
        return HIJACK_ENOMEM;
    command->value = (target->named ? HJ_CONNECT_NAME : HJ_CONNECT_LIST) | (target->tls ? HJ_CONNECT_TLS : 0);
    int rc = (command->buf = describe_target(target)) == NULL ? HIJACK_ENOMEM : HIJACK_ESHUTDOWN;
    if (command->buf != NULL && hj_worker_post(channel->worker, command))
        return 0;
    hj_command_free(command);
    return rc;
}

static int connect_to(void *out, struct hj_server *server, struct hj_slice text, uint64_t user_data)
{
    struct hj_target target;
    struct hj_channel *channel;
    int rc = hj_target_parse(&target, text);
    if (rc == 0 && server->queue_count == 0)
        rc = HIJACK_ESTATE;
    if (rc == 0)
        rc = hj_server_check_growing(server);
    if (rc == 0 && target.tls)
        rc = hj_outgoing_tls_make(server);
    if (rc == 0)
        rc = hj_channel_new(&channel, HJ_KIND_SOCKET, false, hj_server_next_worker(server), server->queues[0],
                            user_data);
    if (rc != 0)
        return rc;
    rc = post_connect(channel, &target);
    if (rc != 0)
        hj_channel_discard(channel);
    else
        hj_channel_give(out, channel);
    return rc;
}

int hijack_server_connect(hijack_socket **out, hijack_server *handle, const char *address, size_t address_len,
                          uint64_t user_data)
{
    struct hj_server *server;
    if (out == NULL || (address == NULL && address_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    rc = connect_to(out, server, hj_slice(address, address_len), user_data);
    hj_handle_unpin(handle);
    return rc;
}
