/* A loop's life: made by start, one thread, ended by stop or drain; see state.h for what it owns. */
#include "loop/loop.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/sse.h"
#include "loop/acceptor.h"
#include "loop/conn.h"
#include "loop/dispatch.h"
#include "loop/drain.h"
#include "loop/http.h"
#include "loop/pending.h"
#include "loop/reader.h"
#include "loop/state.h"
#include "loop/sweep.h"

/* Descriptors that the program keeps for itself when max_connections is left to the library. */
#define SPARE_DESCRIPTORS 64

bool hj_loop_post(struct hj_loop *loop, struct hj_command *command)
{
    return hj_fifo_push(&loop->fifo, command);
}

uint64_t hj_loop_stat(const struct hj_loop *loop, uint32_t index)
{
    if (index == HIJACK_STAT_PUBLISHED)
        return loop->index == 0 ? atomic_load_explicit(&loop->server->published, memory_order_relaxed) : 0;
    return atomic_load_explicit(&loop->stats[index], memory_order_relaxed);
}

uint32_t hj_loop_index(const struct hj_loop *loop)
{
    return loop->index;
}

uint32_t hj_loop_inlet_count(const struct hj_loop *loop)
{
    return loop->server->queue_count + loop->server->route_count;
}

/* The queue behind an inlet; NULL for a route that has none. */
static struct hj_queue *queue_of_inlet(const struct hj_server *server, uint32_t i)
{
    return i < server->queue_count ? server->queues[i] : server->routes[i - server->queue_count].queue;
}

struct hj_inlet *hj_loop_inlet(struct hj_loop *loop, const struct hj_queue *queue)
{
    for (uint32_t i = 0; i < hj_loop_inlet_count(loop); ++i)
        if (queue_of_inlet(loop->server, i) == queue)
            return &loop->inlets[i];
    abort(); /* every queue of a loop's requests and sockets is one of the server's */
}

static void cancel_waiters(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < hj_loop_inlet_count(loop); ++i) {
        struct hj_queue *queue = queue_of_inlet(loop->server, i);
        if (queue != NULL)
            hj_queue_wait_cancel(queue, &loop->inlets[i].waiter);
    }
}

static void turn(struct hj_loop *loop)
{
    struct hj_poll_event events[HJ_POLL_BATCH];
    int timeout = loop->hurry ? 0 : hj_sweep_wait(loop);
    bool http = hj_http_busy(loop);
    if (http)
        hj_http_run(loop, timeout);
    int count = hj_poller_wait(&loop->poller, events, http ? 0 : timeout);
    loop->now_ms = hj_clock_ms();
    for (int i = 0; i < count; ++i) {
        if (events[i].data == HJ_POLL_DATA_FIFO)
            hj_notify_clear(&loop->fifo.notify); /* before the take below: what comes after it signals again */
        hj_dispatch_event(loop, &events[i]);
    }
    if (atomic_exchange(&loop->resume, false)) {
        hj_pending_resume(loop);
        hj_reader_resume(loop);
    }
    hj_dispatch_commands(loop, hj_fifo_take(&loop->fifo));
    loop->hurry = hj_http_settle(loop);
    hj_sweep(loop);
}

/* The last of a loop that ran: nothing is asked of it any more, and nothing is left of what it had. */
static void wind_up(struct hj_loop *loop)
{
    loop->stopping = true;
    hj_dispatch_commands(loop, hj_fifo_close(&loop->fifo));
    hj_http_settle(loop);
    hj_drain_abandon(loop);
    cancel_waiters(loop);
    hj_http_close(loop);
    hj_poller_close(&loop->poller);
    hj_notify_close(&loop->fifo.notify);
    hj_table_dispose(&loop->table);
    hj_member_table_dispose(&loop->members);
}

static void *run(void *arg)
{
    struct hj_loop *loop = arg;
    struct hj_server *server = loop->server;
    loop->now_ms = hj_clock_ms();
    /* what libh2o allocates is its thread's own, so it is made here */
    bool open = (loop->open_result = hj_http_open(loop)) == 0;
    sem_post(&loop->opened);
    if (open) {
        while (!loop->stopping && !hj_drain_done(loop))
            turn(loop);
        wind_up(loop);
    }
    if (atomic_fetch_sub(&server->loops_alive, 1) == 1)
        hj_server_stopped(server);
    hj_object_unref(&server->object);
    return NULL;
}

static int prepare_buffers(struct hj_loop *loop)
{
    const struct hj_server *server = loop->server;
    loop->scratch = malloc(HJ_SCRATCH_SIZE);
    loop->last_chunk = hj_buf_copy(HJ_CHUNK_LAST, sizeof(HJ_CHUNK_LAST) - 1);
    loop->held_heads = calloc(server->route_count + 1, sizeof(*loop->held_heads));
    loop->inlets = calloc(hj_loop_inlet_count(loop) + 1, sizeof(*loop->inlets));
    if (loop->scratch == NULL || loop->last_chunk == NULL || loop->held_heads == NULL || loop->inlets == NULL)
        return HIJACK_ENOMEM;
    for (uint32_t i = 0; i < hj_loop_inlet_count(loop); ++i)
        loop->inlets[i].waiter = (struct hj_waiter){.ready = &loop->resume, .notify = &loop->fifo.notify};
    int rc = hj_sse_comment_encode(&loop->heartbeat[0], HJ_SLICE(""), false);
    return rc != 0 ? rc : hj_sse_comment_encode(&loop->heartbeat[1], HJ_SLICE(""), true);
}

static void free_loop(struct hj_loop *loop)
{
    for (uint32_t i = 0; i < loop->acceptor_count; ++i) /* of a loop that never ran */
        if (loop->acceptors[i].owned && loop->acceptors[i].fd != -1)
            close(loop->acceptors[i].fd);
    for (uint32_t i = 0; loop->held_heads != NULL && i < loop->server->route_limit; ++i)
        for (int form = 0; form < 3; ++form)
            hj_buf_unref(loop->held_heads[i].head[form]);
    free(loop->held_heads);
    free(loop->inlets);
    free(loop->acceptors);
    free(loop->doomed);
    free(loop->scratch);
    hj_buf_unref(loop->last_chunk);
    hj_buf_unref(loop->heartbeat[0]);
    hj_buf_unref(loop->heartbeat[1]);
    hj_poller_close(&loop->poller);
    hj_fifo_dispose(&loop->fifo);
    sem_destroy(&loop->opened);
    free(loop);
}

static int new_loop(struct hj_loop **out, struct hj_server *server, uint32_t index)
{
    struct hj_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return HIJACK_ENOMEM;
    loop->server = server;
    loop->index = index;
    loop->start_ms = loop->now_ms = hj_clock_ms();
    loop->poller.fd = -1;
    sem_init(&loop->opened, 0, 0);
    *out = loop; /* freed with the server's other loops from here on */
    int rc = hj_fifo_open(&loop->fifo);
    if (rc == 0)
        rc = hj_poller_open(&loop->poller);
    if (rc == 0 && !hj_poller_add(&loop->poller, loop->fifo.notify.fd, HJ_POLL_IN, HJ_POLL_DATA_FIFO))
        rc = HIJACK_ELIMIT;
    if (rc == 0)
        rc = prepare_buffers(loop);
    if (rc == 0)
        rc = hj_acceptor_open(loop);
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

static uint64_t connection_limit(const struct hj_server_options *options)
{
    struct rlimit limit;
    if (options->max_connections != 0)
        return options->max_connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur > 2 * SPARE_DESCRIPTORS ? limit.rlim_cur - SPARE_DESCRIPTORS : limit.rlim_cur / 2 + 1;
}

/* The program's signals are the program's threads' business. */
static int start_thread(struct hj_loop *loop)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    hj_object_ref(&loop->server->object); /* the thread's */
    int error = pthread_create(&loop->thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return 0;
    hj_object_unref(&loop->server->object);
    return HIJACK_ELIMIT;
}

static int wait_opened(struct hj_loop *loop)
{
    while (sem_wait(&loop->opened) == -1 && errno == EINTR)
        ;
    return loop->open_result;
}

/* Ends the threads of the first `count` loops again; those that could not run have ended by themselves. */
static void take_back(struct hj_server *server, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        struct hj_loop *loop = server->loops[i];
        struct hj_command *command = loop->open_result == 0 ? hj_command_new(HJ_OP_STOP, &server->object, NULL) : NULL;
        if (loop->open_result == 0 && command == NULL)
            abort(); /* a thread that can be neither run nor ended */
        if (command != NULL && !hj_loop_post(loop, command))
            hj_command_free(command);
        pthread_join(loop->thread, NULL);
    }
}

/* Lets the connections in; a loop that does not get this word serves what the others accept and the program adopts. */
static void open_doors(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->loop_count; ++i) {
        struct hj_command *command = hj_command_new(HJ_OP_ACCEPT, &server->object, NULL);
        if (command != NULL && !hj_loop_post(server->loops[i], command))
            hj_command_free(command);
    }
}

static int start_threads(struct hj_server *server)
{
    /* one more than there are: neither the end of the server nor of its listeners is decided before all is well */
    atomic_store(&server->loops_alive, server->loop_count + 1);
    for (uint32_t i = 0; i < server->loop_count; ++i) {
        /* one after the other: libh2o ends the process where several together run out of descriptors */
        bool started = start_thread(server->loops[i]) == 0;
        int rc = started ? wait_opened(server->loops[i]) : HIJACK_ELIMIT;
        if (rc != 0) {
            take_back(server, i + started);
            return rc;
        }
    }
    atomic_store(&server->threads_left, true);
    atomic_store(&server->state, HJ_SERVER_RUNNING);
    open_doors(server);
    hj_acceptor_release(server);
    if (atomic_fetch_sub(&server->loops_alive, 1) == 1)
        hj_server_stopped(server); /* drained by another thread already */
    return 0;
}

int hj_loops_start(struct hj_server *server)
{
    uint32_t count = thread_count(&server->options);
    server->loops = calloc(count, sizeof(struct hj_loop *));
    if (server->loops == NULL)
        return HIJACK_ENOMEM;
    server->connection_limit = connection_limit(&server->options);
    server->route_limit = server->route_count;
    atomic_store(&server->accepting, 1); /* this start's */
    for (uint32_t i = 0; i < count; ++i) {
        int rc = new_loop(&server->loops[i], server, i);
        server->loop_count = i + (server->loops[i] != NULL);
        if (rc != 0) {
            hj_loops_free(server);
            return rc;
        }
    }
    int rc = start_threads(server);
    if (rc != 0)
        hj_loops_free(server);
    return rc;
}

void hj_loops_join(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->loop_count; ++i)
        pthread_join(server->loops[i]->thread, NULL);
}

void hj_loops_detach(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->loop_count; ++i)
        pthread_detach(server->loops[i]->thread);
}

void hj_loops_free(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->loop_count; ++i)
        free_loop(server->loops[i]);
    free(server->loops);
    server->loops = NULL;
    server->loop_count = 0;
}
