/* SPDX-License-Identifier: MIT
 *
 * A forked child owns nothing of its parent: calls say EFORK, frees do nothing on the wire, its end disturbs nobody.
 * Children answer with an exit code, the number of the step that failed; they assert nothing themselves.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    struct fixture *fixture;
    hijack_request *request;
    hijack_stream *stream;
    hijack_socket *socket;
    hijack_broadcaster *room;
    struct client *client[4]; /* of request, stream, socket and a held member */
};

static void world_init(struct world *w, struct fixture *f)
{
    w->fixture = f;
    w->room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    w->request = request_open(f, &w->client[0], "/");
    w->stream = stream_open(f, &w->client[1]);
    w->socket = socket_open(f, &w->client[2]);
    w->client[3] = client_connect(f->port);
    ask(w->client[3], "/raw");
    members_wait(w->room, 1);
}

/* Everything of the parent still works. */
static void world_works(struct world *w)
{
    struct fixture *f = w->fixture;
    struct response r;

    OK(hijack_socket_send(w->socket, LIT("parent")));
    client_expect(w->client[2], "parent");
    CODE(hijack_broadcaster_publish(w->room, HIJACK_MESSAGE_TEXT, LIT("parent")), 1);
    client_expect(w->client[3], "parent");
    OK(hijack_stream_send(w->stream, LIT("parent")));
    OK(hijack_stream_finish(w->stream, NULL, 0));
    response_head(&r, w->client[1]);
    response_finish(&r);
    BYTES(r.body, r.body_len, "parent", 6);
    response_free(&r);
    events_closed(&f->events, w->stream, 0);
    reply(f, w->request, "parent");
    response_expect(w->client[0], 200, "parent");
    struct client *c = client_connect(f->port);
    ask(c, "/new");
    reply(f, next_request(f), "new");
    response_expect(c, 200, "new");
}

static void child_ends(pid_t child)
{
    int status = -1;
    uint64_t end = clock_ms() + clock_limit_ms() * 2;
    pid_t got;

    CHECK(child > 0);
    while ((got = waitpid(child, &status, WNOHANG)) == 0 && clock_ms() < end)
        clock_tick();
    if (got == 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        check_fail(__FILE__, __LINE__, "the child hangs");
    }
    CODE(WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), 0);
}

static int child_calls(struct world *w)
{
    struct fixture *f = w->fixture;
    hijack_event event;
    hijack_server *server;
    hijack_stream *stream;
    hijack_socket *socket;
    hijack_broadcaster *broadcaster;
    const char *text;
    size_t len;
    uint64_t number;
    char out[64];
    int codes[] = {hijack_handle_set_user_data(f->server, 1),
                   hijack_handle_user_data(&number, w->request),
                   hijack_queue_fd(f->queue),
                   hijack_queue_poll(&event, f->queue, 1, 0),
                   hijack_queue_wake(f->queue),
                   hijack_server_new(&server, f->queue),
                   hijack_server_set(f->server, LIT("threads"), LIT("1")),
                   hijack_server_get(out, sizeof(out), f->server, LIT("threads")),
                   hijack_server_listen(f->server, LIT("127.0.0.1:0")),
                   hijack_server_address(out, sizeof(out), f->server, 0),
                   hijack_server_add_queue(f->server, f->queue),
                   hijack_server_route(f->server, LIT("/r"), f->queue),
                   hijack_server_route_set(f->server, LIT("/r"), LIT("max_body_bytes"), LIT("1")),
                   hijack_server_hold(f->server, LIT("/h"), HIJACK_HOLD_SSE, NULL, 0, w->room),
                   hijack_server_start(f->server),
                   hijack_server_drain(f->server, 1),
                   hijack_server_stop(f->server),
                   hijack_server_stats(&number, 1, f->server),
                   hijack_server_adopt(&socket, f->server, 0, NULL, 0),
                   hijack_request_target(&text, &len, w->request),
                   hijack_request_respond(w->request, 200, NULL, 0, NULL, 0),
                   hijack_request_stream(&stream, w->request, 200, NULL, 0),
                   hijack_request_hijack(&socket, w->request),
                   hijack_request_hold(w->request, w->room, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0),
                   hijack_stream_send(w->stream, LIT("child")),
                   hijack_stream_finish(w->stream, NULL, 0),
                   hijack_stream_abort(w->stream),
                   hijack_socket_read(w->socket, 1),
                   hijack_socket_send(w->socket, LIT("child")),
                   hijack_socket_shutdown(w->socket),
                   hijack_socket_close(w->socket),
                   hijack_socket_abort(w->socket),
                   hijack_socket_detach(w->socket),
                   hijack_broadcaster_new(&broadcaster, f->server),
                   hijack_broadcaster_set(w->room, LIT("overflow"), LIT("close")),
                   hijack_broadcaster_add(w->room, w->stream, 0, NULL, 0),
                   hijack_broadcaster_publish(w->room, HIJACK_MESSAGE_TEXT, LIT("child")),
                   hijack_broadcaster_close(w->room),
                   hijack_broadcaster_count(w->room),
                   hijack_broadcaster_adopt(w->room, 0, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0)};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i] != HIJACK_EFORK)
            return (int)i + 1;
    return 0;
}

static void test_calls(void **state)
{
    struct world w;

    world_init(&w, *state);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(child_calls(&w));
    }
    child_ends(child);
    world_works(&w);
}

static void test_frees(void **state)
{
    struct world w;

    world_init(&w, *state);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        hijack_request_free(w.request);
        hijack_stream_free(w.stream);
        hijack_socket_free(w.socket);
        hijack_broadcaster_free(w.room);
        hijack_server_free(w.fixture->server);
        hijack_queue_free(w.fixture->queue);
        _exit(0);
    }
    child_ends(child);
    world_works(&w);
}

static int child_serves(void)
{
    hijack_queue *queue;
    hijack_server *server;
    hijack_event event;
    char answer[256];

    if (hijack_queue_new(&queue) != 0 || hijack_server_new(&server, queue) != 0)
        return 1;
    int port = transport_listen(server, "127.0.0.1:0");
    if (port <= 0 || hijack_server_start(server) != 0)
        return 2;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (transport_connect(fd, port, 0) < 0 || send(fd, LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0) < 0)
        return 3;
    if (hijack_queue_poll(&event, queue, 1, 10000) != 1 || event.type != HIJACK_EVENT_REQUEST)
        return 4;
    if (hijack_request_respond(event.handle, 200, NULL, 0, LIT("child")) != 0)
        return 5;
    if (recv(fd, answer, sizeof(answer), 0) < 12 || memcmp(answer, "HTTP/1.1 200", 12) != 0)
        return 6;
    if (hijack_server_stop(server) != 0)
        return 7;
    hijack_request_free(event.handle);
    hijack_server_free(server);
    hijack_queue_free(queue);
    return 0;
}

static void test_child_serves(void **state)
{
#if defined(__SANITIZE_THREAD__)
    print_message("not under the thread sanitizer: it does not support threads in the child of a threaded process\n");
    skip();
#endif
    struct world w;

    world_init(&w, *state);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(child_serves());
    }
    child_ends(child);
    world_works(&w);
}

/* While the child lives it has copies of the descriptors; the parent's close must reach the client all the same. */
static void test_close_reaches_client(void **state)
{
    struct world w;
    int gate[2];
    struct response r;

    world_init(&w, *state);
    struct fixture *f = w.fixture;
    CHECK(pipe(gate) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        alarm(60);
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(gate[0]);
    OK(hijack_socket_send(w.socket, LIT("end")));
    OK(hijack_socket_close(w.socket));
    client_eof(w.client[2]);
    BYTES(w.client[2]->buf, w.client[2]->len, "end", 3);
    events_closed(&f->events, w.socket, 0);
    OK(hijack_broadcaster_close(w.room));
    client_eof(w.client[3]);
    OK(hijack_request_respond(w.request, 200, LIT("Connection: close\r\n"), LIT("x")));
    response_head(&r, w.client[0]);
    response_finish(&r);
    response_free(&r);
    client_eof(w.client[0]);
    OK(hijack_stream_abort(w.stream));
    client_until_end(w.client[1]);
    fixture_stop(f);
    close(gate[1]);
    child_ends(child);
}

/* Fork while another thread's events and commands are under way. */
static void test_fork_under_load(void **state)
{
    struct fixture *f = *state;
    struct client *c[20];
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);

    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        c[i] = client_connect(f->port);
        ask(c[i], "/raw");
    }
    members_wait(room, 20);
    for (int round = 0; round < 20; round++) {
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("a")), 20);
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            int code = hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("child"));
            hijack_broadcaster_free(room);
            _exit(code == HIJACK_EFORK ? 0 : 1);
        }
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("b")), 20);
        child_ends(child);
    }
    for (int i = 0; i < 20; i++)
        for (int round = 0; round < 20; round++)
            client_expect(c[i], "ab");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls),           TEST(test_frees), TEST(test_child_serves), TEST(test_close_reaches_client),
        TEST(test_fork_under_load),
    };

    return RUN_TESTS(tests, argc, argv);
}
