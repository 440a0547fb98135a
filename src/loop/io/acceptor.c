/* Accepting; see acceptor.h. Loop thread.
 *
 * When the process has no descriptor left, or the server is at its limit, the listening sockets leave the poller, so
 * that the loop does not spin on connections it cannot take. They come back when a connection of this loop ends, or
 * with the next sweep. Meanwhile clients wait in the kernel's backlog. Before that, idle connections give way: a client
 * between two requests connects again when it needs to.
 *
 * With option private_fds a loop may be full while others are not, and the kernel does not know: it keeps one of its
 * spare descriptors for accepting, and passes the connection on. */
#include "loop/io/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os/socket.h"
#include "core/address_count.h"
#include "core/keeper.h"
#include "core/listener.h"
#include "loop/conn.h"
#include "loop/io/transport.h"

/* How many to take before other connections have their turn. */
#define ACCEPT_MAX 128

/* Those that an entry can name. */
#define LISTENERS_KNOWN 31

/* A new connection that has sent nothing for so long may give way. */
#define SILENT_MS 1000

/* How many entries to look at for one that can give way. */
#define LOOK_MAX 4096

/* A socket that the loops share wakes one of them for each connection. One that another process may share wakes all:
 * the process that is woken alone may be draining, and leave the connection to nobody. */
static bool wakes_one(const struct hj_loop *loop, uint32_t i)
{
    return !loop->acceptors[i].owned && loop->server->listeners[i].address.kind != HJ_ADDRESS_FD;
}

/* 0 or why the poller refuses it. */
static int poll_acceptor(struct hj_loop *loop, uint32_t i)
{
    struct hj_acceptor *acceptor = &loop->acceptors[i];
    unsigned events = HJ_POLL_IN | (wakes_one(loop, i) ? (unsigned)HJ_POLL_EXCLUSIVE : 0u);
    return hj_poller_add(&loop->poller, acceptor->fd, events, HJ_POLL_DATA_LISTENER - i) ? 0 : hj_socket_error(errno);
}

int hj_acceptor_open(struct hj_loop *loop)
{
    struct hj_server *server = loop->server;
    loop->acceptors = calloc(server->listener_count + 1, sizeof(*loop->acceptors));
    if (loop->acceptors == NULL)
        return HIJACK_ENOMEM;
    atomic_fetch_add(&server->accepting, 1);
    loop->accepting = true;
    loop->accept_paused = true; /* until the start is complete */
    for (uint32_t i = 0; i < server->listener_count; ++i) {
        struct hj_acceptor *acceptor = &loop->acceptors[i];
        int fd = loop->worker.index == 0 ? -1 : hj_listener_share(&server->listeners[i], &server->options);
        acceptor->owned = fd != -1;
        acceptor->fd = fd != -1 ? fd : server->listeners[i].fd;
        ++loop->acceptor_count;
        int rc = poll_acceptor(loop, i); /* tried now, so that the start can return the error */
        if (rc != 0)
            return rc;
        hj_poller_remove(&loop->poller, acceptor->fd);
    }
    return 0;
}

/* The first count listening sockets leave the poller until the next sweep. */
static void pause_some(struct hj_loop *loop, uint32_t count)
{
    loop->accept_paused = true;
    for (uint32_t i = 0; i < count; ++i)
        if (loop->acceptors[i].fd != -1)
            hj_poller_remove(&loop->poller, loop->acceptors[i].fd);
    hj_loop_count(loop, HIJACK_STAT_ACCEPT_PAUSES, 1);
    loop->sweep_at_ms = loop->now_ms + 100;
}

static void pause_accepting(struct hj_loop *loop)
{
    if (!loop->accept_paused)
        pause_some(loop, loop->acceptor_count);
}

/* Asks the loops for an idle connection that gives way; the sweep of each one looks. */
static void ask_for_room(struct hj_loop *loop)
{
    atomic_store_explicit(&loop->server->crowded, true, memory_order_relaxed);
}

/* Whether this loop has as many connections as its own descriptor table has room for. */
static bool is_full(const struct hj_loop *loop)
{
    return !hj_server_has_room(loop->server, &loop->worker);
}

/* The loop with the fewest connections, if it has room. */
static struct hj_worker *find_room(const struct hj_loop *loop)
{
    const struct hj_server *server = loop->server;
    struct hj_worker *best = server->workers[0];
    for (uint32_t i = 1; i < server->worker_count; ++i)
        if (hj_worker_stat(server->workers[i], HIJACK_STAT_CONNECTIONS) < hj_worker_stat(best, HIJACK_STAT_CONNECTIONS))
            best = server->workers[i];
    return hj_server_has_room(server, best) ? best : NULL;
}

void hj_acceptor_resume(struct hj_loop *loop)
{
    if (!loop->accept_paused || !loop->may_accept || loop->draining || loop->stopping)
        return;
    if (atomic_load(&loop->server->connections) >= loop->server->connection_limit ||
        (is_full(loop) && find_room(loop) == NULL)) {
        ask_for_room(loop); /* again: this loop's own sweep may have seen it first, and have none to close */
        return;
    }
    loop->accept_paused = false;
    for (uint32_t i = 0; i < loop->acceptor_count; ++i) {
        if (loop->acceptors[i].fd != -1 && poll_acceptor(loop, i) != 0) {
            pause_some(loop, i); /* the system has no memory for it now */
            return;
        }
    }
}

void hj_acceptor_begin(struct hj_loop *loop)
{
    loop->may_accept = true;
    hj_acceptor_resume(loop);
}

/* Takes a place under the limit. */
static bool reserve(struct hj_loop *loop)
{
    if (atomic_fetch_add(&loop->server->connections, 1) < loop->server->connection_limit)
        return true;
    atomic_fetch_sub(&loop->server->connections, 1);
    return false;
}

void hj_acceptor_connection_closed(struct hj_loop *loop)
{
    atomic_fetch_sub(&loop->server->connections, 1);
    hj_loop_uncount(loop, HIJACK_STAT_CONNECTIONS, 1);
    hj_acceptor_resume(loop);
}

/* False: its address has as many connections as it may, or there is no memory to count it. */
static bool count_address(uint32_t *out, struct hj_loop *loop, const struct sockaddr_storage *peer)
{
    struct hj_address_counts *counts = loop->server->address_counts;
    uint64_t key;
    *out = 0;
    return counts == NULL || !hj_address_count_key(&key, (const struct sockaddr *)peer) ||
           hj_address_count_take(out, counts, key) == 0;
}

uint32_t hj_acceptor_take_counted(struct hj_loop *loop, uint32_t index)
{
    uint32_t counted = hj_numbers_get(&loop->addresses, index);
    hj_numbers_set(&loop->addresses, index, 0);
    return counted;
}

void hj_acceptor_uncount(struct hj_loop *loop, uint32_t counted)
{
    if (counted != 0)
        hj_address_count_give(loop->server->address_counts, counted);
}

/* By a reset: nothing of it stays in our kernel, as after a FIN. */
static void refuse(struct hj_loop *loop, int fd)
{
    hj_socket_reset(fd);
    close(fd);
    atomic_fetch_sub(&loop->server->connections, 1);
    hj_loop_count(loop, HIJACK_STAT_REFUSED, 1);
}

/* Whether this failure of accept is about one connection, and the next may do better. */
static bool is_transient(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN || error == EHOSTUNREACH ||
           error == ENETUNREACH;
}

/* An IPv4 address fits into the entry; another one is asked for when it is wanted. */
static void keep_peer(struct hj_conn *conn, const struct sockaddr_storage *peer)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
    if (peer->ss_family == AF_INET) {
        conn->peer_ip = v4->sin_addr.s_addr;
        conn->peer_port = v4->sin_port;
    } else if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(&conn->peer_ip, &v6->sin6_addr.s6_addr[12], sizeof(conn->peer_ip));
        conn->peer_port = v6->sin6_port;
    }
}

/* Whether nobody would miss this connection: it waits between two requests, or has never sent a byte. */
static bool is_idle(struct hj_loop *loop, const struct hj_conn *conn)
{
    bool new = conn->kind == HJ_CONN_HANDSHAKE &&hj_table_layer(&loop->table, conn->index) == NULL;
    if ((conn->kind != HJ_CONN_HEAD && !new) || conn->input != NULL)
        return false;
    bool silent = (conn->flags & HJ_CONN_REUSED) != 0 || hj_loop_time(loop) - conn->in_ms >= SILENT_MS;
    return silent && !hj_transport_has_unread(loop, conn); /* its next request may have come since */
}

bool hj_acceptor_make_room(struct hj_loop *loop)
{
    uint32_t used = loop->table.used, looked = used < LOOK_MAX ? used : LOOK_MAX;
    for (uint32_t i = 0; i < looked; ++i) {
        loop->idle_cursor = loop->idle_cursor + 1 >= used ? 1 : loop->idle_cursor + 1;
        struct hj_conn *conn = hj_table_at(&loop->table, loop->idle_cursor);
        if (loop->idle_cursor < used && is_idle(loop, conn)) {
            hj_conn_close(loop, conn, 0);
            return true;
        }
    }
    return false;
}

/* No place or no descriptor for the next connection: an idle one gives way at the end of this turn, or another loop is
 * asked for one of its own, or clients wait in the kernel. */
static void full(struct hj_loop *loop)
{
    if (hj_acceptor_make_room(loop))
        return;
    ask_for_room(loop);
    pause_accepting(loop);
}

static bool is_want_of_descriptors(int error)
{
    return error == EMFILE || error == ENFILE;
}

/* Gives a reserved place back. */
static void unreserve(struct hj_loop *loop, uint32_t counted)
{
    hj_acceptor_uncount(loop, counted);
    atomic_fetch_sub(&loop->server->connections, 1);
}

/* Makes an entry for an accepted connection that has a place. False, and the descriptor closed: there is no memory. */
static bool take_in(struct hj_loop *loop, int fd, uint32_t index, uint32_t counted, const struct sockaddr_storage *peer)
{
    bool tls = loop->server->listeners[index].tls;
    struct hj_conn *conn = hj_conn_open(loop, fd, tls ? HJ_CONN_HANDSHAKE : HJ_CONN_HEAD);
    if (conn == NULL) {
        unreserve(loop, counted);
        close(fd);
        return false;
    }
    conn->transport = tls ? HJ_TRANSPORT_TLS_OBJECT : HJ_TRANSPORT_PLAIN;
    conn->queue = loop->next_queue++;
    conn->listener = index < LISTENERS_KNOWN ? (index + 1) & LISTENERS_KNOWN : 0;
    keep_peer(conn, peer);
    hj_loop_count(loop, HIJACK_STAT_ACCEPTED, 1);
    hj_loop_count(loop, HIJACK_STAT_CONNECTIONS, 1);
    if (!hj_numbers_set(&loop->addresses, conn->index, counted)) {
        hj_acceptor_uncount(loop, counted);
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    }
    return true;
}

/* Gives an accepted connection that has a place to another loop. False, and the descriptor closed: it cannot be. */
static bool pass_on(struct hj_loop *loop, struct hj_worker *other, int fd, uint32_t index, uint32_t counted)
{
    struct hj_command *command = hj_command_new(HJ_OP_TAKE, &loop->server->object, NULL);
    if (command != NULL) {
        command->value = (uint64_t)counted << 32 | index;
        if (hj_handover_post(other, command, fd) == 0)
            return true;
        hj_command_free(command);
    }
    hj_acceptor_uncount(loop, counted);
    refuse(loop, fd);
    return false;
}

void hj_acceptor_take(struct hj_loop *loop, struct hj_command *command)
{
    const uint32_t index = (uint32_t)command->value, counted = (uint32_t)(command->value >> 32);
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(peer);
    int fd = hj_handover_take(&loop->worker, command);
    if (fd == -1 || loop->stopping) {
        hj_acceptor_uncount(loop, counted);
        if (fd == -1)
            atomic_fetch_sub(&loop->server->connections, 1);
        else
            refuse(loop, fd);
        return;
    }
    getpeername(fd, (struct sockaddr *)&peer, &len); /* without it the kernel is asked when it is wanted */
    take_in(loop, fd, index, counted, &peer);
}

/* accept has failed. Whether the next one may do better now. */
static bool may_retry(struct hj_loop *loop, int error)
{
    unreserve(loop, 0);
    if (is_transient(error))
        return true;
    if (is_want_of_descriptors(error))
        full(loop);
    else if (error != EAGAIN)
        pause_accepting(loop); /* no memory */
    return false;
}

void hj_acceptor_accept(struct hj_loop *loop, uint32_t index)
{
    for (int i = 0; i < ACCEPT_MAX && !loop->accept_paused; ++i) {
        struct hj_worker *other = is_full(loop) ? find_room(loop) : &loop->worker;
        if (other == NULL || !reserve(loop)) {
            full(loop);
            return;
        }
        struct sockaddr_storage peer;
        int fd = hj_socket_accept(&peer, loop->acceptors[index].fd);
        uint32_t counted = 0;
        if (fd == -1) {
            if (may_retry(loop, errno))
                continue;
            return;
        }
        if (!count_address(&counted, loop, &peer)) {
            refuse(loop, fd);
            continue;
        }
        if (other != &loop->worker ? !pass_on(loop, other, fd, index, counted)
                                   : !take_in(loop, fd, index, counted, &peer)) {
            pause_accepting(loop);
            return;
        }
    }
}

static uint64_t accepted_so_far(const struct hj_loop *loop)
{
    return hj_worker_stat(&loop->worker, HIJACK_STAT_ACCEPTED) + hj_worker_stat(&loop->worker, HIJACK_STAT_REFUSED);
}

void hj_acceptor_take_rest(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < loop->acceptor_count; ++i) {
        /* those of an inherited socket are the next process' */
        if (loop->acceptors[i].fd == -1 || loop->server->listeners[i].address.kind == HJ_ADDRESS_FD)
            continue;
        /* at most what the kernel may have kept ready; who comes later is refused */
        for (uint64_t left = loop->server->options.listen_backlog; left != 0;) {
            uint64_t before = accepted_so_far(loop);
            hj_acceptor_accept(loop, i);
            uint64_t taken = accepted_so_far(loop) - before;
            if (taken < ACCEPT_MAX)
                break;
            left -= taken < left ? taken : left;
        }
    }
}

static bool is_last_accepting(struct hj_server *server)
{
    return atomic_fetch_sub(&server->accepting, 1) == 1;
}

void hj_acceptor_close(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < loop->acceptor_count; ++i) {
        struct hj_acceptor *acceptor = &loop->acceptors[i];
        if (acceptor->fd == -1)
            continue;
        if (!loop->accept_paused)
            hj_poller_remove(&loop->poller, acceptor->fd);
        if (acceptor->owned)
            shutdown(acceptor->fd, SHUT_RDWR);
        if (acceptor->owned || loop->server->keeper != NULL) /* or its copy of the server's */
            close(acceptor->fd);
        acceptor->fd = -1;
    }
    loop->acceptor_count = 0;
    if (loop->accepting && is_last_accepting(loop->server)) {
        if (loop->server->keeper != NULL)
            hj_keeper_close_listeners(loop->server->keeper);
        else
            hj_listeners_close(loop->server);
    }
    loop->accepting = false;
}

void hj_acceptor_release(struct hj_server *server)
{
    if (is_last_accepting(server))
        hj_listeners_close(server);
}
