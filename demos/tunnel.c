/* SPDX-License-Identifier: MIT
 * A tunnel: any TCP connection through one of HTTP, to targets that the program allows.
 *
 *     /                          a page that says what to try
 *     /tunnel?target=HOST:PORT   with "Upgrade: purr" the target's bytes follow the 101; as a WebSocket they come in
 *                                binary messages, and with the subprotocol purr an empty message ends one direction
 *     CONNECT HOST:PORT          the target's bytes follow the 200
 *
 *     what is wrong                                                     is answered with
 *     no target                                                         400
 *     the token is missing or another one                               401, to CONNECT 407
 *     a target that is not allowed                                      403
 *     another method than GET                                           405
 *     neither of the two upgrades                                       426
 *     the target cannot be reached, or not in 10 seconds                502, 504
 *
 * TUNNEL_ALLOW is a list of targets, "127.0.0.1:22,db.internal:5432". Without it one target is allowed, which is this
 * program itself. TUNNEL_TOKEN is what a client must send, as "Authorization: Bearer TOKEN" ("Proxy-Authorization" with
 * CONNECT); without it everybody may connect.
 *
 * The target is connected before the client gets an answer. Then both are a pair that the library relays, and this
 * program has no handle or memory of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "demo.h"
#include "text.h"

#define TARGET_SIZE 300 /* a name of 253 characters, a port, and a NUL */

enum carrier {
    CARRIER_NONE,
    CARRIER_PURR,
    CARRIER_WEBSOCKET,
    CARRIER_CONNECT
};

/* A request that waits until its target is connected; the user_data of both. */
struct tunnel {
    hijack_request *request;
    hijack_socket *far;
    enum carrier carrier;
    char target[TARGET_SIZE];
};

static hijack_server *server;
static const char *allowed, *token;
static char own_address[32];

/* The next item of a list with commas, without the space around it; false at its end. */
static bool next_item(const char **item, size_t *len, const char **at, const char *end)
{
    while (*at < end && (**at == ',' || **at == ' ' || **at == '\t'))
        ++*at;
    *item = *at;
    *len = 0;
    if (*at >= end)
        return false;
    const char *comma = memchr(*at, ',', (size_t)(end - *at)), *stop = comma == NULL ? end : comma;
    *at = stop;
    while (stop > *item && (stop[-1] == ' ' || stop[-1] == '\t'))
        --stop;
    *len = (size_t)(stop - *item);
    return *len != 0;
}

static bool list_has(const char *list, size_t list_len, const char *wanted)
{
    const char *item, *at = list;
    size_t len;
    while (next_item(&item, &len, &at, list + list_len))
        if (len == strlen(wanted) && strncasecmp(item, wanted, len) == 0)
            return true;
    return false;
}

static bool header_has(hijack_request *request, const char *name, const char *wanted)
{
    const char *value;
    size_t len;
    for (uint32_t i = 0; hijack_request_header(&value, &len, request, name, strlen(name), i) == 1; ++i)
        if (list_has(value, len, wanted))
            return true;
    return false;
}

/* How long it takes depends on what the client sent alone, and not on how much of it is right. */
static bool has_token(hijack_request *request, const char *header)
{
    const char *value;
    size_t len, wanted = token == NULL ? 0 : strlen(token);
    if (wanted == 0)
        return true;
    if (hijack_request_header(&value, &len, request, header, strlen(header), 0) != 1 || len < 7 ||
        strncasecmp(value, "bearer ", 7) != 0)
        return false;
    unsigned char differs = len - 7 != wanted;
    for (size_t i = 7; i < len; ++i)
        differs |= (unsigned char)(value[i] ^ token[(i - 7) % wanted]);
    return differs == 0;
}

static enum carrier carrier_of(hijack_request *request)
{
    if (demo_method_is(request, "CONNECT"))
        return CARRIER_CONNECT;
    if (header_has(request, "upgrade", "websocket"))
        return CARRIER_WEBSOCKET;
    if (header_has(request, "upgrade", "purr") && header_has(request, "connection", "upgrade"))
        return CARRIER_PURR;
    return CARRIER_NONE;
}

static bool read_target(char *target, hijack_request *request, enum carrier carrier)
{
    const char *text;
    size_t len;
    if (hijack_request_target(&text, &len, request) < 0)
        return false;
    if (carrier != CARRIER_CONNECT)
        return text_query(target, TARGET_SIZE, &len, text, len, "target") && strlen(target) == len && len != 0;
    if (len >= TARGET_SIZE)
        return false;
    memcpy(target, text, len);
    target[len] = '\0';
    return true;
}

/* Answers what is wrong with the request, and frees it. */
static bool refuse(hijack_request *request, enum carrier carrier, const char *target)
{
    const bool connect = carrier == CARRIER_CONNECT;
    if (!has_token(request, connect ? "proxy-authorization" : "authorization"))
        demo_answer_with(request, connect ? 407 : 401,
                         connect ? "content-type: " DEMO_TEXT "\r\nproxy-authenticate: Bearer\r\n"
                                 : "content-type: " DEMO_TEXT "\r\nwww-authenticate: Bearer\r\n",
                         "The token is missing or wrong.\n");
    else if (target[0] == '\0')
        demo_answer_text(request, 400, "Expected /tunnel?target=HOST:PORT.\n");
    else if (!connect && !demo_method_is(request, "GET"))
        demo_answer_with(request, 405, "content-type: " DEMO_TEXT "\r\nallow: GET\r\n", "Open a tunnel with GET.\n");
    else if (carrier == CARRIER_NONE)
        demo_answer_with(request, 426, "content-type: " DEMO_TEXT "\r\nupgrade: purr, websocket\r\n",
                         "A tunnel needs HTTP/1.1 with Upgrade: purr or websocket.\n");
    else if (!list_has(allowed, strlen(allowed), target))
        demo_answer_text(request, 403, "This target is not allowed.\n");
    else
        return false;
    return true;
}

static void tunnel_free(struct tunnel *tunnel)
{
    hijack_request_free(tunnel->request);
    hijack_socket_free(tunnel->far);
    free(tunnel);
}

/* The target cannot be reached. */
static void fail(struct tunnel *tunnel, int reason)
{
    char text[TARGET_SIZE + 128];
    snprintf(text, sizeof text, "Cannot connect to %s: %s.\n", tunnel->target, hijack_strerror(reason));
    demo_answer_text(tunnel->request, reason == HIJACK_ETIMEDOUT ? 504 : 502, text);
    tunnel->request = NULL;
    tunnel_free(tunnel);
}

static void begin(hijack_request *request)
{
    const enum carrier carrier = carrier_of(request);
    char target[TARGET_SIZE] = "";
    if (!read_target(target, request, carrier))
        target[0] = '\0';
    if (refuse(request, carrier, target))
        return;
    struct tunnel *tunnel = calloc(1, sizeof *tunnel);
    if (tunnel == NULL)
        demo_check(HIJACK_ENOMEM, "calloc");
    tunnel->request = request;
    tunnel->carrier = carrier;
    memcpy(tunnel->target, target, sizeof target);
    int result = hijack_server_connect(&tunnel->far, server, target, strlen(target), (uintptr_t)tunnel);
    if (result < 0)
        fail(tunnel, result);
    else
        demo_check(hijack_handle_set_user_data(request, (uintptr_t)tunnel), "hijack_handle_set_user_data");
}

static int answer(hijack_socket **near, const struct tunnel *tunnel)
{
    static const char upgrade[] = "connection: Upgrade\r\nupgrade: purr\r\n";
    const bool purr = header_has(tunnel->request, "sec-websocket-protocol", "purr");
    if (tunnel->carrier == CARRIER_WEBSOCKET)
        return hijack_request_websocket(near, tunnel->request, purr ? "purr" : NULL, purr ? 4 : 0, NULL, 0);
    if (tunnel->carrier == CARRIER_PURR)
        return hijack_request_hijack_partial(near, tunnel->request, 101, upgrade, strlen(upgrade));
    return hijack_request_hijack_partial(near, tunnel->request, 200, NULL, 0);
}

/* Both sides are there. Freed handles leave the pair alive; that a side has gone meanwhile the other one is told by its
 * end, and who sent a wrong handshake has its answer. */
static void open_tunnel(struct tunnel *tunnel)
{
    hijack_socket *near;
    if (answer(&near, tunnel) == 0) {
        hijack_socket_relay(near, tunnel->far);
        hijack_socket_free(near);
    }
    tunnel_free(tunnel);
}

static void on_request(hijack_request *request)
{
    static const char usage[] =
        "A tunnel with libhijack. This page is the target that it allows without TUNNEL_ALLOW.\n\n"
        "Make a local port of it, with the Go or the Python client:\n"
        "    hijack-tunnel -L 8080:%s %s://%s/tunnel\n"
        "    python3 -m hijack_ffi.tunnel -L 8080:%s %s://%s/tunnel\n"
        "and open %s://127.0.0.1:8080/ beside it.\n";
    char page[1024];
    const char *scheme = getenv("TLS_CERT") != NULL && *getenv("TLS_CERT") != '\0' ? "https" : "http";
    if (demo_method_is(request, "CONNECT") || demo_path_is(request, "/tunnel")) {
        begin(request);
    } else if (demo_path_is(request, "/")) {
        snprintf(page, sizeof page, usage, own_address, scheme, own_address, own_address, scheme, own_address, scheme);
        demo_answer_text(request, 200, page);
    } else {
        demo_answer_text(request, 404, "Only / and /tunnel are here.\n");
    }
}

static void on_event(const hijack_event *event)
{
    struct tunnel *tunnel = (struct tunnel *)(uintptr_t)event->user_data;
    if (event->type == HIJACK_EVENT_REQUEST)
        on_request(event->handle);
    else if (tunnel == NULL)
        return; /* of a request that was refused */
    else if (event->type == HIJACK_EVENT_CONNECTED)
        open_tunnel(tunnel);
    else if (event->type == HIJACK_EVENT_CLOSED && event->handle == tunnel->far)
        fail(tunnel, event->status);
    else if (event->type == HIJACK_EVENT_CLOSED)
        tunnel_free(tunnel); /* the client did not wait */
}

/* One at a time: a handle that is freed here must not have another event in the same poll. */
static void handle_events(hijack_queue *queue)
{
    hijack_event event;
    while (demo_check(hijack_queue_poll(&event, queue, 1, 0), "hijack_queue_poll") > 0)
        on_event(&event);
}

int main(int argc, char **argv)
{
    int signals = demo_signals();
    demo_raise_descriptor_limit();
    allowed = getenv("TUNNEL_ALLOW");
    token = getenv("TUNNEL_TOKEN");

    hijack_queue *queue;
    demo_check(hijack_check_version(HIJACK_VERSION_NUMBER), "hijack_check_version");
    demo_check(hijack_queue_new(&queue), "hijack_queue_new");
    demo_check(hijack_server_new(&server, queue), "hijack_server_new");
    demo_check(hijack_server_set(server, HIJACK_STR("connect_method"), HIJACK_STR("on")), "hijack_server_set");
    demo_start(server, demo_port(argc, argv));
    demo_check(hijack_server_address(own_address, sizeof own_address, server, 0), "hijack_server_address");
    if (allowed == NULL || *allowed == '\0')
        allowed = own_address;

    while (demo_wait(queue, signals, 60000))
        handle_events(queue);

    demo_check(hijack_server_stop(server), "hijack_server_stop");
    handle_events(queue); /* of requests that still waited for their target */
    demo_stop(server, queue);
    hijack_server_free(server);
    hijack_queue_free(queue);
    close(signals);
    return 0;
}
