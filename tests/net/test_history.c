/* SPDX-License-Identifier: MIT
 *
 * Members that return: what they have missed comes once and in order, before what is published later, or they are told
 * that it is gone.
 */
#include "support/websocket_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void set(hijack_broadcaster *room, const char *name, const char *value)
{
    OK(hijack_broadcaster_set(room, STR(name), STR(value)));
}

static void say(hijack_broadcaster *room, const char *text)
{
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, STR(text)));
}

/* A room at /sse that counts from e-0. */
static hijack_broadcaster *room_with_history(struct fixture *f, const char *messages)
{
    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    set(room, "history_position", "e-0");
    set(room, "history_messages", messages);
    return room;
}

/* A client of HTTP/1.0, whose body has no chunks, that has read the head of /sse. lines: more of its head. */
static struct client *listen_from(struct fixture *f, const char *path, const char *lines)
{
    struct client *c = client_connect(f->port);
    char head[256];
    snprintf(head, sizeof(head), "GET %s HTTP/1.0\r\nHost: x\r\n%s\r\n", path, lines);
    client_puts(c, head);
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    return c;
}

static void test_ids_and_position(void **state)
{
    struct fixture *f = *state;
    char text[64] = "untouched";

    hijack_broadcaster *room = room_with_history(f, "10"), *other = fixture_broadcaster(f);
    fixture_start(f);
    CODE(hijack_broadcaster_position(text, sizeof(text), other), HIJACK_ESTATE);
    CHECK(strcmp(text, "untouched") == 0);
    struct client *c = listen_from(f, "/sse", "");
    client_expect(c, "id: e-0\n\n"); /* so that a client that got nothing yet can go on, too */
    say(room, "one");
    OK(hijack_broadcaster_publish_sse(room, LIT("name"), NULL, 0, LIT("two"), NULL, 0, -1));
    client_expect(c, "id: e-1\ndata: one\n\nevent: name\nid: e-2\ndata: two\n\n");
    CODE(hijack_broadcaster_position(text, sizeof(text), room), 3);
    CHECK(strcmp(text, "e-2") == 0);
    CODE(hijack_broadcaster_position(NULL, 0, room), 3);
    CODE(hijack_broadcaster_position(text, 3, room), HIJACK_ETOOBIG);
    CODE(hijack_broadcaster_position(NULL, 1, room), HIJACK_EINVAL);
    CODE(hijack_broadcaster_set(room, LIT("history_position"), LIT("e-9")), HIJACK_ESTATE);
    set(other, "history_messages", "1");
    CODE(hijack_broadcaster_position(text, sizeof(text), other), 18);
    CHECK(strcmp(text + 16, "-0") == 0);
    const char *const bad[] = {"e", "e-", "-5", "e-x", "e-18446744073709551615", "e-9223372036854775808", "\xc3\xa4-5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CODE(hijack_broadcaster_set(other, LIT("history_position"), STR(bad[i])), HIJACK_ERANGE);
}

static void test_last_event_id(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_with_history(f, "10");
    fixture_start(f);
    struct client *stays = listen_from(f, "/sse", "");
    for (int i = 1; i <= 5; i++)
        say(room, (char[]){(char)('0' + i), '\0'});
    struct client *c = listen_from(f, "/sse", "Last-Event-ID: e-2\r\n");
    client_expect(c, "id: e-3\ndata: 3\n\nid: e-4\ndata: 4\n\nid: e-5\ndata: 5\n\n");
    members_wait(room, 2);
    say(room, "6");
    client_expect(c, "id: e-6\ndata: 6\n\n");
    client_expect(stays, "id: e-0\n\nid: e-1\ndata: 1\n\n");
    struct client *newest = listen_from(f, "/sse", "Last-Event-ID: e-6\r\n");
    client_expect(newest, "id: e-6\n\n");
    CHECK(stat_of(f->server, HIJACK_STAT_RESUMED) == 2 && stat_of(f->server, HIJACK_STAT_GAPS) == 0);
}

/* Nobody is there while they are published. */
static void test_without_members(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_with_history(f, "10");
    fixture_start(f);
    say(room, "1");
    say(room, "2");
    struct client *c = listen_from(f, "/sse", "last-event-id: e-0\r\n");
    client_expect(c, "id: e-1\ndata: 1\n\nid: e-2\ndata: 2\n\n");
    client_close(c);
    members_wait(room, 0);
    say(room, "3");
    c = listen_from(f, "/sse", "Last-Event-ID: e-2\r\n");
    client_expect(c, "id: e-3\ndata: 3\n\n");
}

/* A process that continues an earlier one's history has it before the first client comes, at any door. */
static void test_publish_before_start(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_with_history(f, "2");
    hijack_broadcaster *without = fixture_broadcaster(f);
    CODE(hijack_broadcaster_publish(without, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_ESTATE);
    set(room, "history_position", "e-7");
    say(room, "8");
    say(room, "9");
    say(room, "10");
    CODE(hijack_broadcaster_set(room, LIT("history_position"), LIT("e-7")), HIJACK_ESTATE);
    CODE(hijack_broadcaster_send_user(room, 1, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_ESTATE);
    fixture_start(f);
    struct client *c = listen_from(f, "/sse", "Last-Event-ID: e-8\r\n");
    client_expect(c, "id: e-9\ndata: 9\n\nid: e-10\ndata: 10\n\n");
    members_wait(room, 1);
    say(room, "11");
    client_expect(c, "id: e-11\ndata: 11\n\n");
    struct client *late = listen_from(f, "/sse", "Last-Event-ID: e-7\r\n");
    client_expect(late, "event: hijack-gap\nid: e-9\ndata: e-10\n\nid: e-10\n");
}

static void test_gaps(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_with_history(f, "2");
    fixture_start(f);
    for (int i = 1; i <= 5; i++)
        say(room, (char[]){(char)('0' + i), '\0'});
    const char *const lost[] = {"e-0", "e-2", "other-4", "garbage", "e-6"};
    for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        char line[64];
        check_context("%s", lost[i]);
        snprintf(line, sizeof(line), "Last-Event-ID: %s\r\n", lost[i]);
        struct client *c = listen_from(f, "/sse", line);
        client_expect(c, "event: hijack-gap\nid: e-3\ndata: e-4\n\nid: e-4\ndata: 4\n\nid: e-5\ndata: 5\n\n");
    }
    check_context("%s", "");
    CHECK(stat_of(f->server, HIJACK_STAT_GAPS) == 5);
    set(room, "gap_event", "lost");
    set(room, "history_messages", "0"); /* kept is nothing, counted is on */
    struct client *c = listen_from(f, "/sse", "Last-Event-ID: e-4\r\n");
    client_expect(c, "event: lost\nid: e-5\ndata: e-6\n\n");
    c = listen_from(f, "/sse", "Last-Event-ID: e-5\r\n");
    client_expect(c, "id: e-5\n\n");
    say(room, "6");
    client_expect(c, "id: e-6\ndata: 6\n\n");
}

/* Bounds by bytes and by age. */
static void test_bounds(void **state)
{
    struct fixture *f = *state;
    static char large[40000];

    hijack_broadcaster *room = room_with_history(f, "1000");
    set(room, "history_bytes", "100k");
    fixture_start(f);
    memset(large, 'x', sizeof(large) - 1);
    for (int i = 0; i < 9; i++)
        say(room, large);
    struct client *c = listen_from(f, "/sse", "Last-Event-ID: e-5\r\n");
    client_expect(c, "event: hijack-gap\nid: e-7\ndata: e-8\n\nid: e-8\ndata: xx");
    set(room, "history_ms", "1");
    say(room, "old");
    uint64_t start = clock_ms();
    do { /* no event tells that a message has become old: each new one looks */
        c = listen_from(f, "/sse", "Last-Event-ID: e-9\r\n");
        client_until(c, "\n\n");
        CHECK(clock_ms() - start < (uint64_t)clock_limit_ms());
    } while (strncmp(c->buf, LIT("event: hijack-gap\nid: e-10\ndata: e-11\n\n")) != 0);
}

static void test_own_ids(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_with_history(f, "3");
    fixture_start(f);
    const char *const ids[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        OK(hijack_broadcaster_publish_sse(room, NULL, 0, STR(ids[i]), STR(ids[i]), NULL, 0, -1));
    struct client *c = listen_from(f, "/sse", "Last-Event-ID: c\r\n");
    client_expect(c, "id: d\ndata: d\n\n");
    c = listen_from(f, "/sse", "Last-Event-ID: a\r\n"); /* its message has gone */
    client_expect(c, "event: hijack-gap\nid: e-1\ndata: e-2\n\nid: b\ndata: b\n\n");
    c = listen_from(f, "/sse", "Last-Event-ID: e-3\r\n");
    client_expect(c, "id: d\ndata: d\n\n");
}

static void test_hold_with_first_and_position(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    char position[64];

    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = fixture_broadcaster(f), *plain = fixture_broadcaster(f);
    set(room, "history_position", "e-0");
    set(room, "history_messages", "10");
    fixture_start(f);
    say(room, "1");
    OK(hijack_broadcaster_position(position, sizeof(position), room));
    say(room, "2"); /* between snapshot and joining */
    hijack_request *request = request_open(f, &c, "/");
    CODE(hijack_request_hold(request, plain, HIJACK_HOLD_SSE, 0, NULL, 0, NULL, 0, LIT("*")), HIJACK_ESTATE);
    OK(hijack_request_hold(request, room, HIJACK_HOLD_SSE, 0, NULL, 0, LIT("data: snapshot\n\n"), STR(position)));
    say(room, "3");
    request_free(f, request);
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    client_expect(c, "10\r\ndata: snapshot\n\n\r\n11\r\nid: e-2\ndata: 2\n\n\r\n11\r\nid: e-3\ndata: 3\n\n\r\n");
    request = request_open(f, &c, "/");
    OK(hijack_request_hold(request, room, HIJACK_HOLD_STREAM, 0, NULL, 0, LIT("first;"), LIT("*")));
    request_free(f, request);
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    client_expect(c, "6\r\nfirst;\r\n1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n");
    request = request_open(f, &c, "/");
    OK(hijack_request_hold(request, plain, HIJACK_HOLD_SSE, 0, NULL, 0, LIT("data: alone\n\n"), NULL, 0));
    request_free(f, request);
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    client_expect(c, "d\r\ndata: alone\n\n\r\n");
}

/* Streams with a handle, adopted descriptors. */
static void test_other_doors(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    int fds[2];

    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = fixture_broadcaster(f);
    set(room, "history_position", "e-0");
    set(room, "history_messages", "10");
    fixture_start(f);
    say(room, "1");
    say(room, "2");
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_broadcaster_add(room, socket, 0, LIT("e-1")));
    OK(hijack_socket_send(socket, LIT("own")));
    say(room, "3");
    client_expect(c, "2own3");
    OK(hijack_broadcaster_remove(room, socket));
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    say(room, "4");
    client_expect(c, "4");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    struct client *adopted = client_wrap(fds[0]);
    OK(hijack_broadcaster_adopt(room, fds[1], HIJACK_HOLD_SSE_BODY, 0, NULL, 0, LIT(": first\n\n"), LIT("e-3")));
    client_expect(adopted, ": first\n\nid: e-4\ndata: 4\n\n");
}

static void test_websocket(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_with_history(f, "2");
    OK(hijack_server_hold(f->server, LIT("/ws"), HIJACK_HOLD_WEBSOCKET, NULL, 0, room));
    OK(hijack_server_route_set(f->server, LIT("/*"), LIT("position"), LIT("query:from")));
    fixture_start(f);
    struct client *live = ws_connect(f, "/ws"), *told = ws_connect(f, "/ws?x=1&from=");
    ws_expect(told, WS_TEXT, "\x1ehijack-position e-0");
    members_wait(room, 2);
    for (int i = 1; i <= 4; i++)
        say(room, (char[]){(char)('0' + i), '\0'});
    ws_expect(live, WS_TEXT, "1"); /* who has not asked is not told */
    ws_expect(told, WS_TEXT, "1");
    struct client *back = ws_connect(f, "/ws?from=e%2D3");
    ws_expect(back, WS_TEXT, "\x1ehijack-position e-3");
    ws_expect(back, WS_TEXT, "4");
    struct client *late = ws_connect(f, "/ws?from=e-1");
    ws_expect(late, WS_TEXT, "\x1ehijack-gap e-3");
    ws_expect(late, WS_TEXT, "3");
    ws_expect(late, WS_TEXT, "4");
    struct client *sse = listen_from(f, "/sse?from=e-3", "");
    client_expect(sse, "id: e-4\ndata: 4\n\n");
    sse = listen_from(f, "/sse?from=e-2", "Last-Event-ID: e-3\r\n"); /* an EventSource's URL stays what it was */
    client_expect(sse, "id: e-4\ndata: 4\n\n");
}

#define MANY 3000
#define SIZE 2000

/* What the reader of all that was published gets: each once, and in order. */
static void expect_all(struct client *c, int first, int last)
{
    static char expected[SIZE + 64];
    for (int i = first; i <= last; i++) {
        int len = snprintf(expected, sizeof(expected), "id: e-%d\ndata: %0*d\n\n", i, SIZE, i);
        client_expect_bytes(c, expected, (size_t)len);
    }
}

static void say_number(hijack_broadcaster *room, int number)
{
    static char text[SIZE + 1];
    snprintf(text, sizeof(text), "%0*d", SIZE, number);
    say(room, text);
}

/* The history is far more than a connection takes at a time: it waits there, and not once for each connection. */
static void test_slow_return(void **state)
{
    struct fixture *f = *state;
    struct client *c[5];

    hijack_broadcaster *room = room_with_history(f, "100000");
    set(room, "history_bytes", "100m");
    fixture_start(f);
    for (int i = 1; i <= MANY; i++)
        say_number(room, i);
    for (int i = 0; i < 5; i++) {
        c[i] = client_connect_slow(f->port);
        client_puts(c[i], "GET /sse HTTP/1.0\r\nHost: x\r\nLast-Event-ID: e-0\r\n\r\n");
    }
    members_wait(room, 5);
    for (int i = MANY + 1; i <= MANY + 100; i++)
        say_number(room, i);
    CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) < 5 * 200000);
    for (int i = 0; i < 5; i++) {
        client_consume(c[i], client_until(c[i], "\r\n\r\n") + 4);
        expect_all(c[i], 1, MANY + 100);
    }
    say_number(room, MANY + 101);
    for (int i = 0; i < 5; i++)
        expect_all(c[i], MANY + 101, MANY + 101);
    CHECK(stat_of(f->server, HIJACK_STAT_CLOSED_SLOW) == 0);
}

/* Members that are behind leave, are ended by the program, or find that the history has gone on without them. */
static void test_ends_while_behind(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_with_history(f, "1000");
    set(room, "history_bytes", "100m");
    fixture_start(f);
    for (int i = 1; i <= 1000; i++)
        say_number(room, i);
    struct client *leaves = client_connect_slow(f->port), *overtaken = client_connect_slow(f->port);
    client_puts(leaves, "GET /sse HTTP/1.0\r\nHost: x\r\nLast-Event-ID: e-0\r\n\r\n");
    client_puts(overtaken, "GET /sse HTTP/1.0\r\nHost: x\r\nLast-Event-ID: e-0\r\n\r\n");
    members_wait(room, 2);
    stat_wait(f->server, HIJACK_STAT_RESUMED, 2);
    client_reset(leaves);
    members_wait(room, 1);
    set(room, "history_messages", "1");
    say_number(room, 1001);
    client_until(overtaken, "event: hijack-gap\nid: e-1000\ndata: e-1001\n\n");
    client_until(overtaken, "id: e-1001\n");
    set(room, "history_messages", "1000");
    for (int i = 1002; i <= 2000; i++)
        say_number(room, i);
    struct client *ended = client_connect_slow(f->port);
    client_puts(ended, "GET /sse HTTP/1.0\r\nHost: x\r\nLast-Event-ID: e-1001\r\n\r\n");
    stat_wait(f->server, HIJACK_STAT_RESUMED, 3);
    OK(hijack_broadcaster_close(room));
    client_consume(ended, client_until(ended, "\r\n\r\n") + 4);
    expect_all(ended, 1002, 2000); /* it gets all that was published before */
    client_eof(ended);
}

/* The number in the next message of a raw member. */
static int next_number(struct client *c)
{
    char digits[8] = {0};
    client_want(c, SIZE);
    memcpy(digits, c->buf + SIZE - 7, 7);
    client_consume(c, SIZE);
    return (int)strtol(digits, NULL, 10);
}

/* A socket that is behind in two rooms, of which one is closed, ends when it has everything of both. */
static void test_two_rooms_behind(void **state)
{
    enum {
        MESSAGES = 1000,
        SECOND = 100000
    };
    struct fixture *f = *state;
    hijack_broadcaster *rooms[2];

    for (int i = 0; i < 2; i++) {
        rooms[i] = fixture_broadcaster(f);
        set(rooms[i], "history_messages", "1000");
        set(rooms[i], "history_bytes", "100m");
    }
    fixture_start(f);
    for (int i = 1; i <= MESSAGES; i++) {
        say_number(rooms[0], i);
        say_number(rooms[1], SECOND + i);
    }
    for (int closed = 0; closed < 2; closed++) {
        struct client *c = client_connect_slow(f->port);
        int had[2] = {0};
        check_context("room %d", closed);
        ask(c, "/");
        hijack_socket *socket = socket_of(f, next_request(f));
        for (int i = 0; i < 2; i++)
            OK(hijack_broadcaster_add(rooms[i], socket, 0, LIT("*")));
        stat_wait(f->server, HIJACK_STAT_RESUMED, (uint64_t)closed * 2 + 2);
        OK(hijack_broadcaster_close(rooms[closed]));
        for (int i = 0; i < 2 * MESSAGES; i++) {
            const int number = next_number(c), room = number > SECOND;
            CHECK(number == room * SECOND + ++had[room]);
        }
        client_eof(c);
        CODE(hijack_socket_send(socket, LIT("x")), HIJACK_ECLOSED);
        events_closed(&f->events, socket, 0);
        socket_free(f, socket);
    }
    check_context("%s", "");
}

static _Atomic(hijack_broadcaster *) published; /* the room that publish_always publishes to; NULL: it ends */

static void *publish_always(void *argument)
{
    hijack_broadcaster *room;
    while ((room = atomic_load(&published)) != NULL) {
        const int rc = hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("x"));
        if (rc < 0 && rc != HIJACK_EAGAIN)
            return argument;
    }
    return NULL;
}

/* A history that begins while a thread publishes: from its first message on each has an id. */
static void test_begins_while_publishing(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    hijack_broadcaster *rooms[FIXTURE_BROADCASTERS];
    void *failed;

    fixture_option(f, OPT_HEARTBEAT, "0");
    for (int i = 0; i < FIXTURE_BROADCASTERS; i++) {
        rooms[i] = fixture_broadcaster(f);
        set(rooms[i], "backlog_bytes", "100m");
        set(rooms[i], "history_position", "e-0");
    }
    fixture_start(f);
    atomic_store(&published, rooms[0]);
    CHECK(pthread_create(&thread, NULL, publish_always, rooms) == 0);
    for (int i = 0; i < FIXTURE_BROADCASTERS; i++) {
        char position[64];
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        struct client *c = client_wrap(fds[0]);
        OK(hijack_broadcaster_adopt(rooms[i], fds[1], HIJACK_HOLD_SSE_BODY, 0, NULL, 0, NULL, 0, NULL, 0));
        atomic_store(&published, rooms[i]);
        client_until(c, "data: x\n\n");
        set(rooms[i], "history_messages", "10");
        CODE(hijack_broadcaster_position(position, sizeof(position), rooms[i]) > 0, 1);
        client_until(c, "id: e-1\n");
        client_consume(c, client_until(c, "id: e-1\n"));
        for (int n = 1; n < 20; n++) {
            char expected[64];
            int len = snprintf(expected, sizeof(expected), "id: e-%d\ndata: x\n\n", n);
            client_expect_bytes(c, expected, (size_t)len);
        }
        client_close(c);
    }
    atomic_store(&published, NULL);
    CHECK(pthread_join(thread, &failed) == 0 && failed == NULL);
}

/* The last offset that an earlier process can have had; clients with offsets over all that there ever is. */
static void test_large_offsets(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_with_history(f, "10");
    set(room, "history_position", "a-b-9223372036854775807"); /* an epoch may have hyphens */
    fixture_start(f);
    say(room, "1");
    say(room, "2");
    struct client *c = listen_from(f, "/sse", "Last-Event-ID: a-b-9223372036854775808\r\n");
    client_expect(c, "id: a-b-9223372036854775809\ndata: 2\n\n");
    const char *const over[] = {"a-b-9223372036854775810",  "a-b-18446744073709551612", "a-b-18446744073709551613",
                                "a-b-18446744073709551614", "a-b-18446744073709551615", "a-b-18446744073709551616",
                                "b-9223372036854775808"};
    for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++) {
        char line[64];
        check_context("%s", over[i]);
        snprintf(line, sizeof(line), "Last-Event-ID: %s\r\n", over[i]);
        c = listen_from(f, "/sse", line);
        client_expect(c, "event: hijack-gap\nid: a-b-9223372036854775807\ndata: a-b-9223372036854775808\n\n"
                         "id: a-b-9223372036854775808\ndata: 1\n\nid: a-b-9223372036854775809\ndata: 2\n\n");
    }
    check_context("%s", "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ids_and_position),
        TEST(test_last_event_id),
        TEST(test_without_members),
        TEST(test_publish_before_start),
        TEST(test_gaps),
        TEST(test_bounds),
        TEST(test_own_ids),
        TEST(test_hold_with_first_and_position),
        TEST(test_other_doors),
        TEST(test_websocket),
        TEST(test_slow_return),
        TEST(test_ends_while_behind),
        TEST(test_two_rooms_behind),
        TEST(test_begins_while_publishing),
        TEST(test_large_offsets),
    };

    return RUN_TESTS(tests, argc, argv);
}
