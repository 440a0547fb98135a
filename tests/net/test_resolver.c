/* SPDX-License-Identifier: MIT
 *
 * Outgoing connections while a name server keeps them waiting: what is asked of the socket until it answers, names that
 * hold others up, and the end of the server. The library's look-ups come to the test, which answers when it likes.
 */
#include "support/outgoing.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answers; /* names of "slow" are answered */
    int waiting;  /* look-ups that wait for that */
    int asked;    /* look-ups in all */
} name_server = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0};

/* They are found before those of libc. */
#define EXPORTED __attribute__((visibility("default")))

/* Every name is that of 127.0.0.1. */
EXPORTED int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    (void)hints;
    pthread_mutex_lock(&name_server.lock);
    ++name_server.asked;
    ++name_server.waiting;
    pthread_cond_broadcast(&name_server.changed);
    while (strncmp(name, LIT("slow")) == 0 && !name_server.answers)
        pthread_cond_wait(&name_server.changed, &name_server.lock);
    --name_server.waiting;
    pthread_cond_broadcast(&name_server.changed);
    pthread_mutex_unlock(&name_server.lock);
    struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in));
    struct sockaddr_in *sin = (struct sockaddr_in *)(info + 1);
    *sin = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr = {htonl(INADDR_LOOPBACK)},
                                .sin_port = htons((uint16_t)strtoul(service, NULL, 10))};
    *info = (struct addrinfo){.ai_family = AF_INET,
                              .ai_socktype = SOCK_STREAM,
                              .ai_addr = (struct sockaddr *)sin,
                              .ai_addrlen = sizeof(*sin)};
    *out = info;
    return 0;
}

EXPORTED void freeaddrinfo(struct addrinfo *info)
{
    free(info);
}

static void let_answer(bool answers)
{
    pthread_mutex_lock(&name_server.lock);
    name_server.answers = answers;
    pthread_cond_broadcast(&name_server.changed);
    pthread_mutex_unlock(&name_server.lock);
}

static void wait_for_lookups(int waiting)
{
    pthread_mutex_lock(&name_server.lock);
    while (name_server.waiting != waiting)
        pthread_cond_wait(&name_server.changed, &name_server.lock); /* the program's alarm bounds it */
    pthread_mutex_unlock(&name_server.lock);
}

/* The policy refuses a message of which the backlog has no room, and takes those that come after it. */
static void test_overflow_before_it_is_open(void **state)
{
    struct fixture *f = *state;
    static const char *const policies[] = {"drop_newest", "drop_oldest", "latest"};
    char big[200];
    int port;

    memset(big, 'x', sizeof(big));
    let_answer(false);
    fixture_start(f);
    int listener = listen_here(&port, 10);
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        hijack_broadcaster *room = fixture_broadcaster(f);
        OK(hijack_broadcaster_set(room, LIT("overflow"), STR(policies[i])));
        OK(hijack_broadcaster_set(room, LIT("backlog_bytes"), LIT("100")));
        hijack_socket *member = connect_to_port(f, "slow", port);
        OK(hijack_broadcaster_add(room, member, 0, NULL, 0));
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, big, sizeof(big)));
        wait_for_lookups(1);
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, big, sizeof(big)));
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("small")));
        let_answer(true);
        struct client *c = accept_client(listener);
        client_expect(c, "small");
        events_next(&f->events, HIJACK_EVENT_CONNECTED, member);
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT(" live")));
        client_expect(c, " live");
        OK(hijack_socket_close(member));
        events_closed(&f->events, member, 0);
        wait_for_lookups(0);
        let_answer(false);
    }
    close(listener);
}

/* A member that is not open yet has missed more than one look at the history gives. */
static void test_history_before_it_is_open(void **state)
{
    struct fixture *f = *state;
    char text[16], all[4096];
    size_t len = 0;
    int port;

    let_answer(false);
    fixture_start(f);
    int listener = listen_here(&port, 10);
    hijack_broadcaster *room = fixture_broadcaster(f);
    OK(hijack_broadcaster_set(room, LIT("history_messages"), LIT("1000")));
    for (int i = 0; i < 500; i++) {
        int n = snprintf(text, sizeof(text), "%d ", i);
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, text, (size_t)n));
        memcpy(all + len, text, (size_t)n);
        len += (size_t)n;
    }
    hijack_socket *member = connect_to_port(f, "slow", port);
    OK(hijack_broadcaster_add(room, member, 0, LIT("*")));
    wait_for_lookups(1);
    let_answer(true);
    struct client *c = accept_client(listener);
    client_expect_bytes(c, all, len);
    OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("live")));
    client_expect(c, "live");
    close(listener);
}

/* Without a handle nobody would hear why it does not open: it is closed, whether its name is known or not. */
static void test_member_freed_before_it_is_open(void **state)
{
    struct fixture *f = *state;
    int port;

    let_answer(false);
    fixture_start(f);
    int listener = listen_here(&port, 10);
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_socket *member = connect_to_port(f, "slow", port);
    OK(hijack_broadcaster_add(room, member, 0, NULL, 0));
    members_wait(room, 1);
    wait_for_lookups(1);
    hijack_socket_free(member);
    events_freed(&f->events, member);
    members_wait(room, 0);
    let_answer(true);
    wait_for_lookups(0);
    close(listener);
}

/* So many names that nobody answers for hold the others up, but not longer than they are waited for. */
static void test_slow_names(void **state)
{
    struct fixture *f = *state;
    hijack_socket *sockets[30];
    int port;

    let_answer(false);
    fixture_option(f, "connect_timeout_ms", "500");
    fixture_start(f);
    int listener = listen_here(&port, 10);
    const int before = name_server.asked;
    for (int i = 0; i < 30; i++)
        sockets[i] = connect_to_port(f, "slow", port);
    for (int i = 0; i < 30; i++)
        events_closed(&f->events, sockets[i], HIJACK_ETIMEDOUT);
    wait_for_lookups(8);
    let_answer(true);
    wait_for_lookups(0);
    hijack_socket *next = connect_to_port(f, "quick", port);
    events_next(&f->events, HIJACK_EVENT_CONNECTED, next);
    CODE(name_server.asked, before + 9); /* the others are not wanted any more */
    close(listener);
}

/* The server ends while names are looked up; what they are comes later. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    hijack_socket *sockets[20];

    let_answer(false);
    fixture_start(f);
    for (int i = 0; i < 20; i++)
        sockets[i] = connect_to_port(f, "slow", 1);
    wait_for_lookups(8);
    fixture_stop(f);
    for (int i = 0; i < 20; i++)
        events_closed(&f->events, sockets[i], HIJACK_ESHUTDOWN);
    let_answer(true);
    wait_for_lookups(0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_overflow_before_it_is_open),
        TEST(test_history_before_it_is_open),
        TEST(test_member_freed_before_it_is_open),
        TEST(test_slow_names),
        TEST(test_stop),
    };
    return RUN_TESTS(tests, argc, argv);
}
