/* SPDX-License-Identifier: MIT
 *
 * A start that finds too few descriptors: it says so, leaves nothing behind, and can be tried again. Each try runs in a
 * process of its own, since a library that fails here may well end the process.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Says what was wrong and leaves the try: cmocka is the parent's. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "with room for %d descriptors, line %d, not so: %s\n", room, __LINE__, #condition);        \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)
/* Looks again until it is so or the time is over. */
#define MUST_SOON(condition)                                                                                           \
    do {                                                                                                               \
        for (uint64_t end = clock_ms() + clock_limit_ms(); !(condition) && clock_ms() < end; clock_tick())             \
            ;                                                                                                          \
        MUST(condition);                                                                                               \
    } while (0)

/* A connected descriptor, or -1. */
static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 && transport_connect(fd, port, 0) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* start with room for so many descriptors more than are open. */
static int start_with(hijack_server *server, int room)
{
    struct rlimit old, limit;
    int lowest = dup(0);

    close(lowest);
    getrlimit(RLIMIT_NOFILE, &old);
    limit = old;
    limit.rlim_cur = (rlim_t)(lowest + room);
    setrlimit(RLIMIT_NOFILE, &limit);
    int code = hijack_server_start(server);
    setrlimit(RLIMIT_NOFILE, &old);
    return code;
}

/* A client is answered by the server that runs now. */
static int serves(hijack_queue *queue, int client, int room)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    hijack_event event;
    char start[12];

    MUST(write(client, request, sizeof(request) - 1) == sizeof(request) - 1);
    MUST(hijack_queue_poll(&event, queue, 1, (int)clock_limit_ms()) == 1 && event.type == HIJACK_EVENT_REQUEST);
    MUST(hijack_request_respond(event.handle, 200, NULL, 0, NULL, 0) == 0);
    MUST(recv(client, start, sizeof(start), MSG_WAITALL) == sizeof(start));
    MUST(memcmp(start, "HTTP/1.1 200", sizeof(start)) == 0);
    hijack_request_free(event.handle);
    return 0;
}

/* The exit code of the process. again: a start that failed is tried once more with all descriptors. */
static int try_start(int room, int again)
{
    int descriptors = process_descriptors(), threads = process_threads();
    hijack_queue *queue = NULL;
    hijack_server *server = NULL;

    alarm(30 * clock_scale());
    MUST(hijack_queue_new(&queue) == 0 && hijack_server_new(&server, queue) == 0);
    MUST(hijack_server_set(server, LIT(OPT_THREADS), LIT("8")) == 0);
    int port = transport_listen(server, "127.0.0.1:0");
    MUST(port > 0);
    int waiting = dial(port); /* it is there before anybody accepts */
    MUST(waiting != -1);
    int code = start_with(server, room);
    MUST(code == 0 || code == HIJACK_ELIMIT);
    if (code != 0) {
        MUST_SOON(process_threads() == threads); /* /proc lists a joined thread a moment longer */
        MUST(hijack_server_stop(server) == HIJACK_ESTATE);
        if (again)
            MUST((code = hijack_server_start(server)) == 0);
    }
    if (code == 0) {
        MUST(serves(queue, waiting, room) == 0);
        MUST(hijack_server_stop(server) == 0);
    }
    hijack_server_free(server);
    hijack_queue_free(queue);
    close(waiting);
    MUST_SOON(process_threads() == threads);
    MUST_SOON(process_descriptors() == descriptors);
    MUST(dial(port) == -1);
    return 0;
}

static void check_start(int room, int again)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(try_start(room, again));
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status))
        check_fail(__FILE__, __LINE__, "with room for %d descriptors: signal %d", room, WTERMSIG(status));
    CODE(WEXITSTATUS(status), 0);
}

static void check_starts(int again)
{
    for (int room = 0; room <= 80; room += clock_scale() == 1 ? 1 : 7)
        check_start(room, again);
}

static void test_given_up(void **state)
{
    (void)state;
    check_starts(0);
}

static void test_tried_again(void **state)
{
    (void)state;
    check_starts(1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_given_up), cmocka_unit_test(test_tried_again)};

    return RUN_TESTS(tests, argc, argv);
}
