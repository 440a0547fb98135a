/* SPDX-License-Identifier: MIT
 *
 * Where a server listens: every form of address, several at once, and what is refused.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void serves(struct fixture *f, struct client *c, const char *peer)
{
    const char *text = NULL;
    size_t len = 0;

    ask(c, "/");
    hijack_request *request = next_request(f);
    OK(hijack_request_peer(&text, &len, request));
    CHECK(len >= strlen(peer) && strncmp(text, peer, strlen(peer)) == 0);
    reply(f, request, "here");
    response_expect(c, 200, "here");
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    char path[64], address[128], out[128];

    snprintf(path, sizeof(path), "/tmp/hijack-test-%d.sock", (int)getpid());
    unlink(path);
    snprintf(address, sizeof(address), "unix:%s", path);
    CODE(hijack_server_listen(f->server, STR(address)), 0);
    int v6 = OK(hijack_server_listen(f->server, LIT("[::1]:0")));
    int all = OK(hijack_server_listen(f->server, LIT("*:0")));
    int local = OK(hijack_server_listen(f->server, LIT("localhost:0")));

    int len = OK(hijack_server_address(out, sizeof(out), f->server, 0));
    snprintf(address, sizeof(address), "127.0.0.1:%d", f->port);
    BYTES(out, (size_t)len, address, strlen(address));
    CHECK(out[len] == 0);
    len = OK(hijack_server_address(out, sizeof(out), f->server, 1));
    snprintf(address, sizeof(address), "unix:%s", path);
    BYTES(out, (size_t)len, address, strlen(address));
    len = OK(hijack_server_address(out, sizeof(out), f->server, 2));
    snprintf(address, sizeof(address), "[::1]:%d", v6);
    BYTES(out, (size_t)len, address, strlen(address));
    CODE(hijack_server_address(out, sizeof(out), f->server, 9), HIJACK_ERANGE);
    CODE(hijack_server_address(out, 5, f->server, 0), HIJACK_ETOOBIG);

    fixture_start(f);
    serves(f, client_connect(f->port), "127.0.0.1:");
    serves(f, client_connect_unix(path), "unix:");
    serves(f, client_connect_v6(v6), "[::1]:");
    serves(f, client_connect(all), "");
    serves(f, client_connect_v6(all), "[::1]:");
    serves(f, client_connect(local), "127.0.0.1:");
    fixture_stop(f);
    CHECK(access(path, F_OK) != 0);
}

static void test_inherited(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[32];

    CHECK(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 16) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    snprintf(text, sizeof(text), "fd:%d", fd);
    CODE(hijack_server_listen(f->server, STR(text)), ntohs(address.sin_port));
    fixture_start(f);
    for (int i = 0; i < 10; i++)
        serves(f, client_connect(ntohs(address.sin_port)), "127.0.0.1:");
}

static void test_inherited_refused(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    char text[32];

    CHECK(pipe(fds) == 0);
    snprintf(text, sizeof(text), "fd:%d", fds[0]);
    CODE(hijack_server_listen(f->server, STR(text)), HIJACK_ENOTSOCK);
    CODE(hijack_server_listen(f->server, LIT("fd:19998")), HIJACK_ENOTSOCK);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
    int unbound = socket(AF_INET, SOCK_STREAM, 0); /* a socket, and none that listens */
    snprintf(text, sizeof(text), "fd:%d", unbound);
    CODE(hijack_server_listen(f->server, STR(text)), HIJACK_ENOTSOCK);
    CHECK(close(unbound) == 0);
    CHECK(strstr(hijack_strerror(HIJACK_ENOTSOCK), "not a socket of the needed sort") != NULL);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:80x",
                                      ":",
                                      "256.0.0.1:80",
                                      "[::1:80",
                                      "[::1]80",
                                      "[nonsense]:80",
                                      "fd:",
                                      "fd:x",
                                      "fd:-1",
                                      "unix:",
                                      "http://x:80",
                                      "127.0.0.1:0 ",
                                      "host.invalid:0"};
    char path[300] = "unix:/tmp/";

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int code = hijack_server_listen(f->server, STR(bad[i]));
        if (code != HIJACK_EADDR)
            check_fail(__FILE__, __LINE__, "listen on \"%s\" gives %s (%d), must give EADDR", bad[i],
                       hijack_errname(code), code);
    }
    memset(path + 10, 'x', sizeof(path) - 11);
    CODE(hijack_server_listen(f->server, STR(path)), HIJACK_ETOOBIG);
    path[5 + 107] = '\0'; /* the longest that there can be, and it is not a folder's */
    CODE(hijack_server_listen(f->server, STR(path)), 0);
    unlink(path + 5);
    CODE(hijack_server_listen(f->server, LIT("127.0.0.1:0\0x")), HIJACK_EADDR);
    CODE(hijack_server_listen(f->server, LIT("127.0.0.1:99999")), HIJACK_ERANGE);
    CODE(hijack_server_listen(f->server, LIT("192.0.2.1:0")), HIJACK_EADDRNOTAVAIL);
    CODE(hijack_server_listen(f->server, LIT("[2001:db8::1]:0")), HIJACK_EADDRNOTAVAIL);
    CODE(hijack_server_listen(f->server, LIT("[fe80::1%nosuchif0]:0")), HIJACK_EADDRNOTAVAIL);
    CODE(hijack_server_listen(f->server, LIT("unix:/nonexistent-folder/x.sock")), HIJACK_ENOENT);
    CODE(hijack_server_listen(f->server, LIT("unix:/dev/null/x.sock")), HIJACK_ENOENT);
    fixture_start(f);
    CODE(hijack_server_listen(f->server, LIT("127.0.0.1:0")), HIJACK_ESTATE);
}

static void test_in_use(void **state)
{
    struct fixture *f = *state;
    hijack_server *other = NULL;
    char address[128];

    snprintf(address, sizeof(address), "127.0.0.1:%d", f->port);
    OK(hijack_server_new(&other, NULL));
    CODE(hijack_server_listen(other, STR(address)), HIJACK_EADDRINUSE);
    fixture_start(f);
    CODE(hijack_server_listen(other, STR(address)), HIJACK_EADDRINUSE);
    snprintf(address, sizeof(address), "unix:/tmp/hijack-test-%d.sock", (int)getpid());
    OK(hijack_server_listen(other, STR(address)));
    CODE(hijack_server_listen(other, STR(address)), HIJACK_EADDRINUSE);
    OK(hijack_server_start(other));
    hijack_server *third = NULL;
    OK(hijack_server_new(&third, NULL));
    CODE(hijack_server_listen(third, STR(address)), HIJACK_EADDRINUSE);
    hijack_server_free(third);
    OK(hijack_server_stop(other));
    hijack_server_free(other);
    CHECK(access(address + 5, F_OK) != 0);
}

/* An old socket that nobody answers is replaced; a file that is no socket is left alone. */
static void test_unix_leftover(void **state)
{
    struct fixture *f = *state;
    struct client *c;
    char path[64], address[80];

    snprintf(path, sizeof(path), "/tmp/hijack-test-%d.sock", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fclose(file);
    CODE(hijack_server_listen(f->server, STR(address)), HIJACK_EADDRINUSE);
    CHECK(access(path, F_OK) == 0);
    unlink(path);

    pid_t child = fork();
    if (child == 0) { /* leaves a bound socket behind */
        hijack_server *server = NULL;
        alarm(30);
        _exit(hijack_server_new(&server, NULL) != 0 || hijack_server_listen(server, STR(address)) < 0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(access(path, F_OK) == 0);
    CODE(hijack_server_listen(f->server, STR(address)), 0);
    fixture_start(f);
    c = client_connect_unix(path);
    serves(f, c, "unix:");
    fixture_stop(f);
    CHECK(access(path, F_OK) != 0);
}

/* The port is free again as soon as stop is back. */
static void test_port_again(void **state)
{
    struct fixture *f = *state;
    hijack_server *next = NULL;
    struct client *c;
    char address[64];

    fixture_start(f);
    stream_open(f, &c);
    fixture_stop(f);
    snprintf(address, sizeof(address), "127.0.0.1:%d", f->port);
    OK(hijack_server_new(&next, f->queue));
    CODE(transport_listen(next, address), f->port);
    OK(hijack_server_start(next));
    serves(f, client_connect(f->port), "127.0.0.1:");
    OK(hijack_server_stop(next));
    events_next(&f->events, HIJACK_EVENT_STOPPED, next);
    hijack_server_free(next);
}

/* A listener that was never started must not swallow connections for ever: free closes it. */
static void test_free_unstarted(void **state)
{
    struct fixture *f = *state;

    struct client *c = client_connect(f->port);
    hijack_server_free(f->server);
    hijack_queue_free(f->queue);
    f->released = 1;
    client_until_end(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_addresses), TEST(test_inherited),     TEST(test_inherited_refused), TEST(test_refused),
        TEST(test_in_use),    TEST(test_unix_leftover), TEST(test_port_again),        TEST(test_free_unstarted),
    };

    return RUN_TESTS(tests, argc, argv);
}
