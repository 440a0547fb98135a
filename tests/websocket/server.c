/* SPDX-License-Identifier: MIT
 * A WebSocket server that echoes at /echo, with options of the library: server [name value]...
 * Prints its URL; ends with SIGTERM. A client that does not take its echo is closed with 1008. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hijack/hijack.h>

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, hijack_strerror(result));
    exit(1);
}

static void on_event(const hijack_event *event)
{
    hijack_socket *socket;
    if (event->type == HIJACK_EVENT_REQUEST) {
        if (hijack_request_websocket(&socket, event->handle, NULL, 0, NULL, 0) == 0)
            hijack_socket_read(socket, 1);
        hijack_request_free(event->handle);
    } else if (event->type == HIJACK_EVENT_MESSAGE) {
        int result = hijack_socket_send_message(event->handle, (uint32_t)event->status, event->data, event->len);
        if (result == 0)
            hijack_socket_read(event->handle, 1);
        else if (result == HIJACK_EAGAIN)
            hijack_socket_close_message(event->handle, 1008, HIJACK_STR("take your echo"));
    } else if (event->type == HIJACK_EVENT_CLOSED) {
        hijack_socket_free(event->handle);
    }
}

int main(int argc, char **argv)
{
    hijack_queue *queue;
    hijack_server *server;
    hijack_event events[64];
    must(hijack_queue_new(&queue), "hijack_queue_new");
    must(hijack_server_new(&server, queue), "hijack_server_new");
    must(hijack_server_set(server, HIJACK_STR("threads"), HIJACK_STR("1")), "threads");
    for (int i = 1; i + 1 < argc; i += 2)
        must(hijack_server_set(server, argv[i], strlen(argv[i]), argv[i + 1], strlen(argv[i + 1])), argv[i]);
    int port = hijack_server_listen(server, HIJACK_STR("127.0.0.1:0"));
    must(port, "hijack_server_listen");
    must(hijack_server_start(server), "hijack_server_start");
    printf("http://127.0.0.1:%d/\n", port);
    fflush(stdout);
    for (;;) {
        int n = hijack_queue_poll(events, queue, 64, -1);
        must(n, "hijack_queue_poll");
        for (int i = 0; i < n; ++i)
            on_event(&events[i]);
    }
}
