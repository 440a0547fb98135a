/* SPDX-License-Identifier: MIT
 * WebSocket: messages both ways.
 *
 *     /      for a browser a page that talks to this program; as a WebSocket: says "Hello world!", then echoes
 *     /echo  a WebSocket that only echoes
 *
 * One thread. A WebSocket is a struct peer, whose address is the user_data by which its events find it. Each is asked
 * for one message at a time, and for the next one when its echo was taken: a client that does not read is not read
 * either. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "demo.h"
#include "page.h"

#define ONE_MESSAGE 1 /* a message comes whole, however little credit there is */

struct peer {
    hijack_socket *socket;
    char *held; /* a message whose echo was refused: DRAINED will follow; NULL: none */
    size_t held_len;
    uint32_t held_type;
};

/* Result of a call on a connection whose peer may have gone a moment ago: CLOSED says so in its own time. */
static int on_the_way(int result, const char *what)
{
    return result == HIJACK_ECLOSED || result == HIJACK_EAGAIN ? result : demo_check(result, what);
}

static bool wants_websocket(hijack_request *request)
{
    const char *value;
    size_t len;
    return demo_check(hijack_request_header(&value, &len, request, HIJACK_STR("upgrade"), 0),
                      "hijack_request_header") == 1 &&
           len == 9 && strncasecmp(value, "websocket", len) == 0;
}

static void accept_peer(hijack_request *request, const char *greeting)
{
    hijack_socket *socket;
    int result = hijack_request_websocket(&socket, request, NULL, 0, NULL, 0);
    if (result == HIJACK_ENOTSUP)
        demo_answer_text(request, 505, "A WebSocket needs HTTP/1.1 here.\n");
    else
        hijack_request_free(request);
    /* a client whose handshake is wrong has its answer */
    if (result == HIJACK_ENOTSUP || result == HIJACK_EPROTOCOL || on_the_way(result, "hijack_request_websocket") < 0)
        return;
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        demo_check(HIJACK_ENOMEM, "calloc");
    peer->socket = socket;
    demo_check(hijack_handle_set_user_data(socket, (uintptr_t)peer), "hijack_handle_set_user_data");
    if (greeting != NULL)
        on_the_way(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, greeting, strlen(greeting)),
                   "hijack_socket_send_message");
    on_the_way(hijack_socket_read(socket, ONE_MESSAGE), "hijack_socket_read");
}

static void on_request(hijack_request *request)
{
    if (demo_path_is(request, "/echo"))
        accept_peer(request, NULL);
    else if (!demo_path_is(request, "/"))
        demo_answer_text(request, 404, "Only / and /echo are here.\n");
    else if (wants_websocket(request))
        accept_peer(request, "Hello world!");
    else
        demo_answer(request, 200, DEMO_HTML, demo_websocket_page,
                    (size_t)(demo_websocket_page_end - demo_websocket_page));
}

/* False if the peer has to take what is on the way first. */
static bool echo(struct peer *peer, uint32_t type, const char *data, size_t len)
{
    if (on_the_way(hijack_socket_send_message(peer->socket, type, data, len), "hijack_socket_send_message") ==
        HIJACK_EAGAIN)
        return false;
    on_the_way(hijack_socket_read(peer->socket, ONE_MESSAGE), "hijack_socket_read");
    return true;
}

static void on_message(struct peer *peer, const hijack_event *event)
{
    if (echo(peer, (uint32_t)event->status, event->data, event->len))
        return;
    peer->held = malloc(event->len + 1);
    if (peer->held == NULL)
        demo_check(HIJACK_ENOMEM, "malloc");
    memcpy(peer->held, event->data, event->len);
    peer->held_len = event->len;
    peer->held_type = (uint32_t)event->status;
}

static void on_drained(struct peer *peer)
{
    char *held = peer->held;
    if (held == NULL || !echo(peer, peer->held_type, held, peer->held_len))
        return;
    peer->held = NULL;
    free(held);
}

static void on_closed(struct peer *peer)
{
    hijack_socket_free(peer->socket);
    free(peer->held);
    free(peer);
}

static void on_event(const hijack_event *event)
{
    struct peer *peer = (struct peer *)(uintptr_t)event->user_data;
    if (event->type == HIJACK_EVENT_REQUEST)
        on_request(event->handle);
    else if (peer == NULL)
        return; /* the request's own last events */
    else if (event->type == HIJACK_EVENT_MESSAGE)
        on_message(peer, event);
    else if (event->type == HIJACK_EVENT_DRAINED)
        on_drained(peer);
    else if (event->type == HIJACK_EVENT_CLOSED)
        on_closed(peer);
}

int main(int argc, char **argv)
{
    int signals = demo_signals();
    demo_raise_descriptor_limit();

    hijack_queue *queue;
    hijack_server *server;
    demo_check(hijack_check_version(HIJACK_VERSION_NUMBER), "hijack_check_version");
    demo_check(hijack_queue_new(&queue), "hijack_queue_new");
    demo_check(hijack_server_new(&server, queue), "hijack_server_new");
    demo_check(hijack_server_set(server, HIJACK_STR("websocket_message_bytes"), HIJACK_STR("64m")),
               "hijack_server_set");
    demo_start(server, demo_port(argc, argv));

    while (demo_wait(queue, signals, 60000)) {
        hijack_event events[64];
        int n = demo_check(hijack_queue_poll(events, queue, 64, 0), "hijack_queue_poll");
        for (int i = 0; i < n; ++i)
            on_event(&events[i]);
    }

    demo_stop(server, queue);
    hijack_server_free(server);
    hijack_queue_free(queue);
    close(signals);
    return 0;
}
