/* SPDX-License-Identifier: MIT
 *
 * Routes: which one a path finds, whatever the order they were given in, and which options then count.
 */
#include <stdlib.h>
#include <string.h>

#include "core/server.h"
#include "support/check.h"

/* A server with what routes need of it. */
static struct hj_server *new_routes(void)
{
    struct hj_server *server = calloc(1, sizeof(*server));
    hj_options_default(&server->options, HJ_SCOPE_SERVER);
    return server;
}

static void free_routes(struct hj_server *server)
{
    for (uint32_t i = 0; i < server->route_count; ++i)
        free(server->routes[i].path);
    free(server->routes);
    free(server);
}

static struct hj_slice slice_of(const char *text)
{
    return hj_slice(text, strlen(text));
}

/* path as a program writes it: with a '*' at its end for a prefix. */
static struct hj_route *add(struct hj_server *server, const char *path)
{
    struct hj_route *route = NULL;
    struct hj_slice text = slice_of(path);
    const bool prefix = path[text.len - 1] == '*';
    text.len -= prefix;
    OK(hj_route_make(&route, server, text, prefix));
    return route;
}

static void set(struct hj_server *server, const char *path, const char *name, const char *value)
{
    OK(hj_option_set(&add(server, path)->set, HJ_SCOPE_ROUTE, slice_of(name), slice_of(value)));
}

/* The route that path finds is the one written so; NULL: none. */
static void check_found(const struct hj_server *server, const char *path, const char *expected, int line)
{
    const struct hj_route *route = hj_route_find(server, slice_of(path));
    char text[64] = "nothing";
    if (route != NULL) {
        memcpy(text, route->path, route->path_len);
        strcpy(text + route->path_len, route->prefix ? "*" : "");
    }
    if (strcmp(text, expected != NULL ? expected : "nothing") != 0)
        check_fail(__FILE__, line, "%s finds %s, must find %s", path, text, expected != NULL ? expected : "nothing");
}

#define FINDS(path, expected) check_found(server, path, expected, __LINE__)

static const char *const paths[] = {"/a*", "/a", "/a/b*", "/a/b", "/a/b/c", "/x", "/"};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static void the_most_specific_is_found(void **state)
{
    (void)state;
    for (size_t first = 0; first < PATHS; ++first) {
        for (int direction = 1; direction < (int)PATHS; direction += (int)PATHS - 2) { /* forwards and backwards */
            struct hj_server *server = new_routes();
            for (size_t i = 0; i < PATHS; ++i)
                add(server, paths[(first + i * (size_t)direction) % PATHS]);
            assert_int_equal(server->route_count, PATHS);
            hj_routes_settle(server);
            FINDS("/a", "/a");
            FINDS("/ab", "/a*");
            FINDS("/a/", "/a*");
            FINDS("/a/b", "/a/b");
            FINDS("/a/bc", "/a/b*");
            FINDS("/a/b/c", "/a/b/c");
            FINDS("/a/b/c/", "/a/b*");
            FINDS("/A", NULL);
            FINDS("/", "/");
            FINDS("/x", "/x");
            FINDS("/xy", NULL);
            FINDS("*", NULL);
            FINDS("", NULL);
            free_routes(server);
        }
    }
}

static void no_routes(void **state)
{
    (void)state;
    struct hj_server *server = new_routes();
    hj_routes_settle(server);
    FINDS("/", NULL);
    const struct hj_route_options *options = hj_route_options_of(server, NULL);
    assert_int_equal(options->request_body, HJ_BODY_WHOLE);
    assert_int_equal(options->max_body_bytes, 1048576);
    free_routes(server);
}

static void everything(void **state)
{
    (void)state;
    struct hj_server *server = new_routes();
    add(server, "/*");
    hj_routes_settle(server);
    FINDS("/", "/*");
    FINDS("/any/thing", "/*");
    FINDS("*", NULL); /* OPTIONS * asks for no path */
    free_routes(server);
}

static void check_options(const struct hj_server *server, const char *path, uint64_t body, uint64_t max, int line)
{
    const struct hj_route_options *options = hj_route_options_of(server, hj_route_find(server, slice_of(path)));
    if (options->request_body != body || options->max_body_bytes != max)
        check_fail(__FILE__, line, "%s has body %d of %llu bytes", path, (int)options->request_body,
                   (unsigned long long)options->max_body_bytes);
}

#define HAS(path, body, max) check_options(server, path, body, max, __LINE__)

/* Each option by itself comes from the nearest route that sets it; an exact path is nobody's prefix. */
static void options_are_inherited(void **state)
{
    (void)state;
    struct hj_server *server = new_routes();
    set(server, "/up/big/one", "request_body", "whole");
    set(server, "/up/*", "request_body", "pieces");
    add(server, "/up/big/held"); /* a held route, which sets nothing */
    set(server, "/up/big/*", "max_body_bytes", "1m");
    set(server, "/up", "max_body_bytes", "7");
    set(server, "/u*", "max_body_bytes", "2k");
    set(server, "/down/*", "max_body_bytes", "3"); /* shorter than /up/big/, and no beginning of it */
    set(server, "/down/*", "request_body", "whole");
    server->options.max_body_bytes = 99;
    hj_routes_settle(server);
    HAS("/", HJ_BODY_WHOLE, 99);
    HAS("/u", HJ_BODY_WHOLE, 2048);
    HAS("/up", HJ_BODY_WHOLE, 7);
    HAS("/upper", HJ_BODY_WHOLE, 2048);
    HAS("/up/", HJ_BODY_PIECES, 2048);
    HAS("/down/big", HJ_BODY_WHOLE, 3);
    HAS("/up/big/", HJ_BODY_PIECES, 1 << 20);
    HAS("/up/big/held", HJ_BODY_PIECES, 1 << 20);
    HAS("/up/big/one", HJ_BODY_WHOLE, 1 << 20);
    HAS("/up/big/one/", HJ_BODY_PIECES, 1 << 20);
    free_routes(server);
}

/* A start that failed settles once more, after the program has changed its mind. */
static void settled_again(void **state)
{
    (void)state;
    struct hj_server *server = new_routes();
    set(server, "/a*", "request_body", "pieces");
    hj_routes_settle(server);
    HAS("/a", HJ_BODY_PIECES, 1048576);
    set(server, "/a*", "request_body", "inherit");
    server->options.max_body_bytes = 5;
    hj_routes_settle(server);
    HAS("/a", HJ_BODY_WHOLE, 5);
    HAS("/b", HJ_BODY_WHOLE, 5);
    free_routes(server);
}

static void a_path_is_claimed_once(void **state)
{
    (void)state;
    struct hj_server *server = new_routes();
    struct hj_route *route = NULL, *again = NULL;
    set(server, "/a", "max_body_bytes", "7");
    CODE(hj_route_claim(&route, server, HJ_SLICE("/a")), 0);
    assert_int_equal(server->route_count, 1);
    route->queue = (struct hj_queue *)server; /* any pointer but NULL */
    CODE(hj_route_claim(&again, server, HJ_SLICE("/a")), HIJACK_ESTATE);
    assert_null(again);
    CODE(hj_route_make(&again, server, HJ_SLICE("/a"), true), 0);
    assert_int_equal(server->route_count, 2);
    free_routes(server);
}

static void bad_paths(void **state)
{
    (void)state;
    struct hj_server *server = new_routes();
    struct hj_route *route = NULL;
    CODE(hj_route_make(&route, server, HJ_SLICE(""), false), HIJACK_EINVAL);
    CODE(hj_route_make(&route, server, hj_slice(NULL, 0), true), HIJACK_EINVAL);
    CODE(hj_route_make(&route, server, HJ_SLICE("a"), false), HIJACK_EINVAL);
    CODE(hj_route_make(&route, server, HJ_SLICE("/a?b"), true), HIJACK_EINVAL);
    assert_null(route);
    assert_int_equal(server->route_count, 0);
    free_routes(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_is_found),
        cmocka_unit_test(no_routes),
        cmocka_unit_test(everything),
        cmocka_unit_test(options_are_inherited),
        cmocka_unit_test(settled_again),
        cmocka_unit_test(a_path_is_claimed_once),
        cmocka_unit_test(bad_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
