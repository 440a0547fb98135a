/* SPDX-License-Identifier: MIT
 *
 * Membership, publishing and its order, what members get and when they leave.
 */
#include "support/exchange.h"

#include <stdlib.h>
#include <sys/socket.h>

static void test_add_remove_count(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    CODE(hijack_broadcaster_count(room), 0);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("nobody")), 0);
    hijack_stream *stream = stream_open(f, &c);
    hijack_socket *socket = socket_open(f, &d);
    OK(hijack_broadcaster_add(room, stream, 0, NULL, 0));
    CODE(hijack_broadcaster_add(room, stream, 0, NULL, 0), HIJACK_ESTATE);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    members_wait(room, 2);
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 2);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("both;")), 2);
    OK(hijack_broadcaster_remove(room, stream));
    CODE(hijack_broadcaster_remove(room, stream), HIJACK_ESTATE);
    members_wait(room, 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("raw;")), 1);
    OK(hijack_stream_send(stream, LIT("own;")));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_expect(c, 200, "both;own;");
    client_expect(d, "both;raw;");
    events_closed(&f->events, stream, 0);
    CODE(hijack_broadcaster_add(room, stream, 0, NULL, 0), HIJACK_ECLOSED);
    CODE(hijack_broadcaster_remove(room, stream), HIJACK_ECLOSED);
    OK(hijack_broadcaster_remove(room, socket));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("x")), 0);
    CHECK(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_PUBLISHED) == 4);
    WAIT_FOR(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) == 3); /* counted when the run has ended */
    CHECK(stat_of(f->server, HIJACK_STAT_PUBLISHED) == 4);
    CHECK(stat_of(f->server, HIJACK_STAT_DELIVERED) == 3);
}

/* publish and send on one connection keep the order of the calls. */
static void test_order(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_broadcaster *other = fixture_broadcaster(f);
    hijack_socket *socket = socket_open(f, &c);
    for (int i = 0; i < 300; i++) {
        OK(hijack_socket_send(socket, LIT("s;")));
        OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("A;")), 1);
        OK(hijack_broadcaster_add(other, socket, 0, NULL, 0));
        OK(hijack_socket_send(socket, LIT("B;")));
        CODE(hijack_broadcaster_publish(other, HIJACK_MESSAGE_TEXT, LIT("C;")), 1);
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("D;")), 1);
        OK(hijack_broadcaster_remove(room, socket));
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("never;")), 0);
        OK(hijack_broadcaster_remove(other, socket));
    }
    for (int i = 0; i < 300; i++)
        client_expect(c, "s;A;B;C;D;");
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("last")));
    OK(hijack_socket_close(socket));
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("too late")));
    client_eof(c);
    BYTES(c->buf, c->len, "last", 4);
    events_closed(&f->events, socket, 0);
    members_wait(room, 0);
}

static void test_member_of_many(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    for (int i = 0; i < 10; i++)
        OK(hijack_broadcaster_add(fixture_broadcaster(f), socket, 0, NULL, 0));
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 10);
    for (int i = 0; i < 10; i++) {
        char text = (char)('0' + i);
        CODE(hijack_broadcaster_publish(f->broadcasters[i], HIJACK_MESSAGE_TEXT, &text, 1), 1);
    }
    client_expect(c, "0123456789");
    OK(hijack_broadcaster_remove(f->broadcasters[4], socket));
    for (int i = 0; i < 10; i++)
        CODE(hijack_broadcaster_count(f->broadcasters[i]), i == 4 ? 0 : 1);
    client_reset(c);
    events_closed(&f->events, socket, HIJACK_ERESET);
    for (int i = 0; i < 10; i++)
        members_wait(f->broadcasters[i], 0);
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 0);
}

static void test_kinds_and_sse(void **state)
{
    struct fixture *f = *state;
    struct client *sse, *plain, *raw;
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "0");
    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    OK(hijack_broadcaster_add(room, sse_open(f, &sse), 0, NULL, 0));
    OK(hijack_broadcaster_add(room, stream_open(f, &plain), 0, NULL, 0));
    OK(hijack_broadcaster_add(room, socket_open(f, &raw), 0, NULL, 0));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("a\nb")), 3);
    CODE(hijack_broadcaster_publish_sse(room, LIT("tick"), LIT("9"), LIT("data"), NULL, 0, -1), 3);
    CODE(hijack_broadcaster_publish_sse(room, NULL, 0, NULL, 0, LIT("soon"), NULL, 0, 1500), 3);
    CODE(hijack_broadcaster_publish_sse(room, LIT("bad\n"), NULL, 0, LIT("x"), NULL, 0, -1), HIJACK_EINVAL);
    CODE(hijack_broadcaster_publish_sse(room, NULL, 0, LIT("bad\r"), LIT("x"), NULL, 0, -1), HIJACK_EINVAL);
    CODE(hijack_broadcaster_publish_sse(room, NULL, 0, LIT(""), LIT("end"), LIT("key"), -1), 3);
    OK(hijack_broadcaster_close(room));
    response_head(&r, sse);
    response_finish(&r);
    const char *expected = "data: a\ndata: b\n\nevent: tick\nid: 9\ndata: data\n\nretry: 1500\ndata: soon\n\n"
                           "id:\ndata: end\n\n";
    BYTES(r.body, r.body_len, expected, strlen(expected));
    response_free(&r);
    response_head(&r, plain);
    response_finish(&r);
    CHECK(strncmp(r.body, LIT("a\nb")) == 0 && strcmp(r.body + r.body_len - 3, "end") == 0);
    response_free(&r);
    client_eof(raw);
    BYTES(raw->buf, raw->len, "a\nbdatasoonend", 14);
    members_wait(room, 0);
}

/* Nothing is nothing: over TLS it must not become records without content, of which a peer accepts few in a row. */
static void test_empty_messages(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    for (int i = 0; i < 100; i++) {
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("")), 1);
        stat_wait(f->server, HIJACK_STAT_DELIVERED, (uint64_t)i + 1); /* each for itself */
        OK(hijack_socket_send(socket, LIT("")));
    }
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("something")), 1);
    client_expect(c, "something");
    OK(hijack_socket_send(socket, LIT("more")));
    client_expect(c, "more");
}

static void test_close_and_reuse(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d, *e;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_stream *stream = stream_open(f, &c);
    hijack_socket *socket = socket_open(f, &d);
    OK(hijack_broadcaster_add(room, stream, 0, NULL, 0));
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("before")), 2);
    OK(hijack_broadcaster_close(room));
    members_wait(room, 0);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("after")), 0);
    response_expect(c, 200, "before");
    client_eof(d);
    BYTES(d->buf, d->len, "before", 6);
    events_closed(&f->events, stream, 0);
    events_closed(&f->events, socket, 0);
    socket = socket_open(f, &e);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("again")), 1);
    client_expect(e, "again");
}

/* A freed handle of a member: the connection stays a member; free of the broadcaster: it stays connected. */
static void test_lives_on(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;
    struct response r;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_stream *stream = stream_open(f, &c);
    hijack_socket *socket = socket_open(f, &d);
    OK(hijack_broadcaster_add(room, stream, 0, NULL, 0));
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    stream_free(f, stream);
    socket_free(f, socket);
    stat_wait(f->server, HIJACK_STAT_HELD, 2);
    stat_wait(f->server, HIJACK_STAT_STREAMS, 0);
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 0);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("still")), 2);
    response_head(&r, c);
    response_want(&r, 5);
    client_expect(d, "still");
    client_close(d);
    members_wait(room, 1);
    hijack_broadcaster_free(room);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_EHANDLE);
    events_barrier(&f->events);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 1);
    CHECK(!c->ended && client_peek(c) == 0);
    client_close(c);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    response_free(&r);
}

static void test_request_hold(void **state)
{
    struct fixture *f = *state;
    static const uint32_t kinds[] = {HIJACK_HOLD_RAW, HIJACK_HOLD_STREAM, HIJACK_HOLD_SSE};
    struct client *c[3];
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "0");
    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    for (int i = 0; i < 3; i++) {
        hijack_request *request = request_open(f, &c[i], "/");
        OK(hijack_request_hold(request, room, kinds[i], 0, i == 0 ? NULL : "X-A: b\r\n", i == 0 ? 0 : 8, NULL, 0, NULL,
                               0));
        CODE(hijack_request_hold(request, room, kinds[i], 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_ESTATE);
        events_closed(&f->events, request, 0);
    }
    members_wait(room, 3);
    stat_wait(f->server, HIJACK_STAT_HELD, 3);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("msg")), 3);
    OK(hijack_broadcaster_close(room));
    client_eof(c[0]);
    BYTES(c[0]->buf, c[0]->len, "msg", 3);
    for (int i = 1; i < 3; i++) {
        response_head(&r, c[i]);
        CHECK(r.status == 200 && strcmp(response_header(&r, "x-a"), "b") == 0);
        response_finish(&r);
        const char *expected = i == 1 ? "msg" : "data: msg\n\n";
        BYTES(r.body, r.body_len, expected, strlen(expected));
        response_free(&r);
    }
}

static void test_adopt(void **state)
{
    struct fixture *f = *state;
    static const uint32_t kinds[] = {HIJACK_HOLD_RAW, HIJACK_HOLD_STREAM, HIJACK_HOLD_SSE, HIJACK_HOLD_SSE_BODY};
    struct client *c[4];

    fixture_option(f, OPT_HEARTBEAT, "0");
    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    for (int i = 0; i < 4; i++) {
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        c[i] = client_wrap(fds[0]);
        OK(hijack_broadcaster_adopt(room, fds[1], kinds[i], 0, NULL, 0, NULL, 0, NULL, 0));
    }
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("msg")), 4);
    members_wait(room, 4);
    stat_wait(f->server, HIJACK_STAT_ADOPTED, 4);
    stat_wait(f->server, HIJACK_STAT_HELD, 4);
    client_expect(c[0], "msg");
    client_expect(c[3], "data: msg\n\n");
    for (int i = 1; i < 3; i++) {
        struct response r;
        response_head(&r, c[i]);
        CHECK(r.status == 200);
        response_until(&r, i == 1 ? "msg" : "data: msg\n\n");
        response_free(&r);
    }
    client_close(c[0]);
    members_wait(room, 3);
    OK(hijack_broadcaster_close(room));
    client_eof(c[3]);
    CHECK(c[3]->len == 0);
    client_eof(c[1]);
    client_eof(c[2]);
    members_wait(room, 0);
}

static void test_other_server(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    hijack_server *server = NULL;
    hijack_broadcaster *foreign = NULL;

    fixture_start(f);
    OK(hijack_server_new(&server, NULL));
    OK(hijack_broadcaster_new(&foreign, server));
    hijack_stream *stream = stream_open(f, &c);
    CODE(hijack_broadcaster_add(foreign, stream, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_broadcaster_publish(foreign, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_ESTATE);
    CODE(hijack_request_hold(request_open(f, &c, "/"), foreign, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0),
         HIJACK_EINVAL);
    OK(hijack_server_start(server));
    CODE(hijack_broadcaster_publish(foreign, HIJACK_MESSAGE_TEXT, LIT("x")), 0);
    OK(hijack_server_stop(server));
    CODE(hijack_broadcaster_publish(foreign, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_ESHUTDOWN);
    hijack_broadcaster_free(foreign);
    hijack_server_free(server);
}

/* What is published has no regard for a Content-Length: such a stream cannot be a member. */
static void test_content_length(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_stream *stream = stream_of(f, request_open(f, &c, "/"), "Content-Length: 5\r\n");
    CODE(hijack_broadcaster_add(room, stream, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_broadcaster_count(room), 0);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("0123456789HTTP/1.1 200 injected\r\n\r\n")), 0);
    OK(hijack_stream_send(stream, LIT("12345")));
    CODE(hijack_broadcaster_add(room, stream, 0, NULL, 0), HIJACK_EINVAL); /* also with nothing left of it */
    OK(hijack_stream_finish(stream, NULL, 0));
    response_expect(c, 200, "12345");
    events_closed(&f->events, stream, 0);
    ask(c, "/next");
    reply(f, next_request(f), "next");
    response_expect(c, 200, "next");
}

/* A send that comes after close finds the body ended: the last chunk is the last, however much waits before it. */
static void test_send_after_close(void **state)
{
    struct fixture *f = *state;
    size_t len = 8u << 20;
    char *data = malloc(len);
    struct response r;

    CHECK(data != NULL);
    memset(data, 'd', len);
    fixture_option(f, OPT_HIGH_WATER, "16m");
    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    OK(hijack_broadcaster_add(room, stream, 0, NULL, 0));
    OK(hijack_stream_send(stream, data, len));
    stat_wait_least(f->server, HIJACK_STAT_BACKLOG_BYTES, 1);
    OK(hijack_broadcaster_close(room));
    for (int i = 0; i < 10; i++) {
        int code = hijack_stream_send(stream, LIT("too late"));
        CHECK(code == 0 || code == HIJACK_ECLOSED); /* close is on its way to it */
    }
    members_wait(room, 0);
    CODE(hijack_stream_send(stream, LIT("too late")), HIJACK_ECLOSED);
    ask(c, "/next");
    response_head(&r, c);
    response_finish(&r);
    CHECK(r.body_len == len);
    response_free(&r);
    events_closed(&f->events, stream, 0);
    reply(f, next_request(f), "next");
    response_expect(c, 200, "next"); /* it would fail over anything in between */
    CHECK(client_peek(c) == 0);
    free(data);
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    static char large[(16 << 20) + 1];

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, large, sizeof(large)), HIJACK_ETOOBIG);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, large, sizeof(large) - 1), 0);
    CODE(hijack_broadcaster_publish_sse(room, NULL, 0, NULL, 0, large, sizeof(large), NULL, 0, -1), HIJACK_ETOOBIG);
    CODE(hijack_broadcaster_set(room, LIT("nonsense"), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_broadcaster_set(room, LIT(OPT_OVERFLOW), LIT("explode")), HIJACK_ERANGE);
    CODE(hijack_broadcaster_set(room, LIT(OPT_BACKLOG), LIT("-1")), HIJACK_ERANGE);
    CODE(hijack_broadcaster_set(room, LIT(OPT_BACKLOG), LIT("12 ")), HIJACK_ERANGE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_add_remove_count), TEST(test_order),          TEST(test_member_of_many),
        TEST(test_kinds_and_sse),    TEST(test_empty_messages), TEST(test_close_and_reuse),
        TEST(test_lives_on),         TEST(test_request_hold),   TEST(test_adopt),
        TEST(test_other_server),     TEST(test_content_length), TEST(test_send_after_close),
        TEST(test_limits),
    };

    return RUN_TESTS(tests, argc, argv);
}
