/* SPDX-License-Identifier: MIT
 *
 * Compressed messages (RFC 7692): what is agreed upon, one compression for all members of a room, and bombs.
 */
#include "support/websocket_client.h"

#include <stdbool.h>
#include <stdlib.h>

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate"
#define NO_TAKEOVER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00" /* RFC 7692 section 7.2.3.1 */
#define HELLO_AGAIN "\xf2\x00\x11\x00\x00"   /* section 7.2.3.2 */

static void test_agreed(void **state)
{
    struct fixture *f = *state;

    fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    fixture_start(f);
    ws_connect_offering(f, "/ws", "", "");
    ws_connect_offering(f, "/ws", OFFER "\r\n", NO_TAKEOVER);
    ws_connect_offering(f, "/ws", OFFER "; client_max_window_bits\r\n", NO_TAKEOVER);
    ws_connect_offering(f, "/ws", OFFER "; server_max_window_bits=10\r\n", NO_TAKEOVER "; server_max_window_bits=10");
    ws_connect_offering(f, "/ws", OFFER "; server_max_window_bits=8\r\n", "");
    ws_connect_offering(f, "/ws", OFFER "; server_max_window_bits=8, permessage-deflate\r\n", NO_TAKEOVER);
    ws_connect_offering(f, "/ws", OFFER "; unknown=1\r\n", "");
}

static void test_off(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, "websocket_deflate", "off");
    fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    fixture_start(f);
    struct client *c = ws_connect_offering(f, "/ws", OFFER "\r\n", "");
    ws_send(c, WS_COMPRESSED_TEXT, LIT(HELLO));
    ws_closed(c, 1002);
}

/* The program's side of the next handshake. */
static hijack_socket *open_with(struct fixture *f, struct client **c, const char *lines)
{
    *c = client_connect(f->port);
    client_puts(*c, WS_HEAD("/") WS_KEY);
    client_puts(*c, lines);
    client_puts(*c, "\r\n");
    hijack_socket *socket = ws_socket_of(f, next_request(f));
    ws_accepted(*c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    return socket;
}

static void test_received(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = open_with(f, &c, OFFER "\r\n");
    ws_send(c, WS_COMPRESSED_TEXT, LIT(HELLO));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "Hello");
    ws_send(c, 0x41, HELLO, 3);
    ws_send(c, WS_PING, LIT(""));
    ws_send(c, WS_LAST, &HELLO[3], sizeof(HELLO) - 4);
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "Hello");
    ws_expect(c, WS_PONG, "");
    ws_send(c, WS_TEXT, LIT("as it is"));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "as it is");
    ws_send(c, 0xc2, LIT("\x00"));
    ws_message(f, socket, HIJACK_MESSAGE_BINARY, "");
    ws_send(c, WS_COMPRESSED_TEXT, LIT("\xff\xff\xff"));
    ws_closed(c, 1007);
}

/* Option websocket_context_takeover: a message may refer to the one before it (RFC 7692 section 7.2.3.2). */
static void test_takeover(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_option(f, "websocket_context_takeover", "on");
    fixture_start(f);
    hijack_socket *socket = open_with(f, &c, OFFER "\r\n");
    ws_send(c, WS_COMPRESSED_TEXT, LIT(HELLO));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "Hello");
    ws_send(c, WS_COMPRESSED_TEXT, LIT(HELLO_AGAIN));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "Hello");
}

static void say_hello(hijack_socket *socket)
{
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("Hello")));
}

/* Takes a compressed text of at most 65,535 bytes; returns their number. */
static size_t skip_compressed(struct client *c)
{
    client_want(c, 4);
    const unsigned char *head = (const unsigned char *)c->buf;
    const bool is_short = head[1] < 126;
    const size_t head_len = is_short ? 2 : 4, len = is_short ? head[1] : (size_t)head[2] << 8 | head[3];
    CHECK(head[0] == WS_COMPRESSED_TEXT && len > 1 && len <= 65535);
    client_want(c, head_len + len);
    client_consume(c, head_len + len);
    return len;
}

/* The next message is a compressed "Hello" that refers to the one before it, which makes it shorter than one that does
 * not; what it says is for the clients of tests/websocket/interop.py to see. */
static void hears_hello_again(struct client *c)
{
    CHECK(skip_compressed(c) < sizeof(HELLO) - 1);
}

/* Ours too, as long as nothing else is sent to the client: what a broadcaster sends is the same for all. */
static void test_takeover_sending(void **state)
{
    static char text[100000];
    struct fixture *f = *state;
    struct client *c;

    fixture_option(f, "websocket_context_takeover", "on");
    hijack_broadcaster *room = fixture_broadcaster(f);
    fixture_start(f);
    hijack_socket *socket = open_with(f, &c, OFFER "\r\n");
    say_hello(socket);
    say_hello(socket);
    ws_expect(c, WS_COMPRESSED_TEXT, HELLO);
    hears_hello_again(c);
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT | HIJACK_MESSAGE_MORE, LIT("pie")));
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("ces")));
    ws_expect(c, WS_MORE_TEXT, "pie");
    ws_expect(c, WS_LAST, "ces");
    say_hello(socket);
    hears_hello_again(c);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("to all")), 1);
    say_hello(socket);
    ws_expect(c, WS_TEXT, "to all");
    ws_expect(c, WS_TEXT, "Hello");
    OK(hijack_broadcaster_remove(room, socket));
    say_hello(socket);
    say_hello(socket);
    ws_expect(c, WS_COMPRESSED_TEXT, HELLO);
    hears_hello_again(c);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    OK(hijack_broadcaster_remove(room, socket));
    say_hello(socket);
    ws_expect(c, WS_COMPRESSED_TEXT, HELLO);
    memset(text, 'a', sizeof(text));
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, text, sizeof(text)));
    skip_compressed(c);
    say_hello(socket); /* a long message is compressed by itself */
    ws_expect(c, WS_COMPRESSED_TEXT, HELLO);
}

/* A client may forbid it. */
static void test_takeover_declined(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_option(f, "websocket_context_takeover", "on");
    fixture_start(f);
    hijack_socket *socket = open_with(f, &c, OFFER "; server_no_context_takeover\r\n");
    say_hello(socket);
    ws_expect(c, WS_TEXT, "Hello");
}

/* However many members: a published message is compressed once for each window. Short ones are not. */
static void test_once_for_all(void **state)
{
    struct fixture *f = *state;
    struct client *full[3], *narrow, *plain;
    char text[1000];

    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        full[i] = ws_connect_offering(f, "/ws", OFFER "\r\n", NO_TAKEOVER);
    narrow =
        ws_connect_offering(f, "/ws", OFFER "; server_max_window_bits=9\r\n", NO_TAKEOVER "; server_max_window_bits=9");
    plain = ws_connect_offering(f, "/ws", "", "");
    members_wait(room, 5);
    memset(text, 'a', sizeof(text));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("short")), 5);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, text, sizeof(text)), 5);
    ws_expect(plain, WS_TEXT, "short");
    ws_expect_bytes(plain, WS_TEXT, text, sizeof(text));
    for (int i = 0; i < 4; i++) {
        struct client *c = i < 3 ? full[i] : narrow;
        ws_expect(c, WS_TEXT, "short");
        client_want(c, 2);
        CHECK((unsigned char)c->buf[0] == WS_COMPRESSED_TEXT && c->buf[1] > 0 && c->buf[1] < 60);
        client_want(c, 2 + (size_t)c->buf[1]);
    }
    BYTES(full[0]->buf, full[0]->len, full[2]->buf, full[2]->len);
    stat_wait(f->server, HIJACK_STAT_COMPRESSED, 2);
}

/* A small message that becomes a huge one costs no more than the limit. */
static void test_bomb(void **state)
{
    /* a block whose code has one bit each for "258 bytes" and "from one byte before": every bit 0 goes on with it */
    static const char begin[] = "\xec\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7\x4f\x6d\x0f\x07\x14";
    struct fixture *f = *state;
    struct client *c;
    char *bomb = calloc(1, 100000);

    fixture_option(f, "websocket_message_bytes", "200k");
    fixture_start(f);
    hijack_socket *socket = open_with(f, &c, OFFER "\r\n");
    memcpy(bomb, begin, sizeof(begin) - 1);
    ws_send(c, 0xc2, bomb, 100000);
    ws_closed(c, 1009);
    struct event *event = events_next(&f->events, HIJACK_EVENT_CLOSED, socket);
    CHECK(event->status == HIJACK_EPROTOCOL);
    free(bomb);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_agreed),       TEST(test_off),  TEST(test_received),         TEST(test_takeover),
        TEST(test_once_for_all), TEST(test_bomb), TEST(test_takeover_sending), TEST(test_takeover_declined),
    };

    return RUN_TESTS(tests, argc, argv);
}
