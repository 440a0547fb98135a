/* SPDX-License-Identifier: MIT
 * A proxy for TCP: every connection is relayed to the address in the variable RELAY_TARGET, "host:port" or
 * "unix:/path". The library moves the bytes, its threads alone; this program accepts, pairs, and forgets.
 *
 * Without RELAY_TARGET the other side is here too: Server-Sent Events, a BEEP every second. "curl -N" shows them
 * through the proxy. If the target cannot be reached, the client is reset, and a line on stderr says why. */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demo.h"

#define BEEP_MS 1000

/* A plain listener, since the library's own speak HTTP. *port becomes the one that was taken. */
static int listen_on(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof address;
    char name[32];
    const int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(name, sizeof name, "127.0.0.1:%d", *port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        demo_fail(name, strerror(errno));
    *port = ntohs(address.sin_port);
    return fd;
}

/* Pairs a client with the target. The client's handle is not needed: a pair lives on without it, and without a pair the
 * client is reset. The target's stays until it is open. */
static void relay(hijack_server *server, int fd, const char *target)
{
    hijack_socket *client, *origin;
    if (hijack_server_adopt(&client, server, fd, NULL, 0) < 0) {
        close(fd); /* after a failure it is still ours */
        return;
    }
    const int result = hijack_server_connect(&origin, server, target, strlen(target), 0);
    if (result < 0)
        fprintf(stderr, "connect %s: %s\n", target, hijack_strerror(result));
    else if (hijack_socket_relay(client, origin) < 0)
        hijack_socket_abort(origin); /* one of the two has left; if it is the target, its CLOSED says why */
    hijack_socket_free(client);
}

static void accept_clients(hijack_server *server, int listener, const char *target)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == ECONNABORTED;)
        if (fd >= 0)
            relay(server, fd, target);
}

/* Those of targets, of which nobody else has a handle. One at a time: of a freed handle no further event comes. */
static void take_events(hijack_queue *queue, const char *target)
{
    hijack_event event;
    while (demo_check(hijack_queue_poll(&event, queue, 1, 0), "hijack_queue_poll") > 0) {
        const bool closed = event.type == HIJACK_EVENT_CLOSED;
        if (closed && event.status != HIJACK_EABORTED && event.status != HIJACK_ESHUTDOWN)
            fprintf(stderr, "connect %s: %s\n", target, hijack_strerror(event.status));
        if (closed || event.type == HIJACK_EVENT_CONNECTED)
            hijack_socket_free(event.handle);
    }
}

/* A target of our own, on a free port. */
static hijack_broadcaster *beeper(hijack_server *server, char *address, size_t size)
{
    hijack_broadcaster *clients;
    demo_check(hijack_broadcaster_new(&clients, server), "hijack_broadcaster_new");
    demo_check(hijack_server_hold(server, HIJACK_STR("/"), HIJACK_HOLD_SSE, NULL, 0, clients), "hijack_server_hold");
    const int port = demo_check(hijack_server_listen(server, HIJACK_STR("127.0.0.1:0")), "hijack_server_listen");
    snprintf(address, size, "127.0.0.1:%d", port);
    return clients;
}

static void beep(hijack_broadcaster *clients)
{
    if (clients != NULL)
        demo_check(hijack_broadcaster_publish(clients, HIJACK_MESSAGE_TEXT, HIJACK_STR("BEEP")),
                   "hijack_broadcaster_publish");
}

int main(int argc, char **argv)
{
    const int signals = demo_signals();
    const char *target = getenv("RELAY_TARGET");
    char own[32];
    int port = demo_port(argc, argv);
    demo_raise_descriptor_limit();

    hijack_queue *queue;
    hijack_server *server;
    hijack_broadcaster *clients = NULL;
    demo_check(hijack_check_version(HIJACK_VERSION_NUMBER), "hijack_check_version");
    demo_check(hijack_queue_new(&queue), "hijack_queue_new");
    demo_check(hijack_server_new(&server, queue), "hijack_server_new");
    const int listener = listen_on(&port);
    if (target == NULL || *target == '\0') {
        clients = beeper(server, own, sizeof own);
        target = own;
    }
    demo_check(hijack_server_start(server), "hijack_server_start");
    printf("relays 127.0.0.1:%d to %s\n", port, target);
    if (clients != NULL)
        printf("try: curl -N http://127.0.0.1:%d/\n", port);

    struct pollfd fds[] = {{signals, POLLIN, 0}, {listener, POLLIN, 0}, {hijack_queue_fd(queue), POLLIN, 0}};
    int64_t next = demo_now() + BEEP_MS;
    while ((fds[0].revents & POLLIN) == 0) {
        const int64_t rest = next - demo_now();
        poll(fds, 3, rest > 0 ? (int)rest : 0);
        accept_clients(server, listener, target);
        take_events(queue, target);
        if (demo_now() < next)
            continue;
        beep(clients);
        next = demo_now() + BEEP_MS;
    }

    close(listener);
    demo_check(hijack_server_stop(server), "hijack_server_stop");
    take_events(queue, target);
    hijack_broadcaster_free(clients);
    hijack_server_free(server);
    hijack_queue_free(queue);
    close(signals);
    return 0;
}
