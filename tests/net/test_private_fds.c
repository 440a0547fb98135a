/* SPDX-License-Identifier: MIT
 *
 * Loops with descriptor tables of their own (option private_fds): what is the program's stays the program's alone, more
 * connections fit than one table has room for, and descriptors pass from one table to another and back.
 */
#include "support/exchange.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE 300 /* the limit of one table in the tests of limits */
#define BEYOND 350

static void start_private(struct fixture *f)
{
    fixture_option(f, OPT_PRIVATE_FDS, "on");
    fixture_start(f);
}

/* Descriptors in the tables of all threads, counted once for each thread. */
static int descriptors_of_threads(void)
{
    char path[300];
    int count = 0;
    DIR *threads = opendir("/proc/self/task");

    CHECK(threads != NULL);
    for (struct dirent *thread; (thread = readdir(threads)) != NULL;) {
        snprintf(path, sizeof(path), "/proc/self/task/%s/fd", thread->d_name);
        DIR *table = thread->d_name[0] == '.' ? NULL : opendir(path);
        for (; table != NULL && readdir(table) != NULL; count++)
            ;
        if (table != NULL)
            closedir(table);
    }
    closedir(threads);
    return count;
}

/* In how many threads' tables fd is this file, which the main thread has under this number. */
static int tables_with(int fd)
{
    char path[300], own[256] = "", other[256];
    int count = 0;
    DIR *threads = opendir("/proc/self/task");

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK(threads != NULL && readlink(path, own, sizeof(own) - 1) > 0);
    for (struct dirent *thread; (thread = readdir(threads)) != NULL;) {
        if (thread->d_name[0] == '.')
            continue;
        memset(other, 0, sizeof(other));
        snprintf(path, sizeof(path), "/proc/self/task/%s/fd/%d", thread->d_name, fd);
        count += readlink(path, other, sizeof(other) - 1) > 0 && strcmp(own, other) == 0;
    }
    closedir(threads);
    return count;
}

static void expect_end(int fd)
{
    struct pollfd it = {.fd = fd, .events = POLLIN};
    char byte;

    CHECK(poll(&it, 1, (int)clock_limit_ms()) == 1);
    CHECK(read(fd, &byte, 1) == 0);
}

static int limit_table(rlim_t soft)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int before = (int)limit.rlim_cur;
    limit.rlim_cur = soft;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return before;
}

static hijack_socket *adopt(struct fixture *f, struct client **client, const char *unread)
{
    hijack_socket *socket = socket_adopted(f, client, unread);

    OK(hijack_socket_read(socket, 1 << 20));
    return socket;
}

/* ---- What is the program's. ---- */

/* A copy in a loop's table would keep the pipe open. */
static void test_pipes_end(void **state)
{
    struct fixture *f = *state;
    int ends[2], pair[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    start_private(f);
    close(ends[1]);
    expect_end(ends[0]);
    close(pair[1]);
    expect_end(pair[0]);
    close(ends[0]);
    close(pair[0]);
}

static void test_tables(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    const int program = tables_with(ends[0]) + 1; /* of each thread there is, a sanitizer's too, and of the keeper */
    start_private(f);
    CHECK(tables_with(ends[0]) == program);
    CHECK(tables_with(STDIN_FILENO) == program);
    CHECK(tables_with(STDOUT_FILENO) == program);
    CHECK(tables_with(STDERR_FILENO) == program + 2); /* for a message of a crash */
    CHECK(tables_with(OK(hijack_queue_fd(f->queue))) == program + 2);
    int before = process_descriptors();
    hijack_request *request = request_open(f, &c, "/");
    CHECK(process_descriptors() == before + 1); /* the client's end */
    reply(f, request, "hello");
    response_expect(c, 200, "hello");
    close(ends[0]);
    close(ends[1]);
}

/* A connection is no child's. */
static void test_fork(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    int ends[2], status;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    start_private(f);
    hijack_socket *socket = socket_open(f, &c);
    int here = process_descriptors();
    pid_t child = fork();
    if (child == 0) {
        int ok = process_descriptors() == here && hijack_socket_send(socket, LIT("x")) == HIJACK_EFORK;
        hijack_server_free(f->server);
        close(ends[1]);
        ok = ok && read(ends[0], &ok, 1) == 0;
        _exit(ok ? 0 : 1);
    }
    CHECK(child > 0);
    OK(hijack_socket_send(socket, LIT("here")));
    client_expect(c, "here");
    close(ends[0]);
    close(ends[1]);
    CHECK(waitpid(child, &status, 0) == child);
    CODE(status, 0);
}

/* ---- Beyond one table. ---- */

/* A process of its own, so that its descriptors do not count here. It ends when its standard input does. */
static pid_t start_crowd(int port, int count, int *hold)
{
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[1]);
        client_raise_limit();
        for (int i = 0; i < count; i++)
            ask(client_connect(port), "/raw");
        char byte;
        _exit((int)read(ends[0], &byte, 1));
    }
    close(ends[0]);
    *hold = ends[1];
    CHECK(child > 0);
    return child;
}

static void test_more_than_a_table(void **state)
{
    struct fixture *f = *state;
    int hold, status, before = limit_table(TABLE);

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    start_private(f);
    pid_t crowd = start_crowd(f->port, BEYOND, &hold);
    members_wait(room, BEYOND);
    CHECK(stat_of(f->server, HIJACK_STAT_CONNECTIONS) == BEYOND);
    CHECK(BEYOND > TABLE);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("all")), BEYOND);
    stat_wait(f->server, HIJACK_STAT_DELIVERED, BEYOND);
    close(hold);
    CHECK(waitpid(crowd, &status, 0) == crowd);
    CODE(status, 0);
    members_wait(room, 0);
    limit_table((rlim_t)before);
}

/* The kernel assigns connections to loops by chance: one that is full passes them on, until all are. */
static void test_every_table_fills(void **state)
{
    struct fixture *f = *state;
    int hold, status, before = limit_table(TABLE);
    uint64_t room_for =
        2 * (TABLE - 64 - 7); /* as src/loop/start.c has it: spare, 2 for each loop, queue, route, listener */

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    start_private(f);
    pid_t crowd = start_crowd(f->port, (int)room_for + 20, &hold);
    members_wait(room, (int)room_for);
    stat_wait_least(f->server, HIJACK_STAT_ACCEPT_PAUSES, 1);
    CHECK(stat_of(f->server, HIJACK_STAT_ACCEPTED) == room_for);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("all")), (int)room_for);
    stat_wait(f->server, HIJACK_STAT_DELIVERED, room_for);
    CHECK(stat_of(f->server, HIJACK_STAT_REFUSED) == 0);
    close(hold);
    CHECK(waitpid(crowd, &status, 0) == crowd);
    CODE(status, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    limit_table((rlim_t)before);
}

/* Each loop is given what it has room for, then the server is full, and says so before it takes a descriptor. */
static void test_adopt_until_full(void **state)
{
    struct fixture *f = *state;
    int fds[2], count = 0, code = 0, before = limit_table(TABLE);
    static int clients[4 * TABLE];

    hijack_broadcaster *room = fixture_broadcaster(f);
    start_private(f);
    limit_table((rlim_t)before); /* those of the clients are here */
    int here = process_descriptors();
    while (code == 0 && count < 4 * TABLE) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        stat_wait(f->server, HIJACK_STAT_ADOPTED, (uint64_t)count);
        code = hijack_broadcaster_adopt(room, fds[1], HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0);
        clients[count++] = fds[0];
    }
    CODE(code, HIJACK_ELIMIT);
    CHECK(fcntl(fds[1], F_GETFD) == FD_CLOEXEC); /* still the program's */
    close(fds[1]);
    CHECK(count > TABLE && count < 2 * TABLE);
    CHECK(process_descriptors() == here + count);
    for (int i = 0; i < count; i++)
        close(clients[i]);
    members_wait(room, 0);
}

/* ---- From one table to another. ---- */

static void test_there_and_back(void **state)
{
    struct fixture *f = *state;

    start_private(f);
    int all = descriptors_of_threads();
    for (int i = 0; i < clock_times(2000, 200); i++) {
        struct client *c;
        char text[32], back[32];

        snprintf(text, sizeof(text), "unread %d;", i);
        hijack_socket *socket = adopt(f, &c, text);
        free(events_data(&f->events, socket, strlen(text)));
        client_puts(c, text);
        free(events_data(&f->events, socket, strlen(text)));
        OK(hijack_socket_send(socket, STR(text)));
        OK(hijack_socket_detach(socket));
        int fd = events_next(&f->events, HIJACK_EVENT_DETACHED, socket)->status;
        CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
        client_expect_bytes(c, text, strlen(text));
        client_puts(c, text);
        CHECK(read(fd, back, sizeof(back)) == (ssize_t)strlen(text));
        BYTES(back, strlen(text), text, strlen(text));
        CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        client_expect_bytes(c, text, strlen(text));
        close(fd);
        client_eof(c);
        client_close(c);
        socket_free(f, socket);
    }
    WAIT_FOR(descriptors_of_threads() <= all);
    CHECK(descriptors_of_threads() == all);
}

/* The kernel lets so many be under way and no more. Whoever is refused keeps the descriptor, and tries again. */
static void test_burst(void **state)
{
    struct fixture *f = *state;
    int fds[2], count = 2000;
    static int clients[2000];

    hijack_broadcaster *room = fixture_broadcaster(f);
    start_private(f);
    for (int i = 0; i < count; i++) {
        uint64_t end = clock_ms() + clock_limit_ms();
        int code;
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        while ((code = hijack_broadcaster_adopt(room, fds[1], HIJACK_HOLD_RAW, 0, NULL, 0, NULL, 0, NULL, 0)) ==
                   HIJACK_ELIMIT &&
               clock_ms() < end)
            clock_tick();
        OK(code);
        clients[i] = fds[0];
    }
    members_wait(room, count);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("all")), count);
    for (int i = 0; i < count; i++) {
        struct client *c = client_wrap(clients[i]);
        client_expect(c, "all");
        client_close(c);
    }
    members_wait(room, 0);
}

/* A few descriptors are under way to a loop at most. */
static void leave_little_room(void)
{
    const int bytes = 1;

    for (int fd = 0; fd < 1024; fd++) {
        int type = 0;
        socklen_t len = sizeof(type);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET)
            CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == 0);
    }
}

/* Sockets that are relayed change their loop, in a burst: those for which the kernel has no room wait. */
static void test_burst_of_relays(void **state)
{
    enum {
        SOCKETS = 400,
        ENDED = 8 /* of so many sockets the first two */
    };
    struct fixture *f = *state;
    struct client *clients[SOCKETS];
    hijack_socket *sockets[SOCKETS];

    fixture_option(f, OPT_THREADS, "2");
    start_private(f);
    for (int i = 0; i < SOCKETS; i++)
        sockets[i] = socket_adopted(f, &clients[i], "");
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, SOCKETS); /* the loops have them, every other one the same */
    leave_little_room();
    for (int i = 0; i < SOCKETS; i += 2) {
        OK(hijack_socket_relay(sockets[i], sockets[i + 1]));
        if (i % ENDED == 0)
            OK(hijack_socket_close(sockets[i + i / ENDED % 2])); /* while the second one may wait */
    }
    for (int i = 0; i < SOCKETS; i++) {
        if (i % ENDED < 2) {
            client_eof(clients[i]);
            continue;
        }
        client_puts(clients[i], "through");
        client_expect(clients[i ^ 1], "through");
    }
    stat_wait(f->server, HIJACK_STAT_RELAYED, SOCKETS - SOCKETS / ENDED * 2);
    for (int i = 0; i < SOCKETS; i++)
        client_close(clients[i]);
    for (int i = 0; i < SOCKETS; i++)
        events_closed(&f->events, sockets[i], 0);
}

/* Nobody polls: the descriptors are closed with the queue, or with their handles. */
static void test_detached_and_not_polled(void **state)
{
    struct fixture *f = *state;
    struct client *c[8];
    hijack_socket *sockets[8];

    start_private(f);
    for (int i = 0; i < 8; i++)
        sockets[i] = socket_open(f, &c[i]);
    events_barrier(&f->events);
    int here = process_descriptors();
    for (int i = 0; i < 8; i++)
        OK(hijack_socket_detach(sockets[i]));
    WAIT_FOR(process_descriptors() == here + 8);
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 0);
    for (int i = 0; i < 4; i++) {
        hijack_socket_free(sockets[i]);
        client_eof(c[i]);
    }
    CHECK(process_descriptors() == here + 4);
    OK(hijack_server_stop(f->server));
    hijack_queue_free(f->queue);
    for (int i = 4; i < 8; i++) {
        client_eof(c[i]);
        hijack_socket_free(sockets[i]);
    }
    hijack_server_free(f->server);
    f->released = 1;
}

/* The connection is lost, and its last event says why. */
static void test_detach_into_a_full_table(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    start_private(f);
    hijack_socket *socket = socket_open(f, &c);
    int free_number = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    close(free_number);
    int before = limit_table((rlim_t)free_number);
    OK(hijack_socket_detach(socket));
    events_closed(&f->events, socket, HIJACK_ELIMIT);
    limit_table((rlim_t)before);
    client_eof(c);
    socket_free(f, socket);
}

/* ---- The end. ---- */

/* The program is done with everything while the loops still run: whoever is last closes what is the program's. */
static void test_free_while_running(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    start_private(f);
    c = client_connect(f->port);
    ask(c, "/raw");
    members_wait(room, 1);
    hijack_queue_free(f->queue);
    hijack_server_free(f->server);
    client_until_end(c);
    f->released = 1; /* what is left of descriptors and threads is looked at by the fixture */
}

static void test_drain_closes_listeners(void **state)
{
    struct fixture *f = *state;
    struct client *c;

    start_private(f);
    hijack_request *request = request_open(f, &c, "/");
    int here = process_descriptors();
    OK(hijack_server_drain(f->server, clock_limit_ms()));
    WAIT_FOR(process_descriptors() == here - 1); /* while a request is open */
    reply(f, request, "last");
    response_expect(c, 200, "last");
    events_next(&f->events, HIJACK_EVENT_STOPPED, f->server);
    f->stopped = 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pipes_end),
        TEST(test_tables),
        TEST(test_fork),
        TEST(test_more_than_a_table),
        TEST(test_every_table_fills),
        TEST(test_adopt_until_full),
        TEST(test_there_and_back),
        TEST(test_burst),
        TEST(test_burst_of_relays),
        TEST(test_detached_and_not_polled),
        TEST(test_detach_into_a_full_table),
        TEST(test_free_while_running),
        TEST(test_drain_closes_listeners),
    };

    return RUN_TESTS(tests, argc, argv);
}
