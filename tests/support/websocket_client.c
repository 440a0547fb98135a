/* SPDX-License-Identifier: MIT */
#include "websocket_client.h"

#include <stdio.h>
#include <stdlib.h>

void ws_accepted(struct client *client)
{
    struct response r;

    response_head(&r, client);
    CHECK(r.status == 101);
    CHECK(strcmp(response_header(&r, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == 0);
    response_free(&r);
}

static void ask_for_websocket(struct client *client, const char *path, const char *lines)
{
    char head[512];

    snprintf(head, sizeof(head), "%.4s%s%s%s%s\r\n", "GET ", path, &WS_HEAD("")[4], WS_KEY, lines);
    client_puts(client, head);
}

struct client *ws_connect_offering(struct fixture *fixture, const char *path, const char *lines, const char *extension)
{
    struct client *client = client_connect(fixture->port);
    struct response r;

    ask_for_websocket(client, path, lines);
    response_head(&r, client);
    CHECK(r.status == 101);
    const char *agreed = response_header(&r, "sec-websocket-extensions");
    if (strcmp(agreed == NULL ? "" : agreed, extension) != 0)
        check_fail(__FILE__, __LINE__, "the extensions are \"%s\", must be \"%s\"", agreed, extension);
    response_free(&r);
    return client;
}

struct client *ws_connect(struct fixture *fixture, const char *path)
{
    struct client *client = client_connect(fixture->port);

    ask_for_websocket(client, path, "");
    ws_accepted(client);
    return client;
}

hijack_socket *ws_socket_of(struct fixture *fixture, hijack_request *request)
{
    hijack_socket *socket = NULL;

    OK(hijack_request_websocket(&socket, request, NULL, 0, NULL, 0));
    events_note(&fixture->events, socket, KIND_SOCKET);
    events_closed(&fixture->events, request, 0);
    request_free(fixture, request);
    return socket;
}

hijack_socket *ws_open(struct fixture *fixture, struct client **client)
{
    *client = client_connect(fixture->port);
    ask_for_websocket(*client, "/", "");
    hijack_socket *socket = ws_socket_of(fixture, next_request(fixture));
    ws_accepted(*client);
    OK(hijack_socket_read(socket, UINT64_MAX));
    return socket;
}

static size_t put_frame_head(unsigned char *head, int first, unsigned masked, size_t len)
{
    size_t n = 2;

    head[0] = (unsigned char)first;
    head[1] = (unsigned char)(masked | (len < 126 ? len : len <= 65535 ? 126 : 127));
    for (int bytes = len < 126 ? 0 : len <= 65535 ? 2 : 8; bytes > 0; bytes--)
        head[n++] = (unsigned char)((unsigned long long)len >> (8 * (bytes - 1)));
    return n;
}

void ws_send(struct client *client, int first, const char *data, size_t len)
{
    static const unsigned char mask[4] = {0x12, 0xa5, 0xff, 0x00};
    unsigned char *frame = malloc(len + 14);

    CHECK(frame != NULL);
    size_t n = put_frame_head(frame, first, 0x80, len);
    memcpy(frame + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < len; i++)
        frame[n + i] = (unsigned char)(data[i] ^ (char)mask[i & 3]);
    client_send(client, (const char *)frame, n + len);
    free(frame);
}

void ws_expect_at(struct client *client, int first, const char *data, size_t len, const char *file, int line)
{
    unsigned char head[10];
    size_t n = put_frame_head(head, first, 0, len);

    client_expect_at(client, (const char *)head, n, file, line);
    client_expect_at(client, data, len, file, line);
}

void ws_closed_at(struct client *client, unsigned code, const char *file, int line)
{
    client_want_at(client, 4, file, line);
    const unsigned char *frame = (const unsigned char *)client->buf;
    unsigned seen = (unsigned)frame[2] << 8 | frame[3];
    if (frame[0] != WS_CLOSE || seen != code)
        check_fail(file, line, "the frame begins with %02x, its code is %u, must be %u", frame[0], seen, code);
    client_consume(client, 2 + (size_t)frame[1]);
    if (client_until_end_at(client, file, line) != 1 || client->len != 0)
        check_fail(file, line, "the close frame is followed by %zu bytes, or a reset", client->len);
}

void ws_message_at(struct fixture *fixture, hijack_socket *socket, int status, const char *data, size_t len,
                   const char *file, int line)
{
    struct event *event = events_next_at(&fixture->events, HIJACK_EVENT_MESSAGE, socket, file, line);

    if (event->status != status)
        check_fail(file, line, "the message has status %d, must be %d", event->status, status);
    check_bytes(event->data, event->len, data, len, file, line);
}

void ws_over_at(struct fixture *fixture, hijack_socket *socket, int status, const char *words, const char *file,
                int line)
{
    struct event *event = events_next_at(&fixture->events, HIJACK_EVENT_CLOSED, socket, file, line);

    if (event->status != status || strcmp(event->data, words) != 0)
        check_fail(file, line, "CLOSED has status %d and \"%s\", must be %d and \"%s\"", event->status, event->data,
                   status, words);
}
