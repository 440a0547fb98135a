/* SPDX-License-Identifier: MIT
 *
 * Limits of connections, descriptors and time: the server waits or says so, and goes on.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_max_connections(void **state)
{
    struct fixture *f = *state;
    struct client *c[8];
    hijack_request *busy[5];

    fixture_option(f, OPT_MAX_CONNECTIONS, "5");
    fixture_start(f);
    for (int i = 0; i < 5; i++)
        busy[i] = request_open(f, &c[i], "/");
    for (int i = 5; i < 8; i++) {
        c[i] = client_connect(f->port);
        ask(c[i], "/");
    }
    stat_wait_least(f->server, HIJACK_STAT_ACCEPT_PAUSES, 1);
    CHECK(stat_of(f->server, HIJACK_STAT_CONNECTIONS) == 5);
    for (int i = 0; i < 3; i++) {
        reply(f, busy[i], "still");
        response_expect(c[i], 200, "still");
        client_close(c[i]);
        reply(f, next_request(f), "late");
        CHECK(stat_of(f->server, HIJACK_STAT_CONNECTIONS) <= 5);
    }
    for (int i = 5; i < 8; i++)
        response_expect(c[i], 200, "late");
    for (int i = 3; i < 5; i++)
        reply(f, busy[i], "last");
}

/* Who waits between two requests gives way to who has one. */
static void test_idle_connections_give_way(void **state)
{
    struct fixture *f = *state;
    struct client *c[5];

    fixture_option(f, OPT_MAX_CONNECTIONS, "5");
    fixture_start(f);
    for (int i = 0; i < 5; i++) {
        c[i] = client_connect(f->port);
        ask(c[i], "/");
        reply(f, next_request(f), "in");
        response_expect(c[i], 200, "in");
    }
    for (int i = 0; i < 20; i++) {
        struct client *late = client_connect(f->port);
        ask(late, "/");
        reply(f, next_request(f), "late");
        response_expect(late, 200, "late");
        CHECK(stat_of(f->server, HIJACK_STAT_CONNECTIONS) <= 5);
    }
    for (int i = 0; i < 5; i++)
        client_eof(c[i]);
}

/* The one idle connection may be another thread's than the one that the kernel gives the next client to: half of them.
 */
static void test_another_threads_idle_connection_gives_way(void **state)
{
    struct fixture *f = *state;
    struct client *c[8];

    fixture_option(f, OPT_MAX_CONNECTIONS, "8");
    fixture_option(f, OPT_THREADS, "2");
    fixture_start(f);
    hijack_request *busy[7];
    for (int i = 0; i < 7; i++)
        busy[i] = request_open(f, &c[i], "/");
    for (int i = 0; i < 20; i++) {
        struct client *late = client_connect(f->port);
        ask(late, "/");
        uint64_t start = clock_ms();
        reply(f, next_request(f), "late");
        response_expect(late, 200, "late");
        CHECK(clock_ms() - start < 5000); /* and not at the end of request_timeout_ms, which is 30 s */
    }
    for (int i = 0; i < 7; i++)
        reply(f, busy[i], "last");
}

/* Asks for a path that is not there; whether the answer ends the connection. */
static int ask_none(struct client *c)
{
    struct response r;

    ask(c, "/none");
    response_head(&r, c);
    CHECK(r.status == 404);
    response_finish(&r);
    const char *connection = response_header(&r, "Connection");
    int ends = connection != NULL && strcmp(connection, "close") == 0;
    response_free(&r);
    return ends;
}

/* The last answer tells so, and the next client has all its requests, in whichever place of the table it is. */
static void test_requests_per_connection(void **state)
{
    static const int limits[] = {1, 2, 7};
    (void)state;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct fixture f;
        char value[16];
        fixture_init(&f);
        fixture_without_queue(&f);
        snprintf(value, sizeof(value), "%d", limits[i]);
        fixture_option(&f, OPT_REQUESTS, value);
        fixture_option(&f, OPT_THREADS, "1");
        fixture_start(&f);
        for (int round = 0; round < 3; round++) {
            struct client *c = client_connect(f.port);
            for (int n = 1; n < limits[i]; n++)
                CHECK(!ask_none(c));
            CHECK(ask_none(c));
            client_eof(c);
            stat_wait(f.server, HIJACK_STAT_CONNECTIONS, 0);
        }
        stat_wait(f.server, HIJACK_STAT_CLOSED_OK, 3);
        fixture_end(&f);
    }
}

static void test_requests_by_default(void **state)
{
    struct fixture *f = *state;

    fixture_without_queue(f);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (int n = 1; n < 1000; n++)
        CHECK(!ask_none(c));
    CHECK(ask_none(c));
    client_eof(c);
}

static void test_requests_without_limit(void **state)
{
    struct fixture *f = *state;

    fixture_without_queue(f);
    fixture_option(f, OPT_REQUESTS, "0");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    for (int n = 0; n < 1500; n++)
        CHECK(!ask_none(c));
}

/* All in one write: those over the limit get no answer. */
static void test_requests_in_a_pipeline(void **state)
{
    struct fixture *f = *state;

    fixture_without_queue(f);
    fixture_option(f, OPT_REQUESTS, "3");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: x\r\n\r\n"
                   "POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                   "GET /4 HTTP/1.1\r\nHost: x\r\n\r\nGET /5 HTTP/1.1\r\nHost: x\r\n\r\n");
    client_until_end(c);
    int answers = 0;
    for (char *at = c->buf; (at = memmem(at, c->len - (size_t)(at - c->buf), LIT("HTTP/1.1 404"))) != NULL; at++)
        answers++;
    CHECK(answers == 3);
    client_until(c, "Connection: close");
}

/* What the last request becomes says so in its head: a member of a held route, a stream, also for HTTP/1.0. */
static void test_last_request_is_held(void **state)
{
    static const char *const asks[] = {"GET /held HTTP/1.1\r\nHost: x\r\n\r\n",
                                       "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
                                       "GET /length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"};
    struct fixture *f = *state;
    struct response r;

    fixture_option(f, OPT_REQUESTS, "2");
    hijack_broadcaster *room = fixture_hold(f, "/held", HIJACK_HOLD_SSE);
    fixture_start(f);
    for (int i = 0; i < 3; i++) {
        struct client *c = client_connect(f->port);
        ask(c, "/first");
        reply(f, next_request(f), "first");
        response_expect(c, 200, "first");
        client_puts(c, asks[i]);
        if (i == 0)
            members_wait(room, 1);
        else if (i == 1)
            OK(hijack_stream_finish(stream_of(f, next_request(f), ""), NULL, 0));
        else
            OK(hijack_stream_finish(stream_of(f, next_request(f), "Content-Length: 0\r\n"), NULL, 0));
        if (i == 0)
            OK(hijack_broadcaster_close(room));
        response_head(&r, c);
        CHECK(response_header(&r, "Connection") != NULL && strcmp(response_header(&r, "Connection"), "close") == 0);
        response_finish(&r);
        response_free(&r);
        client_eof(c);
    }
}

/* A peer that sends its head byte by byte for ever: closed when its time is over, however busy it looks. */
static void test_slow_head(void **state)
{
    struct fixture *f = *state;
    uint64_t start;

    fixture_option(f, OPT_HEAD_TIMEOUT, "300");
    fixture_start(f);
    struct client *silent = client_connect(f->port);
    struct client *c = client_connect(f->port);
    client_puts(c, "GET / HTTP/1.1\r\nX: ");
    start = clock_ms();
    while (!c->ended && clock_ms() - start < clock_limit_ms()) {
        client_puts(c, "x");
        client_peek(c);
        clock_tick();
    }
    CHECK(c->ended);
    CHECK(clock_ms() - start >= 200);
    response_expect(c, 408, NULL);
    client_until_end(silent);
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 2);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
}

/* The same after a request that was answered: the time runs from the first byte of the head, and not from the answer.
 */
static void test_slow_later_head(void **state)
{
    struct fixture *f = *state;

    fixture_without_queue(f);
    fixture_option(f, OPT_HEAD_TIMEOUT, "300");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    CHECK(!ask_none(c));
    struct client *silent = client_connect(f->port);
    client_until_end(silent); /* more than the timeout has passed since the answer */
    uint64_t start = clock_ms();
    client_puts(c, "GET / HTTP/1.1\r\nX: ");
    while (!c->ended && clock_ms() - start < clock_limit_ms()) {
        client_puts(c, "x");
        client_peek(c);
        clock_tick();
    }
    CHECK(c->ended && clock_ms() - start >= 200);
    response_expect(c, 408, NULL);
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 2);
}

/* A head in time, then a body that does not come. */
static void test_slow_body(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_REQUEST_TIMEOUT, "300");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    client_puts(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    uint64_t start = clock_ms();
    while (!c->ended && clock_ms() - start < clock_limit_ms()) {
        client_puts(c, "x");
        client_peek(c);
        clock_tick();
    }
    CHECK(c->ended && clock_ms() - start >= 200);
    response_expect(c, 408, NULL);
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 1);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_REQUEST, NULL) == 0);
}

/* The timeouts of heads and bodies do not end an answer that takes long, nor what came of a request. */
static void test_slow_program(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d, *e;

    fixture_option(f, OPT_REQUEST_TIMEOUT, "100");
    fixture_option(f, OPT_HEAD_TIMEOUT, "100");
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    hijack_socket *socket = socket_open(f, &d);
    e = client_connect(f->port);
    ask(e, "/raw");
    struct client *silent = client_connect(f->port);
    client_until_end(silent); /* more than the timeout has passed for the others by now */
    struct client *again = client_connect(f->port);
    client_until_end(again);
    reply(f, request, "took its time");
    response_expect(c, 200, "took its time");
    OK(hijack_socket_send(socket, LIT("open")));
    client_expect(d, "open");
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("held")), 1);
    client_expect(e, "held");
}

/* An idle held member is closed when the option says so. */
static void test_idle_member(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_IDLE_TIMEOUT, "200");
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    uint64_t start = clock_ms();
    ask(c, "/raw");
    client_until_end(c);
    CHECK(clock_ms() - start >= 150);
    members_wait(room, 0);
    stat_wait(f->server, HIJACK_STAT_CLOSED_TIMEOUT, 1);
}

/* The idle timeout is for what is held, not for a client that waits for its answer. */
static void test_idle_request(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;

    fixture_option(f, OPT_IDLE_TIMEOUT, "100");
    fixture_start(f);
    hijack_request *request = request_open(f, &c, "/");
    for (int i = 0; i < 3; i++) { /* each of these ends after the time is over for the request too */
        hijack_socket *socket = socket_open(f, &d);
        events_closed(&f->events, socket, HIJACK_ETIMEDOUT);
        client_until_end(d);
    }
    CHECK(client_peek(c) == 0 && !c->ended);
    reply(f, request, "took its time");
    response_expect(c, 200, "took its time");
}

/* Runs in a process of its own, with few descriptors: holds members until there is none left for another connection.
 * The exit code says which step failed. */
static int starving_server(int out, int in)
{
    struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
    hijack_server *server = NULL;
    hijack_broadcaster *room = NULL;
    uint64_t stats[HIJACK_STAT_COUNT];
    char byte;

    alarm(60);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || hijack_server_new(&server, NULL) != 0)
        return 1;
    hijack_server_set(server, LIT(OPT_THREADS), LIT("2"));
    hijack_server_set(server, LIT("max_connections"), LIT("1000")); /* not this limit, but the system's is to be met */
    int port = transport_listen(server, "127.0.0.1:0");
    if (port <= 0 || hijack_broadcaster_new(&room, server) != 0 ||
        hijack_server_hold(server, LIT("/raw"), HIJACK_HOLD_RAW, NULL, 0, room) != 0 ||
        hijack_server_start(server) != 0)
        return 2;
    if (write(out, &port, sizeof(port)) != sizeof(port))
        return 3;
    do { /* the parent connects more often than this process has descriptors */
        clock_tick();
        hijack_server_stats(stats, HIJACK_STAT_COUNT, server);
    } while (stats[HIJACK_STAT_ACCEPT_PAUSES] == 0);
    uint64_t cpu = clock_cpu_ms(), start = clock_ms();
    while (clock_ms() - start < 500)
        clock_tick();
    cpu = clock_cpu_ms() - cpu;
    if (cpu > 200)
        return 4;
    if (hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("members are served")) <= 0)
        return 5;
    if (write(out, "s", 1) != 1 || read(in, &byte, 1) != 1)
        return 6;
    hijack_server_stop(server);
    hijack_broadcaster_free(room);
    hijack_server_free(server);
    return 0;
}

static int served_of(struct client **clients, int count)
{
    int served = 0;

    for (int i = 0; i < count; i++)
        served += client_peek(clients[i]) > 0;
    return served;
}

static void test_no_descriptors(void **state)
{
    struct client *c[100];
    int out[2], in[2], port, status;
    char byte;

    (void)state;
    CHECK(pipe2(out, O_CLOEXEC) == 0 && pipe2(in, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(starving_server(out[1], in[0]));
    close(out[1]);
    close(in[0]);
    CHECK(read(out[0], &port, sizeof(port)) == sizeof(port));
    transport_listens(port);
    for (int i = 0; i < 100; i++) {
        c[i] = client_connect(port);
        ask(c[i], "/raw");
    }
    CHECK(read(out[0], &byte, 1) == 1); /* otherwise the child has ended with a failure */
    WAIT_FOR(served_of(c, 100) >= 10);
    CHECK(served_of(c, 100) < 64);
    for (int i = 0; i < 100; i++)
        client_close(c[i]);
    /* Now descriptors come back, and with them the next connection is taken. */
    struct client *late = client_connect(port);
    client_puts(late, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
    client_until(late, "HTTP/1.1 404");
    CHECK(write(in[1], "x", 1) == 1);
    CHECK(waitpid(child, &status, 0) == child);
    CODE(WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), 0);
    close(out[0]);
    close(in[1]);
    clients_free();
}

/* Without a descriptor, new says so and leaves nothing behind. */
static void test_new_without_descriptors(void **state)
{
    struct rlimit old, limit;
    hijack_queue *queue = (void *)3;
    int code;

    (void)state;
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    limit = old;
    limit.rlim_cur = 3;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    code = hijack_queue_new(&queue);
    setrlimit(RLIMIT_NOFILE, &old);
    CODE(code, HIJACK_ELIMIT);
    CHECK(queue == (void *)3);
}

static void test_start_without_descriptors(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    limit = old;
    limit.rlim_cur = 4;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int code = hijack_server_start(f->server);
    setrlimit(RLIMIT_NOFILE, &old);
    CODE(code, HIJACK_ELIMIT);
    fixture_start(f); /* the failure has changed nothing */
    struct client *c;
    reply(f, request_open(f, &c, "/"), "ok");
    response_expect(c, 200, "ok");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_max_connections),
        TEST(test_idle_connections_give_way),
        TEST(test_another_threads_idle_connection_gives_way),
        cmocka_unit_test(test_requests_per_connection),
        TEST(test_requests_by_default),
        TEST(test_requests_without_limit),
        TEST(test_requests_in_a_pipeline),
        TEST(test_last_request_is_held),
        TEST(test_slow_head),
        TEST(test_slow_later_head),
        TEST(test_slow_body),
        TEST(test_slow_program),
        TEST(test_idle_member),
        TEST(test_idle_request),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_new_without_descriptors),
        TEST(test_start_without_descriptors),
    };

    return RUN_TESTS(tests, argc, argv);
}
