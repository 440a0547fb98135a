/* SPDX-License-Identifier: MIT
 *
 * The members of one user among many: messages for them alone, and what else is done to them, with a handle and
 * without.
 */
#include "support/websocket_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void say(hijack_broadcaster *room, const char *text)
{
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, STR(text)));
}

static void tell(hijack_broadcaster *room, uint64_t user, const char *text)
{
    OK(hijack_broadcaster_send_user(room, user, HIJACK_MESSAGE_TEXT, STR(text)));
}

/* A client of a held raw or SSE route, which is in the room when this returns. */
static struct client *member(struct fixture *f, hijack_broadcaster *room, const char *path, const char *lines)
{
    struct client *c = client_connect(f->port);
    char head[256];
    const int before = hijack_broadcaster_count(room);
    snprintf(head, sizeof(head), "GET %s HTTP/1.0\r\nHost: x\r\n%s\r\n", path, lines);
    client_puts(c, head);
    members_wait(room, before + 1);
    return c;
}

static hijack_broadcaster *room_by_header(struct fixture *f)
{
    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    OK(hijack_server_route_set(f->server, LIT("/*"), LIT("user_data"), LIT("header:X-User")));
    fixture_start(f);
    return room;
}

static void test_by_header(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_by_header(f);
    struct client *seven = member(f, room, "/raw", "x-user: 7\r\n"), *again = member(f, room, "/raw", "X-User: 7\r\n");
    struct client *name = member(f, room, "/raw", "X-User: alice\r\n"), *nobody = member(f, room, "/raw", "");
    say(room, "all;");
    tell(room, 7, "seven;");
    tell(room, hijack_hash(LIT("alice")), "alice;");
    tell(room, 8, "nobody is eight;");
    say(room, "end");
    client_expect(seven, "all;seven;end");
    client_expect(again, "all;seven;end");
    client_expect(name, "all;alice;end");
    client_expect(nobody, "all;end");
    CODE(hijack_broadcaster_send_user(room, 0, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_EINVAL);
    CODE(hijack_broadcaster_send_user(room, 7, 3, LIT("x")), HIJACK_EINVAL);
    CODE(hijack_broadcaster_send_user(room, 7, HIJACK_MESSAGE_TEXT, NULL, 1), HIJACK_EINVAL);
    CODE(hijack_broadcaster_send_user(room, 7, HIJACK_MESSAGE_TEXT, LIT("\xff")), HIJACK_EINVAL);
    CODE(hijack_broadcaster_remove_user(room, 0), HIJACK_EINVAL);
    CODE(hijack_broadcaster_close_user(room, 0), HIJACK_EINVAL);
    CODE(hijack_broadcaster_join_user(room, room, 0), HIJACK_EINVAL);
    CODE(hijack_broadcaster_join_user(room, NULL, 7), HIJACK_EHANDLE);
    CODE(hijack_broadcaster_join_user(NULL, room, 7), HIJACK_EHANDLE);
}

static void test_remove_and_close(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = room_by_header(f), *other = fixture_broadcaster(f);
    struct client *c[6];
    for (int i = 0; i < 6; i++)
        c[i] = member(f, room, "/raw", i % 2 == 0 ? "X-User: 1\r\n" : "X-User: 2\r\n");
    OK(hijack_broadcaster_join_user(other, room, 2));
    members_wait(other, 3);
    tell(other, 2, "joined;");
    OK(hijack_broadcaster_remove_user(room, 1)); /* from its last room: it ends */
    OK(hijack_broadcaster_remove_user(room, 2)); /* which is in another one as well */
    say(room, "nobody");
    say(other, "other;");
    members_wait(room, 0);
    for (int i = 0; i < 6; i += 2)
        client_eof(c[i]);
    for (int i = 1; i < 6; i += 2)
        client_expect(c[i], "joined;other;");
    CODE(hijack_broadcaster_count(other), 3);
    OK(hijack_broadcaster_close_user(other, 2));
    for (int i = 1; i < 6; i += 2)
        client_eof(c[i]);
    members_wait(other, 0);
    for (int i = 0; i < 6; i++)
        CHECK(c[i]->len == 0);
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 0);
}

static void test_with_handles(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f), *other = fixture_broadcaster(f);
    hijack_socket *socket = socket_open(f, &c), *second = socket_open(f, &d);
    OK(hijack_broadcaster_add(room, socket, 5, NULL, 0));
    OK(hijack_broadcaster_add(room, second, 6, NULL, 0));
    tell(room, 5, "five;");
    tell(room, 6, "six;");
    client_expect(c, "five;");
    client_expect(d, "six;");
    OK(hijack_broadcaster_join_user(other, room, 5));
    OK(hijack_broadcaster_join_user(other, room, 5)); /* it is one already */
    members_wait(other, 1);
    CODE(hijack_broadcaster_add(other, socket, 0, NULL, 0), HIJACK_ESTATE);
    OK(hijack_broadcaster_remove_user(room, 5));
    members_wait(room, 1);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0)); /* it may come back as nobody */
    tell(room, 5, "no;");
    tell(other, 5, "still;");
    client_expect(c, "still;");
    OK(hijack_broadcaster_remove(other, socket));
    OK(hijack_broadcaster_close_user(room, 6));
    client_eof(d);
    events_closed(&f->events, second, 0);
    OK(hijack_socket_send(socket, LIT("own")));
    client_expect(c, "own");
}

static void test_request_adopt_and_query(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    int fds[2];

    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    OK(hijack_server_route_set(f->server, LIT("/ws"), LIT("user_data"), LIT("query:user")));
    fixture_start(f);
    struct client *ws = ws_connect(f, "/ws?user=%34%32");
    hijack_request *request = request_open(f, &c, "/");
    OK(hijack_request_hold(request, room, HIJACK_HOLD_STREAM, 42, NULL, 0, NULL, 0, NULL, 0));
    request_free(f, request);
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    struct client *adopted = client_wrap(fds[0]);
    OK(hijack_broadcaster_adopt(room, fds[1], HIJACK_HOLD_RAW, 42, NULL, 0, NULL, 0, NULL, 0));
    members_wait(room, 3);
    tell(room, 42, "you");
    ws_expect(ws, WS_TEXT, "you");
    client_expect(c, "3\r\nyou\r\n");
    client_expect(adopted, "you");
    OK(hijack_broadcaster_close_user(room, 42));
    ws_closed(ws, 1000);
    client_expect(c, "0\r\n\r\n");
    client_eof(adopted);
    members_wait(room, 0);
}

/* What is published right after a user was made to join reaches it: the calls take effect in their order. */
static void test_join_then_publish(void **state)
{
    struct fixture *f = *state;
    char text[64];

    fixture_option(f, OPT_THREADS, "2");
    hijack_broadcaster *room = room_by_header(f);
    struct client *c[4];
    for (int i = 0; i < 4; i++)
        c[i] = member(f, room, "/raw", "X-User: 5\r\n");
    for (int i = 0; i < 50; i++) {
        hijack_broadcaster *fresh;
        OK(hijack_broadcaster_new(&fresh, f->server));
        OK(hijack_broadcaster_join_user(fresh, room, 5));
        snprintf(text, sizeof(text), "%d;", i);
        say(fresh, text);
        tell(fresh, 5, text);
        for (int k = 0; k < 4; k++) {
            client_expect_bytes(c[k], text, strlen(text));
            client_expect_bytes(c[k], text, strlen(text));
        }
        OK(hijack_broadcaster_remove_user(fresh, 5));
        hijack_broadcaster_free(fresh);
    }
}

/* A user that does not read costs what its backlog may have, and is closed by the policy; the others do not notice. */
static void test_slow_user(void **state)
{
    struct fixture *f = *state;
    static char large[100000];

    hijack_broadcaster *room = room_by_header(f);
    struct client *slow = member(f, room, "/raw", "X-User: 1\r\n"), *good = member(f, room, "/raw", "X-User: 2\r\n");
    memset(large, 'x', sizeof(large) - 1);
    for (int i = 0; hijack_broadcaster_count(room) == 2; i++) {
        CHECK(i < 1000);
        tell(room, 1, large);
        tell(room, 2, "good;");
        client_expect(good, "good;");
    }
    client_until_end(slow);
    CHECK(stat_of(f->server, HIJACK_STAT_CLOSED_SLOW) == 1);
}

/* Numbers stay with their members when others leave. */
static void test_many(void **state)
{
    struct fixture *f = *state;
    struct client *c[60];
    char line[64], text[64];

    hijack_broadcaster *room = room_by_header(f);
    for (int i = 0; i < 60; i++) {
        snprintf(line, sizeof(line), "X-User: %d\r\n", i + 1);
        c[i] = member(f, room, "/raw", line);
    }
    for (int i = 0; i < 60; i += 3)
        client_reset(c[i]);
    members_wait(room, 40);
    for (int i = 0; i < 60; i++) {
        snprintf(text, sizeof(text), "%d;", i + 1);
        tell(room, (uint64_t)i + 1, text);
    }
    say(room, "end");
    for (int i = 0; i < 60; i++) {
        if (i % 3 == 0)
            continue;
        snprintf(text, sizeof(text), "%d;end", i + 1);
        client_expect_bytes(c[i], text, strlen(text));
    }
}

/* What is asked of a user, and what is asked of one of its members with a handle, take effect in the order of the
 * calls, although the loops know the former alone. */
static void test_order_of_calls(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f), *other = fixture_broadcaster(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_broadcaster_add(other, socket, 7, NULL, 0));
    for (int i = 0; i < 200; i++) {
        check_context("%d", i);
        OK(hijack_broadcaster_add(room, socket, 7, NULL, 0));
        OK(hijack_broadcaster_remove_user(room, 7));
        const int removed = hijack_broadcaster_remove(room, socket);
        CHECK(removed == 0 || removed == HIJACK_ESTATE);
        OK(hijack_broadcaster_add(room, socket, 7, NULL, 0));
        say(room, "in;");
        say(other, "x"); /* the loop is here when it has come */
        client_expect(c, "in;x");
        CODE(hijack_broadcaster_count(room), 1);
        OK(hijack_broadcaster_remove(room, socket));
        OK(hijack_broadcaster_join_user(room, other, 7));
        const int added = hijack_broadcaster_add(room, socket, 7, NULL, 0);
        CHECK(added == 0 || added == HIJACK_ESTATE);
        OK(hijack_broadcaster_remove(room, socket));
        say(room, "out;");
        say(other, "y");
        client_expect(c, "y");
        CODE(hijack_broadcaster_count(room), 0);
        CODE(hijack_broadcaster_remove(room, socket), HIJACK_ESTATE);
    }
    check_context("%s", "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_of_calls),
        TEST(test_by_header),
        TEST(test_remove_and_close),
        TEST(test_with_handles),
        TEST(test_request_adopt_and_query),
        TEST(test_join_then_publish),
        TEST(test_slow_user),
        TEST(test_many),
    };

    return RUN_TESTS(tests, argc, argv);
}
