/* SPDX-License-Identifier: MIT
 *
 * Scenarios of streams, sockets and broadcasters; see run.h. Run on the thread of the test.
 */
#include "fault/run.h"
#include "support/websocket_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* More than the high-water mark of the stream at once; then all of it arrives, and its end. */
static void play_stream(struct run *run)
{
    struct fixture *f = &run->fixture;
    struct client *client;
    hijack_stream *stream = NULL;
    char piece[4000];
    int code;

    memset(piece, 'x', sizeof(piece));
    fixture_option(f, OPT_HIGH_WATER, "20000");
    run_start(run);
    client = client_connect_slow(f->port);
    client_puts(client, GET("/"));
    hijack_request *request = run_request(run, client);
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_stream(&stream, request, 200, NULL, 0));
    run_note(run, stream, KIND_STREAM);
    run_forget(run, request);
    do {
        code = hijack_stream_send(stream, piece, sizeof(piece));
        if (run_may_repeat(run, code))
            code = hijack_stream_send(stream, piece, sizeof(piece));
        if (code != HIJACK_EAGAIN)
            MUST_HAVE(run_went_well(run, code, "send", __FILE__, __LINE__));
    } while (code == 0);
    uint64_t end = clock_ms() + clock_limit_ms();
    while (events_pending(&f->events, HIJACK_EVENT_DRAINED, stream) == 0) {
        client_peek(client);
        events_poll(&f->events, 1);
        CHECK(clock_ms() < end);
        if (events_pending(&f->events, HIJACK_EVENT_CLOSED, stream) != 0)
            break;
    }
    MUST_HAVE(run_event(run, HIJACK_EVENT_DRAINED, stream) != NULL);
    DO(run, hijack_stream_finish(stream, LIT("A: b\r\n")));
    MUST_HAVE(run_read(run, client, "0\r\nA: b\r\n\r\n"));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, stream) != NULL);
}

static void play_sse(struct run *run)
{
    struct client *client;
    hijack_stream *stream = NULL;

    run_start(run);
    hijack_request *request = run_ask(run, &client, GET("/"));
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_sse(&stream, request, LIT("A: b\r\n")));
    run_note(run, stream, KIND_STREAM);
    DO(run, hijack_stream_send_sse(stream, LIT("e"), LIT("1"), LIT("one\ntwo"), 1000));
    DO(run, hijack_stream_send_comment(stream, LIT("note")));
    MUST_HAVE(run_read(run, client, ": note\n\n"));
    DO(run, hijack_stream_finish(stream, NULL, 0));
    MUST_HAVE(run_read(run, client, "0\r\n\r\n"));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, stream) != NULL);
}

/* Bytes that came with the request, bytes by credit, the peer's end, ours. */
static void play_hijack(struct run *run)
{
    struct client *client;
    hijack_socket *socket = NULL;

    run_start(run);
    hijack_request *request = run_ask(run, &client, GET("/") "early");
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_hijack(&socket, request));
    run_note(run, socket, KIND_SOCKET);
    DO(run, hijack_socket_read(socket, 3));
    MUST_HAVE(run_data(run, socket, 3));
    DO(run, hijack_socket_read(socket, 6));
    MUST_HAVE(run_data(run, socket, 2));
    client_puts(client, "later");
    MUST_HAVE(run_data(run, socket, 4));
    client_shutdown(client);
    MUST_HAVE(run_event(run, HIJACK_EVENT_HANGUP, socket) != NULL);
    DO(run, hijack_socket_read(socket, UINT64_MAX));
    MUST_HAVE(run_data(run, socket, 1));
    MUST_HAVE(run_event(run, HIJACK_EVENT_EOF, socket) != NULL);
    DO(run, hijack_socket_send(socket, LIT("bye")));
    DO(run, hijack_socket_shutdown(socket));
    MUST_HAVE(run_read(run, client, "bye"));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, socket) != NULL);
}

static void play_partial_hijack(struct run *run)
{
    struct client *client;
    hijack_socket *socket = NULL;

    run_start(run);
    hijack_request *request = run_ask(run, &client, GET("/"));
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_hijack_partial(&socket, request, 101, LIT("Connection: Upgrade\r\nUpgrade: x\r\n")));
    run_note(run, socket, KIND_SOCKET);
    DO(run, hijack_socket_send(socket, LIT("one")));
    DO(run, hijack_socket_send(socket, LIT("two")));
    MUST_HAVE(run_read(run, client, "onetwo"));
    DO(run, hijack_socket_close(socket));
    run_end(run, client);
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, socket) != NULL);
}

/* Two members that read and one that does not, until the policy has acted. */
static void play_overflow(struct run *run, const char *policy, uint32_t stat)
{
    struct fixture *f = &run->fixture;
    struct client *members[3];
    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    static char message[60000];

    memset(message, 'm', sizeof(message));
    OK(hijack_broadcaster_set(room, LIT(OPT_OVERFLOW), STR(policy)));
    OK(hijack_broadcaster_set(room, LIT(OPT_BACKLOG), LIT("150000")));
    fixture_option(f, OPT_THREADS, "1");
    run_start(run);
    for (int i = 0; i < 3; i++) {
        members[i] = i == 0 ? client_connect_slow(f->port) : client_connect(f->port);
        client_puts(members[i], GET("/sse"));
        MUST_HAVE(run_members(run, room, members, i + 1));
        if (i != 0)
            MUST_HAVE(run_read(run, members[i], "\r\n\r\n"));
    }
    for (int i = 0; broadcaster_stat(room, stat) == 0 && hijack_broadcaster_count(room) == 3; i++) {
        CHECK(i < 1000);
        DO(run, hijack_broadcaster_publish_sse(room, LIT("e"), NULL, 0, message, sizeof(message), LIT("key"), -1));
        for (int m = 1; m < 3; m++)
            MUST_HAVE(run_read(run, members[m], "\n\n"));
    }
    DO(run, hijack_broadcaster_close(room));
    for (int m = 1; m < 3; m++)
        MUST_HAVE(run_read(run, members[m], "0\r\n\r\n"));
}

static void play_close_policy(struct run *run)
{
    play_overflow(run, "close", HIJACK_BROADCASTER_STAT_CLOSED);
}

static void play_drop_newest(struct run *run)
{
    play_overflow(run, "drop_newest", HIJACK_BROADCASTER_STAT_DROPPED);
}

static void play_drop_oldest(struct run *run)
{
    play_overflow(run, "drop_oldest", HIJACK_BROADCASTER_STAT_DROPPED);
}

static void play_latest(struct run *run)
{
    play_overflow(run, "latest", HIJACK_BROADCASTER_STAT_DROPPED);
}

/* Members on both loops, several messages in one turn: all of them, in order, or none of a message anywhere. */
static void play_publish(struct run *run)
{
    struct fixture *f = &run->fixture;
    struct client *members[8];
    hijack_broadcaster *room = fixture_hold(f, "/stream", HIJACK_HOLD_STREAM);

    fixture_start(f);
    for (int i = 0; i < 8; i++) {
        members[i] = client_connect(f->port);
        client_puts(members[i], GET("/stream"));
        client_until(members[i], "\r\n\r\n");
    }
    members_wait(room, 8);
    run_arm(run);
    DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("one")));
    DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("two")));
    DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("end")));
    int lost = 0;
    for (int i = 0; i < 8; i++) {
        WAIT_FOR(members[i]->ended || client_peek(members[i]) == 0 ||
                 memmem(members[i]->buf, members[i]->len, LIT("end\r\n")) != NULL);
        lost += members[i]->ended;
        if (members[i]->ended)
            continue;
        client_until(members[i], "\r\n\r\n");
        client_consume(members[i], client_until(members[i], "\r\n\r\n") + 4);
        client_expect(members[i], "3\r\none\r\n3\r\ntwo\r\n3\r\nend\r\n");
    }
    CHECK(lost <= 1 && (lost == 0 || fault_struck()));
    DO(run, hijack_broadcaster_close(room));
    members_wait(room, 0);
}

static void play_request_hold(struct run *run)
{
    struct client *client;
    hijack_broadcaster *room = fixture_broadcaster(&run->fixture);

    run_start(run);
    hijack_request *request = run_ask(run, &client, GET("/"));
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_hold(request, room, HIJACK_HOLD_SSE, 0, LIT("A: b\r\n"), NULL, 0, NULL, 0));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, request) != NULL);
    MUST_HAVE(run_read(run, client, "\r\n\r\n"));
    DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("to all")));
    MUST_HAVE(run_read(run, client, "data: to all\n\n"));
    DO(run, hijack_broadcaster_close(room));
    MUST_HAVE(run_read(run, client, "0\r\n\r\n"));
}

/* Two connected sockets: *client the test's, the result the library's. */
static int make_pair(struct client **client)
{
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    *client = client_wrap(fds[0]);
    return fds[1];
}

/* A call that adopts fd, which it leaves to the program when it fails. */
#define ADOPT(run, fd, call)                                                                                           \
    do {                                                                                                               \
        int adopt_code = (call);                                                                                       \
        if (run_may_repeat((run), adopt_code))                                                                         \
            adopt_code = (call);                                                                                       \
        if (adopt_code < 0)                                                                                            \
            close(fd);                                                                                                 \
        if (!run_went_well((run), adopt_code, #call, __FILE__, __LINE__))                                              \
            return;                                                                                                    \
    } while (0)

static void play_adopt(struct run *run)
{
    struct client *client;
    hijack_socket *socket = NULL;

    run_start(run);
    int fd = make_pair(&client);
    ADOPT(run, fd, hijack_server_adopt(&socket, run->fixture.server, fd, LIT("unread")));
    run_note(run, socket, KIND_SOCKET);
    DO(run, hijack_socket_read(socket, UINT64_MAX));
    client_puts(client, "more");
    MUST_HAVE(run_data(run, socket, 10));
    DO(run, hijack_socket_send(socket, LIT("answer")));
    MUST_HAVE(run_read(run, client, "answer"));
    DO(run, hijack_socket_close(socket));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, socket) != NULL);
}

static void play_adopt_request(struct run *run)
{
    struct client *client;
    hijack_request *request = NULL;
    hijack_stream *stream = NULL;

    run_start(run);
    int fd = make_pair(&client);
    ADOPT(run, fd, hijack_server_adopt_request(&request, run->fixture.server, fd, LIT(GET("/")), LIT("unread")));
    run_note(run, request, KIND_REQUEST);
    DO(run, hijack_request_sse(&stream, request, NULL, 0));
    run_note(run, stream, KIND_STREAM);
    DO(run, hijack_stream_finish(stream, NULL, 0));
    MUST_HAVE(run_read(run, client, "0\r\n\r\n"));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, stream) != NULL);
}

static void play_adopt_member(struct run *run)
{
    struct client *client;
    hijack_broadcaster *room = fixture_broadcaster(&run->fixture);

    run_start(run);
    int fd = make_pair(&client);
    ADOPT(run, fd, hijack_broadcaster_adopt(room, fd, HIJACK_HOLD_SSE, 0, LIT("A: b\r\n"), NULL, 0, NULL, 0));
    MUST_HAVE(run_read(run, client, "\r\n\r\n"));
    DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("hello")));
    MUST_HAVE(run_read(run, client, "data: hello\n\n"));
    DO(run, hijack_broadcaster_close(room));
    run_end(run, client);
}

/* Joins, leaves, joins two, is left to them. */
static void play_membership(struct run *run)
{
    struct fixture *f = &run->fixture;
    struct client *client;
    hijack_broadcaster *room = fixture_broadcaster(f), *other = fixture_broadcaster(f);
    hijack_socket *socket = NULL;

    run_start(run);
    hijack_request *request = run_ask(run, &client, GET("/"));
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_hijack(&socket, request));
    run_note(run, socket, KIND_SOCKET);
    DO(run, hijack_broadcaster_add(room, socket, 0, NULL, 0));
    DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("first")));
    MUST_HAVE(run_read(run, client, "first"));
    DO(run, hijack_broadcaster_remove(room, socket));
    DO(run, hijack_broadcaster_add(room, socket, 0, NULL, 0));
    DO(run, hijack_broadcaster_add(other, socket, 0, NULL, 0));
    hijack_socket_free(socket);
    events_freed(&f->events, socket);
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 0);
    DO(run, hijack_broadcaster_publish(other, HIJACK_MESSAGE_TEXT, LIT("second")));
    MUST_HAVE(run_read(run, client, "second"));
    DO(run, hijack_broadcaster_close(room));
    run_end(run, client);
}

static void play_detach(struct run *run)
{
    struct fixture *f = &run->fixture;
    struct client *client;
    hijack_socket *socket = NULL;

    run_start(run);
    hijack_request *request = run_ask(run, &client, GET("/") "unread");
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_hijack(&socket, request));
    run_note(run, socket, KIND_SOCKET);
    DO(run, hijack_socket_detach(socket));
    struct event *event = run_event(run, HIJACK_EVENT_DETACHED, socket);
    MUST_HAVE(event != NULL);
    CHECK(event->status >= 0);
    BYTES(event->data, event->len, "unread", 6);
    CHECK(write(event->status, "mine", 4) == 4 && close(event->status) == 0);
    CHECK(stat_of(f->server, HIJACK_STAT_DETACHED) == 1);
    MUST_HAVE(run_read(run, client, "mine")); /* over TLS the loop still carries it */
}

static void play_abort(struct run *run)
{
    struct client *client;
    hijack_stream *stream = NULL;

    run_start(run);
    hijack_request *request = run_ask(run, &client, GET("/"));
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_stream(&stream, request, 200, NULL, 0));
    run_note(run, stream, KIND_STREAM);
    DO(run, hijack_stream_abort(stream));
    run_end(run, client);
    struct event *event = events_next(&run->fixture.events, HIJACK_EVENT_CLOSED, stream);
    if (event->status != HIJACK_EABORTED)
        CODE(event->status, run->fault->reason);
}

/* A compressed message that comes in two reads, one that goes out compressed, a ping, and the closing handshake. */
static void play_websocket(struct run *run)
{
    struct client *client;
    hijack_socket *socket = NULL;
    char text[400];

    memset(text, 'x', sizeof(text));
    run_start(run);
    hijack_request *request =
        run_ask(run, &client, WS_HEAD("/") WS_KEY "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_websocket(&socket, request, NULL, 0, NULL, 0));
    run_note(run, socket, KIND_SOCKET);
    run_forget(run, request);
    DO(run, hijack_socket_read(socket, 100));
    MUST_HAVE(run_read(run, client, "\r\n\r\n"));
    ws_send(client, HIJACK_DEFLATE ? 0x41 : WS_MORE_TEXT, HIJACK_DEFLATE ? "\xf2\x48\xcd" : "Hel", 3);
    ws_send(client, WS_PING, LIT("pong me"));
    MUST_HAVE(run_read(run, client, "pong me"));
    ws_send(client, WS_LAST, HIJACK_DEFLATE ? "\xc9\xc9\x07\x00" : "lo", HIJACK_DEFLATE ? 4 : 2);
    MUST_HAVE(run_event(run, HIJACK_EVENT_MESSAGE, socket) != NULL);
    DO(run, hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, text, sizeof(text)));
    DO(run, hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("short")));
    MUST_HAVE(run_read(run, client, "short"));
    DO(run, hijack_socket_close_message(socket, 4000, LIT("enough")));
    MUST_HAVE(run_read(run, client, "enough"));
    ws_send(client, WS_CLOSE, LIT("\x0f\xa0"));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, socket) != NULL);
}

/* Members without a handle: what they send is delivered, and they close by themselves. */
static void play_websocket_room(struct run *run)
{
    struct fixture *f = &run->fixture;
    struct client *client;

    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    OK(hijack_broadcaster_set(room, LIT("member_messages"), LIT("deliver")));
    run_start(run);
    client = client_connect(f->port);
    client_puts(client, WS_HEAD("/ws") WS_KEY "\r\n");
    MUST_HAVE(run_members(run, room, &client, 1));
    MUST_HAVE(run_read(run, client, "\r\n\r\n"));
    ws_send(client, WS_MORE_TEXT, LIT("in "));
    ws_send(client, WS_LAST, LIT("parts"));
    ws_send(client, WS_PING, LIT("and then"));
    MUST_HAVE(run_read(run, client, "and then"));
    ws_send(client, WS_CLOSE, LIT("\x03\xe8"));
    run_end(run, client);
}

/* A member that returns is behind, gets what it has missed, a message of its own in between, and what is live. */
static void play_history(struct run *run)
{
    enum {
        MESSAGES = 130, /* more than two looks at the history */
        BEFORE = 125
    };
    static char text[10000];
    struct fixture *f = &run->fixture;
    struct client *client;
    char position[64];

    fixture_option(f, "send_buffer_bytes", "8192");
    hijack_broadcaster *room = fixture_broadcaster(f);
    OK(hijack_broadcaster_set(room, LIT("history_bytes"), LIT("100m")));
    OK(hijack_broadcaster_set(room, LIT("history_position"), LIT("e-0")));
    OK(hijack_broadcaster_set(room, LIT("history_messages"), LIT("1000")));
    fixture_start(f);
    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < BEFORE; i++)
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, text, sizeof(text) - 1));
    run_arm(run);
    for (int i = BEFORE + 1; i < MESSAGES; i++)
        DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, text, sizeof(text) - 1));
    DO(run, hijack_broadcaster_publish_sse(room, NULL, 0, LIT("own"), LIT("last"), NULL, 0, -1));
    OK(hijack_broadcaster_position(position, sizeof(position), room));
    CHECK(strcmp(position, "e-130") == 0);
    hijack_request *request = run_ask(run, &client, GET("/"));
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_hold(request, room, HIJACK_HOLD_SSE, 7, NULL, 0, LIT(": first\n\n"), LIT("e-0")));
    MUST_HAVE(run_event(run, HIJACK_EVENT_CLOSED, request) != NULL);
    DO(run, hijack_broadcaster_send_user(room, 7, HIJACK_MESSAGE_TEXT, LIT("mine")));
    DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("live")));
    MUST_HAVE(run_read(run, client, ": first\n\n"));
    for (int i = 1; i < MESSAGES; i++) {
        snprintf(position, sizeof(position), "id: e-%d\ndata: x", i);
        MUST_HAVE(run_read(run, client, position));
    }
    MUST_HAVE(run_read(run, client, "id: own\ndata: last\n\n"));
    MUST_HAVE(run_read(run, client, "id: e-131\ndata: live\n\n"));
    DO(run, hijack_broadcaster_close(room));
    MUST_HAVE(run_read(run, client, "0\r\n\r\n"));
}

/* An option of the history is the first thing that a broadcaster is told while the server runs. */
static void play_history_begins(struct run *run)
{
    struct client *client;
    hijack_broadcaster *room = fixture_broadcaster(&run->fixture);

    run_start(run);
    DO(run, hijack_broadcaster_set(room, LIT("history_position"), LIT("e-0")));
    DO(run, hijack_broadcaster_set(room, LIT("history_messages"), LIT("10")));
    int fd = make_pair(&client);
    ADOPT(run, fd, hijack_broadcaster_adopt(room, fd, HIJACK_HOLD_SSE_BODY, 0, NULL, 0, NULL, 0, LIT("*")));
    MUST_HAVE(run_read(run, client, "id: e-0\n\n"));
}

/* Adds up what MEMBERS events say: who is there, in the end nobody, however often somebody joined. */
static void await_nobody(struct run *run, const hijack_broadcaster *room)
{
    struct events *events = &run->fixture.events;
    const uint64_t end = clock_ms() + clock_limit_ms();
    int joined = 0, left = 0;
    do {
        events_poll(events, 5);
        while (events_pending(events, HIJACK_EVENT_MEMBERS, NULL) != 0) {
            const struct event *event = events_next(events, HIJACK_EVENT_MEMBERS, (void *)(uintptr_t)room);
            for (int i = 0; i < event->status; i++) {
                int32_t what;
                memcpy(&what, event->data + (size_t)i * 16 + 8, sizeof(what));
                joined += what == 1;
                left += what != 1;
                CHECK(left <= joined);
            }
        }
        if (clock_ms() > end)
            check_fail(__FILE__, __LINE__, "%d have joined, %d left", joined, left);
    } while (joined != left || (joined == 0 && !run->lost));
}

/* Members of a user, who are told of, with a handle and without. */
static void play_users(struct run *run)
{
    struct fixture *f = &run->fixture;
    struct client *client, *second;
    hijack_broadcaster *room = fixture_broadcaster(f), *other = fixture_broadcaster(f);
    hijack_socket *socket = NULL;

    fixture_start(f);
    hijack_request *request = run_ask(run, &client, GET("/"));
    OK(hijack_request_hijack(&socket, request));
    run_note(run, socket, KIND_SOCKET);
    run_arm(run);
    DO(run, hijack_broadcaster_add(room, socket, 7, NULL, 0));
    DO(run, hijack_broadcaster_set(room, LIT("member_events"), LIT("on")));
    int fd = make_pair(&second);
    ADOPT(run, fd, hijack_broadcaster_adopt(room, fd, HIJACK_HOLD_RAW, 7, NULL, 0, LIT("hello;"), NULL, 0));
    MUST_HAVE(run_read(run, second, "hello;"));
    DO(run, hijack_broadcaster_join_user(other, room, 7));
    DO(run, hijack_broadcaster_send_user(other, 7, HIJACK_MESSAGE_TEXT, LIT("joined;")));
    MUST_HAVE(run_read(run, client, "joined;"));
    MUST_HAVE(run_read(run, second, "joined;"));
    DO(run, hijack_broadcaster_remove_user(room, 7));
    DO(run, hijack_broadcaster_close_user(other, 7));
    run_end(run, second);
    members_wait(room, 0);
    members_wait(other, 0);
    await_nobody(run, room);
}

/* A message, the program's own answer, and what was missed, on one connection that goes on. */
static void play_long_poll(struct run *run)
{
    struct fixture *f = &run->fixture;
    hijack_broadcaster *room = fixture_hold(f, "/poll", HIJACK_HOLD_LONG_POLL);

    OK(hijack_broadcaster_set(room, LIT("history_position"), LIT("e-0")));
    OK(hijack_broadcaster_set(room, LIT("history_messages"), LIT("10")));
    OK(hijack_broadcaster_set(room, LIT("long_poll_ms"), LIT("10000")));
    run_start(run);
    struct client *client = client_connect(f->port);
    client_puts(client, GET("/poll"));
    MUST_HAVE(run_members(run, room, &client, 1));
    DO(run, hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("one")));
    MUST_HAVE(run_read(run, client, "\r\n\r\none"));
    client_puts(client, "GET /poll HTTP/1.1\r\nHost: x\r\nLast-Event-ID: e-0\r\n\r\n");
    MUST_HAVE(run_read(run, client, "\r\n\r\none"));
    hijack_request *request = NULL;
    client_puts(client, GET("/own"));
    MUST_HAVE((request = run_request(run, client)) != NULL);
    DO(run, hijack_request_hold(request, room, HIJACK_HOLD_LONG_POLL, 0, LIT("A: b\r\n"), NULL, 0, NULL, 0));
    run_forget(run, request);
    DO(run, hijack_broadcaster_respond(room, 200, LIT("C: d\r\n"), LIT("two")));
    MUST_HAVE(run_read(run, client, "C: d\r\n\r\ntwo"));
}

const struct scenario scenarios_held[] = {
    {"stream", play_stream},
    {"sse", play_sse},
    {"hijack", play_hijack},
    {"partial hijack", play_partial_hijack},
    {"policy close", play_close_policy},
    {"policy drop_newest", play_drop_newest},
    {"policy drop_oldest", play_drop_oldest},
    {"policy latest", play_latest},
    {"publish", play_publish},
    {"request hold", play_request_hold},
    {"adopt", play_adopt},
    {"adopt request", play_adopt_request},
    {"adopt member", play_adopt_member},
    {"membership", play_membership},
    {"history", play_history},
    {"history begins", play_history_begins},
    {"users", play_users},
    {"detach", play_detach},
    {"abort", play_abort},
    {"websocket", play_websocket},
    {"websocket room", play_websocket_room},
    {"long poll", play_long_poll},
    {NULL, NULL},
};
