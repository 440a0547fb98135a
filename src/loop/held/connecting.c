/* Outgoing connections; see connecting.h. Loop thread.
 *
 * A CONNECTING entry has a backlog from the beginning, so that what the program sends waits there, and its input has
 * the addresses that were not tried yet. It has no descriptor, and stands outside the poller (UNPOLLED), while its name
 * is looked up, and while the system's authorities are read. With TLS it has a layer from the beginning, and stays
 * CONNECTING until the handshake is complete. */
#include "loop/held/connecting.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/os/socket.h"
#include "core/channel.h"
#include "core/listener.h"
#include "core/resolver.h"
#include "core/target.h"
#include "core/tls/outgoing.h"
#include "loop/fanout/shard.h"
#include "loop/held/ending.h"
#include "loop/held/relaying.h"
#include "loop/held/socket_input.h"
#include "loop/io/backlog.h"
#include "loop/io/transport.h"
#include "loop/io/writer.h"
#include "loop/tls/client.h"

/* It is a socket from here on. */
static void become_open(struct hj_loop *loop, struct hj_conn *conn)
{
    char text[HJ_ADDRESS_TEXT_SIZE];
    struct hj_slice peer = hj_address_of_peer(text, sizeof(text), conn->fd);
    struct hj_buf *data = hj_buf_copy(peer.base, peer.len);
    struct hj_event *event = data == NULL ? NULL : hj_event_new(HIJACK_EVENT_CONNECTED, &conn->channel->object, data);
    hj_conn_drop_input(conn);
    hj_conn_set_kind(loop, conn, HJ_CONN_SOCKET);
    conn->in_ms = conn->out_ms = hj_loop_time(loop);
    if (event == NULL) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    hj_loop_push(loop, conn->channel->queue, event);
    hj_writer_drop_empty(loop, conn);
    if (!hj_writer_flush(loop, conn) && !hj_conn_is_open(conn))
        return;
    if (conn->behind)
        hj_conn_make_ready(loop, conn);
    if (conn->channel->relayed)
        hj_relaying_opened(loop, conn);
    else
        hj_socket_input_update(loop, conn);
    if (hj_conn_is_open(conn))
        hj_ending_settle(loop, conn);
}

/* Begins with one address: 0, or why it cannot be. */
static int try_address(struct hj_loop *loop, struct hj_conn *conn, const struct hj_target_address *address)
{
    const int fd = hj_socket_open(address->sa.ss_family);
    if (fd == -1)
        return hj_socket_error(errno);
    hj_listener_prepare(fd, &loop->server->options);
    int rc = hj_socket_connect(fd, (const struct sockaddr *)&address->sa, address->sa_len);
    if (rc == 0 && !hj_poller_add(&loop->poller, fd, HJ_POLL_OUT, conn->index))
        rc = HIJACK_ENOMEM;
    if (rc != 0) {
        close(fd);
        return rc;
    }
    conn->fd = fd;
    conn->flags &= (uint16_t)~HJ_CONN_UNPOLLED;
    conn->interest = HJ_POLL_OUT;
    return 0;
}

/* Goes on with the next address of its list, closed with the reason when there is none. */
static void try_next(struct hj_loop *loop, struct hj_conn *conn, int reason)
{
    struct hj_target_address address;
    while (conn->input != NULL && conn->input->len >= sizeof(address)) {
        memcpy(&address, conn->input->data + conn->input->start, sizeof(address));
        conn->input->start += (uint32_t)sizeof(address);
        conn->input->len -= (uint32_t)sizeof(address);
        if ((reason = try_address(loop, conn, &address)) == 0)
            return;
    }
    hj_conn_close(loop, conn, reason);
}

static bool keep_addresses(struct hj_loop *loop, struct hj_conn *conn, const struct hj_buf *list)
{
    if (hj_conn_keep_input(conn, list->data, list->len))
        return true;
    hj_conn_close(loop, conn, HIJACK_ENOMEM);
    return false;
}

/* An entry without a descriptor; NULL when out of memory. */
static struct hj_conn *open_unconnected(struct hj_loop *loop, struct hj_channel *channel)
{
    struct hj_backlog *backlog = hj_backlog_new();
    struct hj_conn *conn = backlog == NULL ? NULL : hj_conn_open_unconnected(loop);
    if (conn == NULL) {
        if (backlog != NULL)
            hj_backlog_free(backlog);
        return NULL;
    }
    conn->backlog = backlog;
    conn->wire = HJ_WIRE_RAW;
    hj_conn_attach(loop, conn, channel);
    hj_conn_set_kind(loop, conn, HJ_CONN_CONNECTING);
    atomic_fetch_add(&loop->server->connections, 1);
    hj_loop_count(loop, HIJACK_STAT_CONNECTIONS, 1);
    hj_loop_count(loop, HIJACK_STAT_OUTGOING, 1);
    return conn;
}

/* host: NULL if the list has the one address that the text was. */
static bool ask_for_tls(struct hj_loop *loop, struct hj_conn *conn, const char *host, const struct hj_buf *list)
{
    struct hj_target_address address = {0};
    if (host == NULL)
        memcpy(&address, list->data, sizeof(address));
    return hj_tls_client_prepare(loop, conn, host, (const struct sockaddr *)&address.sa);
}

void hj_connecting_begin(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_channel *channel = (struct hj_channel *)command->object;
    struct hj_conn *conn = loop->stopping ? NULL : open_unconnected(loop, channel);
    if (conn == NULL) {
        hj_channel_end(channel, loop->stopping ? HIJACK_ESHUTDOWN : HIJACK_ENOMEM, NULL);
        return;
    }
    const bool listed = (command->value & HJ_CONNECT_NAME) == 0, tls = (command->value & HJ_CONNECT_TLS) != 0;
    const bool trust = tls && !hj_outgoing_tls_trusts(loop->server);
    const char *port = command->buf->data, *host = listed ? NULL : port + strlen(port) + 1;
    if (tls && !ask_for_tls(loop, conn, host, command->buf)) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    if (listed && !keep_addresses(loop, conn, command->buf))
        return;
    if (listed && !trust)
        try_next(loop, conn, HIJACK_EADDRNOTAVAIL);
    else if (!hj_resolver_ask(channel, host, port, trust))
        hj_conn_close(loop, conn, HIJACK_ELIMIT);
}

/* The program hears why. The entry is closed next. */
static void end_with_reason(struct hj_loop *loop, struct hj_conn *conn, int reason, struct hj_buf *why)
{
    hj_shard_remove_all(loop, conn, reason);
    hj_channel_end(conn->channel, reason, why);
}

void hj_connecting_resolved(struct hj_loop *loop, struct hj_command *command)
{
    struct hj_conn *conn = ((struct hj_channel *)command->object)->conn;
    if (conn == NULL || conn->kind != HJ_CONN_CONNECTING)
        return; /* it took too long, or the program wants it no more */
    const int rc = -(int)command->value;
    if (rc != 0 && command->buf != NULL) {
        end_with_reason(loop, conn, rc, command->buf);
        command->buf = NULL;
    }
    if (rc != 0)
        hj_conn_close(loop, conn, rc);
    else if (command->buf == NULL || keep_addresses(loop, conn, command->buf)) /* NULL: it was no name */
        try_next(loop, conn, HIJACK_EADDRNOTAVAIL);
}

/* The other one was reached, and is not who it must be, or does not speak TLS as we do: no other address is tried. */
static void refuse_peer(struct hj_loop *loop, struct hj_conn *conn, int reason, struct hj_buf *why)
{
    hj_loop_count(loop, HIJACK_STAT_TLS_FAILED, 1);
    end_with_reason(loop, conn, reason, why);
    if (conn->channel->relayed)
        hj_conn_close(loop, conn, reason); /* whom it was paired with hears of it now */
    else
        hj_conn_close_gracefully(loop, conn, reason, false); /* the peer hears why */
}

static void secure(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_buf *why = NULL;
    const int rc = hj_tls_client_go_on(loop, conn, &why);
    if (rc > 0)
        become_open(loop, conn);
    else if (rc < 0)
        refuse_peer(loop, conn, rc, why);
}

void hj_connecting_event(struct hj_loop *loop, struct hj_conn *conn)
{
    const bool begun = hj_tls_client_has_begun(loop, conn);
    const int rc = begun ? 0 : hj_socket_connected(conn->fd);
    if (rc == 0) {
        if (conn->transport == HJ_TRANSPORT_TLS_OBJECT)
            secure(loop, conn);
        else
            become_open(loop, conn);
        return;
    }
    close(hj_transport_export(loop, conn));
    try_next(loop, conn, rc);
}

void hj_connecting_look(struct hj_loop *loop, struct hj_conn *conn, uint32_t now)
{
    const uint64_t limit = loop->server->options.connect_timeout_ms;
    if (limit == 0 || now - conn->in_ms < limit)
        return;
    if (hj_tls_client_has_begun(loop, conn))
        hj_loop_count(loop, HIJACK_STAT_TLS_FAILED, 1);
    hj_conn_close(loop, conn, HIJACK_ETIMEDOUT);
}
