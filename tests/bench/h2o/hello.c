/* SPDX-License-Identifier: MIT
 * What requests compares with: libh2o alone, HTTP/1, one handler that answers "hello". Built where libh2o is found, and
 * linked to that program alone. Everything of it runs on one thread. */
#include "h2o_hello.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <h2o.h>

#include "bench.h"

static h2o_globalconf_t configuration;
static h2o_context_t context;
static h2o_accept_ctx_t accepting = {.ctx = &context};
static struct bench_served *counts;

static int on_request(h2o_handler_t *handler, h2o_req_t *request)
{
    (void)handler;
    if (request->entity.len > 0 && bench_body_right(request->entity.base, request->entity.len))
        atomic_fetch_add_explicit(&counts->bodies, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counts->requests, 1, memory_order_relaxed);
    request->res.status = 200;
    request->res.reason = "OK";
    request->res.content_length = strlen(BENCH_HELLO);
    h2o_send_inline(request, BENCH_HELLO, strlen(BENCH_HELLO));
    return 0;
}

static void on_connection(h2o_socket_t *listener, const char *error)
{
    h2o_socket_t *socket;
    while (error == NULL && (socket = h2o_evloop_socket_accept(listener)) != NULL)
        h2o_accept(&accepting, socket);
}

static void *run(void *unused)
{
    (void)unused;
    while (h2o_evloop_run(context.loop, INT32_MAX) == 0 || errno == EINTR)
        ;
    bench_die("h2o_evloop_run: %s", strerror(errno));
}

uint16_t h2o_hello_start(struct bench_served *served)
{
    uint16_t port;
    pthread_t thread;
    int fd = bench_listen(&port);
    counts = served;
    bench_nonblocking(fd);
    h2o_config_init(&configuration);
    h2o_hostconf_t *host = h2o_config_register_host(&configuration, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_request;
    h2o_context_init(&context, h2o_evloop_create(), &configuration);
    accepting.hosts = configuration.hosts;
    h2o_socket_read_start(h2o_evloop_socket_create(context.loop, fd, H2O_SOCKET_FLAG_DONT_READ), on_connection);
    if (pthread_create(&thread, NULL, run, NULL) != 0)
        bench_die("pthread_create failed");
    return port;
}
