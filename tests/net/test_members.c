/* SPDX-License-Identifier: MIT
 *
 * What the program is told of members that join and leave: each once, with its number and the right reason, in the
 * order in which it happened, however many they are and however slowly the program reads.
 */
#include "support/websocket_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define USERS 64

struct record {
    uint64_t user_data;
    int32_t what;
    uint32_t zero;
};

/* What has been told. */
struct told {
    hijack_broadcaster *room;
    int present[USERS]; /* connections of each user */
    int joined, left;   /* records */
    int why;            /* of the last one that left */
    int events;
    int most; /* records in one event */
};

static void take_record(struct told *told, const struct record *record)
{
    CHECK(record->user_data < USERS && record->zero == 0);
    if (record->what == 1) {
        told->present[record->user_data]++;
        told->joined++;
    } else {
        CHECK(record->what <= 0 && --told->present[record->user_data] >= 0);
        told->left++;
        told->why = record->what;
    }
}

static void take_event(struct told *told, const char *data, uint64_t len, int count)
{
    CHECK(count > 0 && len == (uint64_t)count * sizeof(struct record));
    told->events++;
    told->most = count > told->most ? count : told->most;
    for (int i = 0; i < count; i++) {
        struct record record;
        memcpy(&record, data + (size_t)i * sizeof(record), sizeof(record));
        take_record(told, &record);
    }
}

static void take_events(struct fixture *f, struct told *told)
{
    events_poll(&f->events, 10);
    while (events_pending(&f->events, HIJACK_EVENT_MEMBERS, NULL) != 0) {
        const struct event *event = events_next(&f->events, HIJACK_EVENT_MEMBERS, told->room);
        CHECK(event->user_data == 77);
        take_event(told, event->data, event->len, event->status);
    }
}

#define UNTIL(f, told, condition)                                                                                      \
    do {                                                                                                               \
        uint64_t until_end = clock_ms() + clock_limit_ms();                                                            \
        while (take_events((f), (told)), !(condition))                                                                 \
            if (clock_ms() > until_end)                                                                                \
                check_fail(__FILE__, __LINE__, "not so within %u ms: %s", clock_limit_ms(), #condition);               \
    } while (0)

static hijack_broadcaster *told_room(struct fixture *f, struct told *told)
{
    *told = (struct told){.room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW)};
    OK(hijack_handle_set_user_data(told->room, 77));
    OK(hijack_broadcaster_set(told->room, LIT("member_events"), LIT("on")));
    OK(hijack_server_route_set(f->server, LIT("/*"), LIT("user_data"), LIT("query:user")));
    return told->room;
}

static struct client *come(struct fixture *f, const char *path, int user)
{
    struct client *c = client_connect(f->port);
    char head[128];
    snprintf(head, sizeof(head), "GET %s?user=%d HTTP/1.1\r\nHost: x\r\n\r\n", path, user);
    client_puts(c, head);
    return c;
}

static void test_reasons(void **state)
{
    struct fixture *f = *state;
    struct told told;

    fixture_option(f, OPT_HEARTBEAT, "0");
    hijack_broadcaster *room = told_room(f, &told);
    OK(hijack_server_hold(f->server, LIT("/ws"), HIJACK_HOLD_WEBSOCKET, NULL, 0, room));
    OK(hijack_server_hold(f->server, LIT("/sse"), HIJACK_HOLD_SSE, NULL, 0, room));
    fixture_start(f);
    struct client *c = come(f, "/raw", 5);
    UNTIL(f, &told, told.joined == 1);
    CHECK(told.present[5] == 1);
    client_reset(c);
    UNTIL(f, &told, told.left == 1);
    CHECK(told.present[5] == 0 && told.why == HIJACK_ERESET);
    c = come(f, "/raw", 0);
    UNTIL(f, &told, told.joined == 2);
    client_shutdown(c);
    UNTIL(f, &told, told.left == 2);
    CHECK(told.why == HIJACK_ECLOSED);
    c = come(f, "/sse", 3);
    UNTIL(f, &told, told.joined == 3);
    OK(hijack_broadcaster_close_user(room, 3));
    UNTIL(f, &told, told.left == 3);
    CHECK(told.why == 0);
    c = ws_connect(f, "/ws?user=4");
    ws_send(c, WS_CLOSE, LIT("\x03\xe8"));
    UNTIL(f, &told, told.left == 4);
    CHECK(told.why == HIJACK_ECLOSED);
    c = ws_connect(f, "/ws?user=4");
    client_puts(c, "\x81\x01x"); /* not masked */
    UNTIL(f, &told, told.left == 5);
    CHECK(told.why == HIJACK_EPROTOCOL);
    c = come(f, "/raw", 6);
    UNTIL(f, &told, told.joined == 6);
    OK(hijack_broadcaster_remove_user(room, 6));
    UNTIL(f, &told, told.left == 6);
    CHECK(told.why == 0);
    c = come(f, "/raw", 7);
    UNTIL(f, &told, told.joined == 7);
    static char large[1 << 20];
    while (hijack_broadcaster_count(room) != 0)
        OK(hijack_broadcaster_publish(room, HIJACK_MESSAGE_BINARY, large, sizeof(large)));
    UNTIL(f, &told, told.left == 7);
    CHECK(told.why == HIJACK_ESLOW);
    come(f, "/raw", 8);
    come(f, "/sse", 9);
    UNTIL(f, &told, told.joined == 9);
    OK(hijack_server_drain(f->server, 1000));
    UNTIL(f, &told, told.left == 9);
    CHECK(told.why == HIJACK_ESHUTDOWN);
}

/* Members with a handle, and those that were there before the option was set. */
static void test_handles_and_switching(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    struct client *c, *d;

    fixture_start(f);
    hijack_broadcaster *room = told.room = fixture_broadcaster(f);
    OK(hijack_handle_set_user_data(room, 77));
    hijack_socket *socket = socket_open(f, &c), *second = socket_open(f, &d);
    OK(hijack_broadcaster_add(room, socket, 5, NULL, 0));
    OK(hijack_broadcaster_add(room, second, 6, NULL, 0));
    stat_wait(f->server, HIJACK_STAT_MEMBERSHIPS, 2);
    OK(hijack_broadcaster_set(room, LIT("member_events"), LIT("on")));
    UNTIL(f, &told, told.joined == 2);
    CHECK(told.present[5] == 1 && told.present[6] == 1);
    OK(hijack_broadcaster_remove(room, socket));
    UNTIL(f, &told, told.left == 1);
    CHECK(told.present[5] == 0 && told.why == 0);
    OK(hijack_broadcaster_set(room, LIT("member_events"), LIT("off")));
    OK(hijack_broadcaster_remove(room, second));
    OK(hijack_broadcaster_add(room, second, 7, NULL, 0));
    members_wait(room, 1);
    OK(hijack_broadcaster_set(room, LIT("member_events"), LIT("on")));
    UNTIL(f, &told, told.joined == 3);
    CHECK(told.present[7] == 1 && told.left == 1);
    OK(hijack_broadcaster_set(room, LIT("member_events"), LIT("on")));
    OK(hijack_broadcaster_add(room, socket, 8, NULL, 0));
    UNTIL(f, &told, told.joined == 4);
}

/* A mass leave comes in few events. */
static void test_mass_leave(void **state)
{
    struct fixture *f = *state;
    struct told told;
    const int count = 2000 / (int)clock_scale();

    fixture_option(f, OPT_THREADS, "2");
    hijack_broadcaster *room = told_room(f, &told);
    fixture_start(f);
    for (int i = 0; i < count; i++)
        come(f, "/raw", i % USERS);
    members_wait(room, count);
    UNTIL(f, &told, told.joined == count);
    for (int i = 0; i < USERS; i++)
        CHECK(told.present[i] == count / USERS + (i < count % USERS));
    told.events = 0;
    OK(hijack_broadcaster_close(room));
    members_wait(room, 0);
    UNTIL(f, &told, told.left == count);
    for (int i = 0; i < USERS; i++)
        CHECK(told.present[i] == 0);
    CHECK(told.events < count / 20 && told.most > 50);
}

/* A server whose program does not poll: its queue has room for one event. */
struct stalled {
    struct told told;
    hijack_queue *queue;
    hijack_server *server;
    int count, fds[300][2];
};

static void stall(struct stalled *stalled, int members)
{
    *stalled = (struct stalled){.count = members};
    OK(hijack_queue_new(&stalled->queue));
    OK(hijack_queue_set(stalled->queue, LIT(OPT_CAPACITY), LIT("1")));
    OK(hijack_server_new(&stalled->server, stalled->queue));
    OK(hijack_broadcaster_new(&stalled->told.room, stalled->server));
    OK(hijack_broadcaster_set(stalled->told.room, LIT("member_events"), LIT("on")));
    OK(hijack_server_start(stalled->server));
    for (int i = 0; i < members; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stalled->fds[i]) == 0);
        OK(hijack_broadcaster_adopt(stalled->told.room, stalled->fds[i][1], HIJACK_HOLD_RAW, (uint64_t)i % USERS, NULL,
                                    0, NULL, 0, NULL, 0));
        stat_wait(stalled->server, HIJACK_STAT_MEMBERSHIPS, (uint64_t)i + 1); /* one turn each */
    }
}

/* The next event, which is taken if it is of members. */
static uint32_t stalled_take(struct stalled *stalled)
{
    hijack_event event;
    CODE(hijack_queue_poll(&event, stalled->queue, 1, (int)clock_limit_ms()), 1);
    if (event.type == HIJACK_EVENT_MEMBERS) {
        CHECK(event.handle == stalled->told.room);
        take_event(&stalled->told, event.data, event.len, event.status);
    }
    return event.type;
}

static void stalled_end(struct stalled *stalled)
{
    hijack_broadcaster_free(stalled->told.room);
    hijack_server_free(stalled->server);
    hijack_queue_free(stalled->queue);
    for (int i = 0; i < stalled->count; i++)
        CHECK(stalled->fds[i][0] == -1 || close(stalled->fds[i][0]) == 0);
}

/* A program that does not poll delays what it is told, and loses nothing. */
static void test_full_queue(void **state)
{
    (void)state;
    enum {
        MEMBERS = 300
    };
    struct stalled stalled;
    struct told *told = &stalled.told;

    stall(&stalled, MEMBERS);
    for (int i = 0; i < MEMBERS; i += 2) {
        CHECK(close(stalled.fds[i][0]) == 0);
        stalled.fds[i][0] = -1;
    }
    members_wait(told->room, MEMBERS / 2);
    while (told->joined != MEMBERS || told->left != MEMBERS / 2)
        CHECK(stalled_take(&stalled) == HIJACK_EVENT_MEMBERS);
    CHECK(told->events < 50);
    OK(hijack_server_stop(stalled.server));
    stalled_end(&stalled);
}

/* Coming and going at random, exact in the end. */
static void test_churn(void **state)
{
    struct fixture *f = *state;
    struct told told;
    struct client *c[100] = {NULL};
    int users[100], present[USERS] = {0}, came = 0, stay = 0;
    unsigned seed = 7;

    fixture_option(f, OPT_THREADS, "2");
    hijack_broadcaster *room = told_room(f, &told);
    fixture_start(f);
    for (int i = 0; i < clock_times(100000, 2000); i++) {
        const int which = rand_r(&seed) % 100;
        if (c[which] == NULL) {
            users[which] = rand_r(&seed) % USERS;
            c[which] = come(f, "/raw", users[which]);
            ++present[users[which]];
            ++stay;
            ++came;
        } else {
            CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("")) >= 0, 1);
            if (rand_r(&seed) % 2 == 0)
                client_reset(c[which]);
            else
                client_close(c[which]);
            c[which] = NULL;
            --present[users[which]];
            --stay;
        }
        if (i % 50 == 0) {
            members_wait(room, stay);
            take_events(f, &told);
        }
    }
    members_wait(room, stay);
    UNTIL(f, &told, told.joined - told.left == stay && memcmp(told.present, present, sizeof(present)) == 0);
    CHECK(told.joined <= came); /* who resets before being a member has never been one */
}

/* The number of a member that sends a message. */
static void test_messages_have_the_number(void **state)
{
    struct fixture *f = *state;
    uint64_t user = 0;

    hijack_broadcaster *room = fixture_hold(f, "/ws", HIJACK_HOLD_WEBSOCKET);
    OK(hijack_broadcaster_set(room, LIT("member_messages"), LIT("deliver")));
    OK(hijack_server_route_set(f->server, LIT("/ws"), LIT("user_data"), LIT("query:user")));
    fixture_start(f);
    struct client *c = ws_connect(f, "/ws?user=31");
    ws_send(c, WS_TEXT, LIT("hello"));
    const struct event *event = events_next(&f->events, HIJACK_EVENT_MEMBER_MESSAGE, room);
    CHECK(event->len == 8 + 5);
    memcpy(&user, event->data, sizeof(user));
    CHECK(user == 31 && memcmp(event->data + 8, "hello", 5) == 0);
}

/* Without a queue nobody hears of members. */
static void test_no_queue(void **state)
{
    struct fixture *f = *state;

    fixture_without_queue(f);
    hijack_broadcaster *room = fixture_hold(f, "/raw", HIJACK_HOLD_RAW);
    OK(hijack_server_hold(f->server, LIT("/ws"), HIJACK_HOLD_WEBSOCKET, NULL, 0, room));
    OK(hijack_broadcaster_set(room, LIT("member_events"), LIT("on")));
    OK(hijack_broadcaster_set(room, LIT("member_messages"), LIT("deliver")));
    fixture_start(f);
    struct client *c = come(f, "/raw", 1), *d = ws_connect(f, "/ws");
    members_wait(room, 2);
    ws_send(d, WS_TEXT, LIT("hello"));
    client_close(c);
    members_wait(room, 1);
}

/* The stop of a server whose program is slow tells everything, too. */
static void test_stop_with_full_queue(void **state)
{
    (void)state;
    enum {
        MEMBERS = 100
    };
    struct stalled stalled;
    const struct told *told = &stalled.told;

    stall(&stalled, MEMBERS);
    OK(hijack_server_stop(stalled.server));
    while (stalled_take(&stalled) != HIJACK_EVENT_STOPPED)
        ;
    CHECK(told->joined == MEMBERS && told->left == MEMBERS && told->why == HIJACK_ESHUTDOWN);
    stalled_end(&stalled);
}

static void *set_backlog(void *room)
{
    for (int i = 0; i < 20000; i++)
        if (hijack_broadcaster_set(room, LIT("backlog_bytes"), i % 2 == 0 ? "1000" : "2000", 4) != 0)
            return room;
    return NULL;
}

/* Options that several threads set do not undo each other. */
static void test_options_of_threads(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    struct client *c;
    pthread_t thread;
    void *failed;

    fixture_start(f);
    hijack_broadcaster *room = told.room = fixture_broadcaster(f);
    OK(hijack_handle_set_user_data(room, 77));
    hijack_socket *socket = socket_open(f, &c);
    CHECK(pthread_create(&thread, NULL, set_backlog, room) == 0);
    for (int i = 0; i < 2000; i++)
        OK(hijack_broadcaster_set(room, LIT("member_events"), i % 2 == 0 ? "off" : "on", i % 2 == 0 ? 3 : 2));
    for (int i = 0; i < 100; i++) {
        const int joined = told.joined, left = told.left;
        OK(hijack_broadcaster_add(room, socket, 5, NULL, 0));
        UNTIL(f, &told, told.joined == joined + 1);
        OK(hijack_broadcaster_remove(room, socket));
        UNTIL(f, &told, told.left == left + 1);
        OK(hijack_broadcaster_set(room, LIT("member_events"), LIT("off")));
        OK(hijack_broadcaster_set(room, LIT("member_events"), LIT("on")));
    }
    CHECK(pthread_join(thread, &failed) == 0 && failed == NULL);
}

/* A room that is empty again and again while the program does not poll: each join, and each leave behind its join. */
static void test_empty_again(void **state)
{
    (void)state;
    enum {
        TIMES = 50
    };
    hijack_queue *queue;
    hijack_server *server;
    hijack_broadcaster *room;
    hijack_event event;
    int fds[2];

    OK(hijack_queue_new(&queue));
    OK(hijack_queue_set(queue, LIT(OPT_CAPACITY), LIT("1")));
    OK(hijack_server_new(&server, queue));
    OK(hijack_broadcaster_new(&room, server));
    OK(hijack_server_set(server, LIT(OPT_THREADS), LIT("1")));
    OK(hijack_broadcaster_set(room, LIT("member_events"), LIT("on")));
    OK(hijack_server_start(server));
    for (int i = 0; i < TIMES; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        OK(hijack_broadcaster_adopt(room, fds[1], HIJACK_HOLD_RAW, (uint64_t)i, NULL, 0, NULL, 0, NULL, 0));
        stat_wait(server, HIJACK_STAT_MEMBERSHIPS, 1);
        CHECK(close(fds[0]) == 0);
        stat_wait(server, HIJACK_STAT_MEMBERSHIPS, 0);
    }
    for (int n = 0; n < 2 * TIMES;) {
        CODE(hijack_queue_poll(&event, queue, 1, (int)clock_limit_ms()), 1);
        CHECK(event.type == HIJACK_EVENT_MEMBERS && event.status > 0);
        for (int i = 0; i < event.status; i++, n++) {
            struct record record;
            memcpy(&record, event.data + (size_t)i * sizeof(record), sizeof(record));
            CHECK(record.user_data == (uint64_t)n / 2 && record.what == (n % 2 == 0 ? 1 : HIJACK_ECLOSED));
        }
    }
    OK(hijack_server_stop(server));
    hijack_broadcaster_free(room);
    hijack_server_free(server);
    hijack_queue_free(queue);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_queue),
        TEST(test_stop_with_full_queue),
        TEST(test_options_of_threads),
        TEST(test_reasons),
        TEST(test_handles_and_switching),
        TEST(test_mass_leave),
        TEST(test_full_queue),
        TEST(test_empty_again),
        TEST(test_churn),
        TEST(test_messages_have_the_number),
    };

    return RUN_TESTS(tests, argc, argv);
}
