/* SPDX-License-Identifier: MIT
 *
 * First steps of a test. Runs on the thread of the test; every handle made here is noted, so that its last event is
 * waited for.
 */
#include "exchange.h"

#include <stdio.h>
#include <sys/socket.h>

void ask(struct client *client, const char *path)
{
    char head[4096];

    CHECK((size_t)snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path) < sizeof(head));
    client_puts(client, head);
}

hijack_request *next_request_at(struct fixture *fixture, const char *file, int line)
{
    return events_next_at(&fixture->events, HIJACK_EVENT_REQUEST, NULL, file, line)->handle;
}

void reply(struct fixture *fixture, hijack_request *request, const char *body)
{
    OK(hijack_request_respond(request, 200, NULL, 0, STR(body)));
    events_closed(&fixture->events, request, 0);
    request_free(fixture, request);
}

hijack_request *request_open(struct fixture *fixture, struct client **client, const char *path)
{
    *client = client_connect(fixture->port);
    ask(*client, path);
    return next_request(fixture);
}

hijack_socket *socket_adopted(struct fixture *fixture, struct client **client, const char *unread)
{
    hijack_socket *socket = NULL;
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    *client = client_wrap(fds[0]);
    OK(hijack_server_adopt(&socket, fixture->server, fds[1], STR(unread)));
    events_note(&fixture->events, socket, KIND_SOCKET);
    return socket;
}

hijack_stream *stream_of(struct fixture *fixture, hijack_request *request, const char *headers)
{
    hijack_stream *stream = NULL;

    OK(hijack_request_stream(&stream, request, 200, STR(headers)));
    CHECK(stream != NULL);
    events_note(&fixture->events, stream, KIND_STREAM);
    request_free(fixture, request);
    return stream;
}

hijack_stream *stream_open(struct fixture *fixture, struct client **client)
{
    return stream_of(fixture, request_open(fixture, client, "/stream"), "");
}

hijack_stream *sse_open(struct fixture *fixture, struct client **client)
{
    hijack_request *request = request_open(fixture, client, "/sse");
    hijack_stream *stream = NULL;

    OK(hijack_request_sse(&stream, request, NULL, 0));
    CHECK(stream != NULL);
    events_note(&fixture->events, stream, KIND_STREAM);
    request_free(fixture, request);
    return stream;
}

hijack_socket *socket_of(struct fixture *fixture, hijack_request *request)
{
    hijack_socket *socket = NULL;

    OK(hijack_request_hijack(&socket, request));
    CHECK(socket != NULL);
    events_note(&fixture->events, socket, KIND_SOCKET);
    request_free(fixture, request);
    return socket;
}

hijack_socket *socket_open(struct fixture *fixture, struct client **client)
{
    return socket_of(fixture, request_open(fixture, client, "/socket"));
}

void request_free(struct fixture *fixture, hijack_request *request)
{
    hijack_request_free(request);
    events_freed(&fixture->events, request);
}

void stream_free(struct fixture *fixture, hijack_stream *stream)
{
    hijack_stream_free(stream);
    events_freed(&fixture->events, stream);
}

void socket_free(struct fixture *fixture, hijack_socket *socket)
{
    hijack_socket_free(socket);
    events_freed(&fixture->events, socket);
}
