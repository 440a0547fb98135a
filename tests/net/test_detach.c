/* SPDX-License-Identifier: MIT
 *
 * Descriptors that leave the library (detach) and that come into it (adopt).
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int detached_fd(struct fixture *f, hijack_socket *socket)
{
    struct event *event = events_next(&f->events, HIJACK_EVENT_DETACHED, socket);

    CHECK(event->status >= 0);
    return event->status;
}

static void read_exactly(int fd, const char *expected, size_t len)
{
    char data[256];
    size_t have = 0;
    uint64_t end = clock_ms() + clock_limit_ms();

    while (have < len && clock_ms() < end) {
        ssize_t n = read(fd, data + have, sizeof(data) - have);
        if (n > 0)
            have += (size_t)n;
        else
            clock_tick();
    }
    BYTES(data, have, expected, len);
}

static void test_detach(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_send(socket, LIT("before ")));
    OK(hijack_socket_detach(socket));
    int fd = detached_fd(f, socket);
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    stat_wait(f->server, HIJACK_STAT_DETACHED, 1);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, transport_is_tls()); /* then the loop relays it */
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 0);
    CHECK(write(fd, "after", 5) == 5);
    client_expect(c, "before after");
    client_puts(c, "to the fd");
    read_exactly(fd, LIT("to the fd"));
    CODE(hijack_socket_detach(socket), HIJACK_ECLOSED);
    CODE(hijack_socket_send(socket, LIT("x")), HIJACK_ECLOSED);
    socket_free(f, socket);
    if (!transport_is_tls())
        fixture_stop(f); /* which a plain descriptor outlives; over TLS the server relays to the end */
    CHECK(write(fd, "x", 1) == 1);
    client_expect(c, "x");
    close(fd);
    client_eof(c);
}

static void test_detach_unread(void **state)
{
    struct fixture *f = *state;

    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n0123456789");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_read(socket, 3));
    free(events_data(&f->events, socket, 3));
    OK(hijack_socket_detach(socket));
    struct event *event = events_only(&f->events, HIJACK_EVENT_DETACHED, socket);
    BYTES(event->data, event->len, "3456789", 7);
    client_puts(c, "abc");
    read_exactly(event->status, LIT("abc"));
    close(event->status);
}

/* What was sent before goes out first, however slowly the client reads. */
static void test_detach_flushes(void **state)
{
    struct fixture *f = *state;
    size_t len = 4u << 20;
    char *data = calloc(1, len);

    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_send(socket, data, len));
    OK(hijack_socket_detach(socket));
    stat_wait_least(f->server, HIJACK_STAT_BACKLOG_BYTES, 1);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_DETACHED, socket) == 0);
    client_want(c, len);
    int fd = detached_fd(f, socket);
    client_consume(c, len);
    CHECK(write(fd, "end", 3) == 3);
    client_expect(c, "end");
    close(fd);
    free(data);
}

static void test_detach_peer_first(void **state)
{
    struct fixture *f = *state;
    size_t len = 16u << 20;
    char *data = calloc(1, len);

    fixture_start(f);
    struct client *c = client_connect_slow(f->port);
    ask(c, "/");
    hijack_socket *socket = socket_of(f, next_request(f));
    OK(hijack_socket_send(socket, data, len));
    OK(hijack_socket_detach(socket));
    CODE(hijack_socket_detach(socket), HIJACK_ESTATE); /* under way */
    CODE(hijack_socket_read(socket, 1), HIJACK_ESTATE);
    CODE(hijack_socket_shutdown(socket), HIJACK_ESTATE);
    CODE(hijack_socket_close(socket), HIJACK_ESTATE);
    CODE(hijack_socket_send(socket, LIT("x")), HIJACK_ECLOSED);
    client_reset(c);
    events_closed(&f->events, socket, HIJACK_ERESET);
    free(data);
}

static void test_detach_leaves_broadcasters(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("one")), 1);
    OK(hijack_socket_detach(socket));
    int fd = detached_fd(f, socket);
    members_wait(room, 0);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("two")), 0);
    CHECK(write(fd, "!", 1) == 1);
    client_expect(c, "one!");
    close(fd);
}

/* Nobody polls the event: freeing the socket, or the queue, closes the descriptor (the fixture counts). */
static void test_detached_unpolled(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;

    fixture_start(f);
    hijack_socket *one = socket_open(f, &c);
    hijack_socket *two = socket_open(f, &d);
    OK(hijack_socket_detach(one));
    OK(hijack_socket_detach(two));
    stat_wait(f->server, HIJACK_STAT_DETACHED, 2);
    socket_free(f, one);
    client_until_end(c);
    OK(hijack_server_stop(f->server));
    hijack_server_free(f->server);
    hijack_queue_free(f->queue);
    f->released = 1;
    client_until_end(d);
}

static void pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
}

static int socket_unconnected(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* The server's end of a TCP connection whose client has reset it, and the reset has arrived. */
static int socket_reset(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket_unconnected(), client = socket_unconnected();
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof(address)) == 0);
    int fd = accept(listener, NULL, NULL);
    CHECK(setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)) == 0);
    CHECK(close(client) == 0 && close(listener) == 0);
    CHECK(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000) == 1);
    return fd;
}

static hijack_socket *adopt(struct fixture *f, int fd, const char *unread, size_t unread_len)
{
    hijack_socket *socket = NULL;

    OK(hijack_server_adopt(&socket, f->server, fd, unread, unread_len));
    CHECK(socket != NULL);
    events_note(&f->events, socket, KIND_SOCKET);
    return socket;
}

static void test_adopt_pair(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    OK(hijack_handle_set_user_data(f->server, 55));
    fixture_start(f);
    pair(fds);
    struct client *c = client_wrap(fds[0]);
    client_puts(c, "fresh");
    hijack_socket *socket = adopt(f, fds[1], LIT("unread "));
    uint64_t value = 0;
    OK(hijack_handle_user_data(&value, socket));
    CHECK(value == 55);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_DATA, socket) == 0);
    OK(hijack_socket_read(socket, UINT64_MAX));
    char *data = events_data(&f->events, socket, 12);
    BYTES(data, 12, "unread fresh", 12);
    free(data);
    OK(hijack_socket_send(socket, LIT("hello")));
    client_expect(c, "hello");
    stat_wait(f->server, HIJACK_STAT_ADOPTED, 1);
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 1);
    OK(hijack_socket_close(socket));
    client_eof(c);
    events_closed(&f->events, socket, 0);
}

/* Unread bytes are within the credit like any others. */
static void test_adopt_credit(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    fixture_start(f);
    pair(fds);
    struct client *c = client_wrap(fds[0]);
    hijack_socket *socket = adopt(f, fds[1], LIT("abcdef"));
    OK(hijack_socket_read(socket, 2));
    char *data = events_data(&f->events, socket, 2);
    BYTES(data, 2, "ab", 2);
    free(data);
    client_puts(c, "gh");
    OK(hijack_socket_read(socket, 6));
    data = events_data(&f->events, socket, 6);
    BYTES(data, 6, "cdefgh", 6);
    free(data);
    OK(hijack_socket_abort(socket));
    client_until_end(c);
    events_closed(&f->events, socket, HIJACK_EABORTED);
}

static void test_adopt_tcp(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    fixture_start(f);
    hijack_socket *socket = socket_open(f, &c);
    OK(hijack_socket_detach(socket));
    int fd = detached_fd(f, socket);
    socket_free(f, socket);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    socket = adopt(f, fd, LIT("1"));
    OK(hijack_socket_read(socket, 2));
    client_puts(c, "2");
    free(events_data(&f->events, socket, 2));
    OK(hijack_socket_send(socket, LIT("back")));
    client_expect(c, "back");
    OK(hijack_socket_abort(socket));
    if (transport_is_tls())
        client_eof(c); /* what detaching gave is a socket pair, which has no reset */
    else
        client_rst(c);
    events_closed(&f->events, socket, HIJACK_EABORTED);
}

static void test_adopt_refused(void **state)
{
    struct fixture *f = *state;
    hijack_socket *socket = (void *)3;
    int fds[2], file;

    pair(fds);
    CODE(hijack_server_adopt(&socket, f->server, fds[1], NULL, 0), HIJACK_ESTATE);
    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    CHECK(write(fds[1], "x", 1) == 1);
    CODE(hijack_server_adopt(&socket, f->server, fds[1], NULL, 4), HIJACK_EINVAL);
    CODE(hijack_server_adopt(&socket, f->server, -1, NULL, 0), HIJACK_ENOTSOCK);
    CODE(hijack_server_adopt(&socket, f->server, 19999, NULL, 0), HIJACK_ENOTSOCK);
    CODE(hijack_broadcaster_adopt(room, -1, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_ENOTSOCK);
    close(fds[0]);
    close(fds[1]);
    CHECK(pipe(fds) == 0);
    CODE(hijack_server_adopt(&socket, f->server, fds[0], NULL, 0), HIJACK_ENOTSOCK);
    CODE(hijack_broadcaster_adopt(room, fds[1], HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_ENOTSOCK);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
    file = open("/dev/null", O_RDWR | O_CLOEXEC);
    CODE(hijack_server_adopt(&socket, f->server, file, NULL, 0), HIJACK_ENOTSOCK);
    CHECK(close(file) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) == 0);
    CODE(hijack_server_adopt(&socket, f->server, fds[0], NULL, 0), HIJACK_ENOTSOCK);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
    file = socket_unconnected();
    CODE(hijack_server_adopt(&socket, f->server, file, NULL, 0), HIJACK_ENOTSOCK);
    CHECK(close(file) == 0);
    file = socket_reset();
    CODE(hijack_server_adopt(&socket, f->server, file, NULL, 0), HIJACK_ERESET);
    CODE(hijack_broadcaster_adopt(room, file, HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_ERESET);
    CHECK(close(file) == 0);
    fixture_stop(f);
    pair(fds);
    CODE(hijack_server_adopt(&socket, f->server, fds[0], NULL, 0), HIJACK_ESHUTDOWN);
    CODE(hijack_broadcaster_adopt(room, fds[0], HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0), HIJACK_ESHUTDOWN);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
    CHECK(socket == (void *)3);
}

/* A server that listens nowhere serves adopted connections. */
static void test_adopt_without_listener(void **state)
{
    struct fixture *f = *state;
    hijack_server *server = NULL;
    hijack_socket *socket = NULL;
    int fds[2];

    OK(hijack_server_new(&server, f->queue));
    OK(hijack_server_start(server));
    pair(fds);
    OK(hijack_server_adopt(&socket, server, fds[1], NULL, 0));
    events_note(&f->events, socket, KIND_SOCKET);
    OK(hijack_socket_send(socket, LIT("hi")));
    struct client *c = client_wrap(fds[0]);
    client_expect(c, "hi");
    OK(hijack_server_stop(server));
    events_closed(&f->events, socket, HIJACK_ESHUTDOWN);
    events_next(&f->events, HIJACK_EVENT_STOPPED, server);
    client_until_end(c);
    hijack_server_free(server);
}

static void test_adopt_peer_gone(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    fixture_start(f);
    pair(fds);
    hijack_socket *socket = adopt(f, fds[1], NULL, 0);
    close(fds[0]);
    CODE(events_only(&f->events, HIJACK_EVENT_CLOSED, socket)->status, HIJACK_ECLOSED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_detach),
        TEST(test_detach_unread),
        TEST(test_detach_flushes),
        TEST(test_detach_peer_first),
        TEST(test_detach_leaves_broadcasters),
        TEST(test_detached_unpolled),
        TEST(test_adopt_pair),
        TEST(test_adopt_credit),
        TEST(test_adopt_tcp),
        TEST(test_adopt_refused),
        TEST(test_adopt_without_listener),
        TEST(test_adopt_peer_gone),
    };

    return RUN_TESTS(tests, argc, argv);
}
