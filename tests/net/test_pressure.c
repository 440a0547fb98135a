/* SPDX-License-Identifier: MIT
 *
 * Back-pressure of streams and sockets: EAGAIN over the high-water mark, DRAINED once, nothing lost or torn.
 */
#include "support/exchange.h"

#include <stdlib.h>

enum {
    PIECE = 16384
};

/* Sends numbered pieces until the connection is full; how many went out. */
/* Sends until the library itself holds the high-water mark's worth: EAGAIN before that may only mean that the loop has
 * not had its turn yet. */
static int fill(struct fixture *f, uint64_t high_water, int (*send)(void *handle, const char *data, size_t len),
                void *handle)
{
    char piece[PIECE];
    int sent = 0, code;

    do {
        memset(piece, 'a' + sent % 26, sizeof(piece));
        code = send(handle, piece, sizeof(piece));
        if (code == HIJACK_EAGAIN)
            clock_tick();
        else
            sent += OK(code) == 0;
        CHECK(sent < 4000); /* 64 MiB: then nothing holds it back */
    } while (code != HIJACK_EAGAIN || stat_of(f->server, HIJACK_STAT_BACKLOG_BYTES) < high_water);
    return sent;
}

static void check_pieces(const char *data, size_t len, int sent)
{
    CHECK(len == (size_t)sent * PIECE);
    for (size_t i = 0; i < len; i += 1021)
        CHECK(data[i] == 'a' + (int)(i / PIECE) % 26);
}

static int send_stream(void *handle, const char *data, size_t len)
{
    return hijack_stream_send(handle, data, len);
}

static int send_socket(void *handle, const char *data, size_t len)
{
    return hijack_socket_send(handle, data, len);
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    struct response r;

    fixture_option(f, OPT_HIGH_WATER, "65536");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_stream *stream = stream_of(f, next_request(f), "");
    response_head(&r, c);
    int sent = fill(f, 65536, send_stream, stream);
    CODE(hijack_stream_send(stream, "x", 1), HIJACK_EAGAIN);
    events_barrier(&f->events);
    while (events_pending(&f->events, HIJACK_EVENT_DRAINED, stream) > 0) /* of the times the loop was only late */
        events_next(&f->events, HIJACK_EVENT_DRAINED, stream);
    response_want(&r, (size_t)sent * PIECE);
    events_next(&f->events, HIJACK_EVENT_DRAINED, stream);
    OK(hijack_stream_send(stream, "last", 4));
    OK(hijack_stream_finish(stream, NULL, 0));
    response_finish(&r);
    events_closed(&f->events, stream, 0);
    CHECK(memcmp(r.body + r.body_len - 4, "last", 4) == 0);
    check_pieces(r.body, r.body_len - 4, sent);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
    response_free(&r);
}

static void test_socket(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_HIGH_WATER, "65536");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    int sent = fill(f, 65536, send_socket, socket);
    client_want(c, (size_t)sent * PIECE);
    events_next(&f->events, HIJACK_EVENT_DRAINED, socket);
    check_pieces(c->buf, c->len, sent);
    client_consume(c, c->len);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);

    events_barrier(&f->events);
    while (events_pending(&f->events, HIJACK_EVENT_DRAINED, socket) > 0) /* one for each time it was full */
        events_next(&f->events, HIJACK_EVENT_DRAINED, socket);
    OK(hijack_socket_send(socket, LIT("again")));
    client_expect(c, "again");
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_DRAINED, socket) == 0);
    OK(hijack_socket_close(socket));
    client_eof(c);
    events_closed(&f->events, socket, 0);
}

/* One piece larger than the mark is taken as long as less than the mark waits. */
static void test_large_piece(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    size_t len = 4u << 20;
    char *data = malloc(len);

    CHECK(data != NULL);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 13 >> 4);
    fixture_option(f, OPT_HIGH_WATER, "4096");
    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_send(socket, data, len));
    client_want(c, len);
    BYTES(c->buf, c->len, data, len);
    free(data);
}

static void test_close_flushes(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_HIGH_WATER, "1m");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    int sent = fill(f, 1 << 20, send_socket, socket);
    OK(hijack_socket_close(socket));
    CODE(hijack_socket_send(socket, "x", 1), HIJACK_ECLOSED);
    client_eof(c);
    check_pieces(c->buf, c->len, sent);
    events_closed(&f->events, socket, 0);
}

static void test_abort_drops(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_HIGH_WATER, "1m");
    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    fill(f, 1 << 20, send_socket, socket);
    OK(hijack_socket_abort(socket));
    events_closed(&f->events, socket, HIJACK_EABORTED);
    client_rst(c);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
}

/* The client goes while much waits for it. */
static void test_gone_while_full(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    for (int i = 0; i < 4; i++) {
        struct client *c = client_connect_slow(f->port);
        ask(c, "/");
        hijack_request *request = next_request(f);
        void *handle = i % 2 ? (void *)socket_of(f, request) : (void *)stream_of(f, request, "");
        fill(f, 65536, i % 2 ? send_socket : send_stream, handle);
        if (i < 2)
            client_reset(c);
        else
            client_close(c);
        events_closed(&f->events, handle, HIJACK_ERESET); /* a close with unread bytes is a reset as well */
    }
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    stat_wait(f->server, HIJACK_STAT_BACKLOG_BYTES, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stream),        TEST(test_socket),      TEST(test_large_piece),
        TEST(test_close_flushes), TEST(test_abort_drops), TEST(test_gone_while_full),
    };

    return RUN_TESTS(tests, argc, argv);
}
