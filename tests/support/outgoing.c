/* SPDX-License-Identifier: MIT */
#include "outgoing.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int listen_here(int *port, int backlog)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 && listen(fd, backlog) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&sin, &len) == 0);
    *port = ntohs(sin.sin_port);
    return fd;
}

struct client *accept_client(int listener)
{
    return client_wrap(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

hijack_socket *connect_to(struct fixture *f, const char *address, uint64_t user_data)
{
    hijack_socket *socket = NULL;
    OK(hijack_server_connect(&socket, f->server, STR(address), user_data));
    events_note(&f->events, socket, KIND_SOCKET);
    return socket;
}

hijack_socket *connect_to_port(struct fixture *f, const char *host, int port)
{
    char address[128];
    snprintf(address, sizeof(address), "%s:%d", host, port);
    return connect_to(f, address, 0);
}
