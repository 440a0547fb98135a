/* SPDX-License-Identifier: MIT
 *
 * A member whose handle goes: while its reading is held up, while another thread ends the membership.
 */
#include "support/exchange.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The queue is full, so that the sockets' bytes wait: in the library, in the kernel, in both. The sockets are freed and
 * live on as members; when the queue has room again there is nobody to read for. */
static void test_freed_while_held_up(void **state)
{
    enum {
        SOCKETS = 12
    };
    struct fixture *f = *state;
    struct client *c[SOCKETS];

    fixture_capacity(f, "1");
    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    hijack_broadcaster *room = fixture_broadcaster(f);
    OK(hijack_queue_wake(f->queue)); /* this is all it has room for */
    for (int i = 0; i < SOCKETS; i++) {
        hijack_socket *socket = socket_adopted(f, &c[i], i % 3 == 0 ? "" : "unread");
        OK(hijack_socket_read(socket, i % 2 ? UINT64_MAX : 3));
        if (i % 3 != 1)
            client_puts(c[i], "more");
        OK(hijack_broadcaster_add(room, socket, 0, NULL, 0));
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("1;")), i + 1);
        client_expect(c[i], "1;"); /* the loop has tried to read */
        socket_free(f, socket);
    }
    stat_wait(f->server, HIJACK_STAT_HELD, SOCKETS);
    events_next(&f->events, HIJACK_EVENT_WAKE, NULL);
    for (int round = 0; round < 3; round++) {
        CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("2;")), SOCKETS);
        for (int i = 0; i < SOCKETS; i++) {
            client_until(c[i], "2;");
            client_consume(c[i], c[i]->len);
        }
        events_barrier(&f->events);
    }
    members_wait(room, SOCKETS);
    CHECK(stat_of(f->server, HIJACK_STAT_SOCKETS) == 0);
    for (int i = 0; i < SOCKETS; i++)
        client_close(c[i]);
    members_wait(room, 0);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
}

struct remover {
    hijack_broadcaster *room;
    void *_Atomic socket; /* to be removed; NULL: not yet */
    _Atomic int stop, unexpected;
    pthread_t thread;
};

static void *remove_each(void *argument)
{
    struct remover *remover = argument;
    void *socket;

    while (!remover->stop) {
        if ((socket = remover->socket) == NULL)
            continue;
        int code = hijack_broadcaster_remove(remover->room, socket);
        if (code != 0 && code != HIJACK_ESTATE && code != HIJACK_EHANDLE && code != HIJACK_ECLOSED)
            remover->unexpected = code;
        remover->socket = NULL;
    }
    return NULL;
}

/* remove and free of one socket at the same moment: each membership is counted out once. */
static void test_freed_while_removed(void **state)
{
    struct fixture *f = *state;
    int rounds = 3000 / (int)clock_scale();
    struct client *c;

    fixture_option(f, OPT_THREADS, "1");
    fixture_start(f);
    struct remover remover = {.room = fixture_broadcaster(f)};
    CHECK(pthread_create(&remover.thread, NULL, remove_each, &remover) == 0);
    srand(1);
    for (int i = 0; i < rounds; i++) {
        hijack_socket *socket = socket_adopted(f, &c, "");
        OK(hijack_broadcaster_add(remover.room, socket, 0, NULL, 0));
        remover.socket = socket;
        for (volatile int pause = rand() % 400; pause > 0; pause--)
            ;
        socket_free(f, socket);
        while (remover.socket != NULL)
            ;
        client_close(c);
        events_poll(&f->events, 0);
    }
    remover.stop = 1;
    pthread_join(remover.thread, NULL);
    CODE(remover.unexpected, 0);
    stat_wait(f->server, HIJACK_STAT_ADOPTED, (uint64_t)rounds);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 0);
    members_wait(remover.room, 0);
    CHECK(broadcaster_stat(remover.room, HIJACK_BROADCASTER_STAT_MEMBERS) == 0);
    CHECK(stat_of(f->server, HIJACK_STAT_MEMBERSHIPS) == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_freed_while_held_up), TEST(test_freed_while_removed)};

    return RUN_TESTS(tests, argc, argv);
}
