/* Connections of other servers: as a socket, or with a request that was read from them. Any thread. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "codec/head.h"
#include "core/address.h"
#include "core/channel.h"
#include "core/request.h"
#include "core/server.h"
#include "core/worker.h"

/* Gives the loop a descriptor and what was read from it already. On failure the descriptor is still the caller's. */
static int post_adopted(struct hj_worker *worker, enum hj_op op, struct hj_object *object, int fd,
                        struct hj_slice unread)
{
    int rc = HIJACK_ENOMEM;
    struct hj_command *command = hj_command_new(op, object, NULL);
    if (command == NULL)
        return rc;
    if (unread.len == 0 || (command->buf = hj_buf_copy(unread.base, unread.len)) != NULL) {
        if ((rc = hj_handover_post(worker, command, fd)) == 0)
            return 0;
    }
    hj_command_free(command);
    return rc;
}

static int adopt_socket(struct hj_channel **out, struct hj_server *server, int fd, struct hj_slice unread)
{
    if (server->queue_count == 0)
        return HIJACK_ESTATE;
    int rc = hj_server_check_adopting(server, fd);
    if (rc != 0)
        return rc;
    struct hj_worker *worker = hj_server_next_worker(server);
    if ((rc = hj_channel_new(out, HJ_KIND_SOCKET, false, worker, server->queues[0],
                             atomic_load(&server->object.user_data))) != 0)
        return rc;
    if ((rc = post_adopted(worker, HJ_OP_ADOPT, &(*out)->object, fd, unread)) != 0)
        hj_channel_discard(*out);
    return rc;
}

int hijack_server_adopt(hijack_socket **out, hijack_server *handle, int fd, const char *unread, size_t unread_len)
{
    struct hj_server *server;
    struct hj_channel *channel;
    if (out == NULL || (unread == NULL && unread_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    rc = adopt_socket(&channel, server, fd, hj_slice(unread, unread_len));
    if (rc == 0)
        hj_channel_give(out, channel);
    hj_handle_unpin(handle);
    return rc;
}

/* A request with this head, which is not read from a connection of ours. */
static int make_adopted_request(struct hj_request **out, struct hj_server *server, int fd, struct hj_slice text)
{
    struct hj_head head;
    char peer[HJ_ADDRESS_TEXT_SIZE];
    if (server->queue_count == 0)
        return HIJACK_ESTATE;
    int rc = hj_server_check_adopting(server, fd);
    if (rc != 0)
        return rc;
    int n = server->options.connect_method == HJ_SWITCH_ON
                ? hj_head_parse_with_connect(&head, text.base, text.len, 0, text.len + 1)
                : hj_head_parse(&head, text.base, text.len, 0, text.len + 1);
    if (n <= 0 || (size_t)n != text.len)
        return HIJACK_EHEADER;
    head.keep_alive = false;
    return hj_request_new(out, server, hj_server_next_worker(server), server->queues[0], &head,
                          hj_address_of_peer(peer, sizeof(peer), fd), NULL, 0);
}

static int adopt_request(struct hj_request **out, struct hj_server *server, int fd, struct hj_slice head,
                         struct hj_slice unread)
{
    int rc = make_adopted_request(out, server, fd, head);
    if (rc != 0)
        return rc;
    struct hj_request *request = *out;
    request->delivered = true; /* the program has it without an event */
    if ((rc = post_adopted(request->worker, HJ_OP_ADOPT_REQUEST, &request->object, fd, unread)) != 0) {
        hj_handle_discard(request->object.handle);
        hj_object_unref(&request->object);
    }
    return rc;
}

int hijack_server_adopt_request(hijack_request **out, hijack_server *handle, int fd, const char *head, size_t head_len,
                                const char *unread, size_t unread_len)
{
    struct hj_server *server;
    struct hj_request *request;
    if (out == NULL || head == NULL || (unread == NULL && unread_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    rc = adopt_request(&request, server, fd, hj_slice(head, head_len), hj_slice(unread, unread_len));
    if (rc == 0) {
        *out = request->object.handle;
        hj_object_unref(&request->object);
    }
    hj_handle_unpin(handle);
    return rc;
}
