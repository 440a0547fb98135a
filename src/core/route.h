/* The routes of a server: what is special about the requests of one path, or of all paths with one beginning. Built
 * before the start under the server's lock; settled by the start, and constant while loops run. */
#ifndef HJ_CORE_ROUTE_H
#define HJ_CORE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "core/option.h"

struct hj_buf;
struct hj_broadcaster;
struct hj_queue;
struct hj_server;

struct hj_route {
    char *path; /* owned */
    size_t path_len;
    bool prefix;                        /* all paths that begin with path; has options only */
    struct hj_queue *queue;             /* a reference, or NULL */
    struct hj_broadcaster *broadcaster; /* a reference, or NULL */
    uint32_t kind;                      /* HIJACK_HOLD_*, with broadcaster */
    struct hj_buf *headers;             /* a checked block, with broadcaster */
    struct hj_route_options set;        /* what was set for this path alone */
    struct hj_route_options options;    /* what counts; once settled */
};

/* The route of exactly this path or prefix, made if there is none. 0, HIJACK_EINVAL (path) or ENOMEM. */
int hj_route_make(struct hj_route **out, struct hj_server *server, struct hj_slice path, bool prefix);

/* hj_route_make for a queue or broadcaster: HIJACK_ESTATE where the path has one already. */
int hj_route_claim(struct hj_route **out, struct hj_server *server, struct hj_slice path);

/* At the start: puts the routes in the order that hj_route_find needs, and gives each its options: those it does not
 * set come from the longest prefix that covers it and sets them, else from the server. */
void hj_routes_settle(struct hj_server *server);

/* The most specific route for a path: the exact one, else the longest prefix, else NULL. Any thread, once settled. */
const struct hj_route *hj_route_find(const struct hj_server *server, struct hj_slice path);

/* The name in a route option of the form "query:NAME"; empty where the option is not set. */
struct hj_slice hj_route_parameter(const char *option);

/* The options for requests of this route, which may be NULL. Once settled. */
const struct hj_route_options *hj_route_options_of(const struct hj_server *server, const struct hj_route *route);

#endif
