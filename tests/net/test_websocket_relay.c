/* SPDX-License-Identifier: MIT
 *
 * Relayed WebSockets: to a TCP connection and to another WebSocket, of one loop and of two; what their ends and those
 * of the other side become.
 */
#include "support/pair.h"
#include "support/websocket_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OFFER WS_HEAD("/") WS_KEY "Sec-WebSocket-Protocol: purr\r\n\r\n"

static struct pair tunnel_to(struct fixture *f, hijack_socket *near, struct client *client, int listener, int port)
{
    struct pair t = {.near = near, .client = client, .far = connect_to_port(f, "127.0.0.1", port)};
    OK(hijack_socket_relay(t.near, t.far));
    t.origin = accept_client(listener);
    return t;
}

static struct pair tunnel_open(struct fixture *f, int listener, int port)
{
    struct client *c;
    hijack_socket *near = ws_open(f, &c);
    return tunnel_to(f, near, c, listener, port);
}

/* With the subprotocol. */
static hijack_socket *purr_open(struct fixture *f, struct client **client)
{
    struct client *c = *client = client_connect(f->port);
    hijack_socket *near;
    client_puts(c, OFFER);
    hijack_request *request = next_request(f);
    OK(hijack_request_websocket(&near, request, LIT("purr"), NULL, 0));
    events_note(&f->events, near, KIND_SOCKET);
    request_free(f, request);
    client_until(c, "\r\n\r\n");
    client_consume(c, client_until(c, "\r\n\r\n") + 4);
    return near;
}

static struct pair tunnel_purr(struct fixture *f, int listener, int port)
{
    struct client *c;
    hijack_socket *near = purr_open(f, &c);
    return tunnel_to(f, near, c, listener, port);
}

static void over(struct fixture *f, struct pair *t, int near, int far)
{
    events_closed(&f->events, t->near, near);
    events_closed(&f->events, t->far, far);
    CHECK(events_pending(&f->events, HIJACK_EVENT_MESSAGE, NULL) == 0);
    socket_free(f, t->near);
    socket_free(f, t->far);
    client_close(t->client);
    client_close(t->origin);
}

static void test_bytes(void **state)
{
    struct fixture *f = *state;
    char *data = malloc(300000);
    int port, listener = pair_start(f, "2", &port);
    for (int i = 0; i < 300000; i++)
        data[i] = (char)(i * 7 + i / 250);
    for (int round = 0; round < 4; round++) {
        struct pair t = tunnel_open(f, listener, port);
        ws_send(t.client, WS_BINARY, LIT("binary "));
        ws_send(t.client, WS_TEXT, LIT("text "));
        ws_send(t.client, WS_MORE_TEXT, LIT("in "));
        ws_send(t.client, WS_PING, LIT("between"));
        ws_send(t.client, WS_LAST, LIT("parts"));
        ws_expect(t.client, WS_PONG, "between");
        client_expect(t.origin, "binary text in parts");
        client_puts(t.origin, "answer");
        ws_expect(t.client, WS_BINARY, "answer");
        ws_send(t.client, WS_BINARY, data, 300000);
        client_expect_bytes(t.origin, data, 300000);
        ws_send(t.client, WS_BINARY, LIT("")); /* means nothing without the subprotocol */
        ws_send(t.client, WS_BINARY, LIT("after"));
        client_expect(t.origin, "after");
        ws_send(t.client, WS_CLOSE, LIT("\x03\xe8"));
        client_eof(t.origin);
        ws_closed(t.client, 1000);
        over(f, &t, HIJACK_ECLOSED, 0);
    }
    free(data);
    close(listener);
}

/* The origin's end is a close frame behind its last byte. */
static void test_origin_ends(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int round = 0; round < 4; round++) {
        struct pair t = tunnel_open(f, listener, port);
        client_puts(t.origin, "last words");
        client_shutdown(t.origin);
        ws_expect(t.client, WS_BINARY, "last words");
        ws_expect(t.client, WS_CLOSE, "\x03\xe8");
        ws_send(t.client, WS_CLOSE, LIT("\x03\xe8"));
        client_eof(t.client);
        client_eof(t.origin);
        over(f, &t, 0, 0);
    }
    close(listener);
}

/* Each direction ends by itself, by an empty message and by FIN. */
static void test_half_close(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int round = 0; round < 8; round++) {
        struct pair t = tunnel_purr(f, listener, port);
        const int client_first = round % 2;
        if (client_first) {
            ws_send(t.client, WS_BINARY, LIT("question"));
            ws_send(t.client, WS_BINARY, LIT(""));
            client_expect(t.origin, "question");
            client_eof(t.origin);
            ws_send(t.client, WS_BINARY, LIT("nobody hears this"));
            client_puts(t.origin, "answer");
            ws_expect(t.client, WS_BINARY, "answer");
            client_shutdown(t.origin);
            ws_expect(t.client, WS_BINARY, "");
        } else {
            client_puts(t.origin, "banner");
            client_shutdown(t.origin);
            ws_expect(t.client, WS_BINARY, "banner");
            ws_expect(t.client, WS_BINARY, "");
            ws_send(t.client, WS_BINARY, LIT("more"));
            client_expect(t.origin, "more");
            ws_send(t.client, WS_BINARY, LIT(""));
            client_eof(t.origin);
        }
        ws_expect(t.client, WS_CLOSE, "\x03\xe8");
        ws_send(t.client, WS_CLOSE, LIT("\x03\xe8"));
        client_eof(t.client);
        over(f, &t, 0, 0);
    }
    close(listener);
}

/* The program has read ahead, as far as the end of one direction, before it relays. */
static void test_an_end_before(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int round = 0; round < 4; round++) {
        struct client *c;
        hijack_socket *near = purr_open(f, &c);
        OK(hijack_socket_read(near, UINT64_MAX));
        ws_send(c, WS_BINARY, LIT("first"));
        ws_send(c, WS_BINARY, LIT(""));
        ws_send(c, WS_PING, LIT("?"));
        ws_expect(c, WS_PONG, "?");
        ws_message(f, near, HIJACK_MESSAGE_BINARY, "first");
        CHECK(events_pending(&f->events, HIJACK_EVENT_MESSAGE, near) == 0);
        struct pair t = tunnel_to(f, near, c, listener, port);
        client_eof(t.origin);
        client_puts(t.origin, "answer");
        client_shutdown(t.origin);
        ws_expect(c, WS_BINARY, "answer");
        ws_expect(c, WS_BINARY, "");
        ws_expect(c, WS_CLOSE, "\x03\xe8");
        ws_send(c, WS_CLOSE, LIT("\x03\xe8"));
        client_eof(c);
        over(f, &t, 0, 0);
    }
    close(listener);
}

/* What ends badly on one side does so on the other. */
static void test_deaths(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int round = 0; round < 10; round++) {
        struct pair t = round % 2 == 0 ? tunnel_open(f, listener, port) : tunnel_purr(f, listener, port);
        ws_send(t.client, WS_BINARY, LIT("x"));
        client_expect(t.origin, "x");
        if (round < 2) {
            client_reset(t.origin);
            ws_expect(t.client, WS_CLOSE, "\x03\xf3the other side was cut off");
            ws_send(t.client, WS_CLOSE, LIT("\x03\xf3"));
            client_eof(t.client);
            events_closed(&f->events, t.far, HIJACK_ERESET);
        } else if (round < 4) {
            client_reset(t.client);
            client_rst(t.origin);
            events_closed(&f->events, t.far, HIJACK_ERESET);
        } else if (round < 6) {
            client_close(t.client); /* without a close frame */
            client_rst(t.origin);
            events_closed(&f->events, t.far, HIJACK_ERESET);
        } else if (round < 8) {
            ws_send(t.client, WS_CLOSE, LIT("\x03\xf3trouble"));
            client_rst(t.origin);
            events_closed(&f->events, t.far, HIJACK_ERESET);
        } else {
            client_send(t.client, LIT("\xff\xff")); /* no frame */
            client_rst(t.origin);
            ws_closed(t.client, 1002);
            events_closed(&f->events, t.far, HIJACK_EPROTOCOL);
        }
        events_next(&f->events, HIJACK_EVENT_CLOSED, t.near);
        socket_free(f, t.near);
        socket_free(f, t.far);
        client_close(t.client);
        client_close(t.origin);
    }
    close(listener);
}

static void test_handles(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "2", &port);
    for (int round = 0; round < 8; round++) {
        struct pair t = tunnel_open(f, listener, port);
        if (round % 4 == 0)
            OK(hijack_socket_close_message(t.near, 1001, LIT("enough")));
        else if (round % 4 == 1)
            OK(hijack_socket_close(t.far));
        else
            socket_free(f, round % 4 == 2 ? t.near : t.far);
        if (round % 4 < 2) {
            ws_expect_bytes(t.client, WS_CLOSE,
                            round % 4 == 0 ? "\x03\xe9"
                                             "enough"
                                           : "\x03\xe8",
                            round % 4 == 0 ? 8u : 2u);
            ws_send(t.client, WS_CLOSE, LIT("\x03\xe8"));
            client_eof(t.client);
            client_eof(t.origin);
            over(f, &t, 0, 0);
            continue;
        }
        socket_free(f, round % 4 == 2 ? t.far : t.near);
        client_puts(t.origin, "alive");
        ws_expect(t.client, WS_BINARY, "alive");
        ws_send(t.client, WS_BINARY, LIT("both"));
        client_expect(t.origin, "both");
        CODE(hijack_socket_send_message(t.near, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_EHANDLE);
        client_close(t.origin);
        ws_expect(t.client, WS_CLOSE, "\x03\xe8");
        ws_send(t.client, WS_CLOSE, LIT("\x03\xe8"));
        client_eof(t.client);
        client_close(t.client);
    }
    stat_wait(f->server, HIJACK_STAT_RELAYED, 0);
    close(listener);
}

static void test_states(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "1", &port);
    struct client *c;
    hijack_socket *near = ws_open(f, &c), *far = connect_to_port(f, "127.0.0.1", port);
    OK(hijack_socket_send_message(near, HIJACK_MESSAGE_TEXT | HIJACK_MESSAGE_MORE, LIT("a part")));
    CODE(hijack_socket_relay(near, far), HIJACK_ESTATE);
    OK(hijack_socket_send_message(near, HIJACK_MESSAGE_TEXT, LIT(" and the rest")));
    OK(hijack_socket_relay(near, far));
    CODE(hijack_socket_send_message(near, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_ESTATE);
    CODE(hijack_socket_send_message(near, HIJACK_MESSAGE_PING, LIT("x")), HIJACK_ESTATE);
    CODE(hijack_socket_send(near, LIT("x")), HIJACK_ESTATE);
    CODE(hijack_socket_read(near, 1), HIJACK_ESTATE);
    ws_expect(c, WS_MORE_TEXT, "a part");
    ws_expect(c, WS_LAST, " and the rest");
    client_puts(accept_client(listener), "then bytes");
    ws_expect(c, WS_BINARY, "then bytes");
    close(listener);
}

/* Kinds and lengths stay, from one client to the other. */
static void test_two_websockets(void **state)
{
    struct fixture *f = *state;
    char *data = malloc(200000);
    fixture_option(f, "threads", "2");
    fixture_option(f, "websocket_piece_bytes", "1000"); /* for the program, not for a relay */
    fixture_start(f);
    for (int i = 0; i < 200000; i++)
        data[i] = (char)('a' + i % 26);
    for (int round = 0; round < 4; round++) {
        struct client *c, *d;
        hijack_socket *a = ws_open(f, &c), *b = ws_open(f, &d);
        ws_send(c, WS_MORE_TEXT, LIT("begun before "));
        ws_send(c, WS_PING, LIT("?"));
        ws_expect(c, WS_PONG, "?");
        OK(hijack_socket_relay(round % 2 ? a : b, round % 2 ? b : a));
        ws_send(c, WS_LAST, LIT("and ended later"));
        ws_expect(d, WS_TEXT, "begun before and ended later");
        ws_send(d, WS_BINARY, data, 200000);
        ws_expect_bytes(c, WS_BINARY, data, 200000);
        ws_send(c, WS_TEXT, LIT(""));
        ws_expect(d, WS_TEXT, "");
        ws_send(c, WS_CLOSE, LIT("\x03\xe8"));
        ws_expect(d, WS_CLOSE, "\x03\xe8");
        ws_send(d, WS_CLOSE, LIT("\x03\xe8"));
        client_eof(d);
        ws_expect(c, WS_CLOSE, "\x03\xe8");
        client_eof(c);
        events_next(&f->events, HIJACK_EVENT_CLOSED, a);
        events_next(&f->events, HIJACK_EVENT_CLOSED, b);
        client_close(c);
        client_close(d);
    }
    free(data);
}

/* Who does not read stops who sends. */
static void test_back_pressure(void **state)
{
    static char data[60000];
    struct fixture *f = *state;
    int port, listener = pair_start(f, "1", &port);
    struct pair t = tunnel_open(f, listener, port);
    const struct timeval patience = {.tv_usec = 300000};
    size_t sent = 0;

    setsockopt(t.client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    char head[8] = {(char)WS_BINARY, (char)(0x80 | 126), (char)(sizeof(data) >> 8), (char)(sizeof(data) & 255)};
    char frame[8 + sizeof(data)] = {0};
    memcpy(frame, head, sizeof(head));
    size_t part = 0;
    for (;;) { /* whole frames, until nothing has moved for a while */
        ssize_t n = send(t.client->fd, frame + part, sizeof(frame) - part, MSG_NOSIGNAL);
        if (n < 0)
            break;
        part = (part + (size_t)n) % sizeof(frame);
        sent += (size_t)n;
        CHECK(sent < 64u << 20);
    }
    CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) <= 400000);
    client_puts(t.origin, "free");
    ws_expect(t.client, WS_BINARY, "free");
    size_t messages = sent / sizeof(frame);
    client_want(t.origin, messages * sizeof(data));
    close(listener);
}

/* The client has sent its last and gone, over a unix socket, before it is paired. */
static void test_gone_before_it_is_paired(void **state)
{
    struct fixture *f = *state;
    int port, listener = pair_start(f, "1", &port);
    for (int round = 0; round < 2; round++) {
        struct pair t;
        hijack_request *request = NULL;
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        t.client = client_wrap(fds[0]);
        OK(hijack_server_adopt_request(&request, f->server, fds[1], STR(WS_HEAD("/") WS_KEY "\r\n"), NULL, 0));
        events_note(&f->events, request, KIND_REQUEST);
        OK(hijack_request_websocket(&t.near, request, NULL, 0, NULL, 0));
        events_note(&f->events, t.near, KIND_SOCKET);
        request_free(f, request);
        client_until(t.client, "\r\n\r\n");
        t.far = connect_to_port(f, "127.0.0.1", port);
        t.origin = accept_client(listener);
        events_next(&f->events, HIJACK_EVENT_CONNECTED, t.far);
        ws_send(t.client, WS_BINARY, LIT("all that there is"));
        ws_send(t.client, WS_CLOSE, LIT("\x03\xe8"));
        client_close(t.client);
        if (round == 1)
            events_next(&f->events, HIJACK_EVENT_HANGUP, t.near);
        OK(hijack_socket_relay(t.near, t.far));
        client_expect(t.origin, "all that there is");
        client_eof(t.origin);
        events_next(&f->events, HIJACK_EVENT_CLOSED, t.near);
        events_next(&f->events, HIJACK_EVENT_CLOSED, t.far);
        socket_free(f, t.near);
        socket_free(f, t.far);
        client_close(t.origin);
    }
    close(listener);
}

/* A pair without a byte ends after relay_idle_ms, also if both are WebSockets. */
static void test_idle_websockets(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;
    fixture_option(f, "relay_idle_ms", "300");
    fixture_option(f, "websocket_pong_ms", "200"); /* the one that is closed with a frame does not answer */
    fixture_option(f, "threads", "1");
    fixture_start(f);
    hijack_socket *a = ws_open(f, &c), *b = ws_open(f, &d);
    OK(hijack_socket_relay(a, b));
    ws_send(c, WS_TEXT, LIT("x"));
    ws_expect(d, WS_TEXT, "x");
    events_next(&f->events, HIJACK_EVENT_CLOSED, a);
    events_next(&f->events, HIJACK_EVENT_CLOSED, b);
    socket_free(f, a);
    socket_free(f, b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bytes),         TEST(test_origin_ends),     TEST(test_half_close),
        TEST(test_an_end_before), TEST(test_deaths),          TEST(test_gone_before_it_is_paired),
        TEST(test_handles),       TEST(test_states),          TEST(test_two_websockets),
        TEST(test_back_pressure), TEST(test_idle_websockets),
    };
    return RUN_TESTS(tests, argc, argv);
}
