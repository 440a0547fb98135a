/* SPDX-License-Identifier: MIT
 *
 * WebSockets in broadcasters: with a handle and without, beside members of other forms; what members without a handle
 * do by themselves, and what becomes of the messages that they send.
 */
#include "support/websocket_client.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One room, all forms: each gets its own form of the same message, in one order. */
static void test_all_forms(void **state)
{
    struct fixture *f = *state;
    struct client *raw, *with_handle;
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    OK(hijack_server_hold(f->server, LIT("/sse"), HIJACK_HOLD_SSE, NULL, 0, room));
    OK(hijack_server_hold(f->server, LIT("/raw"), HIJACK_HOLD_RAW, NULL, 0, room));
    fixture_start(f);
    struct client *ws = ws_connect(f, "/ws"), *sse = client_connect(f->port);
    raw = client_connect(f->port);
    ask(sse, "/sse");
    response_head(&r, sse);
    ask(raw, "/raw");
    hijack_socket *socket = ws_open(f, &with_handle);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    members_wait(room, 4);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("to all")), 4);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_BINARY, LIT("bytes")), 4);
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("to one")));
    CODE(hijack_broadcaster_publish_sse(room, LIT("greeting"), LIT("7"), LIT("fields"), NULL, 0, -1), 4);
    ws_expect(ws, WS_TEXT, "to all");
    ws_expect(ws, WS_BINARY, "bytes");
    ws_expect(ws, WS_TEXT, "fields");
    ws_expect(with_handle, WS_TEXT, "to all");
    ws_expect(with_handle, WS_BINARY, "bytes");
    ws_expect(with_handle, WS_TEXT, "to one");
    ws_expect(with_handle, WS_TEXT, "fields");
    client_until(sse, "data: to all\n\n");
    client_until(sse, "data: bytes\n\n");
    client_until(sse, "event: greeting\nid: 7\ndata: fields\n\n");
    client_expect(raw, "to allbytesfields");
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("\xff")), HIJACK_EINVAL);
    CODE(hijack_broadcaster_publish_sse(room, NULL, 0, NULL, 0, LIT("\xff"), NULL, 0, -1), HIJACK_EINVAL);
    response_free(&r);
}

/* A member without a handle: it answers pings, throws away what it is sent, and closes by itself. */
static void test_by_itself(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    fixture_start(f);
    struct client *c = ws_connect(f, "/ws"), *rude = ws_connect(f, "/ws"), *gone = ws_connect(f, "/ws");
    members_wait(room, 3);
    ws_send(c, WS_MORE_TEXT, LIT("nobody "));
    ws_send(c, WS_PING, LIT("are you there"));
    ws_send(c, WS_LAST, LIT("reads this"));
    ws_expect(c, WS_PONG, "are you there");
    client_puts(rude, "not a frame at all");
    ws_closed(rude, 1002);
    client_close(gone);
    members_wait(room, 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("still here")), 1);
    ws_expect(c, WS_TEXT, "still here");
    ws_send(c, WS_CLOSE,
            LIT("\x03\xe8"
                "bye"));
    ws_closed(c, 1000);
    members_wait(room, 0);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_MEMBER_MESSAGE, room) == 0);
}

/* What comes with the handshake, in the same packet, is not lost. */
static void test_right_behind(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_send(c, LIT(WS_HEAD("/ws") WS_KEY "\r\n\x89\x81\0\0\0\0?"));
    ws_accepted(c);
    ws_expect(c, WS_PONG, "?");
    c = client_connect(f->port);
    client_send(c, LIT(WS_HEAD("/") WS_KEY "\r\n\x89\x81\0\0\0\0?\x81\x81\0\0\0\0m"));
    hijack_request *request = next_request(f);
    OK(hijack_request_hold(request, room, HIJACK_HOLD_WEBSOCKET, 0, NULL, 0, NULL, 0, NULL, 0));
    ws_accepted(c);
    ws_expect(c, WS_PONG, "?");
    members_wait(room, 2);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("both")), 2);
    ws_expect(c, WS_TEXT, "both");
    events_closed(&f->events, request, 0);
    request_free(f, request);
}

/* A route for WebSockets refuses what is none, and a page of elsewhere. */
static void test_refused_by_route(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    ask(c, "/ws");
    response_head(&r, c);
    CHECK(r.status == 426 && strcmp(response_header(&r, "upgrade"), "websocket") == 0);
    response_free(&r);
    client_until_end(c);
    c = client_connect(f->port);
    client_puts(c, WS_HEAD("/ws") WS_KEY "Origin: http://elsewhere\r\n\r\n");
    response_head(&r, c);
    CHECK(r.status == 403);
    response_free(&r);
    client_until_end(c);
    c = client_connect(f->port);
    client_puts(c, "HEAD /ws HTTP/1.1\r\nHost: x\r\n\r\n");
    response_head(&r, c);
    CHECK(r.status == 405);
    client_until_end(c);
    CHECK(c->len == 0);
    response_free(&r);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
}

static void told(struct fixture *f, hijack_broadcaster *room, int status, const char *text)
{
    struct event *event = events_next(&f->events, HIJACK_EVENT_MEMBER_MESSAGE, room);

    CHECK(event->status == status && event->len == 8 + strlen(text));
    BYTES(event->data, 8, "\0\0\0\0\0\0\0\0", 8);
    BYTES(event->data + 8, event->len - 8, text, strlen(text));
}

/* Option member_messages. */
static void test_member_messages(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    OK(hijack_broadcaster_set(room, LIT("member_messages"), LIT("deliver")));
    fixture_start(f);
    struct client *c = ws_connect(f, "/ws");
    ws_send(c, WS_TEXT, LIT("one"));
    told(f, room, HIJACK_MESSAGE_TEXT, "one");
    ws_send(c, WS_MORE_TEXT, LIT("t"));
    ws_send(c, WS_LAST, LIT("wo"));
    ws_send(c, WS_BINARY, LIT("three"));
    told(f, room, HIJACK_MESSAGE_TEXT, "two");
    told(f, room, HIJACK_MESSAGE_BINARY, "three");
    OK(hijack_broadcaster_set(room, LIT("member_messages"), LIT("drop")));
    ws_send(c, WS_TEXT, LIT("four"));
    ws_send(c, WS_PING, LIT(""));
    ws_expect(c, WS_PONG, "");
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_MEMBER_MESSAGE, room) == 0);
}

/* A queue that is full makes members wait, and loses nothing. */
static void test_member_messages_wait(void **state)
{
    enum {
        COUNT = 1000
    };
    struct fixture *f = *state;

    fixture_capacity(f, "8");
    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    OK(hijack_broadcaster_set(room, LIT("member_messages"), LIT("deliver")));
    fixture_start(f);
    struct client *c = ws_connect(f, "/ws");
    for (int i = 0; i < COUNT; i++)
        ws_send(c, WS_TEXT, LIT("again"));
    ws_send(c, WS_TEXT, LIT("last"));
    for (int i = 0; i < COUNT; i++)
        told(f, room, HIJACK_MESSAGE_TEXT, "again");
    told(f, room, HIJACK_MESSAGE_TEXT, "last");
}

/* Whose handle is freed stays a member, also in the middle of a message. */
static void test_handle_freed(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    hijack_broadcaster *room = fixture_broadcaster(f);
    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    ws_send(c, WS_MORE_TEXT, LIT("half a "));
    socket_free(f, socket);
    stat_wait(f->server, HIJACK_STAT_HELD, 1);
    ws_send(c, WS_LAST, LIT("message"));
    ws_send(c, WS_PING, LIT("?"));
    ws_expect(c, WS_PONG, "?");
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("on")), 1);
    ws_expect(c, WS_TEXT, "on");
}

/* Closing the room closes with 1000; with a handle the peer's answer is waited for. */
static void test_room_closes(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    fixture_start(f);
    struct client *held = ws_connect(f, "/ws");
    hijack_socket *socket = ws_open(f, &c);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    members_wait(room, 2);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("last")), 2);
    OK(hijack_broadcaster_close(room));
    ws_expect(held, WS_TEXT, "last");
    ws_closed(held, 1000);
    ws_expect(c, WS_TEXT, "last");
    ws_expect(c, WS_CLOSE, "\x03\xe8");
    ws_send(c, WS_CLOSE, LIT("\x03\xe8"));
    client_eof(c);
    ws_over(f, socket, 0, "1000 us ");
    members_wait(room, 0);
}

/* A write is one whole, however large, also where a room is published to meanwhile. */
static void test_large_is_whole(void **state)
{
    enum {
        LARGE = 3000000,
        TURNS = 40
    };
    struct fixture *f = *state;
    struct client *c;
    char *large = malloc(LARGE);

    fixture_option(f, "high_water_bytes", "1024m");
    hijack_broadcaster *room = fixture_broadcaster(f);
    OK(hijack_broadcaster_set(room, LIT("backlog_bytes"), LIT("1m")));
    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    memset(large, 'x', LARGE);
    for (int i = 0; i < TURNS; i++) {
        OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, large, LARGE));
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("between")), 1);
        ws_expect_bytes(c, WS_TEXT, large, LARGE);
        ws_expect(c, WS_TEXT, "between");
    }
    free(large);
}

/* A descriptor on which another server has done the handshake. */
static void test_adopt_open(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    hijack_broadcaster *room = fixture_broadcaster(f);
    fixture_start(f);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    struct client *c = client_wrap(fds[1]);
    OK(hijack_broadcaster_adopt(room, fds[0], HIJACK_HOLD_WEBSOCKET_OPEN, 0, NULL, 0, NULL, 0, NULL, 0));
    members_wait(room, 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("adopted")), 1);
    ws_expect(c, WS_TEXT, "adopted");
    ws_send(c, WS_PING, LIT("?"));
    ws_expect(c, WS_PONG, "?");
    ws_send(c, WS_CLOSE, LIT(""));
    ws_expect(c, WS_CLOSE, "");
    client_eof(c);
    members_wait(room, 0);
}

/* One where it has not: the head comes along. */
static void test_adopt_request(void **state)
{
    static const char head[] = WS_HEAD("/") WS_KEY "\r\n";
    struct fixture *f = *state;
    hijack_request *request = NULL;
    int fds[2];

    fixture_start(f);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    struct client *c = client_wrap(fds[1]);
    OK(hijack_server_adopt_request(&request, f->server, fds[0], head, sizeof(head) - 1, LIT("\x81\x82\0\0\0\0hi")));
    events_note(&f->events, request, KIND_REQUEST);
    hijack_socket *socket = ws_socket_of(f, request);
    ws_accepted(c);
    OK(hijack_socket_read(socket, 1));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "hi");
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("ho")));
    ws_expect(c, WS_TEXT, "ho");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_forms),        TEST(test_by_itself),       TEST(test_right_behind),
        TEST(test_refused_by_route), TEST(test_member_messages), TEST(test_member_messages_wait),
        TEST(test_handle_freed),     TEST(test_room_closes),     TEST(test_large_is_whole),
        TEST(test_adopt_open),       TEST(test_adopt_request),
    };

    return RUN_TESTS(tests, argc, argv);
}
