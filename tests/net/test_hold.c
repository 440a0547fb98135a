/* SPDX-License-Identifier: MIT
 *
 * Held routes: a GET becomes a member without an event.
 */
#include "support/exchange.h"
#include "support/transport.h"

static void test_kinds(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *sse = fixture_broadcaster(f);
    OK(hijack_server_hold(f->server, LIT("/sse"), HIJACK_HOLD_SSE, LIT("X-A: b\r\n"), sse));
    hijack_broadcaster *stream = fixture_hold(f, "/stream", HIJACK_HOLD_STREAM);
    hijack_broadcaster *raw = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    CODE(hijack_server_hold(f->server, LIT("/later"), HIJACK_HOLD_WEBSOCKET_OPEN, NULL, 0, raw), HIJACK_EINVAL);
    CODE(hijack_server_hold(f->server, LIT("/later"), HIJACK_HOLD_WEBSOCKET, LIT("Upgrade: x\r\n"), raw),
         HIJACK_EHEADER);
    fixture_start(f);

    struct client *c = client_connect(f->port);
    ask(c, "/sse?with=query");
    members_wait(sse, 1);
    CODE(hijack_broadcaster_publish(sse, HIJACK_MESSAGE_TEXT, LIT("hello")), 1);
    response_head(&r, c);
    CHECK(r.status == 200 && strncmp(response_header(&r, "content-type"), "text/event-stream", 17) == 0);
    CHECK(strcmp(response_header(&r, "x-a"), "b") == 0);
    response_until(&r, "data: hello\n\n");
    OK(hijack_broadcaster_close(sse));
    response_finish(&r);
    response_free(&r);

    c = client_connect(f->port);
    ask(c, "/stream");
    members_wait(stream, 1);
    CODE(hijack_broadcaster_publish(stream, HIJACK_MESSAGE_TEXT, LIT("piece")), 1);
    OK(hijack_broadcaster_close(stream));
    response_expect(c, 200, "piece");

    c = client_connect(f->port);
    ask(c, "/raw");
    members_wait(raw, 1);
    CODE(hijack_broadcaster_publish(raw, HIJACK_MESSAGE_TEXT, LIT("BEEP\n")), 1);
    client_expect(c, "BEEP\n");
    OK(hijack_broadcaster_close(raw));
    client_eof(c);
    CHECK(c->len == 0);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
    CHECK(stat_of(f->server, HIJACK_STAT_REQUESTS) == 0);
}

static void test_other_methods(void **state)
{
    struct fixture *f = *state;
    struct response r;

    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "HEAD /sse HTTP/1.1\r\nHost: x\r\n\r\n");
    response_head(&r, c);
    CHECK(r.status == 200 && strncmp(response_header(&r, "content-type"), "text/event-stream", 17) == 0);
    CODE(hijack_broadcaster_count(room), 0);
    c = client_connect(f->port);
    client_puts(c, "POST /sse HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
    reply(f, next_request(f), "posted");
    response_expect(c, 200, "posted");
    ask(c, "/sse/other");
    reply(f, next_request(f), "other");
    response_expect(c, 200, "other");
    ask(c, "/sse");
    members_wait(room, 1);
    client_until(c, "\r\n\r\n");
}

static void test_many_threads(void **state)
{
    struct fixture *f = *state;
    struct client *c[64];

    fixture_option(f, OPT_THREADS, "4");
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    for (int i = 0; i < 64; i++) {
        c[i] = client_connect(f->port);
        ask(c[i], "/raw");
    }
    members_wait(room, 64);
    for (int n = 0; n < 100; n++)
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("message;")), 64);
    for (int i = 0; i < 64; i++)
        for (int n = 0; n < 100; n++)
            client_expect(c[i], "message;");
    WAIT_FOR(broadcaster_stat(room, HIJACK_BROADCASTER_STAT_DELIVERED) == 6400);
    CHECK(stat_of(f->server, HIJACK_STAT_DELIVERED) == 6400);
    for (int i = 0; i < 64; i += 2)
        client_close(c[i]);
    members_wait(room, 32);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("half;")), 32);
    for (int i = 1; i < 64; i += 2)
        client_expect(c[i], "half;");
    stat_wait(f->server, HIJACK_STAT_HELD, 32);
}

/* What a member sends is not read and does not disturb; its end is seen. */
static void test_member_sends(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET /raw HTTP/1.1\r\nHost: x\r\n\r\nGET /leftover HTTP/1.1\r\nHost: x\r\n\r\n");
    members_wait(room, 1);
    client_puts(c, "noise");
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("ok")), 1);
    client_expect(c, "ok");
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
    client_close(c);
    members_wait(room, 0);
    stat_wait(f->server, HIJACK_STAT_HELD, 0);
    stat_wait(f->server, HIJACK_STAT_CLOSED_PEER, 1);
}

/* ... and is not kept either, however much came with the request. */
static void test_leftover_memory(void **state)
{
    enum {
        CLIENTS = 500,
        JUNK = 60000
    };
    struct fixture *f = *state;
    static char text[JUNK];

    CHECK(client_raise_limit() > 2 * CLIENTS + 100);
    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    memset(text, 'x', sizeof(text));
    memcpy(text, LIT("GET /sse HTTP/1.1\r\nHost: x\r\n\r\n"));
    uint64_t before = 0;
    for (int i = 0; i <= CLIENTS; i++) {
        struct client *c = client_connect(f->port);
        client_send(c, text, sizeof(text));
        if (i == 0) { /* the first pays for what all of them share */
            members_wait(room, 1);
            before = process_resident();
        } else if (transport_is_tls()) { /* handshakes side by side would leave a larger heap, which is not asked here
                                          */
            members_wait(room, i + 1);
        }
    }
    members_wait(room, CLIENTS + 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("on")), CLIENTS + 1);
    stat_wait(f->server, HIJACK_STAT_DELIVERED, CLIENTS + 1);
    uint64_t after = process_resident();
    print_message("a member with a leftover: %lld bytes\n", ((long long)after - (long long)before) / CLIENTS);
    if (clock_scale() == 1)
        CHECK(after < before + CLIENTS * 16384);
}

/* A HEAD that is held raw has no body to wait for. */
static void test_head_held_raw(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    hijack_request *request = next_request(f);
    OK(hijack_request_hold(request, room, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0));
    client_until_end(c);
    events_closed(&f->events, request, 0);
    members_wait(room, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

static void test_heartbeat(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_option(f, OPT_HEARTBEAT, "50");
    fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    struct client *raw = client_connect(f->port);
    ask(raw, "/raw");
    ask(c, "/sse");
    response_head(&r, c);
    response_until(&r, ":");
    response_want(&r, r.body_len * 3);
    stat_wait_least(f->server, HIJACK_STAT_HEARTBEATS, 3);
    CHECK(client_peek(raw) == 0);
    response_free(&r);
}

static void test_arguments(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_hold(f, "/once", HIJACK_HOLD_SSE);
    CODE(hijack_server_hold(f->server, LIT("/once"), HIJACK_HOLD_SSE, NULL, 0, room), HIJACK_ESTATE);
    CODE(hijack_server_route(f->server, LIT("/once"), f->queue), HIJACK_ESTATE);
    CODE(hijack_server_hold(f->server, LIT("none"), HIJACK_HOLD_SSE, NULL, 0, room), HIJACK_EINVAL);
    CODE(hijack_server_hold(f->server, LIT(""), HIJACK_HOLD_SSE, NULL, 0, room), HIJACK_EINVAL);
    CODE(hijack_server_hold(f->server, LIT("/x"), 0, NULL, 0, room), HIJACK_EINVAL);
    CODE(hijack_server_hold(f->server, LIT("/x"), HIJACK_HOLD_SSE_BODY, NULL, 0, room), HIJACK_EINVAL);
    CODE(hijack_server_hold(f->server, LIT("/x"), 99, NULL, 0, room), HIJACK_EINVAL);
    fixture_start(f);
    CODE(hijack_server_hold(f->server, LIT("/late"), HIJACK_HOLD_SSE, NULL, 0, room), HIJACK_ESTATE);
}

/* The second request on a connection may be for a held route, also when it came with the first. */
static void test_after_keep_alive(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    ask(c, "/");
    ask(c, "/raw");
    reply(f, next_request(f), "first");
    response_expect(c, 200, "first");
    members_wait(room, 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("then")), 1);
    client_expect(c, "then");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kinds),        TEST(test_other_methods),   TEST(test_many_threads),
        TEST(test_member_sends), TEST(test_leftover_memory), TEST(test_head_held_raw),
        TEST(test_heartbeat),    TEST(test_arguments),       TEST(test_after_keep_alive),
    };

    return RUN_TESTS(tests, argc, argv);
}
