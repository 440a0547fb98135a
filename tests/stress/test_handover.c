/* SPDX-License-Identifier: MIT
 *
 * One server after another on the same listening socket, as at a deploy: a client that connects while one of them
 * drains is served by it, or by the next one, at once.
 */
#include "support/check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct visit {
    struct sockaddr_in address;
    unsigned delay;   /* turns of a loop, so that it comes at any moment */
    ssize_t received; /* of the answer */
};

static void *visit(void *argument)
{
    struct visit *it = argument;
    const struct timeval patience = {.tv_sec = (time_t)(clock_limit_ms() / 1000)};
    char answer[128];
    for (volatile unsigned i = 0; i < it->delay; i++)
        ;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&it->address, sizeof(it->address)) == 0 &&
        send(fd, LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), MSG_NOSIGNAL) > 0)
        it->received = recv(fd, answer, sizeof(answer), 0);
    close(fd);
    return NULL;
}

static hijack_server *serve(int listener)
{
    hijack_server *server;
    char address[32];
    OK(hijack_server_new(&server, NULL));
    OK(hijack_server_set(server, LIT("threads"), LIT("1")));
    snprintf(address, sizeof(address), "fd:%d", dup(listener));
    OK(hijack_server_listen(server, STR(address)));
    OK(hijack_server_start(server));
    return server;
}

static void test_handover(void **state)
{
    (void)state;
    struct visit it = {.address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(it.address);
    unsigned seed = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&it.address, sizeof(it.address)) == 0 && listen(listener, 100) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&it.address, &len) == 0);
    hijack_server *now = serve(listener);
    for (int i = 0; i < clock_times(6000, 300); i++) {
        pthread_t client;
        hijack_server *next = serve(listener);
        it.delay = (unsigned)rand_r(&seed) % 60000;
        it.received = 0;
        CHECK(pthread_create(&client, NULL, visit, &it) == 0);
        OK(hijack_server_drain(now, 1000));
        CHECK(pthread_join(client, NULL) == 0);
        if (it.received <= 0)
            check_fail(__FILE__, __LINE__, "in round %d nobody served the client", i);
        hijack_server_free(now);
        now = next;
    }
    hijack_server_free(now);
    close(listener);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_handover)};

    (void)argc;
    (void)argv;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
