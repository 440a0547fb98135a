/* Routes; see route.h. Any thread: building holds the server's lock, and what is settled does not change.
 *
 * Settled routes are sorted by length, a prefix before an exact path of the same length. The last one that matches a
 * path is therefore the most specific: an exact path is as long as the path itself, and no prefix is longer. */
#include "core/route.h"

#include <stdlib.h>
#include <string.h>

#include <hijack/hijack.h>

#include "core/server.h"

static struct hj_slice route_path(const struct hj_route *route)
{
    return hj_slice(route->path, route->path_len);
}

static bool covers(const struct hj_route *route, struct hj_slice path)
{
    if (!route->prefix)
        return hj_slice_equal(route_path(route), path);
    return hj_slice_begins(path, route_path(route));
}

int hj_route_make(struct hj_route **out, struct hj_server *server, struct hj_slice path, bool prefix)
{
    if (path.len == 0 || path.base == NULL || path.base[0] != '/' || memchr(path.base, '?', path.len) != NULL)
        return HIJACK_EINVAL;
    for (uint32_t i = 0; i < server->route_count; ++i) {
        struct hj_route *route = &server->routes[i];
        if (route->prefix == prefix && hj_slice_equal(route_path(route), path)) {
            *out = route;
            return 0;
        }
    }
    struct hj_route *routes = realloc(server->routes, (server->route_count + 1) * sizeof(*routes));
    if (routes == NULL)
        return HIJACK_ENOMEM;
    server->routes = routes;
    char *copy = malloc(path.len);
    if (copy == NULL)
        return HIJACK_ENOMEM;
    memcpy(copy, path.base, path.len);
    *out = &routes[server->route_count++];
    **out = (struct hj_route){.path = copy, .path_len = path.len, .prefix = prefix};
    hj_options_default(&(*out)->set, HJ_SCOPE_ROUTE);
    return 0;
}

int hj_route_claim(struct hj_route **out, struct hj_server *server, struct hj_slice path)
{
    struct hj_route *route;
    int rc = hj_route_make(&route, server, path, false);
    if (rc == 0 && (route->queue != NULL || route->broadcaster != NULL))
        rc = HIJACK_ESTATE;
    if (rc == 0)
        *out = route;
    return rc;
}

static int compare_routes(const void *left, const void *right)
{
    const struct hj_route *a = left, *b = right;
    if (a->path_len != b->path_len)
        return a->path_len < b->path_len ? -1 : 1;
    if (a->prefix != b->prefix)
        return a->prefix ? -1 : 1;
    return memcmp(a->path, b->path, a->path_len);
}

static uint64_t set_or(uint64_t set, uint64_t inherited)
{
    return set != HJ_OPTION_UNSET ? set : inherited;
}

static void inherit_text(char out[64], const char *set, const char *inherited)
{
    memcpy(out, set[0] != '\0' ? set : inherited, 64);
}

static void inherit(struct hj_route *route, const struct hj_route_options *from)
{
    route->options.request_body = set_or(route->set.request_body, from->request_body);
    route->options.max_body_bytes = set_or(route->set.max_body_bytes, from->max_body_bytes);
    inherit_text(route->options.position, route->set.position, from->position);
    inherit_text(route->options.user_data, route->set.user_data, from->user_data);
}

void hj_routes_settle(struct hj_server *server)
{
    struct hj_route *routes = server->routes;
    server->route_defaults = (struct hj_route_options){
        .request_body = server->options.request_body,
        .max_body_bytes = server->options.max_body_bytes,
    };
    if (server->route_count != 0)
        qsort(routes, server->route_count, sizeof(*routes), compare_routes);
    for (uint32_t i = 0; i < server->route_count; ++i) {
        /* the nearest prefix is settled already, and has what it inherited itself */
        uint32_t nearest = i;
        while (nearest > 0 && !(routes[nearest - 1].prefix && covers(&routes[nearest - 1], route_path(&routes[i]))))
            --nearest;
        inherit(&routes[i], nearest > 0 ? &routes[nearest - 1].options : &server->route_defaults);
    }
}

const struct hj_route *hj_route_find(const struct hj_server *server, struct hj_slice path)
{
    for (uint32_t i = server->route_count; i > 0; --i)
        if (covers(&server->routes[i - 1], path))
            return &server->routes[i - 1];
    return NULL;
}

struct hj_slice hj_route_parameter(const char *option)
{
    return hj_slice_behind(hj_slice(option, strlen(option)), HJ_SLICE("query:"));
}

const struct hj_route_options *hj_route_options_of(const struct hj_server *server, const struct hj_route *route)
{
    return route != NULL ? &route->options : &server->route_defaults;
}
