/* SPDX-License-Identifier: MIT
 *
 * The client's side of a WebSocket, by hand: every frame and every mistake.
 */
#ifndef TESTS_SUPPORT_WEBSOCKET_CLIENT_H
#define TESTS_SUPPORT_WEBSOCKET_CLIENT_H

#include "exchange.h"

/* First bytes of frames. */
enum {
    WS_MORE_TEXT = 0x01, /* without FIN */
    WS_MORE = 0x00,
    WS_LAST = 0x80,
    WS_TEXT = 0x81,
    WS_BINARY = 0x82,
    WS_COMPRESSED_TEXT = 0xc1,
    WS_CLOSE = 0x88,
    WS_PING = 0x89,
    WS_PONG = 0x8a
};

#define WS_KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" /* the example of RFC 6455 section 1.3 */
#define WS_HEAD(path)                                                                                                  \
    "GET " path " HTTP/1.1\r\nHost: here:80\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"              \
    "Sec-WebSocket-Version: 13\r\n"

/* A new connection on which the handshake for path has been done. */
struct client *ws_connect(struct fixture *fixture, const char *path);
/* The same with further header lines, which the server answers with this extension ("": with none). */
struct client *ws_connect_offering(struct fixture *fixture, const char *path, const char *lines, const char *extension);
/* The same, and the socket that the program has of it, which reads without limit. */
hijack_socket *ws_open(struct fixture *fixture, struct client **client);
/* The socket of a request that asks for one. */
hijack_socket *ws_socket_of(struct fixture *fixture, hijack_request *request);
/* Reads the 101. */
void ws_accepted(struct client *client);

/* Sends a masked frame. */
void ws_send(struct client *client, int first, const char *data, size_t len);
/* The next frame is this one. */
void ws_expect_at(struct client *client, int first, const char *data, size_t len, const char *file, int line);
#define ws_expect(client, first, text) ws_expect_at((client), (first), LIT(text), __FILE__, __LINE__)
#define ws_expect_bytes(client, first, data, len) ws_expect_at((client), (first), (data), (len), __FILE__, __LINE__)
/* The next frame closes, with this code; then the connection ends. */
void ws_closed_at(struct client *client, unsigned code, const char *file, int line);
#define ws_closed(client, code) ws_closed_at((client), (code), __FILE__, __LINE__)

/* The next message that the program gets of socket, and the last event, with its data. */
void ws_message_at(struct fixture *fixture, hijack_socket *socket, int status, const char *data, size_t len,
                   const char *file, int line);
#define ws_message(fixture, socket, status, text)                                                                      \
    ws_message_at((fixture), (socket), (status), LIT(text), __FILE__, __LINE__)
void ws_over_at(struct fixture *fixture, hijack_socket *socket, int status, const char *words, const char *file,
                int line);
#define ws_over(fixture, socket, status, words) ws_over_at((fixture), (socket), (status), (words), __FILE__, __LINE__)

#endif
