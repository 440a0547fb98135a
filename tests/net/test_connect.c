/* SPDX-License-Identifier: MIT
 *
 * Outgoing connections: to an address, a name and a unix socket; what is asked of them before they are open; and why
 * they do not open.
 */
#include "support/exchange.h"
#include "support/outgoing.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void test_echo(void **state)
{
    struct fixture *f = *state;
    char address[64];
    int port;

    fixture_start(f);
    int listener = listen_here(&port, 10);
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    hijack_socket *socket = connect_to(f, address, 77);
    OK(hijack_socket_send(socket, LIT("before it is open")));
    OK(hijack_socket_read(socket, 5));
    struct client *c = accept_client(listener);
    struct event *event = events_only(&f->events, HIJACK_EVENT_CONNECTED, socket);
    CHECK(event->status == 0 && event->user_data == 77 && strcmp(event->data, address) == 0);
    client_expect(c, "before it is open");
    client_puts(c, "hello and more");
    free(events_data(&f->events, socket, 5));
    OK(hijack_socket_send(socket, LIT("after")));
    client_expect(c, "after");
    OK(hijack_socket_close(socket));
    client_eof(c);
    events_closed(&f->events, socket, 0);
    CHECK(stat_of(f->server, HIJACK_STAT_OUTGOING) == 1);
    close(listener);
}

/* All that can be done with a socket is done before it is open. */
static void test_before_it_is_open(void **state)
{
    struct fixture *f = *state;
    int port;

    fixture_start(f);
    int listener = listen_here(&port, 10);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_socket *closed = connect_to_port(f, "127.0.0.1", port);
    OK(hijack_socket_send(closed, LIT("all of it")));
    OK(hijack_socket_close(closed));
    struct client *c = accept_client(listener);
    client_expect(c, "all of it");
    client_eof(c);
    events_next(&f->events, HIJACK_EVENT_CONNECTED, closed);
    events_closed(&f->events, closed, 0);
    hijack_socket *member = connect_to_port(f, "127.0.0.1", port);
    OK(hijack_broadcaster_add(room, member, 0, NULL, 0));
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("to all")));
    OK(hijack_socket_shutdown(member));
    c = accept_client(listener);
    client_expect(c, "to all");
    client_eof(c);
    client_close(c);
    events_next(&f->events, HIJACK_EVENT_CLOSED, member);
    hijack_socket *given = connect_to_port(f, "127.0.0.1", port);
    OK(hijack_socket_send(given, LIT("first")));
    OK(hijack_socket_detach(given));
    c = accept_client(listener);
    client_expect(c, "first");
    struct event *event = events_next(&f->events, HIJACK_EVENT_DETACHED, given);
    CHECK(write(event->status, " second", 7) == 7);
    client_expect(c, " second");
    close(event->status);
    client_eof(c);
    hijack_socket *freed = connect_to_port(f, "127.0.0.1", port);
    hijack_socket_free(freed);
    events_freed(&f->events, freed);
    c = accept_client(listener);
    CHECK(client_until_end(c) != 0);
    hijack_socket *aborted = connect_to_port(f, "127.0.0.1", port);
    OK(hijack_socket_abort(aborted));
    events_closed(&f->events, aborted, HIJACK_EABORTED);
    close(listener);
}

static void test_names_and_files(void **state)
{
    struct fixture *f = *state;
    char address[128];
    int port;

    fixture_start(f);
    int listener = listen_here(&port, 10);
    hijack_socket *named = connect_to_port(f, "localhost", port); /* ::1 may be tried first, and refuse */
    OK(hijack_socket_send(named, LIT("hello")));
    client_expect(accept_client(listener), "hello");
    events_next(&f->events, HIJACK_EVENT_CONNECTED, named);
    close(listener);

    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/hijack-connect-%d", (int)getpid());
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&sun, sizeof(sun)) == 0 && listen(listener, 1) == 0);
    snprintf(address, sizeof(address), "unix:%s", sun.sun_path);
    hijack_socket *file = connect_to(f, address, 0);
    OK(hijack_socket_send(file, LIT("unix")));
    client_expect(accept_client(listener), "unix");
    CHECK(strcmp(events_next(&f->events, HIJACK_EVENT_CONNECTED, file)->data, address) == 0);
    close(listener);
    events_closed(&f->events, connect_to(f, address, 0), HIJACK_EREFUSED);
    unlink(sun.sun_path);
    events_closed(&f->events, connect_to(f, address, 0), HIJACK_ENOENT);
}

#define QUEUE 3 /* connections that the queue of a listener takes that asked for the shortest one */

/* The next one waits for ever. */
static void fill_queue(int full[QUEUE], int port)
{
    const struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < QUEUE; i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(full[i], (const struct sockaddr *)&sin, sizeof(sin));
    }
}

static void empty_queue(const int full[QUEUE])
{
    for (int i = 0; i < QUEUE; i++)
        close(full[i]);
}

/* Without a handle nobody would hear why it does not open: a member is closed as any other. */
static void test_freed_member(void **state)
{
    struct fixture *f = *state;
    int port, full[QUEUE];

    fixture_start(f);
    int listener = listen_here(&port, 0);
    fill_queue(full, port);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_socket *member = connect_to_port(f, "127.0.0.1", port);
    OK(hijack_broadcaster_add(room, member, 0, NULL, 0));
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 1);
    hijack_socket_free(member);
    events_freed(&f->events, member);
    members_wait(room, 0);
    stat_wait(f->server, HIJACK_STAT_CLOSED_ABORTED, 1);
    empty_queue(full);
    close(listener);
}

static void test_failures(void **state)
{
    struct fixture *f = *state;
    hijack_socket *none = NULL;
    int port;

    fixture_option(f, "connect_timeout_ms", "100");
    CODE(hijack_server_connect(&none, f->server, LIT("127.0.0.1:1"), 0), HIJACK_ESTATE);
    fixture_start(f);
    int listener = listen_here(&port, 0);
    int full[QUEUE];
    fill_queue(full, port);
    hijack_socket *late = connect_to_port(f, "127.0.0.1", port);
    OK(hijack_socket_send(late, LIT("for nobody")));
    events_closed(&f->events, late, HIJACK_ETIMEDOUT);
    empty_queue(full);
    close(listener);
    events_closed(&f->events, connect_to_port(f, "127.0.0.1", port), HIJACK_EREFUSED);
    events_closed(&f->events, connect_to(f, "a..b:80", 0), HIJACK_EADDRNOTAVAIL);
    const struct {
        const char *address;
        int code;
    } wrong[] = {
        {"", HIJACK_EADDR},
        {"127.0.0.1", HIJACK_EADDR},
        {"127.0.0.1:", HIJACK_EADDR},
        {"127.0.0.1:0", HIJACK_EADDR},
        {"*:80", HIJACK_EADDR},
        {"fd:3", HIJACK_EADDR},
        {":80", HIJACK_EADDR},
        {"a b:80", HIJACK_EADDR},
        {"host:http", HIJACK_EADDR},
        {"host:0", HIJACK_EADDR},
        {"127.0.0.1.1:80", HIJACK_EADDR},
        {"127.0.0.1:65536", HIJACK_ERANGE},
        {"host:65536", HIJACK_ERANGE},
        {"unix:", HIJACK_EADDR},
#if !HIJACK_TLS
        {"tls:host:443", HIJACK_ENOTSUP},
#endif
        {"[::1:80", HIJACK_EADDR},
        {"localhost:0", HIJACK_EADDR},
        {"host:", HIJACK_EADDR},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CODE(hijack_server_connect(&none, f->server, STR(wrong[i].address), 0), wrong[i].code);
    CODE(hijack_server_connect(NULL, f->server, LIT("host:1"), 0), HIJACK_EINVAL);
    CODE(hijack_server_connect(&none, f->server, NULL, 1, 0), HIJACK_EINVAL);
    CODE(hijack_server_connect(&none, NULL, LIT("host:1"), 0), HIJACK_EHANDLE);
    CHECK(none == NULL);
}

/* The server stops while names are looked up and connections opened. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    hijack_socket *sockets[20], *late = NULL;
    int port;

    fixture_start(f);
    int listener = listen_here(&port, 30);
    for (int i = 0; i < 20; i++)
        sockets[i] = connect_to_port(f, i % 2 == 0 ? "localhost" : "127.0.0.1", port);
    fixture_stop(f);
    for (int i = 0; i < 20; i++)
        events_next(&f->events, HIJACK_EVENT_CLOSED, sockets[i]);
    CODE(hijack_server_connect(&late, f->server, LIT("127.0.0.1:1"), 0), HIJACK_ESHUTDOWN);
    close(listener);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_echo),         TEST(test_before_it_is_open), TEST(test_names_and_files),
        TEST(test_freed_member), TEST(test_failures),          TEST(test_stop),
    };
    return RUN_TESTS(tests, argc, argv);
}
