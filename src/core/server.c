/* The public functions of a server, except its configuration (configure.c), its start (loop/start.c) and adopting
 * (adopt.c). Any thread. */
#include "core/server.h"

#include <stdlib.h>

#include <hijack/hijack.h>

#include "base/clock.h"
#include "base/handle.h"
#include "base/os/connected.h"
#include "base/os/socket.h"
#include "core/broadcaster.h"
#include "core/channel.h"
#include "core/keeper.h"
#include "core/listener.h"
#include "core/worker.h"
#if HIJACK_TLS
#include "core/tls/certificates.h"
#include "core/tls/outgoing.h"
#endif

#define SERVER (1u << HJ_KIND_SERVER)
#define QUEUE (1u << HJ_KIND_QUEUE)

/* Routes hold broadcasters, which hold their server: releasing the routes breaks the ring. */
static void release_routes(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->route_count; ++i) {
        struct hj_route *route = &server->routes[i];
        if (route->queue != NULL)
            hj_object_unref(&route->queue->object);
        if (route->broadcaster != NULL)
            hj_object_unref(&route->broadcaster->object);
        hj_buf_unref(route->headers);
        free(route->path);
    }
    free(server->routes);
    server->routes = NULL;
    server->route_count = 0;
}

static void destroy_server(struct hj_object *object)
{
    struct hj_server *server = (struct hj_server *)object;
    hj_listeners_close(server);
    free(server->listeners);
    release_routes(server);
    if (server->free_workers != NULL)
        server->free_workers(server);
    for (uint32_t i = 0; i < server->queue_count; ++i)
        hj_object_unref(&server->queues[i]->object);
    free(server->queues);
#if HIJACK_TLS
    hj_server_tls_free(server->tls);
    hj_outgoing_tls_free(server);
#endif
    hj_compressor_dispose(&server->compressor);
    hj_pool_dispose(&server->channels);
    pthread_mutex_destroy(&server->lock);
    pthread_mutex_destroy(&server->join_lock);
    hj_resolver_dispose(&server->resolver);
    free(server);
}

int hj_server_pin(struct hj_server **out, const void *handle)
{
    return hj_handle_pin((struct hj_object **)out, handle, SERVER);
}

static int new_server(struct hj_server **out, struct hj_queue *queue)
{
    struct hj_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return HIJACK_ENOMEM;
    hj_object_init(&server->object, HJ_KIND_SERVER, destroy_server);
    pthread_mutex_init(&server->lock, NULL);
    hj_compressor_init(&server->compressor);
    hj_pool_init(&server->channels, sizeof(struct hj_channel));
    pthread_mutex_init(&server->join_lock, NULL);
    hj_resolver_init(&server->resolver);
    server->keylog_fd = -1;
    hj_options_default(&server->options, HJ_SCOPE_SERVER);
    if (queue != NULL) {
        server->queues = malloc(sizeof(struct hj_queue *));
        if (server->queues == NULL) {
            hj_object_unref(&server->object);
            return HIJACK_ENOMEM;
        }
        hj_queue_use(queue);
        server->queues[server->queue_count++] = queue;
    }
    *out = server;
    return 0;
}

int hijack_server_new(hijack_server **out, hijack_queue *queue_handle)
{
    struct hj_queue *queue = NULL;
    struct hj_server *server = NULL;
    int rc;
    if (out == NULL)
        return HIJACK_EINVAL;
    if (queue_handle != NULL && (rc = hj_handle_pin((struct hj_object **)&queue, queue_handle, QUEUE)) != 0)
        return rc;
    rc = new_server(&server, queue);
    if (queue != NULL)
        hj_handle_unpin(queue_handle);
    if (rc != 0)
        return rc;
    rc = hj_handle_new(&server->object);
    if (rc == 0)
        *out = server->object.handle;
    hj_object_unref(&server->object);
    return rc;
}

int hj_server_check_running(struct hj_server *server)
{
    switch (atomic_load(&server->state)) {
    case HJ_SERVER_NEW:
        return HIJACK_ESTATE;
    case HJ_SERVER_RUNNING:
    case HJ_SERVER_DRAINING:
        return 0;
    default:
        return HIJACK_ESHUTDOWN;
    }
}

static void post_drain(struct hj_server *server, uint64_t deadline_ms)
{
    for (uint32_t i = 0; i < server->worker_count; ++i) {
        struct hj_command *command = &server->workers[i]->drain_command;
        hj_command_embed(command, HJ_OP_DRAIN, &server->object);
        command->value = deadline_ms;
        if (!hj_worker_post(server->workers[i], command))
            hj_command_free(command); /* that loop has ended already */
    }
}

static void post_stop(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->worker_count; ++i)
        hj_worker_stop(server->workers[i], &server->object);
}

int hijack_server_drain(hijack_server *handle, uint32_t deadline_ms)
{
    struct hj_server *server;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    int running = HJ_SERVER_RUNNING;
    if (atomic_compare_exchange_strong(&server->state, &running, HJ_SERVER_DRAINING))
        post_drain(server, hj_clock_ms() + deadline_ms);
    else
        rc = HIJACK_ESTATE;
    hj_handle_unpin(handle);
    return rc;
}

/* The keeper, where there is one, joins the others. */
static void join_threads(struct hj_server *server)
{
    if (server->keeper != NULL) {
        pthread_join(server->keeper->thread, NULL);
        return;
    }
    for (uint32_t i = 0; i < server->worker_count; ++i)
        pthread_join(server->workers[i]->thread, NULL);
}

static void detach_threads(struct hj_server *server)
{
    if (server->keeper != NULL) {
        pthread_detach(server->keeper->thread);
        return;
    }
    for (uint32_t i = 0; i < server->worker_count; ++i)
        pthread_detach(server->workers[i]->thread);
}

static int stop_server(struct hj_server *server)
{
    pthread_mutex_lock(&server->lock); /* a start under way comes first: STOPPED waits for it */
    bool started = atomic_load(&server->state) != HJ_SERVER_NEW;
    pthread_mutex_unlock(&server->lock);
    if (!started)
        return HIJACK_ESTATE;
    pthread_mutex_lock(&server->join_lock);
    if (atomic_exchange(&server->threads_left, false)) {
        post_stop(server);
        join_threads(server);
    }
    pthread_mutex_unlock(&server->join_lock);
    hj_resolver_settle(&server->resolver);
    return 0;
}

int hijack_server_stop(hijack_server *handle)
{
    struct hj_server *server;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    rc = stop_server(server);
    hj_handle_unpin(handle);
    return rc;
}

void hj_server_stopped(struct hj_server *server)
{
    atomic_store(&server->state, HJ_SERVER_STOPPED);
    release_routes(server);
    if (server->queue_count == 0)
        return;
    hj_event_embed(&server->last, HIJACK_EVENT_STOPPED, &server->object, 0);
    hj_queue_push(server->queues[0], &server->last);
}

/* The handle was freed: a running server ends by itself, one that never ran will not. */
static void abandon(struct hj_server *server)
{
    pthread_mutex_lock(&server->lock); /* a start under way comes first */
    if (atomic_exchange(&server->threads_left, false)) {
        post_stop(server);
        detach_threads(server);
    } else if (atomic_load(&server->state) == HJ_SERVER_NEW) {
        atomic_store(&server->state, HJ_SERVER_STOPPED);
        release_routes(server);
    }
    pthread_mutex_unlock(&server->lock);
}

void hijack_server_free(hijack_server *handle)
{
    struct hj_server *server;
    if (hj_server_pin(&server, handle) != 0)
        return;
    if (hj_handle_kill(handle))
        abandon(server);
    hj_handle_unpin(handle);
}

int hijack_server_stats(uint64_t *out, uint32_t count, hijack_server *handle)
{
    struct hj_server *server;
    if (out == NULL && count != 0)
        return HIJACK_EINVAL;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    bool started = atomic_load(&server->state) != HJ_SERVER_NEW;
    for (uint32_t i = 0; i < count && i < HIJACK_STAT_COUNT; ++i) {
        uint64_t sum = 0;
        if (i == HIJACK_STAT_PUBLISHED) {
            sum = atomic_load_explicit(&server->published, memory_order_relaxed);
        } else if (i == HIJACK_STAT_COMPRESSED) {
            sum = atomic_load_explicit(&server->compressor.compressed, memory_order_relaxed);
        } else if (i == HIJACK_STAT_EVENTS_QUEUED) {
            for (uint32_t q = 0; q < server->queue_count; ++q)
                sum += atomic_load_explicit(&server->queues[q]->count, memory_order_relaxed);
        } else if (started) {
            for (uint32_t l = 0; l < server->worker_count; ++l)
                sum += hj_worker_stat(server->workers[l], i);
        }
        out[i] = sum;
    }
    hj_handle_unpin(handle);
    return HIJACK_STAT_COUNT;
}

bool hj_server_has_room(const struct hj_server *server, const struct hj_worker *worker)
{
    return hj_worker_stat(worker, HIJACK_STAT_CONNECTIONS) +
               atomic_load_explicit(&worker->handover.under_way, memory_order_relaxed) <
           server->loop_limit;
}

struct hj_worker *hj_server_next_worker(struct hj_server *server)
{
    struct hj_worker *worker = NULL;
    for (uint32_t tries = 0; tries < server->worker_count; ++tries) {
        uint32_t turn = atomic_fetch_add_explicit(&server->next_worker, 1, memory_order_relaxed);
        worker = server->workers[turn % server->worker_count];
        if (hj_server_has_room(server, worker))
            break;
    }
    return worker;
}

static bool any_has_room(const struct hj_server *server)
{
    for (uint32_t i = 0; i < server->worker_count; ++i)
        if (hj_server_has_room(server, server->workers[i]))
            return true;
    return false;
}

int hj_server_check_growing(struct hj_server *server)
{
    int rc = hj_server_check_running(server);
    if (rc != 0)
        return rc;
    if (atomic_load(&server->state) == HJ_SERVER_DRAINING)
        return HIJACK_ESHUTDOWN;
    if (atomic_load(&server->connections) >= server->connection_limit || !any_has_room(server))
        return HIJACK_ELIMIT;
    return 0;
}

int hj_server_check_adopting(struct hj_server *server, int fd)
{
    int rc = hj_server_check_growing(server);
    return rc != 0 ? rc : hj_connected_check(fd);
}
