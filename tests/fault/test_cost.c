/* SPDX-License-Identifier: MIT
 *
 * What the library promises to cost, counted and not timed: system calls of a request, bytes of a connection.
 */
#include "fault/fault.h"
#include "support/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REQUESTS = 1000,
    MEMBERS = 10000, /* that have no request; sockets, two of a pair each */
    ROUTE_MEMBERS = 4000,
    HANDLES = 4000
};

/* Calls of the loops, without the eventfd's: those are the signals. */
static unsigned long calls_of_loops(void)
{
    unsigned long sum = 0;

    for (int call = 0; call < FAULT_CALL_COUNT; call++)
        if (call != FAULT_MEMORY && call != FAULT_WRITE)
            sum += fault_calls((enum fault_call)call);
    return sum;
}

static void get_once(struct fixture *f, struct client *client)
{
    ask(client, "/");
    hijack_request *request = next_request(f);
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("hello")));
    request_free(f, request);
    response_expect(client, 200, "hello");
}

/* A client that waits for each answer costs the loop two waits, a read and a write, and the program one signal. */
static void test_calls_of_a_get(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_THREADS, "1");
    fixture_option(f, OPT_REQUESTS, "0");
    fixture_start(f);
    struct client *client = client_connect(f->port);
    get_once(f, client);
    fault_count_loops();
    uint64_t start = clock_ms();
    for (int i = 0; i < REQUESTS; i++)
        get_once(f, client);
    /* A machine that takes long has the loop look at its deadlines meanwhile, once a second. */
    unsigned long beside = 10 + 10 * (unsigned long)((clock_ms() - start) / 1000);
    unsigned long calls = calls_of_loops(), signals = fault_calls(FAULT_WRITE);
    print_message("a GET: %.3f system calls of the loop, %.3f signals, %.3f allocations\n", (double)calls / REQUESTS,
                  (double)signals / REQUESTS, (double)fault_calls(FAULT_MEMORY) / REQUESTS);
    if (calls > 4 * REQUESTS + beside || signals > REQUESTS + beside) {
        for (int call = 0; call < FAULT_CALL_COUNT; call++)
            if (fault_calls((enum fault_call)call) != 0)
                print_error("  %s %lu\n", fault_name((enum fault_call)call), fault_calls((enum fault_call)call));
        check_fail(__FILE__, __LINE__, "%d requests take %lu calls, must take 4 each; %lu signals, must be 1 each",
                   REQUESTS, calls, signals);
    }
}

/* A program that asks for one piece after the other, as those of the languages do, changes nothing in the poller. */
static void test_calls_of_credit(void **state)
{
    struct fixture *f = *state;
    struct client *client;

    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    hijack_socket *socket = socket_open(f, &client);
    fault_count_loops();
    for (int i = 0; i < REQUESTS; i++) {
        OK(hijack_socket_read(socket, 4));
        client_puts(client, "text");
        free(events_data(&f->events, socket, strlen("text")));
    }
    const unsigned long calls = fault_calls(FAULT_EPOLL_CTL);
    print_message("a piece asked for by itself: %.3f calls of epoll_ctl\n", (double)calls / REQUESTS);
    CHECK(calls <= 10); /* a machine that takes long may let a piece come before it was asked for */
    OK(hijack_socket_close(socket));
    client_eof(client);
    events_closed(&f->events, socket, 0);
}

/* As many as descriptors allow, each of which takes `descriptors`. */
static int affordable(int count, int descriptors)
{
    long most = (client_raise_limit() - 100) / descriptors;

    if (most >= count)
        return count;
    print_message("only %ld connections instead of %d: the limit of descriptors is too low\n", most, count);
    CHECK(most >= count / 10);
    return (int)most;
}

static void check_bytes_each(const char *what, long before, int count, long most)
{
    long bytes = fault_bytes() - before;

    print_message("%s: %.1f bytes each, of %d\n", what, (double)bytes / count, count);
    if (bytes > most * count)
        check_fail(__FILE__, __LINE__, "%s takes %ld bytes, must take at most %ld", what, bytes / count, most);
}

static void make_pair(int *fds)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
}

static void test_bytes_of_a_member(void **state)
{
    struct fixture *f = *state;
    int count = affordable(MEMBERS, 1) / 2 * 2, fds[2];
    hijack_broadcaster *room = fixture_broadcaster(f);

    fixture_start(f);
    long before = fault_bytes();
    for (int i = 0; i < count; i += 2) {
        make_pair(fds);
        for (int end = 0; end < 2; end++)
            OK(hijack_broadcaster_adopt(room, fds[end], HIJACK_HOLD_SSE_BODY, 0, NULL, 0, NULL, 0, NULL, 0));
    }
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, (uint64_t)count);
    check_bytes_each("an adopted SSE member", before, count, 128);
}

static void test_bytes_of_a_held_route(void **state)
{
    struct fixture *f = *state;
    int count = affordable(ROUTE_MEMBERS, 2);

    fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    fixture_start(f);
    long before = fault_bytes();
    for (int i = 0; i < count; i++) {
        ask(client_connect(f->port), "/sse");
        if (i % 500 == 0)
            stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, (uint64_t)i + 1);
    }
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, (uint64_t)count);
    check_bytes_each("an SSE member of a held route", before, count, 128);
}

static void test_bytes_of_a_socket(void **state)
{
    struct fixture *f = *state;
    int count = affordable(HANDLES, 1) / 2 * 2, fds[2];
    hijack_socket *socket = NULL;

    fixture_start(f);
    long before = fault_bytes();
    for (int i = 0; i < count; i += 2) {
        make_pair(fds);
        for (int end = 0; end < 2; end++) {
            OK(hijack_server_adopt(&socket, f->server, fds[end], NULL, 0));
            events_note(&f->events, socket, KIND_SOCKET);
        }
    }
    stat_wait(f->server, HIJACK_STAT_SOCKETS, (uint64_t)count);
    check_bytes_each("a socket with a handle", before, count, 256);
}

/* The other end takes nothing of the heads, which fit into the kernel's buffer. */
static void test_bytes_of_a_stream(void **state)
{
    struct fixture *f = *state;
    int count = affordable(HANDLES, 2), fds[2];
    hijack_request *request = NULL;
    hijack_stream *stream = NULL;

    fixture_start(f);
    long before = fault_bytes();
    for (int i = 0; i < count; i++) {
        make_pair(fds);
        client_wrap(fds[1]);
        OK(hijack_server_adopt_request(&request, f->server, fds[0], LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), NULL, 0));
        OK(hijack_request_sse(&stream, request, NULL, 0));
        hijack_request_free(request);
        events_note(&f->events, stream, KIND_STREAM);
    }
    stat_wait(f->server, HIJACK_STAT_STREAMS, (uint64_t)count);
    WAIT_FOR(events_poll(&f->events, 0) == 0);
    check_bytes_each("a stream with a handle", before, count, 256);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls_of_a_get),        TEST(test_calls_of_credit),   TEST(test_bytes_of_a_member),
        TEST(test_bytes_of_a_held_route), TEST(test_bytes_of_a_socket), TEST(test_bytes_of_a_stream),
    };

    return RUN_TESTS(tests, argc, argv);
}
