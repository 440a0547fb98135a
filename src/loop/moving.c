/* Sockets that change their loop; see moving.h. Loop thread. */
#include "loop/moving.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/worker.h"
#include "loop/held/websocket_state.h"
#include "loop/io/acceptor.h"
#include "loop/io/backlog.h"
#include "loop/io/transport.h"

/* Of the flags, what is true of the connection wherever it is. */
#define LASTING (HJ_CONN_EOF | HJ_CONN_PEER_ENDED | HJ_CONN_RESET | HJ_CONN_ENDING | HJ_CONN_DISCARD)

/* What is on its way. */
struct hj_parcel {
    struct hj_conn entry;           /* with the references that it has */
    struct hj_websocket *websocket; /* NULL: none */
    void *keys;                     /* of TLS; else NULL */
    uint32_t counted;               /* of its address */
};

/* The old entry has nothing any more: all of it belongs to the other loop, which may be at work on it already. It is
 * free at the end of the turn, as any other: an event of it may still come. */
static void forget_moved(struct hj_loop *loop, struct hj_conn *conn, uint64_t backlog_bytes)
{
    hj_websocket_moved(loop, conn);
    hj_transport_moved(loop, conn);
    hj_loop_uncount(loop, HIJACK_STAT_BACKLOG_BYTES, backlog_bytes);
    hj_acceptor_take_counted(loop, conn->index);
    conn->backlog = NULL;
    conn->input = NULL;
    conn->channel = NULL;
    conn->flags |= HJ_CONN_WAS_COUNTED;
    hj_conn_close(loop, conn, 0);
}

int hj_moving_send(struct hj_loop *loop, struct hj_conn *conn, struct hj_channel *to)
{
    struct hj_channel *channel = conn->channel;
    struct hj_worker *const worker = to->worker;
    struct hj_parcel *parcel = malloc(sizeof(*parcel));
    struct hj_command *command = hj_command_new(HJ_OP_RELAY_ARRIVE, &channel->object, &to->object);
    int rc = HIJACK_ENOMEM;
    hj_object_ref(&channel->object); /* its own goes with the parcel, to a loop that may be quick */
    if (parcel != NULL && command != NULL && hj_transport_copy_keys(&parcel->keys, loop, conn)) {
        const uint64_t backlog_bytes = conn->backlog == NULL ? 0 : conn->backlog->bytes;
        const bool polled = (conn->flags & HJ_CONN_UNPOLLED) == 0;
        hj_transport_unpoll(loop, conn);
        hj_conn_unstall(loop, conn);
        parcel->entry = *conn;
        parcel->websocket = hj_websocket_find(loop, conn);
        parcel->counted = hj_numbers_get(&loop->addresses, conn->index);
        command->value = (uintptr_t)parcel;
        channel->conn = NULL;
        if ((rc = hj_handover_post(worker, command, conn->fd)) == 0) {
            channel->worker = worker;
            forget_moved(loop, conn, backlog_bytes);
            hj_object_unref(&channel->object);
            return 0;
        }
        channel->conn = conn;
        hj_transport_drop_keys(conn, parcel->keys);
        if (polled && !hj_transport_poll(loop, conn))
            rc = HIJACK_ENOMEM;
    }
    hj_object_unref(&channel->object);
    free(parcel);
    if (command != NULL)
        hj_command_free(command);
    return rc;
}

/* It cannot be held. */
static void lose(struct hj_loop *loop, struct hj_parcel *parcel, int fd, int reason)
{
    struct hj_conn *entry = &parcel->entry;
    hj_transport_drop_moved(entry, parcel->keys);
    hj_websocket_drop_moved(parcel->websocket);
    if (entry->backlog != NULL)
        hj_backlog_free(entry->backlog);
    hj_conn_drop_input(entry);
    hj_acceptor_uncount(loop, parcel->counted);
    hj_conn_count_closed(loop, reason);
    if (fd != -1)
        close(fd);
    hj_channel_end(entry->channel, reason, NULL);
    hj_object_unref(&entry->channel->object);
}

/* The new entry gets what the old one had. */
static void settle_in(struct hj_loop *loop, struct hj_conn *conn, const struct hj_conn *entry)
{
    conn->peer_ip = entry->peer_ip;
    conn->peer_port = entry->peer_port;
    conn->flags = entry->flags & LASTING;
    conn->wire = entry->wire;
    conn->listener = entry->listener;
    conn->pinged = entry->pinged;
    conn->transport = entry->transport;
    conn->unlimited = entry->unlimited;
    conn->queue = entry->queue;
    conn->input = entry->input;
    conn->backlog = entry->backlog;
    conn->channel = entry->channel;
    conn->channel->conn = conn;
    if (conn->backlog != NULL)
        hj_loop_count(loop, HIJACK_STAT_BACKLOG_BYTES, conn->backlog->bytes);
    atomic_fetch_add(&loop->server->connections, 1);
    hj_loop_count(loop, HIJACK_STAT_CONNECTIONS, 1);
}

/* What stands beside the entry. False when out of memory, with all of it gone. */
static bool settle_beside(struct hj_loop *loop, struct hj_conn *conn, struct hj_parcel *parcel)
{
    const bool keys = hj_transport_take_keys(loop, conn, parcel->keys);
    const bool websocket = hj_websocket_take_moved(loop, conn, parcel->websocket);
    const bool counted = parcel->counted == 0 || hj_numbers_set(&loop->addresses, conn->index, parcel->counted);
    if (!counted)
        hj_acceptor_uncount(loop, parcel->counted);
    return keys && websocket && counted;
}

struct hj_conn *hj_moving_receive(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_parcel *parcel = (struct hj_parcel *)(uintptr_t)command->value;
    const int fd = hj_handover_take(&loop->worker, command);
    parcel->entry.channel->worker = &loop->worker;
    struct hj_conn *conn = fd == -1 ? NULL : hj_conn_open(loop, fd, HJ_CONN_SOCKET);
    if (conn == NULL) {
        lose(loop, parcel, fd, fd == -1 ? HIJACK_ELIMIT : HIJACK_ENOMEM);
    } else {
        settle_in(loop, conn, &parcel->entry);
        if (!settle_beside(loop, conn, parcel))
            hj_conn_close(loop, conn, HIJACK_ENOMEM);
    }
    free(parcel);
    return conn != NULL && hj_conn_is_open(conn) ? conn : NULL;
}
