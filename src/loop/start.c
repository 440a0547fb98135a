/* Starting a server: its loops are made, then their threads, all or none; then connections may come. Any thread, under
 * the server's lock. */
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <hijack/hijack.h>

#include "base/clock.h"
#include "base/handle.h"
#include "base/os/descriptors.h"
#include "base/os/thread.h"
#include "codec/sse.h"
#include "codec/websocket.h"
#include "core/address_count.h"
#include "core/keeper.h"
#include "core/listener.h"
#if HIJACK_TLS
#include "core/tls/certificates.h"
#include "core/tls/outgoing.h"
#endif
#include "loop/io/acceptor.h"
#include "loop/loop.h"
#include "loop/producer.h"
#include "loop/state.h"
#include "loop/sweep.h"
#include "loop/tls/handshake.h"

/* Descriptors that the program keeps for itself when max_connections is left to the library. */
#define SPARE_DESCRIPTORS 64

#define NO_WORDS "1006 none " /* RFC 6455 section 7.4.1: no close frame came */
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/* How far the descriptor table is made to grow before the loops run: 8 bytes and a bit of kernel memory each. A program
 * that names its number of connections means it (8.3 MiB at the most); a limit that merely happens to be high, as in
 * containers, is worth half a MiB. */
#define RESERVED_DESCRIPTORS_MAX 1048576
#define RESERVED_DESCRIPTORS_UNASKED 65536

static int prepare_buffers(struct hj_loop *loop)
{
    struct hj_server *server = loop->server;
    loop->scratch = malloc(HJ_SCRATCH_SIZE);
    loop->last_chunk = hj_buf_copy(HJ_CHUNK_LAST, sizeof(HJ_CHUNK_LAST) - 1);
    loop->continue_head = hj_buf_copy(CONTINUE, sizeof(CONTINUE) - 1);
    loop->websockets.ping = hj_ws_frame(HJ_WS_PING, true, HJ_SLICE(""));
    loop->websockets.no_words = hj_buf_copy(NO_WORDS, sizeof(NO_WORDS) - 1);
    loop->held_heads = calloc(server->route_count + 1, sizeof(*loop->held_heads));
    loop->producers = calloc(hj_producer_count(loop) + 1, sizeof(*loop->producers));
    if (loop->scratch == NULL || loop->last_chunk == NULL || loop->continue_head == NULL || loop->held_heads == NULL ||
        loop->producers == NULL || loop->websockets.ping == NULL || loop->websockets.no_words == NULL)
        return HIJACK_ENOMEM;
    for (uint32_t i = 0; i < hj_producer_count(loop); ++i)
        loop->producers[i].waiter = (struct hj_waiter){.mailbox = &loop->worker.mailbox, .owner = &server->object};
    int rc = hj_outbox_open(&loop->worker.outbox, hj_producer_count(loop));
    if (rc == 0)
        rc = hj_sse_comment_encode(&loop->heartbeat[0], HJ_SLICE(""), false);
    return rc != 0 ? rc : hj_sse_comment_encode(&loop->heartbeat[1], HJ_SLICE(""), true);
}

static void free_loop(struct hj_loop *loop)
{
    for (uint32_t i = 0; loop->held_heads != NULL && i < loop->server->route_limit; ++i)
        for (int form = 0; form < HJ_HELD_FORMS; ++form)
            hj_buf_unref(loop->held_heads[i].head[form]);
    free(loop->held_heads);
    free(loop->producers);
    free(loop->acceptors);
    free(loop->ready);
    free(loop->deliveries.list);
    free(loop->scratch);
    free(loop->gather);
    hj_handshake_close(loop);
    hj_buf_unref(loop->last_chunk);
    hj_buf_unref(loop->continue_head);
    hj_buf_unref(loop->websockets.ping);
    hj_buf_unref(loop->websockets.no_words);
    hj_buf_unref(loop->heartbeat[0]);
    hj_buf_unref(loop->heartbeat[1]);
    sem_destroy(&loop->opened);
    hj_handover_dispose(&loop->worker.handover);
    hj_mailbox_dispose(&loop->worker.mailbox);
    hj_outbox_dispose(&loop->worker.outbox);
    free(loop);
}

static int new_loop(struct hj_loop **out, struct hj_server *server, uint32_t index)
{
    struct hj_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return HIJACK_ENOMEM;
    loop->server = server;
    loop->worker.index = index;
    loop->worker.server = server;
    loop->start_ms = loop->now_ms = hj_clock_ms();
    loop->poller.fd = -1;
    sem_init(&loop->opened, 0, 0);
    hj_handover_init(&loop->worker.handover);
    *out = loop; /* freed with the server's other loops afterwards */
    int rc = hj_mailbox_open(&loop->worker.mailbox);
    if (rc == 0 && server->keeper != NULL)
        rc = hj_handover_open(&loop->worker.handover);
    if (rc == 0)
        rc = prepare_buffers(loop);
    if (rc == 0)
        rc = hj_handshake_open(loop);
    hj_sweep_init(loop);
    return rc;
}

static uint32_t thread_count(const struct hj_server_options *options)
{
    cpu_set_t cpus;
    long count = (long)options->threads;
    if (count == 0)
        count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : sysconf(_SC_NPROCESSORS_ONLN);
    return (uint32_t)(count < 1 ? 1 : count > HJ_MAX_LOOPS ? HJ_MAX_LOOPS : count);
}

/* How many connections a descriptor table has room for beside `spare` others. */
static uint64_t table_limit(uint64_t spare)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur > 2 * spare ? limit.rlim_cur - spare : limit.rlim_cur / 2 + 1;
}

/* Tables of their own hold what the loops share, and not what the program has open. */
static void set_limits(struct hj_server *server, uint32_t loops)
{
    const bool private = server->keeper != NULL;
    const uint64_t shared = 2 * loops + server->queue_count + server->route_count + server->listener_count;
    const uint64_t fits = table_limit(private ? SPARE_DESCRIPTORS + shared : SPARE_DESCRIPTORS);
    server->loop_limit = private ? fits : UINT64_MAX;
    server->connection_limit = server->options.max_connections;
    if (server->connection_limit == 0)
        server->connection_limit = private && fits < UINT64_MAX / loops ? fits * loops : fits;
}

static void reserve_descriptors(const struct hj_server *server, int fd)
{
    uint64_t connections = server->options.max_connections, count = RESERVED_DESCRIPTORS_UNASKED;
    if (connections != 0)
        count = connections < RESERVED_DESCRIPTORS_MAX - SPARE_DESCRIPTORS ? connections + SPARE_DESCRIPTORS
                                                                           : RESERVED_DESCRIPTORS_MAX;
    hj_descriptors_reserve(fd, count);
}

/* Returns when the thread has what it needs. */
static int start_thread(struct hj_loop *loop)
{
    hj_object_ref(&loop->server->object); /* the thread's */
    if (!hj_thread_start(&loop->worker.thread, hj_loop_run, loop)) {
        hj_object_unref(&loop->server->object);
        return HIJACK_ELIMIT;
    }
    while (sem_wait(&loop->opened) != 0)
        ; /* a signal of the program */
    if (loop->opened_rc != 0)
        pthread_join(loop->worker.thread, NULL);
    return loop->opened_rc;
}

/* Ends the threads of the first `count` loops again. */
static void take_back(struct hj_server *server, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        hj_worker_stop(server->workers[i], &server->object);
        pthread_join(server->workers[i]->thread, NULL);
    }
}

static void begin_accepting(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->worker_count; ++i) {
        struct hj_command *command = &server->workers[i]->accept_command;
        hj_command_embed(command, HJ_OP_ACCEPT, &server->object);
        if (!hj_worker_post(server->workers[i], command))
            hj_command_free(command);
    }
}

/* All loops have their own tables. */
static int start_keeper(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->worker_count; ++i)
        hj_handover_leave(&server->workers[i]->handover);
    return hj_keeper_start(server->keeper);
}

static int start_threads(struct hj_server *server)
{
    /* one more than there are: neither the end of the server nor of its listeners is decided before all is well */
    atomic_store(&server->workers_alive, server->worker_count + (server->keeper != NULL) + 1);
    for (uint32_t i = 0; i < server->worker_count; ++i) {
        int rc = start_thread((struct hj_loop *)server->workers[i]);
        if (rc != 0) {
            take_back(server, i);
            return rc;
        }
    }
    int rc = server->keeper == NULL ? 0 : start_keeper(server);
    if (rc != 0) {
        take_back(server, server->worker_count);
        return rc;
    }
    atomic_store(&server->threads_left, true);
    atomic_store(&server->state, HJ_SERVER_RUNNING);
    begin_accepting(server);
    hj_acceptor_release(server);
    if (atomic_fetch_sub(&server->workers_alive, 1) == 1)
        hj_server_stopped(server); /* drained by another thread already */
    return 0;
}

static void free_loops(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->worker_count; ++i)
        free_loop((struct hj_loop *)server->workers[i]);
    free(server->workers);
    server->workers = NULL;
    server->worker_count = 0;
    hj_address_counts_free(server->address_counts);
    server->address_counts = NULL;
    hj_keeper_free(server->keeper);
    server->keeper = NULL;
}

static int start_loops(struct hj_server *server)
{
    uint32_t count = thread_count(&server->options);
    server->workers = calloc(count, sizeof(struct hj_worker *));
    if (server->workers == NULL)
        return HIJACK_ENOMEM;
    server->free_workers = free_loops;
    if (server->options.connections_per_address != 0 &&
        (server->address_counts = hj_address_counts_new(server->options.connections_per_address)) == NULL) {
        free_loops(server);
        return HIJACK_ENOMEM;
    }
    if (server->options.private_fds == HJ_SWITCH_ON &&
        (server->keeper = hj_keeper_new(server, hj_server_stopped)) == NULL) {
        free_loops(server);
        return HIJACK_ELIMIT;
    }
    set_limits(server, count);
    server->route_limit = server->route_count;
    hj_routes_settle(server);
#if HIJACK_TLS
    int tls_rc = hj_outgoing_tls_start(server);
    if (tls_rc == 0)
        tls_rc = hj_certificates_start(server);
    if (tls_rc != 0) {
        free_loops(server);
        return tls_rc;
    }
#endif
    for (uint32_t i = 0; i < server->listener_count; ++i) /* an option may have been set after listening */
        hj_listener_prepare(server->listeners[i].fd, &server->options);
    atomic_store(&server->accepting, 1); /* this start's */
    for (uint32_t i = 0; i < count; ++i) {
        struct hj_loop *loop = NULL;
        int rc = new_loop(&loop, server, i);
        server->workers[i] = loop == NULL ? NULL : &loop->worker;
        server->worker_count = i + (loop != NULL);
        if (rc != 0) {
            free_loops(server);
            return rc;
        }
    }
    if (server->keeper == NULL) /* a table that one thread has grows without waiting */
        reserve_descriptors(server, server->workers[0]->mailbox.notify.fd);
    int rc = start_threads(server);
    if (rc != 0)
        free_loops(server);
    return rc;
}

int hijack_server_start(hijack_server *handle)
{
    struct hj_server *server;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&server->lock);
    rc = atomic_load(&server->state) == HJ_SERVER_NEW ? start_loops(server) : HIJACK_ESTATE;
    pthread_mutex_unlock(&server->lock);
    hj_handle_unpin(handle);
    return rc;
}
