/* A server: options, routes, listeners, queues, and the loops that run them. */
#ifndef HJ_CORE_SERVER_H
#define HJ_CORE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/object.h"
#include "base/pool.h"
#include "base/slice.h"
#include "core/address.h"
#include "core/compressor.h"
#include "core/event.h"
#include "core/option.h"
#include "core/queue.h"
#include "core/resolver.h"
#include "core/route.h"

struct hj_address_counts;
struct hj_broadcaster;
struct hj_keeper;
struct hj_worker;

#define HJ_MAX_LOOPS 64

/* Bytes of published messages that may wait for the loops of one server; more is HIJACK_EAGAIN. */
#define HJ_PUBLISH_WAITING_MAX (256u << 20)

enum hj_server_state {
    HJ_SERVER_NEW,
    HJ_SERVER_RUNNING,
    HJ_SERVER_DRAINING,
    HJ_SERVER_STOPPED /* no loop has a connection left */
};

/* One address. The first loop's socket is opened by hijack_server_listen, the others at start. */
struct hj_listener {
    struct hj_address address;       /* with the real port */
    char text[HJ_ADDRESS_TEXT_SIZE]; /* the same for people */
    int fd;                          /* -1 when closed */
    bool tls;
};

/* Constant once started, except the atomics and what is marked otherwise. Before, guarded by lock. */
struct hj_server {
    struct hj_object object;
    pthread_mutex_t lock;      /* configuration and start; taken by no loop */
    pthread_mutex_t join_lock; /* held by the one who waits for the threads' end */
    _Atomic int state;         /* enum hj_server_state */
    struct hj_server_options options;
    struct hj_queue **queues; /* references; assigned in turn; [0] gets the server's own events */
    uint32_t queue_count;     /* 0: held routes only */
    struct hj_route *routes;
    uint32_t route_count;                   /* 0 once stopped */
    uint32_t route_limit;                   /* as at the start */
    struct hj_route_options route_defaults; /* the server's own; set by the start */
    struct hj_listener *listeners;
    uint32_t listener_count;
    struct hj_server_tls *tls;                 /* owned; NULL: no certificate was added (core/tls/certificates.h) */
    _Atomic(struct ssl_ctx_st *) outgoing_tls; /* owned; NULL: not needed yet (core/tls/outgoing.h) */
    _Atomic bool outgoing_trusts;              /* outgoing_tls has its authorities */
    int keylog_fd;                             /* of option tls_keylog_file; -1: none */
    struct hj_worker **workers;                /* owned; live as long as the server does */
    void (*free_workers)(struct hj_server *server); /* set by the start, which made them */
    uint32_t worker_count;
    _Atomic bool threads_left;                /* not joined or detached yet; whoever takes it does that */
    struct hj_address_counts *address_counts; /* made by the start; NULL: connections_per_address is off */
    struct hj_keeper *keeper;                 /* owned; made by the start; NULL: private_fds is off */
    uint64_t connection_limit;
    uint64_t loop_limit;              /* of one loop; UINT64_MAX: there is none */
    _Atomic uint64_t connections;     /* of all kinds, in all loops */
    _Atomic bool crowded;             /* a loop has no room: who has an idle connection closes it */
    _Atomic bool shedding;            /* a loop ends connections for their unsent bytes */
    _Atomic uint64_t publish_waiting; /* bytes */
    _Atomic uint64_t published;       /* messages */
    struct hj_compressor compressor;
    struct hj_resolver resolver;
    struct hj_pool channels; /* blocks for struct hj_channel */
    _Atomic uint32_t workers_alive;
    _Atomic uint32_t accepting;   /* loops that still use the listeners */
    _Atomic uint32_t next_worker; /* for adopting in turn */
    struct hj_event last;         /* STOPPED; pushed by the last loop */
};

/* Pins the server of a handle; unpin with hj_handle_unpin. */
int hj_server_pin(struct hj_server **out, const void *handle);

/* Whether the loop's descriptor table has room for one more connection. Any thread; momentary. */
bool hj_server_has_room(const struct hj_server *server, const struct hj_worker *worker);

/* For adopted connections: in turn, one with room if there is one. */
struct hj_worker *hj_server_next_worker(struct hj_server *server);

/* 0, HIJACK_ESTATE (never started) or HIJACK_ESHUTDOWN. */
int hj_server_check_running(struct hj_server *server);

/* Called by the loop that ended last. */
void hj_server_stopped(struct hj_server *server);

/* Whether the server takes one more connection now that was not accepted: 0, HIJACK_ESTATE, ESHUTDOWN or ELIMIT. */
int hj_server_check_growing(struct hj_server *server);

/* Whether it takes this descriptor: 0, HIJACK_ESTATE, ESHUTDOWN, ELIMIT, or as hj_connected_check. */
int hj_server_check_adopting(struct hj_server *server, int fd);

#endif
