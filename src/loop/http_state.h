/* What http.c and http_request.c share. Only these two see libh2o. Loop thread. */
#ifndef HJ_LOOP_HTTP_STATE_H
#define HJ_LOOP_HTTP_STATE_H

#include "loop/compat.h"
#include "loop/http.h"

/* One connection that libh2o has. */
struct hj_http_conn {
    h2o_linklist_t link; /* in http->conns */
    struct hj_loop *loop;
    h2o_socket_t *sock;
    struct hj_pending *pending; /* the request that is being answered; NULL between requests */
    int reason;                 /* why it will have closed */
    bool taken;                 /* the descriptor has left */
};

/* One request inside libh2o; its memory goes with libh2o's request. */
struct hj_pending {
    struct hj_http_conn *conn;
    h2o_req_t *req;
    struct hj_request *request;   /* a reference; NULL for a held route */
    const struct hj_route *route; /* the held route, else NULL */
    struct hj_client client;
    bool is_head;
    h2o_linklist_t hold_link;   /* in http->holds, where route is set */
    struct hj_buf *body, *head; /* what the response points into; references */
    bool taken, responded;
};

struct hj_http {
    struct hj_loop *owner;
    h2o_loop_t *loop;
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_socket_t *poller; /* a copy of the loop's own poller, so that libh2o's wait ends for it too */
    struct hj_compat_sink sink;
    h2o_linklist_t conns, holds;
    uint32_t conn_count;
    bool dirty; /* libh2o has work that no descriptor will tell of */
};

/* libh2o calls this for each request. */
int hj_http_on_request(h2o_handler_t *handler, h2o_req_t *req);

/* Answers with an error of ours and closes the connection. */
void hj_http_refuse(h2o_req_t *req, unsigned status, const char *problem);

struct hj_http_handler {
    h2o_handler_t super;
    struct hj_loop *loop;
};

/* Takes the connection of a pending request; see hj_http_take. */
int hj_http_take_pending(struct hj_loop *loop, struct hj_pending *pending, struct hj_input **input);

#endif
