/* SPDX-License-Identifier: MIT
 *
 * Requests that wait in a broadcaster for one response: a message, what the program responds, what they have missed, or
 * 204 at their deadline; the connection then serves the next request.
 */
#include "support/exchange.h"
#include "support/response.h"
#include "support/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_room(hijack_broadcaster *room, const char *name, const char *value)
{
    OK(hijack_broadcaster_set(room, STR(name), STR(value)));
}

static void say(hijack_broadcaster *room, const char *text)
{
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, STR(text)));
}

/* Sends a request for path, with these lines in its head. */
static void poll_for(struct client *c, const char *path, const char *lines)
{
    char head[256];
    snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, lines);
    client_puts(c, head);
}

/* Likewise, and waits until it is in the room, where it is the member with this number. */
static void wait_as(int number, struct client *c, hijack_broadcaster *room, const char *path)
{
    members_wait(room, number - 1); /* who has been answered leaves a little later */
    poll_for(c, path, "");
    members_wait(room, number);
}

/* The next response has this status, body and field; no such field if value is NULL. */
static void expect_answer_at(struct client *c, int status, const char *body, const char *name, const char *value,
                             const char *file, int line)
{
    struct response r;
    response_head_at(&r, c, file, line);
    check_code(r.status, status, "the status", file, line);
    if (status != 204 && status != 304)
        response_finish_at(&r, file, line);
    check_true(r.body_len == strlen(body) && memcmp(r.body == NULL ? "" : r.body, body, r.body_len) == 0, "the body",
               file, line);
    if (name != NULL) {
        const char *found = response_header(&r, name);
        check_true(value == NULL ? found == NULL : found != NULL && strcmp(found, value) == 0, name, file, line);
    }
    response_free(&r);
}
#define expect_answer(c, status, body, name, value)                                                                    \
    expect_answer_at((c), (status), (body), (name), (value), __FILE__, __LINE__)

static hijack_broadcaster *poll_room(struct fixture *f, const char *history)
{
    hijack_broadcaster *room = fixture_hold(f, "/poll", HIJACK_HOLD_LONG_POLL);
    if (history != NULL) {
        set_room(room, "history_position", "e-0");
        set_room(room, "history_messages", history);
        OK(hijack_server_route_set(f->server, LIT("/poll"), LIT("position"), LIT("query:at")));
    }
    return room;
}

static void test_message_answers(void **state)
{
    struct fixture *f = *state;
    struct response r;

    hijack_broadcaster *room = poll_room(f, NULL);
    fixture_start(f);
    struct client *c = client_connect(f->port), *d = client_connect(f->port);
    for (int i = 0; i < 3; i++) { /* on the same connections */
        wait_as(1, c, room, "/poll");
        wait_as(2, d, room, "/poll");
        say(room, "one");
        say(room, "nobody waits for this");
        response_head(&r, c);
        response_finish(&r);
        CODE(r.status, 200);
        CHECK(r.body_len == 3 && memcmp(r.body, "one", 3) == 0);
        CHECK(strcmp(response_header(&r, "content-type"), "text/plain; charset=utf-8") == 0);
        CHECK(strcmp(response_header(&r, "cache-control"), "no-store") == 0);
        CHECK(response_header(&r, "hijack-position") == NULL && response_header(&r, "connection") == NULL);
        response_free(&r);
        expect_answer(d, 200, "one", NULL, NULL);
        members_wait(room, 0);
    }
    wait_as(1, c, room, "/poll");
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_BINARY, LIT("\0\1")));
    response_head(&r, c);
    response_finish(&r);
    CHECK(r.body_len == 2 && memcmp(r.body, "\0\1", 2) == 0);
    CHECK(strcmp(response_header(&r, "content-type"), "application/octet-stream") == 0);
    response_free(&r);
    members_wait(room, 0);
    wait_as(1, c, room, "/poll");
    say(room, "");
    expect_answer(c, 200, "", "content-length", "0");
    CHECK(stat_of(f->server, HIJACK_STAT_DELIVERED) == 8);
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 0);
}

/* HTTP/1.0, "Connection: close", HEAD, other methods, and the program's headers. */
static void test_heads(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_broadcaster(f);
    OK(hijack_server_hold(f->server, LIT("/poll"), HIJACK_HOLD_LONG_POLL,
                          LIT("Content-Type: application/json\r\nX-A: b\r\nCache-Control: private\r\n"), room));
    CODE(hijack_server_hold(f->server, LIT("/x"), HIJACK_HOLD_LONG_POLL, LIT("Content-Length: 1\r\n"), room),
         HIJACK_EHEADER);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET /poll HTTP/1.0\r\nHost: x\r\n\r\n");
    members_wait(room, 1);
    say(room, "{}");
    expect_answer(c, 200, "{}", "connection", "close");
    client_eof(c);
    members_wait(room, 0);
    c = client_connect(f->port);
    client_puts(c, "GET /poll HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    members_wait(room, 1);
    say(room, "{}");
    expect_answer(c, 200, "{}", "connection", "keep-alive");
    members_wait(room, 0);
    poll_for(c, "/poll", "Connection: close\r\n");
    members_wait(room, 1);
    say(room, "{}");
    expect_answer(c, 200, "{}", "x-a", "b");
    client_eof(c);
    c = client_connect(f->port);
    client_puts(c, "HEAD /poll HTTP/1.1\r\nHost: x\r\n\r\n");
    client_until(c, "X-A: b\r\n");
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    client_puts(c, "POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    reply(f, next_request(f), "posted");
    expect_answer(c, 200, "posted", NULL, NULL);
}

static void test_deadline(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = poll_room(f, "10");
    CODE(hijack_broadcaster_set(room, LIT("long_poll_ms"), LIT("soon")), HIJACK_ERANGE);
    set_room(room, "long_poll_ms", "30");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (int i = 0; i < 2; i++) {
        poll_for(c, "/poll", "");
        expect_answer(c, 204, "", "hijack-position", "e-0");
    }
    set_room(room, "long_poll_ms", "0"); /* for ever */
    wait_as(1, c, room, "/poll");
    say(room, "at last");
    expect_answer(c, 200, "at last", "hijack-position", "e-1");
}

static void test_what_was_missed(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = poll_room(f, "3");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    wait_as(1, c, room, "/poll");
    say(room, "1");
    say(room, "2");
    expect_answer(c, 200, "1", "hijack-position", "e-1");
    poll_for(c, "/poll?at=e-1", "");
    expect_answer(c, 200, "2", "hijack-position", "e-2");
    wait_as(1, c, room, "/poll?at=e-2");
    say(room, "3");
    expect_answer(c, 200, "3", "hijack-position", "e-3");
    poll_for(c, "/poll", "Last-Event-ID: e-2\r\n");
    expect_answer(c, 200, "3", "hijack-position", "e-3");
    say(room, "4");
    say(room, "5");
    say(room, "6");
    poll_for(c, "/poll?at=e-1", ""); /* 2 and 3 are gone */
    expect_answer(c, 200, "4", "hijack-gap", "e-4");
    poll_for(c, "/poll?at=other-7", "");
    expect_answer(c, 200, "4", "hijack-gap", "e-4");
    set_room(room, "history_messages", "0");
    poll_for(c, "/poll?at=e-2", ""); /* all are: that it is told at once */
    expect_answer(c, 204, "", "hijack-gap", "e-7");
    wait_as(1, c, room, "/poll?at=e-6");
    say(room, "7");
    expect_answer(c, 200, "7", "hijack-position", "e-7");
    CHECK(stat_of(f->server, HIJACK_STAT_GAPS) == 3);
}

/* The program's own answer, with a head that was not known before. */
static void test_respond(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = poll_room(f, "10");
    OK(hijack_server_hold(f->server, LIT("/sse"), HIJACK_HOLD_SSE, NULL, 0, room));
    fixture_start(f);
    struct client *c = client_connect(f->port), *sse = client_connect(f->port);
    poll_for(sse, "/sse", "");
    client_consume(sse, client_until(sse, "\r\n\r\n") + 4);
    members_wait(room, 1);
    wait_as(2, c, room, "/poll");
    CODE(hijack_broadcaster_respond(room, 200, LIT("ETag: \"x\"\r\n"), LIT("body")), 2);
    expect_answer(c, 200, "body", "etag", "\"x\"");
    members_wait(room, 1);
    wait_as(2, c, room, "/poll");
    CODE(hijack_broadcaster_respond(room, 304, LIT("Connection: close\r\n"), NULL, 0), 2);
    expect_answer(c, 304, "", "connection", "close");
    client_eof(c);
    members_wait(room, 1);
    CODE(hijack_broadcaster_respond(room, 204, LIT("X: y\r\n"), NULL, 0), 1); /* nobody waits */
    say(room, "only this");
    client_until(sse, "id: e-1\ndata: only this\n\n");
    CODE(hijack_broadcaster_respond(room, 199, NULL, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_broadcaster_respond(room, 1000, NULL, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_broadcaster_respond(room, 204, NULL, 0, LIT("x")), HIJACK_EINVAL);
    CODE(hijack_broadcaster_respond(room, 200, NULL, 1, LIT("x")), HIJACK_EINVAL);
    CODE(hijack_broadcaster_respond(room, 200, NULL, 0, NULL, 1), HIJACK_EINVAL);
    CODE(hijack_broadcaster_respond(room, 200, LIT("a b\r\n"), NULL, 0), HIJACK_EHEADER);
    CODE(hijack_broadcaster_respond(room, 200, LIT("Content-Length: 2\r\n"), LIT("x")), HIJACK_EHEADER);
    CODE(hijack_broadcaster_respond(NULL, 200, NULL, 0, NULL, 0), HIJACK_EHANDLE);
}

/* A request that came to the program; with a first message it is answered at once. */
static void test_request(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    set_room(room, "history_position", "e-4");
    set_room(room, "history_messages", "10");
    struct client *c = client_connect(f->port);
    const char *const first[] = {"", "the snapshot"};
    for (int i = 0; i < 2; i++) {
        poll_for(c, "/own", "");
        hijack_request *request = next_request(f);
        OK(hijack_request_hold(request, room, HIJACK_HOLD_LONG_POLL, 7, LIT("X-A: b\r\n"), STR(first[i]), LIT("e-4")));
        if (i == 0) {
            members_wait(room, 1);
            OK(hijack_broadcaster_send_user(room, 7, HIJACK_MESSAGE_TEXT, LIT("for seven")));
            expect_answer(c, 200, "for seven", "hijack-position", "e-4");
        } else {
            expect_answer(c, 200, "the snapshot", "hijack-position", "e-4");
        }
        members_wait(room, 0);
        request_free(f, request);
    }
    client_puts(c, "HEAD /own HTTP/1.1\r\nHost: x\r\n\r\n");
    hijack_request *request = next_request(f);
    OK(hijack_request_hold(request, room, HIJACK_HOLD_LONG_POLL, 0, LIT("X-A: b\r\n"), NULL, 0, NULL, 0));
    client_until(c, "X-A: b\r\n");
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    request_free(f, request);
    poll_for(c, "/next", "");
    reply(f, next_request(f), "x");
    expect_answer(c, 200, "x", NULL, NULL);
}

/* Ends of all sorts: by the program, by the client, by draining, a request behind the one that waits. */
static void test_ends(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = poll_room(f, NULL), *other = fixture_broadcaster(f);
    OK(hijack_server_route_set(f->server, LIT("/poll"), LIT("user_data"), LIT("query:user")));
    fixture_start(f);
    struct client *c = client_connect(f->port), *d = client_connect(f->port), *gone = client_connect(f->port);
    wait_as(1, c, room, "/poll?user=1");
    wait_as(2, d, room, "/poll?user=2");
    wait_as(3, gone, room, "/poll?user=3");
    client_reset(gone);
    members_wait(room, 2);
    OK(hijack_broadcaster_close_user(room, 1));
    expect_answer(c, 204, "", NULL, NULL);
    members_wait(room, 1);
    OK(hijack_broadcaster_join_user(other, room, 2));
    members_wait(other, 1);
    OK(hijack_broadcaster_remove_user(room, 2)); /* it waits on in the other one */
    say(room, "not there any more");
    say(other, "from the other room");
    expect_answer(d, 200, "from the other room", NULL, NULL);
    members_wait(other, 0);
    wait_as(1, d, room, "/poll?user=2");
    OK(hijack_broadcaster_remove_user(room, 2));
    expect_answer(d, 204, "", NULL, NULL);
    members_wait(room, 0);
    client_puts(d, "GET /poll HTTP/1.1\r\nHost: x\r\n\r\nGET /behind HTTP/1.1\r\nHost: x\r\n\r\n");
    members_wait(room, 1);
    say(room, "one");
    expect_answer(d, 200, "one", NULL, NULL);
    reply(f, next_request(f), "two");
    expect_answer(d, 200, "two", NULL, NULL);
    wait_as(1, c, room, "/poll");
    wait_as(2, d, room, "/poll");
    OK(hijack_broadcaster_close(room));
    expect_answer(c, 204, "", NULL, NULL);
    expect_answer(d, 204, "", NULL, NULL);
    members_wait(room, 0);
    wait_as(1, c, room, "/poll");
    OK(hijack_server_drain(f->server, 300));
    expect_answer(c, 204, "", "connection", "close");
    client_eof(c);
}

/* The answer tells where it is in the room in which it waits, from whichever room the message came. */
static void test_other_room(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = poll_room(f, "10"), *other = fixture_broadcaster(f);
    OK(hijack_server_route_set(f->server, LIT("/poll"), LIT("user_data"), LIT("query:user")));
    set_room(other, "history_position", "e-70");
    set_room(other, "history_messages", "10");
    fixture_start(f);
    say(room, "1");
    say(room, "2");
    struct client *c = client_connect(f->port);
    for (int i = 0; i < 3; i++) {
        wait_as(1, c, room, "/poll?user=1&at=e-2");
        OK(hijack_broadcaster_join_user(other, room, 1));
        members_wait(other, 1);
        if (i == 0)
            OK(hijack_broadcaster_send_user(other, 1, HIJACK_MESSAGE_TEXT, LIT("other")));
        if (i == 2)
            OK(hijack_broadcaster_remove_user(room, 1));
        if (i != 0)
            say(other, "other");
        expect_answer(c, 200, "other", "hijack-position", "e-2");
        members_wait(other, 0);
    }
    say(room, "3");
    poll_for(c, "/poll?user=1&at=e-2", "");
    expect_answer(c, 200, "3", "hijack-position", "e-3");
}

/* A message of its own comes before what it asks for, and does not take its place. */
static void test_first_of_all(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *position, *name, *value;
    } asked[] = {
        {"*", "hijack-position", "e-1"}, {"*", "hijack-gap", NULL},         {"other-7", "hijack-position", "e-1"},
        {"e-0", "hijack-gap", "e-2"},    {"e-2", "hijack-position", "e-2"}, {"", "hijack-position", "e-3"},
    };

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    set_room(room, "history_position", "e-0");
    set_room(room, "history_messages", "2");
    say(room, "1");
    say(room, "2");
    say(room, "3");
    struct client *c = client_connect(f->port);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        poll_for(c, "/own", "");
        hijack_request *request = next_request(f);
        OK(hijack_request_hold(request, room, HIJACK_HOLD_LONG_POLL, 0, NULL, 0, LIT("first"), STR(asked[i].position)));
        expect_answer(c, 200, "first", asked[i].name, asked[i].value);
        request_free(f, request);
    }
    CHECK(stat_of(f->server, HIJACK_STAT_GAPS) == 2);
}

/* More than the client's kernel takes: the rest waits, and the connection goes on after it. */
static void test_big_answer(void **state)
{
    struct fixture *f = *state;
    const size_t len = 8u << 20;

    hijack_broadcaster *room = poll_room(f, NULL);
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    char *body = malloc(len + 1);
    memset(body, 'x', len);
    body[len] = '\0';
    for (int i = 0; i < 2; i++) {
        wait_as(1, c, room, "/poll");
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, body, len), 1);
        members_wait(room, 0);
        expect_answer(c, 200, body, NULL, NULL);
    }
    free(body);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_message_answers), TEST(test_heads),      TEST(test_deadline), TEST(test_what_was_missed),
        TEST(test_respond),         TEST(test_request),    TEST(test_ends),     TEST(test_other_room),
        TEST(test_first_of_all),    TEST(test_big_answer),
    };
    return RUN_TESTS(tests, argc, argv);
}
