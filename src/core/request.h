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
#include "core/facts.h"
#include "core/response.h"
#include "core/server.h"

struct hj_conn;

struct hj_body_reader;

/* What has become of the one answer; set once. */
enum hj_answer {
    HJ_ANSWER_OPEN,
    HJ_ANSWER_TAKEN, /* by the program */
    HJ_ANSWER_NEVER  /* the handle was freed before */
};

/* Constant once delivered, except the atomics and the loop's own fields. */
struct hj_request {
    struct hj_object object;
    struct hj_server *server;                                     /* a reference */
    struct hj_queue *queue;                                       /* a reference; NULL: nobody hears of it */
    struct hj_worker *worker;                                     /* lives as long as the server */
    struct hj_buf *buf;                                           /* the payload of the REQUEST event; a reference */
    struct hj_slice method, target, version, peer, headers, body; /* inside buf */
    struct hj_client client;
    struct hj_facts *facts; /* a reference; NULL: not over TLS */
    bool is_head, is_connect;
    uint8_t listener;       /* of the server, counted from 1; 0: unknown */
    bool in_pieces;         /* the body is brought by hijack_request_read */
    _Atomic bool has_body;  /* in pieces, and the end of the body has not been pushed yet */
    _Atomic uint8_t answer; /* enum hj_answer */
    _Atomic bool gone;      /* the connection went first */
    /* the loop's alone */
    struct hj_conn *conn;        /* NULL once it is answered and its body has ended, or gone */
    struct hj_request *parked;   /* next in the list of those that wait for room in their queue */
    struct hj_body_reader *read; /* while its body is being read (loop/http/request_body.h); freed with free */
    bool delivered;              /* the REQUEST event has been pushed */
    bool ended;                  /* CLOSED has been pushed, or never will be */
    struct hj_event last;
};

/* A new request with a handle and room for body_len bytes of body; the caller owns a reference. facts: of its TLS
 * connection, or NULL. 0, HIJACK_ENOMEM or
 * HIJACK_ELIMIT. */
int hj_request_new(struct hj_request **out, struct hj_server *server, struct hj_worker *worker, struct hj_queue *queue,
                   const struct hj_head *head, struct hj_slice peer, struct hj_facts *facts, size_t body_len);

/* Changes the room for the body, before the request is delivered; what is in it stays. False when out of memory. */
bool hj_request_resize_body(struct hj_request *request, size_t body_len);

/* Of the REQUEST event: one that nobody will poll any more counts as freed. */
bool hj_request_event_hook(struct hj_event *event, enum hj_event_end end);

/* Loop: pushes the last event, once; the handle of one that was never delivered ends. */
void hj_request_end(struct hj_request *request, int status);

#endif
