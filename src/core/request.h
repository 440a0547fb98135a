/* One request: its head and body in one block of memory, and whether it was answered. */
#ifndef HJ_CORE_REQUEST_H
#define HJ_CORE_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/object.h"
#include "base/slice.h"
#include "codec/head.h"
#include "core/command.h"
#include "core/event.h"
#include "core/response.h"
#include "core/server.h"

struct hj_conn;

/* Constant once delivered, but for the atomics and the loop's own fields. */
struct hj_request {
    struct hj_object object;
    struct hj_server *server;                                     /* a reference */
    struct hj_queue *queue;                                       /* a reference */
    struct hj_worker *worker;                                     /* lives as long as the server */
    struct hj_buf *buf;                                           /* the payload of the REQUEST event; a reference */
    struct hj_slice method, target, version, peer, headers, body; /* inside buf */
    struct hj_client client;
    bool is_head;
    _Atomic bool answered; /* the one answer is taken */
    _Atomic bool gone;     /* the connection went first */
    /* the loop's alone */
    struct hj_conn *conn;      /* NULL once it is answered, or gone */
    struct hj_request *parked; /* next in the list of those that wait for room in their queue */
    bool delivered;            /* the REQUEST event has been pushed */
    bool ended;                /* CLOSED has been pushed */
    struct hj_event last;
    struct hj_command free_command; /* posted once, when the handle is freed */
};

/* A new request with a handle; the caller owns a reference. 0, HIJACK_ENOMEM or HIJACK_ELIMIT. */
int hj_request_new(struct hj_request **out, struct hj_server *server, struct hj_worker *worker, struct hj_queue *queue,
                   const struct hj_head *head, struct hj_slice peer, struct hj_slice body);

/* For the REQUEST event that nobody will poll any more: the request counts as freed. */
void hj_request_undelivered(struct hj_event *event);

/* Loop: pushes the last event, once. */
void hj_request_end(struct hj_request *request, int status);

#endif
