/* SPDX-License-Identifier: MIT
 *
 * WebSockets with a handle: the handshake and who is refused, messages both ways in all forms, credit, pings, and how
 * each sort of end is told.
 */
#include "support/websocket_client.h"

#include <stdio.h>
#include <stdlib.h>

#define ASK WS_HEAD("/") WS_KEY

/* Asks with this head; the program tries to accept, and the client is answered with status. */
static void refused(struct fixture *f, const char *head, int status, int code)
{
    struct client *c = client_connect(f->port);
    hijack_socket *socket = NULL;
    struct response r;

    check_context("%s", head);
    client_puts(c, head);
    hijack_request *request = next_request(f);
    CODE(hijack_request_websocket(&socket, request, NULL, 0, NULL, 0), code);
    CHECK(socket == NULL);
    response_head(&r, c);
    CHECK(r.status == status);
    CHECK(status != 426 || strcmp(response_header(&r, "sec-websocket-version"), "13") == 0);
    client_until_end(c);
    response_free(&r);
    request_free(f, request);
    client_close(c);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, "http2", "off");
    fixture_start(f);
    refused(f, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426, HIJACK_EPROTOCOL);
    refused(f, "GET / HTTP/1.0\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 426, HIJACK_EPROTOCOL);
    refused(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            405, HIJACK_EPROTOCOL);
    refused(
        f,
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n" WS_KEY
        "\r\n",
        426, HIJACK_EPROTOCOL);
    refused(f, WS_HEAD("/") "\r\n", 400, HIJACK_EPROTOCOL);
    refused(f, WS_HEAD("/") "Sec-WebSocket-Key: short\r\n\r\n", 400, HIJACK_EPROTOCOL);
    refused(f, ASK "Origin: https://elsewhere\r\n\r\n", 403, HIJACK_EPROTOCOL);
    refused(f, ASK "Origin: null\r\n\r\n", 403, HIJACK_EPROTOCOL);
}

static void test_origins(void **state)
{
    static const char *const heads[] = {ASK "\r\n", ASK "Origin: http://here\r\n\r\n",
                                        ASK "Origin: https://friend.example\r\n\r\n"};
    struct fixture *f = *state;

    fixture_option(f, "websocket_origins", "same, https://friend.example");
    fixture_start(f);
    for (int i = 0; i < 3; i++) {
        struct client *c = client_connect(f->port);
        client_puts(c, heads[i]);
        ws_socket_of(f, next_request(f));
        ws_accepted(c);
    }
    refused(f, ASK "Origin: https://foe.example\r\n\r\n", 403, HIJACK_EPROTOCOL);
}

/* One of the client's subprotocols, and headers; what is wrong leaves the request open. */
static void test_protocol_and_headers(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    struct response r;
    hijack_socket *socket = NULL;

    fixture_start(f);
    c = client_connect(f->port);
    client_puts(c, ASK "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: third\r\n\r\n");
    hijack_request *request = next_request(f);
    CODE(hijack_request_websocket(&socket, request, LIT("super"), NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_websocket(&socket, request, LIT("third"), LIT("Sec-WebSocket-Accept: x\r\n")), HIJACK_EHEADER);
    CODE(hijack_request_websocket(&socket, request, LIT("third"), LIT("no colon\r\n")), HIJACK_EHEADER);
    OK(hijack_request_websocket(&socket, request, LIT("third"), LIT("Set-Cookie: a=b\r\n")));
    events_note(&f->events, socket, KIND_SOCKET);
    response_head(&r, c);
    CHECK(r.status == 101 && strcmp(response_header(&r, "sec-websocket-protocol"), "third") == 0);
    CHECK(strcmp(response_header(&r, "set-cookie"), "a=b") == 0);
    response_free(&r);
    request_free(f, request);
    OK(hijack_socket_abort(socket));
    ws_over(f, socket, HIJACK_EABORTED, "1006 none ");
}

/* All lengths around those where a frame's head changes, both ways. */
static void test_echo(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 300000};
    struct fixture *f = *state;
    struct client *c;
    char *data = malloc(300000);

    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    for (int i = 0; i < 300000; i++)
        data[i] = (char)(i * 7 + i / 250);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ws_send(c, WS_BINARY, data, sizes[i]);
        struct event *event = events_next(&f->events, HIJACK_EVENT_MESSAGE, socket);
        CHECK(event->status == HIJACK_MESSAGE_BINARY);
        BYTES(event->data, event->len, data, sizes[i]);
        OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_BINARY, event->data, event->len));
        ws_expect_bytes(c, WS_BINARY, data, sizes[i]);
    }
    ws_send(c, WS_TEXT, LIT("gr\xc3\xbc\xc3\x9f"));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "gr\xc3\xbc\xc3\x9f");
    free(data);
}

/* Fragments become one message, with a ping between them that is answered at once. */
static void test_fragments(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    ws_send(c, WS_MORE_TEXT, LIT("a\xc3"));
    ws_send(c, WS_PING, LIT("between"));
    ws_expect(c, WS_PONG, "between");
    ws_send(c, WS_MORE, LIT(""));
    ws_send(c, WS_LAST, LIT("\xa4 b"));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "a\xc3\xa4 b");
    ws_send(c, WS_TEXT, LIT("next"));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "next");
}

/* Byte by byte, everything that a connection can bring. */
static void test_dribbled(void **state)
{
    static const char bytes[] = "\x81\x82\1\2\3\4\x69\x6b"
                                "\x89\x80\1\2\3\4"
                                "\x01\x81\0\0\0\0a\x80\x81\0\0\0\0b"
                                "\x88\x82\0\0\0\0\x03\xe9";
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    client_dribble(c, bytes, sizeof(bytes) - 1, 1);
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "hi");
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "ab");
    ws_expect(c, WS_PONG, "");
    ws_closed(c, 1001);
    ws_over(f, socket, HIJACK_ECLOSED, "1001 peer ");
}

/* Option websocket_piece_bytes. */
static void test_pieces(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_option(f, "websocket_piece_bytes", "4");
    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    const int more = HIJACK_MESSAGE_TEXT | HIJACK_MESSAGE_MORE;
    ws_send(c, WS_TEXT, LIT("abcd"));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "abcd");
    ws_send(c, WS_TEXT, LIT("abcdefgh\xc3\xa4"));
    ws_message(f, socket, more, "abcd");
    ws_message(f, socket, more, "efgh");
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "\xc3\xa4");
    ws_send(c, WS_MORE_TEXT, LIT("abc"));
    ws_send(c, WS_MORE, LIT("defgh"));
    ws_message(f, socket, more, "abcd");
    ws_send(c, WS_LAST, LIT(""));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "efgh");
}

/* The program's own pieces are one message to the peer; the text is checked across them. */
static void test_sending_pieces(void **state)
{
    const uint32_t more = HIJACK_MESSAGE_TEXT | HIJACK_MESSAGE_MORE;
    struct fixture *f = *state;
    struct client *c;

    hijack_broadcaster *room = fixture_broadcaster(f);
    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    OK(hijack_socket_send_message(socket, more, LIT("a\xc3")));
    ws_expect(c, WS_MORE_TEXT, "a\xc3");
    CODE(hijack_socket_send_message(socket, HIJACK_MESSAGE_BINARY, LIT("no")), HIJACK_ESTATE);
    CODE(hijack_socket_send_message(socket, more, LIT("\xc3")), HIJACK_EINVAL);
    CODE(hijack_broadcaster_add(room, socket, 0, NULL, 0), HIJACK_ESTATE);
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_PING, LIT("ping")));
    ws_expect(c, WS_PING, "ping");
    OK(hijack_socket_send_message(socket, more, LIT("\xa4")));
    ws_expect(c, WS_MORE, "\xa4");
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("z")));
    ws_expect(c, WS_LAST, "z");
    CODE(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("\xa4")), HIJACK_EINVAL);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    CODE(hijack_socket_send_message(socket, more, LIT("a")), HIJACK_ESTATE);
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("whole")));
    ws_expect(c, WS_TEXT, "whole");
    CODE(hijack_socket_send(socket, LIT("raw")), HIJACK_ESTATE);
    CODE(hijack_socket_shutdown(socket), HIJACK_ESTATE);
    CODE(hijack_socket_detach(socket), HIJACK_ESTATE);
}

/* With a credit of 1 one message comes, and the next one only when it is asked for. */
static void test_credit(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    c = client_connect(f->port);
    client_puts(c, ASK "\r\n");
    hijack_socket *socket = ws_socket_of(f, next_request(f));
    ws_accepted(c);
    ws_send(c, WS_TEXT, LIT("first, and long"));
    ws_send(c, WS_TEXT, LIT(""));
    ws_send(c, WS_TEXT, LIT("third"));
    OK(hijack_socket_read(socket, 1));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "first, and long");
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_MESSAGE, socket) == 0);
    OK(hijack_socket_read(socket, 1));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "");
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_MESSAGE, socket) == 0);
    OK(hijack_socket_read(socket, 5));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "third");
}

/* A full queue: nothing is lost, and nobody is read meanwhile. */
static void test_full_queue(void **state)
{
    enum {
        COUNT = 2000
    };
    struct fixture *f = *state;
    struct client *c;
    char text[16];

    fixture_capacity(f, "8");
    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    for (int i = 0; i < COUNT; i++) {
        int len = snprintf(text, sizeof(text), "%d", i);
        ws_send(c, WS_TEXT, text, (size_t)len);
    }
    for (int i = 0; i < COUNT; i++) {
        int len = snprintf(text, sizeof(text), "%d", i);
        ws_message_at(f, socket, HIJACK_MESSAGE_TEXT, text, (size_t)len, __FILE__, __LINE__);
    }
}

static void test_we_close(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    CODE(hijack_socket_close_message(socket, 1005, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_socket_close_message(socket, 4000, LIT("\xff")), HIJACK_EINVAL);
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("last")));
    OK(hijack_socket_close_message(socket, 4000, LIT("enough")));
    CODE(hijack_socket_close(socket), HIJACK_ECLOSED);
    CODE(hijack_socket_send_message(socket, HIJACK_MESSAGE_TEXT, LIT("late")), HIJACK_ECLOSED);
    ws_expect(c, WS_TEXT, "last");
    ws_expect(c, WS_CLOSE,
              "\x0f\xa0"
              "enough");
    ws_send(c, WS_TEXT, LIT("crossing"));
    ws_send(c, WS_CLOSE, LIT("\x0f\xa0"));
    client_eof(c);
    CHECK(c->len == 0);
    ws_over(f, socket, 0, "4000 us enough");
    CHECK(events_pending(&f->events, HIJACK_EVENT_MESSAGE, socket) == 0);
}

static void test_peer_closes(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    ws_send(c, WS_CLOSE,
            LIT("\x0f\xa1"
                "bye"));
    ws_closed(c, 4001);
    ws_over(f, socket, HIJACK_ECLOSED, "4001 peer bye");
    socket = ws_open(f, &c);
    ws_send(c, WS_CLOSE, LIT(""));
    ws_expect(c, WS_CLOSE, "");
    client_eof(c);
    ws_over(f, socket, HIJACK_ECLOSED, "1005 peer ");
    socket = ws_open(f, &c);
    client_close(c);
    ws_over(f, socket, HIJACK_ECLOSED, "1006 none ");
    socket = ws_open(f, &c);
    client_reset(c);
    ws_over(f, socket, HIJACK_ERESET, "1006 none ");
}

/* Whoever does not answer our close frame, or a ping, is not waited for; whoever answers stays. */
static void test_deadlines(void **state)
{
    struct fixture *f = *state;
    struct client *c, *silent;

    fixture_option(f, "websocket_ping_ms", "300");
    fixture_option(f, "websocket_pong_ms", "400");
    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c), *other = ws_open(f, &silent);
    for (int i = 0; i < 3; i++) {
        ws_expect(c, WS_PING, "");
        ws_send(c, WS_PONG, LIT(""));
    }
    ws_over(f, other, HIJACK_ETIMEDOUT, "1006 none ");
    ws_expect(silent, WS_PING, "");
    client_until_end(silent);
    OK(hijack_socket_close(socket));
    ws_over(f, socket, HIJACK_ETIMEDOUT, "1000 us ");
}

/* Each violation ends with its code, and costs nobody else anything. */
static void test_violations(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        unsigned code;
    } violations[] = {
        {LIT("\x81\x02hi"), 1002},                         /* not masked */
        {LIT("\x83\x80\0\0\0\0"), 1002},                   /* an opcode that there is not */
        {LIT("\xc1\x80\0\0\0\0"), 1002},                   /* RSV1 without an extension */
        {LIT("\x80\x80\0\0\0\0"), 1002},                   /* a continuation of nothing */
        {LIT("\x09\x80\0\0\0\0"), 1002},                   /* a control frame in parts */
        {LIT("\x81\x81\0\0\0\0\xff"), 1007},               /* no UTF-8 */
        {LIT("\x88\x81\0\0\0\0\x03"), 1002},               /* half a code */
        {LIT("\x88\x82\0\0\0\0\x03\xed"), 1002},           /* 1005 */
        {LIT("\x82\xff\0\0\0\1\0\0\0\0\0\0\0\0"), 1009},   /* 4 GiB */
        {LIT("\x82\xff\xff\0\0\1\0\0\0\0\0\0\0\0"), 1002}, /* a length of 64 bits */
    };
    struct fixture *f = *state;
    char words[160];

    fixture_start(f);
    for (size_t i = 0; i < sizeof(violations) / sizeof(violations[0]); i++) {
        struct client *c;
        check_context("violation %zu", i);
        hijack_socket *socket = ws_open(f, &c);
        client_send(c, violations[i].bytes, violations[i].len);
        ws_closed(c, violations[i].code);
        struct event *event = events_next(&f->events, HIJACK_EVENT_CLOSED, socket);
        snprintf(words, sizeof(words), "%u us ", violations[i].code);
        CHECK(event->status == HIJACK_EPROTOCOL && strncmp(event->data, words, strlen(words)) == 0);
    }
}

/* Pings from a peer that reads nothing take no memory: it is the last one that is answered. */
static void test_ping_flood(void **state)
{
    struct fixture *f = *state;
    char *much = calloc(1, 4000000);

    fixture_option(f, "high_water_bytes", "16m");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    client_puts(c, ASK "\r\n");
    hijack_socket *socket = ws_socket_of(f, next_request(f));
    ws_accepted(c);
    OK(hijack_socket_read(socket, UINT64_MAX));
    OK(hijack_socket_send_message(socket, HIJACK_MESSAGE_BINARY, much, 4000000));
    WAIT_FOR(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) != 0);
    for (int i = 0; i < 1000; i++)
        ws_send(c, WS_PING, LIT("many"));
    ws_send(c, WS_PING, LIT("last"));
    ws_send(c, WS_TEXT, LIT("read"));
    ws_message(f, socket, HIJACK_MESSAGE_TEXT, "read");
    CHECK(stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) < 4100000);
    ws_expect_bytes(c, WS_BINARY, much, 4000000);
    ws_expect(c, WS_PONG, "last");
    free(much);
}

/* A drain and a stop say 1001. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = ws_open(f, &c);
    fixture_stop(f);
    ws_expect(c, WS_CLOSE, "\x03\xe9");
    ws_over(f, socket, HIJACK_ESHUTDOWN, "1001 us ");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refused),    TEST(test_origins),        TEST(test_protocol_and_headers),
        TEST(test_echo),       TEST(test_fragments),      TEST(test_dribbled),
        TEST(test_pieces),     TEST(test_sending_pieces), TEST(test_credit),
        TEST(test_full_queue), TEST(test_we_close),       TEST(test_peer_closes),
        TEST(test_deadlines),  TEST(test_violations),     TEST(test_ping_flood),
        TEST(test_stop),
    };

    return RUN_TESTS(tests, argc, argv);
}
