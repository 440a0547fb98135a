/* SPDX-License-Identifier: MIT
 *
 * Every function that takes a handle, with handles that are none: NULL, freed, of another kind, not from here at all.
 */
#include "support/exchange.h"

static hijack_request *any_request;
static hijack_stream *any_stream;
static hijack_socket *any_socket;
static hijack_broadcaster *any_broadcaster;
static hijack_queue *any_queue;
static hijack_server *any_server;

enum {
    OF_QUEUE = 1,
    OF_SERVER = 2,
    OF_REQUEST = 4,
    OF_STREAM = 8,
    OF_SOCKET = 16,
    OF_BROADCASTER = 32,
    OF_ALL = 63,
    OR_STATE = 64 /* the started server may be what it refuses first */
};

#define CALL(name, expression)                                                                                         \
    static int name(void *h)                                                                                           \
    {                                                                                                                  \
        const char *text = "untouched";                                                                                \
        size_t len = 9;                                                                                                \
        uint64_t number = 9;                                                                                           \
        char out[64] = "untouched";                                                                                    \
        hijack_event event = {.type = 99};                                                                             \
        void *made = out;                                                                                              \
        int code = (expression);                                                                                       \
        CHECK(strcmp(text, "untouched") == 0 && len == 9 && number == 9 && strcmp(out, "untouched") == 0);             \
        CHECK(event.type == 99 && made == out);                                                                        \
        return code;                                                                                                   \
    }

/* made has no type of its own: each function is given the address of it as its kind of handle. */
#define MADE ((void *)&made)

CALL(set_user_data, hijack_handle_set_user_data(h, 1))
CALL(user_data, hijack_handle_user_data(&number, h))
CALL(queue_set, hijack_queue_set(h, LIT("capacity"), LIT("100")))
CALL(queue_fd, hijack_queue_fd(h))
CALL(queue_poll, hijack_queue_poll(&event, h, 1, 0))
CALL(queue_wake, hijack_queue_wake(h))
CALL(server_new, h == NULL ? HIJACK_EHANDLE : hijack_server_new(MADE, h))
CALL(server_set, hijack_server_set(h, LIT("threads"), LIT("1")))
CALL(server_get, hijack_server_get(out, sizeof(out), h, LIT("threads")))
CALL(server_listen, hijack_server_listen(h, LIT("127.0.0.1:0")))
CALL(server_address, hijack_server_address(out, sizeof(out), h, 0))
CALL(server_add_queue, hijack_server_add_queue(h, any_queue))
CALL(server_add_queue_2, hijack_server_add_queue(any_server, h))
CALL(server_route, hijack_server_route(h, LIT("/"), any_queue))
CALL(server_route_set, hijack_server_route_set(h, LIT("/"), LIT("max_body_bytes"), LIT("1")))
CALL(server_route_2, hijack_server_route(any_server, LIT("/"), h))
CALL(server_hold, hijack_server_hold(h, LIT("/"), HIJACK_HOLD_RAW, NULL, 0, any_broadcaster))
CALL(server_hold_2, hijack_server_hold(any_server, LIT("/"), HIJACK_HOLD_RAW, NULL, 0, h))
CALL(server_start, hijack_server_start(h))
CALL(server_drain, hijack_server_drain(h, 1))
CALL(server_stop, hijack_server_stop(h))
CALL(server_stats, hijack_server_stats(&number, 1, h))
CALL(server_adopt, hijack_server_adopt(MADE, h, 0, NULL, 0))
CALL(request_method, hijack_request_method(&text, &len, h))
CALL(request_target, hijack_request_target(&text, &len, h))
CALL(request_version, hijack_request_version(&text, &len, h))
CALL(request_peer, hijack_request_peer(&text, &len, h))
CALL(request_headers, hijack_request_headers(&text, &len, h))
CALL(request_header, hijack_request_header(&text, &len, h, LIT("host"), 0))
CALL(request_body, hijack_request_body(&text, &len, h))
CALL(request_respond, hijack_request_respond(h, 200, NULL, 0, NULL, 0))
CALL(request_stream, hijack_request_stream(MADE, h, 200, NULL, 0))
CALL(request_sse, hijack_request_sse(MADE, h, NULL, 0))
CALL(request_hijack, hijack_request_hijack(MADE, h))
CALL(request_hijack_partial, hijack_request_hijack_partial(MADE, h, 200, NULL, 0))
CALL(request_hold, hijack_request_hold(h, any_broadcaster, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0))
CALL(request_hold_2, hijack_request_hold(any_request, h, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0))
CALL(stream_send, hijack_stream_send(h, "x", 1))
CALL(stream_send_sse, hijack_stream_send_sse(h, NULL, 0, NULL, 0, "x", 1, -1))
CALL(stream_send_comment, hijack_stream_send_comment(h, "x", 1))
CALL(stream_finish, hijack_stream_finish(h, NULL, 0))
CALL(stream_abort, hijack_stream_abort(h))
CALL(socket_read, hijack_socket_read(h, 1))
CALL(socket_send, hijack_socket_send(h, "x", 1))
CALL(socket_shutdown, hijack_socket_shutdown(h))
CALL(socket_close, hijack_socket_close(h))
CALL(socket_abort, hijack_socket_abort(h))
CALL(socket_detach, hijack_socket_detach(h))
CALL(broadcaster_new, hijack_broadcaster_new(MADE, h))
CALL(broadcaster_set, hijack_broadcaster_set(h, LIT("overflow"), LIT("close")))
CALL(broadcaster_add, hijack_broadcaster_add(h, any_stream, 0, NULL, 0))
CALL(broadcaster_add_2, hijack_broadcaster_add(any_broadcaster, h, 0, NULL, 0))
CALL(broadcaster_remove, hijack_broadcaster_remove(h, any_stream))
CALL(broadcaster_remove_2, hijack_broadcaster_remove(any_broadcaster, h))
CALL(broadcaster_adopt, hijack_broadcaster_adopt(h, 0, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0))
CALL(broadcaster_publish, hijack_broadcaster_publish(h, HIJACK_MESSAGE_TEXT, "x", 1))
CALL(broadcaster_publish_sse, hijack_broadcaster_publish_sse(h, NULL, 0, NULL, 0, "x", 1, NULL, 0, -1))
CALL(broadcaster_close, hijack_broadcaster_close(h))
CALL(broadcaster_count, hijack_broadcaster_count(h))
CALL(broadcaster_stats, hijack_broadcaster_stats(&number, 1, h))

static const struct {
    const char *name;
    int (*call)(void *handle);
    int kinds; /* those it takes */
} calls[] = {
#define ROW(name, kinds)                                                                                               \
    {                                                                                                                  \
#name, name, kinds                                                                                             \
    }
    ROW(set_user_data, OF_ALL),
    ROW(user_data, OF_ALL),
    ROW(queue_set, OF_QUEUE),
    ROW(queue_fd, OF_QUEUE),
    ROW(queue_poll, OF_QUEUE),
    ROW(queue_wake, OF_QUEUE),
    ROW(server_new, OF_QUEUE),
    ROW(server_set, OF_SERVER),
    ROW(server_get, OF_SERVER),
    ROW(server_listen, OF_SERVER),
    ROW(server_address, OF_SERVER),
    ROW(server_add_queue, OF_SERVER),
    ROW(server_add_queue_2, OF_QUEUE | OR_STATE),
    ROW(server_route, OF_SERVER),
    ROW(server_route_set, OF_SERVER),
    ROW(server_route_2, OF_QUEUE | OR_STATE),
    ROW(server_hold, OF_SERVER),
    ROW(server_hold_2, OF_BROADCASTER | OR_STATE),
    ROW(server_start, OF_SERVER),
    ROW(server_drain, OF_SERVER),
    ROW(server_stop, OF_SERVER),
    ROW(server_stats, OF_SERVER),
    ROW(server_adopt, OF_SERVER),
    ROW(request_method, OF_REQUEST),
    ROW(request_target, OF_REQUEST),
    ROW(request_version, OF_REQUEST),
    ROW(request_peer, OF_REQUEST),
    ROW(request_headers, OF_REQUEST),
    ROW(request_header, OF_REQUEST),
    ROW(request_body, OF_REQUEST),
    ROW(request_respond, OF_REQUEST),
    ROW(request_stream, OF_REQUEST),
    ROW(request_sse, OF_REQUEST),
    ROW(request_hijack, OF_REQUEST),
    ROW(request_hijack_partial, OF_REQUEST),
    ROW(request_hold, OF_REQUEST),
    ROW(request_hold_2, OF_BROADCASTER),
    ROW(stream_send, OF_STREAM),
    ROW(stream_send_sse, OF_STREAM),
    ROW(stream_send_comment, OF_STREAM),
    ROW(stream_finish, OF_STREAM),
    ROW(stream_abort, OF_STREAM),
    ROW(socket_read, OF_SOCKET),
    ROW(socket_send, OF_SOCKET),
    ROW(socket_shutdown, OF_SOCKET),
    ROW(socket_close, OF_SOCKET),
    ROW(socket_abort, OF_SOCKET),
    ROW(socket_detach, OF_SOCKET),
    ROW(broadcaster_new, OF_SERVER),
    ROW(broadcaster_set, OF_BROADCASTER),
    ROW(broadcaster_add, OF_BROADCASTER),
    ROW(broadcaster_add_2, OF_STREAM | OF_SOCKET),
    ROW(broadcaster_remove, OF_BROADCASTER),
    ROW(broadcaster_remove_2, OF_STREAM | OF_SOCKET),
    ROW(broadcaster_adopt, OF_BROADCASTER),
    ROW(broadcaster_publish, OF_BROADCASTER),
    ROW(broadcaster_publish_sse, OF_BROADCASTER),
    ROW(broadcaster_close, OF_BROADCASTER),
    ROW(broadcaster_count, OF_BROADCASTER),
    ROW(broadcaster_stats, OF_BROADCASTER),
};

/* Every call that does not take this kind says EHANDLE of it. kind 0: no call takes it. */
static void expect_refusal(void *handle, int kind, const char *what)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].kinds & kind)
            continue;
        int code = calls[i].call(handle);
        if (code != HIJACK_EHANDLE && !(code == HIJACK_ESTATE && (calls[i].kinds & OR_STATE)))
            check_fail(__FILE__, __LINE__, "%s with %s gives %s (%d), must give EHANDLE", calls[i].name, what,
                       hijack_errname(code), code);
    }
}

/* One handle of each kind, all of them alive. */
static void make_all(struct fixture *f)
{
    struct client *c;

    any_queue = f->queue;
    any_server = f->server;
    any_broadcaster = fixture_broadcaster(f);
    fixture_start(f);
    any_stream = stream_open(f, &c);
    any_socket = socket_open(f, &c);
    any_request = request_open(f, &c, "/");
}

static void free_wrongly(void *handle)
{
    if (handle != any_queue)
        hijack_queue_free(handle);
    if (handle != any_server)
        hijack_server_free(handle);
    if (handle != any_request)
        hijack_request_free(handle);
    if (handle != any_stream)
        hijack_stream_free(handle);
    if (handle != any_socket)
        hijack_socket_free(handle);
    if (handle != any_broadcaster)
        hijack_broadcaster_free(handle);
}

static void test_null_and_junk(void **state)
{
    static char place[64];
    void *junk[] = {NULL, (void *)1, (void *)0xffff, (void *)UINTPTR_MAX, (void *)(UINTPTR_MAX >> 1), place, (void *)8};

    make_all(*state);
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        expect_refusal(junk[i], 0, junk[i] == NULL ? "NULL" : "a junk pointer");
        free_wrongly(junk[i]);
    }
}

static void test_wrong_kind(void **state)
{
    make_all(*state);
    expect_refusal(any_queue, OF_QUEUE, "a queue");
    expect_refusal(any_server, OF_SERVER, "a server");
    expect_refusal(any_request, OF_REQUEST, "a request");
    expect_refusal(any_stream, OF_STREAM, "a stream");
    expect_refusal(any_socket, OF_SOCKET, "a socket");
    expect_refusal(any_broadcaster, OF_BROADCASTER, "a broadcaster");
    free_wrongly(any_queue);
    free_wrongly(any_server);
    free_wrongly(any_request);
    free_wrongly(any_stream);
    free_wrongly(any_socket);
    free_wrongly(any_broadcaster);
    OK(hijack_broadcaster_count(any_broadcaster));
    OK(hijack_stream_send(any_stream, "x", 1));
    OK(hijack_socket_send(any_socket, "x", 1));
    OK(hijack_request_respond(any_request, 200, NULL, 0, NULL, 0));
}

static void test_stale(void **state)
{
    struct fixture *f = *state;

    make_all(f);
    request_free(f, any_request);
    stream_free(f, any_stream);
    socket_free(f, any_socket);
    hijack_broadcaster_free(any_broadcaster);
    hijack_queue *queue;
    hijack_server *server;
    OK(hijack_queue_new(&queue));
    OK(hijack_server_new(&server, queue));
    hijack_queue_free(queue);
    hijack_server_free(server);
    void *stale[] = {any_request, any_stream, any_socket, any_broadcaster, queue, server};
    for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++) {
        expect_refusal(stale[i], 0, "a freed handle");
        hijack_queue_free(stale[i]);
        hijack_server_free(stale[i]);
        hijack_request_free(stale[i]);
        hijack_stream_free(stale[i]);
        hijack_socket_free(stale[i]);
        hijack_broadcaster_free(stale[i]);
    }
}

/* A handle's value does not come back for another object soon after it was freed. */
static void test_not_reused(void **state)
{
    struct fixture *f = *state;
    hijack_broadcaster *old, *next;

    fixture_start(f);
    OK(hijack_broadcaster_new(&old, f->server));
    hijack_broadcaster_free(old);
    for (int i = 0; i < 5000; i++) {
        OK(hijack_broadcaster_new(&next, f->server));
        CHECK(next != old);
        CODE(hijack_broadcaster_count(old), HIJACK_EHANDLE);
        hijack_broadcaster_free(next);
    }
}

static void test_null_arguments(void **state)
{
    struct fixture *f = *state;
    char out[8];
    uint64_t number;

    make_all(f);
    CODE(hijack_queue_new(NULL), HIJACK_EINVAL);
    CODE(hijack_server_new(NULL, f->queue), HIJACK_EINVAL);
    CODE(hijack_broadcaster_new(NULL, f->server), HIJACK_EINVAL);
    CODE(hijack_queue_poll(NULL, f->queue, 1, 0), HIJACK_EINVAL);
    CODE(hijack_server_get(NULL, 8, f->server, LIT("threads")), HIJACK_EINVAL);
    CODE(hijack_server_address(NULL, 8, f->server, 0), HIJACK_EINVAL);
    CODE(hijack_server_stats(NULL, 4, f->server), HIJACK_EINVAL);
    CODE(hijack_broadcaster_stats(NULL, 4, any_broadcaster), HIJACK_EINVAL);
    CODE(hijack_request_method(NULL, NULL, any_request), HIJACK_EINVAL);
    CODE(hijack_request_stream(NULL, any_request, 200, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_sse(NULL, any_request, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_request_hijack(NULL, any_request), HIJACK_EINVAL);
    CODE(hijack_request_hijack_partial(NULL, any_request, 200, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_server_adopt(NULL, f->server, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_stream_send(any_stream, NULL, 1), HIJACK_EINVAL);
    CODE(hijack_stream_send_sse(any_stream, NULL, 1, NULL, 0, NULL, 0, -1), HIJACK_EINVAL);
    CODE(hijack_stream_send_comment(any_stream, NULL, 1), HIJACK_EINVAL);
    CODE(hijack_socket_send(any_socket, NULL, 1), HIJACK_EINVAL);
    CODE(hijack_broadcaster_publish(any_broadcaster, HIJACK_MESSAGE_TEXT, NULL, 1), HIJACK_EINVAL);
    CODE(hijack_broadcaster_publish_sse(any_broadcaster, NULL, 0, NULL, 0, NULL, 1, NULL, 0, -1), HIJACK_EINVAL);
    CODE(hijack_request_hold(any_request, any_broadcaster, 0, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_EINVAL);
    const uint32_t unserved[] = {HIJACK_HOLD_LONG_POLL, HIJACK_HOLD_WEBSOCKET}; /* they need the client's head */
    for (int i = 0; i < 2; i++)
        CODE(hijack_broadcaster_adopt(any_broadcaster, -1, unserved[i], 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_ENOTSUP);
    CODE(hijack_request_hold(any_request, any_broadcaster, HIJACK_HOLD_WEBSOCKET_OPEN, 0, NULL, 0, NULL, 0, NULL, 0),
         HIJACK_EINVAL);
    CODE(hijack_socket_send_message(any_socket, HIJACK_MESSAGE_TEXT, NULL, 1), HIJACK_EINVAL);
    CODE(hijack_socket_send_message(any_socket, 3, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_socket_send_message(any_socket, HIJACK_MESSAGE_TEXT, NULL, 0), HIJACK_ESTATE);
    CODE(hijack_socket_close_message(any_socket, 1005, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_socket_close_message(any_socket, 1000, NULL, 0), HIJACK_ESTATE);
    CODE(hijack_request_hold(any_request, any_broadcaster, HIJACK_HOLD_SSE_BODY, 0, NULL, 0, NULL, 0, NULL, 0),
         HIJACK_EINVAL);
    CODE(hijack_broadcaster_adopt(any_broadcaster, -1, 77, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_EINVAL);
    CODE(hijack_server_get(out, 1, f->server, LIT("threads")), HIJACK_ETOOBIG);
    CODE(hijack_server_stats(&number, 1, f->server), HIJACK_STAT_COUNT);
    CODE(hijack_server_stats(NULL, 0, f->server), HIJACK_STAT_COUNT);
    reply(f, any_request, "still there");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_null_and_junk), TEST(test_wrong_kind),     TEST(test_stale),
        TEST(test_not_reused),    TEST(test_null_arguments),
    };

    return RUN_TESTS(tests, argc, argv);
}
