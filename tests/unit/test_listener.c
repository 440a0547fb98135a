/* SPDX-License-Identifier: MIT
 *
 * Listening where the operating system refuses: no IPv6, a poller that takes no listener, rights of a socket file at
 * the very moment it appears. This program defines socket, bind and epoll_ctl itself, which the static library then
 * calls.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/check.h"

static int socket_error;           /* what socket(AF_INET6) sets; 0: works */
static int bind_error;             /* what bind to an IPv6 address sets */
static _Atomic int epoll_error;    /* what epoll_ctl sets when it shall add a listening socket */
static _Atomic int epoll_refusals; /* how often it did */
static _Atomic int epoll_good;     /* listening sockets that it takes before it refuses one */
static mode_t mode_at_birth;       /* of the socket file that was bound last */

int socket(int domain, int type, int protocol)
{
    static int (*next)(int, int, int);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "socket");
    if (domain == AF_INET6 && socket_error != 0) {
        errno = socket_error;
        return -1;
    }
    return next(domain, type, protocol);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* the C library's own prototype has a union of all address types */
int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    static int (*next)(int, const struct sockaddr *, socklen_t);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "bind");
    if (address->sa_family == AF_INET6 && bind_error != 0) {
        errno = bind_error;
        return -1;
    }
    int result = next(fd, address, len);
    struct stat st;
    if (result == 0 && address->sa_family == AF_UNIX) {
        assert_int_equal(stat(((const struct sockaddr_un *)(const void *)address)->sun_path, &st), 0);
        mode_at_birth = st.st_mode & 07777;
    }
    return result;
}
#pragma GCC diagnostic pop

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    static int (*next)(int, int, int, struct epoll_event *);
    int listening = 0;
    socklen_t len = sizeof(listening);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "epoll_ctl");
    if (op == EPOLL_CTL_ADD && epoll_error != 0 && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 &&
        listening && epoll_good-- <= 0) {
        ++epoll_refusals;
        errno = epoll_error;
        return -1;
    }
    return next(epfd, op, fd, event);
}

struct listening {
    hijack_queue *queue;
    hijack_server *server;
    char path[64], address[80]; /* of a unix socket */
};

static int set_up(void **state)
{
    struct listening *it = calloc(1, sizeof(*it));
    socket_error = bind_error = 0;
    epoll_error = 0;
    epoll_refusals = 0;
    epoll_good = 0;
    snprintf(it->path, sizeof(it->path), "/tmp/hijack-unit-%d.sock", (int)getpid());
    snprintf(it->address, sizeof(it->address), "unix:%s", it->path);
    unlink(it->path);
    OK(hijack_queue_new(&it->queue));
    OK(hijack_server_new(&it->server, it->queue));
    OK(hijack_server_set(it->server, LIT("threads"), LIT("2")));
    *state = it;
    return 0;
}

static int tear_down(void **state)
{
    struct listening *it = *state;
    hijack_server_stop(it->server); /* its threads are gone before the next test; ESTATE if it never ran */
    hijack_server_free(it->server);
    hijack_queue_free(it->queue);
    unlink(it->path);
    free(it);
    return 0;
}

static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* One request gets through to the queue and is answered. */
static void serves(struct listening *it, int port)
{
    hijack_event event;
    char start[12];
    int fd = dial(port);
    CHECK(send(fd, LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), MSG_NOSIGNAL) > 0);
    CODE(hijack_queue_poll(&event, it->queue, 1, (int)clock_limit_ms()), 1);
    assert_int_equal(event.type, HIJACK_EVENT_REQUEST);
    OK(hijack_request_respond(event.handle, 200, NULL, 0, NULL, 0));
    hijack_request_free(event.handle);
    CHECK(recv(fd, start, sizeof(start), MSG_WAITALL) == sizeof(start));
    BYTES(start, sizeof(start), "HTTP/1.1 200", 12);
    close(fd);
}

static void check_v4_only(struct listening *it)
{
    char text[64], expected[64];
    CODE(hijack_server_listen(it->server, LIT("[::]:0")), HIJACK_EADDRNOTAVAIL); /* this one was asked for by name */
    int port = OK(hijack_server_listen(it->server, LIT("*:0")));
    CHECK(port > 0);
    OK(hijack_server_address(text, sizeof(text), it->server, 0));
    snprintf(expected, sizeof(expected), "0.0.0.0:%d", port);
    assert_string_equal(text, expected);
    OK(hijack_server_start(it->server));
    serves(it, port);
}

static void all_interfaces_without_ipv6(void **state)
{
    socket_error = EAFNOSUPPORT;
    check_v4_only(*state);
}

static void all_interfaces_without_an_ipv6_address(void **state)
{
    bind_error = EADDRNOTAVAIL; /* the protocol is there, and no address of it */
    check_v4_only(*state);
}

/* Only the want of IPv6 leads to IPv4. */
static void another_failure_stays_one(void **state)
{
    struct listening *it = *state;
    socket_error = EMFILE;
    CODE(hijack_server_listen(it->server, LIT("*:0")), HIJACK_ELIMIT);
    socket_error = 0;
    bind_error = EACCES;
    CODE(hijack_server_listen(it->server, LIT("*:0")), HIJACK_EACCES);
}

/* start says that a listener cannot be watched, leaves nothing behind, and works once it can be. */
static void check_refused_start(struct listening *it, int error, int good, int code)
{
    int port = OK(hijack_server_listen(it->server, LIT("127.0.0.1:0")));
    epoll_error = error;
    epoll_good = good;
    CODE(hijack_server_start(it->server), code);
    assert_int_equal(epoll_refusals, 1);
    CODE(hijack_server_stop(it->server), HIJACK_ESTATE);
    epoll_error = 0;
    OK(hijack_server_start(it->server));
    serves(it, port);
}

static void a_listener_without_memory(void **state)
{
    check_refused_start(*state, ENOSPC, 0, HIJACK_ELIMIT);
}

static void a_second_loop_s_listener(void **state)
{
    check_refused_start(*state, ENOMEM, 1, HIJACK_ELIMIT);
}

static void a_listener_that_cannot_be_watched(void **state)
{
    check_refused_start(*state, EPERM, 0, HIJACK_EACCES);
}

/* The system takes the listeners while start asks and has no memory when it is complete: accepting begins later. */
static void a_refusal_after_the_start(void **state)
{
    struct listening *it = *state;
    OK(hijack_server_set(it->server, LIT("threads"), LIT("1")));
    int first = OK(hijack_server_listen(it->server, LIT("127.0.0.1:0")));
    int second = OK(hijack_server_listen(it->server, LIT("127.0.0.1:0")));
    epoll_good = 3; /* two tries, and one of the two that count */
    epoll_error = ENOMEM;
    OK(hijack_server_start(it->server));
    WAIT_FOR(epoll_refusals >= 2); /* it tried again */
    epoll_error = 0;
    serves(it, first);
    serves(it, second);
    clock_until_idle();
}

/* The program closed an inherited descriptor between listen and start. */
static void a_descriptor_closed_meanwhile(void **state)
{
    struct listening *it = *state;
    char text[16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0);
    snprintf(text, sizeof(text), "fd:%d", fd);
    OK(hijack_server_listen(it->server, STR(text)));
    CODE(hijack_server_listen(it->server, STR(text)), HIJACK_EADDRINUSE); /* twice would be closed twice */
    int spare = dup(fd);
    close(fd);
    CODE(hijack_server_start(it->server), HIJACK_ENOTSOCK);
    CHECK(dup2(spare, fd) == fd); /* the server closes its number once more */
    close(spare);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    CHECK(lstat(path, &st) == 0 && S_ISSOCK(st.st_mode));
    return st.st_mode & 07777;
}

static const mode_t umasks[] = {0, 022, 077, 0777};

static void check_mode(struct listening *it, const char *text, mode_t mode)
{
    OK(hijack_server_set(it->server, LIT("unix_mode"), STR(text)));
    for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); ++i) {
        mode_t before = umask(umasks[i]);
        mode_at_birth = 07777;
        int rc = hijack_server_listen(it->server, STR(it->address));
        mode_t left = umask(before);
        CODE(rc, 0);
        assert_int_equal(left, umasks[i]); /* other threads make files at this moment */
        assert_int_equal(mode_of(it->path), mode);
        assert_int_equal(mode_at_birth & ~mode, 0); /* never wider, for no moment */
        unlink(it->path);
    }
}

static void rights_of_a_unix_socket(void **state)
{
    check_mode(*state, "0660", 0660);
    check_mode(*state, "0666", 0666);
    check_mode(*state, "0600", 0600);
    check_mode(*state, "0000", 0);
    check_mode(*state, "0777", 0777);
}

static void rights_by_the_umask(void **state)
{
    struct listening *it = *state;
    mode_t before = umask(027);
    int rc = hijack_server_listen(it->server, STR(it->address));
    umask(before);
    CODE(rc, 0);
    assert_int_equal(mode_of(it->path), 0750);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_interfaces_without_ipv6), TEST(all_interfaces_without_an_ipv6_address),
        TEST(another_failure_stays_one),   TEST(a_listener_without_memory),
        TEST(a_second_loop_s_listener),    TEST(a_listener_that_cannot_be_watched),
        TEST(a_refusal_after_the_start),   TEST(a_descriptor_closed_meanwhile),
        TEST(rights_of_a_unix_socket),     TEST(rights_by_the_umask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
