/* Everything that depends on the version of libh2o: 2.2.5 here. Loop thread; only loop/http*.c include this.
 *
 * What 2.2.5 lacks, and how it is made up for:
 * - h2o_http1_upgrade gives the bare socket but always writes a head first. hj_compat_upgrade_silently points the
 *   descriptor at a sink for the moment of that write, with dup3 and public functions alone.
 * - h2o_evloop_destroy leaves the epoll descriptor open, and the per-thread recycling lists are never freed. The
 *   descriptor is the field behind the public part of the loop; it is closed only after a check that it is the one. */
#ifndef HJ_LOOP_HTTP_COMPAT_H
#define HJ_LOOP_HTTP_COMPAT_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include <h2o.h>
#include <h2o/http1.h>
#pragma GCC diagnostic pop

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Two descriptors that the trick needs, opened beforehand so that it cannot fail for want of one. */
struct hj_compat_sink {
    int null; /* /dev/null */
    int park; /* a number to park the real socket at; refers to /dev/null while it is not used */
};

static inline bool hj_compat_sink_open(struct hj_compat_sink *sink)
{
    sink->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    sink->park = sink->null == -1 ? -1 : fcntl(sink->null, F_DUPFD_CLOEXEC, 0);
    return sink->park != -1;
}

static inline void hj_compat_sink_close(struct hj_compat_sink *sink)
{
    if (sink->null != -1)
        close(sink->null);
    if (sink->park != -1)
        close(sink->park);
    sink->null = sink->park = -1;
}

/* libh2o ends the process when it finds no descriptor for its epoll instance and its pipe: whether they are there. */
static inline bool hj_compat_has_descriptors(const struct hj_compat_sink *sink)
{
    int fds[3];
    bool all = true;
    for (int i = 0; i < 3; ++i)
        all &= (fds[i] = fcntl(sink->null, F_DUPFD_CLOEXEC, 0)) != -1;
    for (int i = 0; i < 3; ++i)
        if (fds[i] != -1)
            close(fds[i]);
    return all;
}

/* h2o_http1_upgrade with nothing on the wire. The epoll registration belongs to the open file, which the parked number
 * keeps open meanwhile, and holds again once the number is back. */
static inline void hj_compat_upgrade_silently(h2o_req_t *req, struct hj_compat_sink *sink, h2o_http1_upgrade_cb cb,
                                              void *data)
{
    int fd = h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn));
    dup3(fd, sink->park, O_CLOEXEC);
    dup3(sink->null, fd, O_CLOEXEC);
    req->res.status = 101;
    req->res.reason = "Switching Protocols";
    h2o_http1_upgrade(req, NULL, 0, cb, data);
    dup3(sink->park, fd, O_CLOEXEC);
    dup3(sink->null, sink->park, O_CLOEXEC);
}

/* h2o_multithread_destroy_queue forgets to free the queue itself. */
static inline void hj_compat_context_dispose(h2o_context_t *context)
{
    h2o_multithread_queue_t *queue = context->queue;
    h2o_context_dispose(context);
    free(queue);
}

/* known_fd: a descriptor registered with this loop. */
static inline int hj_compat_epoll_fd(h2o_loop_t *loop, int known_fd)
{
    int fd = *(const int *)(loop + 1);
    struct epoll_event ev = {.events = 0};
    return epoll_ctl(fd, EPOLL_CTL_ADD, known_fd, &ev) == -1 && errno == EEXIST ? fd : -1;
}

/* The most that h2o_mem_alloc_pool's recycling list holds in 2.2.5. */
#define HJ_COMPAT_RECYCLED_CHUNKS 16

/* Frees what libh2o keeps for the thread that calls it, at the thread's end. */
static inline void hj_compat_free_thread_memory(void)
{
    struct chunk {
        struct chunk *next;
    };
    h2o_mem_pool_t pool;
    h2o_mem_init_pool(&pool);
    for (int i = 0; i < HJ_COMPAT_RECYCLED_CHUNKS; ++i)
        for (int j = 0; j < 4; ++j)
            h2o_mem_alloc_pool(&pool, 1008); /* just under what is allocated by itself: four to a chunk */
    for (struct chunk *chunk = (struct chunk *)pool.chunks, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    h2o_mem_recycle_t *recycled = &h2o_socket_buffer_prototype.allocator;
    for (struct chunk *chunk = (struct chunk *)recycled->_link, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    recycled->_link = NULL;
    recycled->cnt = 0;
}

#endif
