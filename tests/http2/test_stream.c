/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 with prior knowledge: streams, held routes and their ends.
 */
#include <stdio.h>
#include <stdlib.h>

#include "h2client.h"
#include "support/exchange.h"

static void test_stream(void **state)
{
    struct fixture *f = h2_fixture(state);
    hijack_stream *stream = NULL;

    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *s = h2_get(c, "/");
    hijack_request *request = next_request(f);
    OK(hijack_request_sse(&stream, request, NULL, 0));
    events_note(&f->events, stream, KIND_STREAM);
    request_free(f, request);
    H2_UNTIL(c, s->status != 0);
    CHECK(strcmp(h2_field(s, "content-type"), "text/event-stream") == 0);
    CHECK(h2_field(s, "transfer-encoding") == NULL);
    for (int i = 0; i < 100; i++)
        OK(hijack_stream_send_sse(stream, NULL, 0, NULL, 0, LIT("hello"), -1));
    H2_UNTIL(c, s->len == 1300);
    OK(hijack_stream_finish(stream, NULL, 0));
    events_closed(&f->events, stream, 0);
    H2_UNTIL(c, s->closed);
    CHECK(s->error == 0 && s->len == 1300);
    stream_free(f, stream);
    /* an abort is a reset, which the client can tell from an end */
    s = h2_get(c, "/");
    stream = stream_of(f, next_request(f), "");
    OK(hijack_stream_send(stream, LIT("some")));
    H2_UNTIL(c, s->len == 4);
    OK(hijack_stream_abort(stream));
    events_closed(&f->events, stream, HIJACK_EABORTED);
    H2_UNTIL(c, s->closed);
    CHECK(s->error == H2_CANCEL);
    stream_free(f, stream);
    /* and so is the end of a body that is shorter than its Content-Length */
    s = h2_get(c, "/");
    stream = stream_of(f, next_request(f), "Content-Length: 10\r\n");
    OK(hijack_stream_send(stream, LIT("12345")));
    H2_UNTIL(c, s->len == 5);
    OK(hijack_stream_finish(stream, NULL, 0));
    H2_UNTIL(c, s->closed);
    CHECK(s->error == H2_CANCEL);
    events_closed(&f->events, stream, HIJACK_EABORTED);
    stream_free(f, stream);
    h2_close(c);
}

/* A stream that returns gets what it has missed as fast as its window allows, beside another one of its connection. */
static void test_history(void **state)
{
    struct fixture *f = h2_fixture(state);
    static char text[2000];

    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    OK(hijack_broadcaster_set(room, LIT("history_position"), LIT("e-0")));
    OK(hijack_broadcaster_set(room, LIT("history_messages"), LIT("1000")));
    fixture_start(f);
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 1000; i++)
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, text, sizeof(text)));
    struct h2client *c = h2_connect(f->port);
    struct h2stream *live = h2_get(c, "/sse");
    struct h2stream *returns = h2_request(c, "GET", "/sse", "last-event-id: e-0\n", NULL, 0);
    H2_UNTIL(c, live->len == strlen("id: e-1000\n\n"));
    const size_t all = 1000 * (sizeof(text) + strlen("id: e-1000\ndata: \n\n")) - 9 * 3 - 90 * 2 - 900 * 1;
    H2_UNTIL(c, returns->len == all);
    members_wait(room, 2);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("live")), 2);
    H2_UNTIL(c, returns->len == all + strlen("id: e-1001\ndata: live\n\n"));
    H2_UNTIL(c, live->len == strlen("id: e-1000\n\nid: e-1001\ndata: live\n\n"));
    h2_close(c);
}

/* Streams that wait for one response, beside each other and one after the other. */
static void test_long_poll(void **state)
{
    struct fixture *f = h2_fixture(state);

    hijack_broadcaster *room = fixture_hold(f, "/poll", HIJACK_HOLD_LONG_POLL);
    OK(hijack_broadcaster_set(room, LIT("history_position"), LIT("e-0")));
    OK(hijack_broadcaster_set(room, LIT("history_messages"), LIT("10")));
    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    for (int i = 0; i < 2; i++) {
        struct h2stream *s = h2_get(c, "/poll"), *other = h2_get(c, "/poll");
        H2_UNTIL(c, hijack_broadcaster_count(room) == 2);
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("one")));
        h2_expect(c, s, 200, "one");
        h2_expect(c, other, 200, "one");
        CHECK(strcmp(h2_field(s, "hijack-position"), i == 0 ? "e-1" : "e-2") == 0);
        CHECK(strcmp(h2_field(s, "content-length"), "3") == 0 && h2_field(s, "connection") == NULL);
        H2_UNTIL(c, hijack_broadcaster_count(room) == 0);
    }
    OK(hijack_broadcaster_set(room, LIT("long_poll_ms"), LIT("20")));
    struct h2stream *s = h2_get(c, "/poll");
    h2_expect(c, s, 204, "");
    s = h2_request(c, "HEAD", "/poll", NULL, NULL, 0);
    h2_expect(c, s, 200, "");
    OK(hijack_broadcaster_set(room, LIT("long_poll_ms"), LIT("0")));
    s = h2_get(c, "/poll");
    H2_UNTIL(c, hijack_broadcaster_count(room) == 1);
    h2_reset(c, s, H2_CANCEL);
    H2_UNTIL(c, hijack_broadcaster_count(room) == 0);
    /* an answer that is longer than the window, given up by the client; the connection serves others */
    const size_t len = 8u << 20;
    char *big = calloc(1, len);
    s = h2_get(c, "/poll");
    s->paused = 1;
    H2_UNTIL(c, hijack_broadcaster_count(room) == 1);
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_BINARY, big, len));
    free(big);
    H2_UNTIL(c, s->status == 200 && s->len != 0);
    h2_reset(c, s, H2_CANCEL);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    s = h2_get(c, "/poll");
    H2_UNTIL(c, hijack_broadcaster_count(room) == 1);
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("next")));
    h2_expect(c, s, 200, "next");
    h2_close(c);
}

/* Trailers come after all that was sent, also after nothing, in more than one frame, and to a client without a table.
 */
static void test_trailers(void **state)
{
    struct fixture *f = h2_fixture(state);
    size_t len = 50000, many_len = 0;
    char *big = calloc(1, len), *many = malloc(30000);

    fixture_start(f);
    for (int i = 0; i < 100; i++) /* more than a frame has room for */
        many_len += (size_t)sprintf(many + many_len, "X-%d: %0250d\r\n", i, i);
    for (int round = 0; round < 4; round++) {
        struct h2client *c = h2_connect_table(f->port, round == 3 ? 0 : 4096);
        struct h2stream *s = h2_get(c, "/");
        hijack_stream *stream = stream_of(f, next_request(f), "");
        if (round != 1)
            OK(hijack_stream_send(stream, big, len));
        if (round == 2)
            OK(hijack_stream_finish(stream, many, many_len));
        else
            OK(hijack_stream_finish(stream, LIT("X-One: 1\r\nConnection: close\r\nX-Two: a b\r\n")));
        H2_UNTIL(c, s->closed);
        CHECK(s->error == 0 && s->status == 200 && s->len == (round != 1 ? len : 0));
        CHECK(h2_field(s, "connection") == NULL);
        if (round == 2)
            CHECK(h2_field(s, "x-0") != NULL && strcmp(h2_field(s, "x-99") + 248, "99") == 0);
        else
            CHECK(strcmp(h2_field(s, "x-one"), "1") == 0 && strcmp(h2_field(s, "x-two"), "a b") == 0);
        events_closed(&f->events, stream, 0);
        stream_free(f, stream);
        s = h2_get(c, "/");
        reply(f, next_request(f), "on");
        h2_expect(c, s, 200, "on");
        h2_close(c);
    }
    free(big);
    free(many);
}

static void test_client_leaves(void **state)
{
    struct fixture *f = h2_fixture(state);

    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *pending = h2_get(c, "/pending");
    hijack_request *request = next_request(f);
    struct h2stream *streaming = h2_get(c, "/stream");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    H2_UNTIL(c, streaming->status == 200);
    h2_reset(c, pending, H2_CANCEL);
    events_closed(&f->events, request, HIJACK_ERESET);
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), HIJACK_ECLOSED);
    request_free(f, request);
    h2_reset(c, streaming, H2_CANCEL);
    events_closed(&f->events, stream, HIJACK_ERESET);
    stream_free(f, stream);
    /* the whole connection: by FIN, then by RST */
    streaming = h2_get(c, "/stream");
    stream = stream_of(f, next_request(f), "");
    H2_UNTIL(c, streaming->status == 200); /* with bytes unread the kernel would send a RST */
    h2_close(c);
    events_closed(&f->events, stream, HIJACK_ECLOSED);
    stream_free(f, stream);
    c = h2_connect(f->port);
    h2_get(c, "/");
    request = next_request(f);
    h2_abort(c);
    events_closed(&f->events, request, HIJACK_ERESET);
    request_free(f, request);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

/* One stream of a connection that is not read holds up neither the others nor the program. */
static void test_flow_control(void **state)
{
    struct fixture *f = h2_fixture(state);
    size_t len = 1000000;
    char *big = malloc(len + 1);

    fixture_start(f);
    memset(big, 'x', len);
    big[len] = '\0';
    struct h2client *c = h2_connect(f->port);
    struct h2stream *slow = h2_get(c, "/big");
    slow->paused = 1;
    hijack_request *request = next_request(f);
    OK(hijack_request_respond(request, 200, NULL, 0, big, len));
    events_closed(&f->events, request, 0);
    request_free(f, request);
    H2_UNTIL(c, slow->len == 65535); /* the window */
    struct h2stream *streaming = h2_get(c, "/stream");
    streaming->paused = 1;
    hijack_stream *stream = stream_of(f, next_request(f), "");
    size_t sent = 0;
    int rc = 0;
    while (rc == 0) { /* until the marks are reached */
        rc = hijack_stream_send(stream, big, 10000);
        sent += rc == 0 ? 10000 : 0;
        CHECK(sent < 10000000);
        h2_work(c);
    }
    CODE(rc, HIJACK_EAGAIN);
    for (int i = 0; i < 20; i++) {
        struct h2stream *s = h2_get(c, "/quick");
        reply(f, next_request(f), "quick");
        h2_expect(c, s, 200, "quick");
    }
    h2_resume(c, slow);
    h2_expect(c, slow, 200, big);
    h2_resume(c, streaming);
    H2_UNTIL(c, streaming->len == sent);
    events_next(&f->events, HIJACK_EVENT_DRAINED, stream);
    OK(hijack_stream_finish(stream, NULL, 0));
    events_closed(&f->events, stream, 0);
    H2_UNTIL(c, streaming->closed);
    stream_free(f, stream);
    h2_close(c);
    free(big);
}

static void test_fanout(void **state)
{
    struct fixture *f = h2_fixture(state);
    struct h2client *c[10];
    struct h2stream *s[10][10];

    fixture_option(f, OPT_THREADS, "2");
    hijack_broadcaster *room = fixture_hold(f, "/events", HIJACK_HOLD_SSE);
    fixture_start(f);
    struct client *plain = client_connect(f->port);
    ask(plain, "/events");
    for (int i = 0; i < 10; i++) {
        c[i] = h2_connect(f->port);
        for (int j = 0; j < 10; j++)
            s[i][j] = h2_get(c[i], "/events");
    }
    members_wait(room, 101);
    for (int k = 0; k < 100; k++)
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("hello")), 101);
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 10; j++)
            H2_UNTIL(c[i], s[i][j]->len == 1300);
    CHECK(memcmp(s[3][4]->body, "data: hello\n\n", 13) == 0);
    /* a request that is held, one that leaves, and the end of all */
    struct h2stream *held = h2_get(c[0], "/held");
    hijack_request *request = next_request(f);
    OK(hijack_request_hold(request, room, HIJACK_HOLD_STREAM, 0, NULL, 0, NULL, 0, NULL, 0));
    events_closed(&f->events, request, 0);
    request_free(f, request);
    h2_reset(c[1], s[1][1], H2_CANCEL);
    members_wait(room, 101);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("more")), 101);
    OK(hijack_broadcaster_close(room));
    h2_expect(c[0], held, 200, "more");
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 10; j++) {
            H2_UNTIL(c[i], s[i][j]->closed);
            CHECK(i == 1 && j == 1 ? s[i][j]->len == 1300 : s[i][j]->len == 1312 && s[i][j]->error == 0);
        }
        h2_close(c[i]);
    }
}

/* A member that does not read is dropped by the broadcaster's policy; the others of its connection are not. */
static void test_slow_member(void **state)
{
    struct fixture *f = h2_fixture(state);
    char text[4001];

    memset(text, 'y', 4000);
    text[4000] = '\0';
    hijack_broadcaster *room = fixture_hold(f, "/events", HIJACK_HOLD_STREAM);
    fixture_start(f);
    struct h2client *c = h2_connect(f->port);
    struct h2stream *slow = h2_get(c, "/events"), *quick = h2_get(c, "/events");
    slow->paused = 1;
    members_wait(room, 2);
    size_t sent = 0;
    while (hijack_broadcaster_count(room) == 2) {
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, text, 4000));
        sent += 4000;
        CHECK(sent < 20000000);
        H2_UNTIL(c, quick->len == sent);
    }
    H2_UNTIL(c, slow->closed);
    CHECK(slow->error == H2_CALM);
    CHECK(stat_of(f->server, HIJACK_STAT_CLOSED_SLOW) == 0); /* that counts connections */
    CHECK(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_CLOSED) == 1);
    h2_close(c);
}

static void test_heartbeat_and_deadlines(void **state)
{
    struct fixture *f = h2_fixture(state);

    fixture_option(f, OPT_HEARTBEAT, "50");
    fixture_option(f, OPT_HEAD_TIMEOUT, "200");
    fixture_option(f, OPT_REQUEST_TIMEOUT, "300");
    hijack_broadcaster *room = fixture_hold(f, "/events", HIJACK_HOLD_SSE);
    fixture_start(f);
    struct h2client *silent = h2_connect(f->port), *c = h2_connect(f->port);
    struct h2stream *s = h2_get(c, "/events");
    members_wait(room, 1);
    H2_UNTIL(silent, h2_ended(silent));
    CHECK(h2_goaway(silent));
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 1);
    H2_UNTIL(c, s->len >= 6);
    CHECK(h2_ended(c) == 0);
    h2_reset(c, s, H2_CANCEL);
    H2_UNTIL(c, h2_ended(c));
    CHECK(h2_goaway(c));
    stat_wait(f->server, HIJACK_STAT_CLOSED_OK, 1);
    h2_close(c);
    h2_close(silent);
}

static void test_drain(void **state)
{
    struct fixture *f = h2_fixture(state);

    fixture_start(f);
    struct h2client *idle = h2_connect(f->port), *c = h2_connect(f->port);
    struct h2stream *first = h2_get(idle, "/");
    reply(f, next_request(f), "idle");
    h2_expect(idle, first, 200, "idle");
    struct h2stream *s = h2_get(c, "/");
    hijack_request *request = next_request(f);
    OK(hijack_server_drain(f->server, 20000));
    H2_UNTIL(idle, h2_ended(idle));
    CHECK(h2_goaway(idle));
    H2_UNTIL(c, h2_goaway(c));
    CHECK(h2_ended(c) == 0);
    reply(f, request, "finished");
    h2_expect(c, s, 200, "finished");
    H2_UNTIL(c, h2_ended(c));
    fixture_stop(f);
    h2_close(c);
    h2_close(idle);
}

static void test_stop(void **state)
{
    struct fixture *f = h2_fixture(state);
    struct h2client *c[10];
    struct h2stream *s[10][20];
    size_t len = 1000000;
    char *big = calloc(1, len);

    fixture_option(f, OPT_THREADS, "2");
    hijack_broadcaster *room = fixture_hold(f, "/events", HIJACK_HOLD_SSE);
    fixture_start(f);
    for (int i = 0; i < 10; i++) {
        c[i] = h2_connect(f->port);
        for (int j = 0; j < 20; j++) {
            s[i][j] = h2_get(c[i], j % 2 == 0 ? "/events" : "/");
            s[i][j]->paused = j % 4 < 2;
        }
    }
    members_wait(room, 100);
    for (int i = 0; i < 50; i++)
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("under load")));
    for (int i = 0; i < 100; i++) {
        hijack_request *request = next_request(f);
        if (i % 3 == 0)
            OK(hijack_request_respond(request, 200, NULL, 0, big, len));
        else if (i % 3 == 1)
            stream_of(f, request, "");
    }
    fixture_stop(f);
    for (int i = 0; i < 10; i++) {
        H2_UNTIL(c[i], h2_ended(c[i]));
        h2_close(c[i]);
    }
    free(big);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_long_poll),    TEST(test_trailers), TEST(test_stream),      TEST(test_client_leaves),
        TEST(test_flow_control), TEST(test_fanout),   TEST(test_slow_member), TEST(test_heartbeat_and_deadlines),
        TEST(test_drain),        TEST(test_stop),     TEST(test_history),
    };
    return RUN_TESTS(tests, argc, argv);
}
