/* SPDX-License-Identifier: MIT
 *
 * A server's options, routes, queues, counters, start, stop and drain.
 */
#include "support/exchange.h"
#include "support/transport.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void test_options(void **state)
{
    struct fixture *f = *state;
    char out[64];

    CODE(hijack_server_get(out, sizeof(out), f->server, LIT(OPT_THREADS)), 1);
    CHECK(strcmp(out, "2") == 0);
    fixture_option(f, OPT_MAX_BODY, "12345");
    CODE(hijack_server_get(out, sizeof(out), f->server, LIT(OPT_MAX_BODY)), 5);
    CHECK(strcmp(out, "12345") == 0);
    CODE(hijack_server_get(out, 5, f->server, LIT(OPT_MAX_BODY)), HIJACK_ETOOBIG);
    CODE(hijack_server_get(out, 6, f->server, LIT(OPT_MAX_BODY)), 5);
    CODE(hijack_server_get(out, sizeof(out), f->server, LIT("nonsense")), HIJACK_EOPTION);
    CODE(hijack_server_set(f->server, LIT("nonsense"), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_server_set(f->server, LIT("thread"), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_server_set(f->server, LIT("threads\0x"), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_server_set(f->server, LIT(""), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_server_set(f->server, LIT(OPT_CAPACITY), LIT("100")), HIJACK_EOPTION);
    static const char *const wrong[] = {"", "x", "-1", "1x", " 1", "99999999999999999999999", "1.5", "0x10", "1000000"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CODE(hijack_server_set(f->server, LIT(OPT_THREADS), STR(wrong[i])), HIJACK_ERANGE);
    CODE(hijack_server_get(out, sizeof(out), f->server, LIT(OPT_THREADS)), 1);
    CHECK(strcmp(out, "2") == 0);
    fixture_start(f);
    CODE(hijack_server_set(f->server, LIT(OPT_THREADS), LIT("1")), HIJACK_ESTATE);
    CODE(hijack_server_get(out, sizeof(out), f->server, LIT(OPT_MAX_BODY)), 5);
}

/* Every option of the table can be set to its default, minimum and maximum, and read back. */
static void test_option_table(void **state)
{
    struct fixture *f = *state;
    char *table = strdup(hijack_options()), *rest = table, *line;
    hijack_broadcaster *room = fixture_broadcaster(f);
    hijack_queue *queue = NULL;
    int count = 0;

    OK(hijack_queue_new(&queue));
    while ((line = strsep(&rest, "\n")) != NULL && *line != 0) {
        char *field[7];
        for (int i = 0; i < 7; i++)
            CHECK((field[i] = strsep(&line, "\t")) != NULL);
        const char *value = field[5];
        if (!HIJACK_TLS && strncmp(field[1], "tls_", 4) == 0) {
            CODE(hijack_server_set(f->server, STR(field[1]), STR(value)), HIJACK_ENOTSUP);
            continue;
        }
        if (strcmp(field[0], "server") == 0) {
            char out[256];
            OK(hijack_server_set(f->server, STR(field[1]), STR(value)));
            OK(hijack_server_get(out, sizeof(out), f->server, STR(field[1])));
        } else if (strcmp(field[0], "queue") == 0) {
            OK(hijack_queue_set(queue, STR(field[1]), STR(value)));
            CODE(hijack_server_set(f->server, STR(field[1]), STR(value)), HIJACK_EOPTION);
        } else if (strcmp(field[0], "route") == 0) {
            OK(hijack_server_route_set(f->server, LIT("/x"), STR(field[1]), STR(value)));
        } else {
            CHECK(strcmp(field[0], "broadcaster") == 0);
            OK(hijack_broadcaster_set(room, STR(field[1]), STR(value)));
        }
        CHECK(strlen(field[6]) > 5);
        count++;
    }
    CHECK(count >= 8);
    hijack_queue_free(queue);
    free(table);
}

static void test_states(void **state)
{
    struct fixture *f = *state;

    CODE(hijack_server_stop(f->server), HIJACK_ESTATE);
    CODE(hijack_server_drain(f->server, 10), HIJACK_ESTATE);
    fixture_start(f);
    CODE(hijack_server_start(f->server), HIJACK_ESTATE);
    CODE(hijack_server_add_queue(f->server, f->queue), HIJACK_ESTATE);
    CODE(hijack_server_route(f->server, LIT("/x"), f->queue), HIJACK_ESTATE);
    CODE(hijack_queue_set(f->queue, LIT(OPT_CAPACITY), LIT("100")), HIJACK_ESTATE);
    fixture_stop(f);
    CODE(hijack_server_stop(f->server), 0);
    CODE(hijack_server_stop(f->server), 0);
    CODE(hijack_server_start(f->server), HIJACK_ESTATE);
    CODE(hijack_server_drain(f->server, 10), HIJACK_ESTATE);
    events_barrier(&f->events);
    CHECK(events_pending(&f->events, HIJACK_EVENT_STOPPED, NULL) == 0);
}

static void test_routes(void **state)
{
    struct fixture *f = *state;
    hijack_queue *other = NULL;
    struct events events;

    OK(hijack_queue_new(&other));
    events_init(&events, other);
    OK(hijack_server_route(f->server, LIT("/other"), other));
    CODE(hijack_server_route(f->server, LIT("/other"), f->queue), HIJACK_ESTATE);
    CODE(hijack_server_route(f->server, LIT("other"), f->queue), HIJACK_EINVAL);
    CODE(hijack_server_route(f->server, LIT(""), f->queue), HIJACK_EINVAL);
    fixture_start(f);
    struct client *c = client_connect(f->port);
    ask(c, "/other?x=1");
    hijack_request *request = events_next(&events, HIJACK_EVENT_REQUEST, NULL)->handle;
    OK(hijack_request_respond(request, 200, NULL, 0, LIT("routed")));
    events_closed(&events, request, 0);
    response_expect(c, 200, "routed");
    static const char *const paths[] = {"/", "/othe", "/other/", "/other2", "/OTHER", "/%6fther"};
    for (int i = 0; i < 6; i++) {
        ask(c, paths[i]);
        reply(f, next_request(f), "main");
        response_expect(c, 200, "main");
    }
    CHECK(events_poll(&events, 0) == 0);
    fixture_stop(f);
    events_free(&events);
    hijack_queue_free(other);
}

/* Options of paths do not change who gets a request; which options count is the unit test's matter. */
static void test_route_options(void **state)
{
    struct fixture *f = *state;

    hijack_broadcaster *room = fixture_broadcaster(f);
    OK(hijack_server_route_set(f->server, LIT("/held"), LIT("max_body_bytes"), LIT("1k")));
    OK(hijack_server_route_set(f->server, LIT("/*"), LIT("max_body_bytes"), LIT("2k")));
    OK(hijack_server_hold(f->server, LIT("/held"), HIJACK_HOLD_STREAM, NULL, 0, room));
    CODE(hijack_server_hold(f->server, LIT("/held"), HIJACK_HOLD_STREAM, NULL, 0, room), HIJACK_ESTATE);
    OK(hijack_server_route_set(f->server, LIT("/held"), LIT("max_body_bytes"), LIT("inherit")));
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("max_body_bytes"), LIT("many")), HIJACK_ERANGE);
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("threads"), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("position"), LIT("query:")), HIJACK_ERANGE);
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("position"), LIT("path:x")), HIJACK_ERANGE);
    OK(hijack_server_route_set(f->server, LIT("/"), LIT("position"), LIT("last-event-id")));
    OK(hijack_server_route_set(f->server, LIT("/"), LIT("position"), LIT("query:at")));
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("user_data"), LIT("number")), HIJACK_ERANGE);
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("user_data"), LIT("header:")), HIJACK_ERANGE);
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("user_data"), LIT("header:x y")), HIJACK_ERANGE);
    OK(hijack_server_route_set(f->server, LIT("/"), LIT("user_data"), LIT("header:x-user")));
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("long_poll_ms"), LIT("1")), HIJACK_EOPTION);
    CODE(hijack_server_route_set(f->server, LIT("*"), LIT("max_body_bytes"), LIT("1")), HIJACK_EINVAL);
    CODE(hijack_server_route_set(f->server, NULL, 0, LIT("max_body_bytes"), LIT("1")), HIJACK_EINVAL);
    CODE(hijack_server_route_set(f->server, LIT("/"), NULL, 1, LIT("1")), HIJACK_EINVAL);
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("max_body_bytes"), NULL, 1), HIJACK_EINVAL);
    CODE(hijack_server_route_set(NULL, LIT("/"), LIT("max_body_bytes"), LIT("1")), HIJACK_EHANDLE);
    fixture_start(f);
    CODE(hijack_server_route_set(f->server, LIT("/"), LIT("max_body_bytes"), LIT("1")), HIJACK_ESTATE);
    struct client *c = client_connect(f->port);
    ask(c, "/any/path");
    reply(f, next_request(f), "main");
    response_expect(c, 200, "main");
    ask(c, "/held");
    members_wait(room, 1);
    OK(hijack_broadcaster_close(room));
    response_expect(c, 200, "");
}

static void post(struct client *c, const char *path, const char *body)
{
    char text[256];

    snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(body),
             body);
    client_puts(c, text);
}

/* The longest body is that of the path: in a route, under a prefix, and elsewhere the server's. */
static void test_route_body_limits(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path, *good, *bad;
    } limits[] = {{"/small/x", "1234", "12345"}, {"/small/er", "12", "123"}, {"/small", "12345678", "123456789"}};

    fixture_option(f, OPT_MAX_BODY, "8");
    OK(hijack_server_route_set(f->server, LIT("/small/*"), LIT("max_body_bytes"), LIT("4")));
    OK(hijack_server_route_set(f->server, LIT("/small/er"), LIT("max_body_bytes"), LIT("2")));
    OK(hijack_server_route(f->server, LIT("/small/er"), f->queue));
    fixture_start(f);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct client *c = client_connect(f->port);
        post(c, limits[i].path, limits[i].good);
        reply(f, next_request(f), "taken");
        response_expect(c, 200, "taken");
        post(c, limits[i].path, limits[i].bad);
        response_expect(c, 413, "413 Content Too Large: the body is over the limit (option max_body_bytes)\n");
    }
}

/* Connections are dealt out; each one's requests stay with one queue. */
static void test_several_queues(void **state)
{
    struct fixture *f = *state;
    hijack_queue *queues[3] = {f->queue};
    struct events events[3];
    int seen[3] = {0};

    for (int i = 1; i < 3; i++) {
        OK(hijack_queue_new(&queues[i]));
        OK(hijack_server_add_queue(f->server, queues[i]));
    }
    for (int i = 0; i < 3; i++)
        events_init(&events[i], queues[i]);
    fixture_start(f);
    for (int n = 0; n < 60; n++) {
        struct client *c = client_connect(f->port);
        int queue = -1;
        for (int again = 0; again < 3; again++) {
            ask(c, "/");
            int got = -1;
            uint64_t end = clock_ms() + clock_limit_ms();
            while (got < 0) {
                CHECK(clock_ms() < end);
                for (int i = 0; i < 3; i++) {
                    events_poll(&events[i], 0);
                    if (events_pending(&events[i], HIJACK_EVENT_REQUEST, NULL) > 0)
                        got = i;
                }
            }
            CHECK(queue < 0 || got == queue);
            queue = got;
            hijack_request *request = events_next(&events[got], HIJACK_EVENT_REQUEST, NULL)->handle;
            OK(hijack_request_respond(request, 200, NULL, 0, LIT("x")));
            events_closed(&events[got], request, 0);
            response_expect(c, 200, "x");
        }
        seen[queue]++;
        client_close(c);
    }
    for (int i = 0; i < 3; i++)
        CHECK(seen[i] >= 5);
    fixture_stop(f);
    for (int i = 0; i < 3; i++)
        events_free(&events[i]);
    hijack_queue_free(queues[1]);
    hijack_queue_free(queues[2]);
}

static void test_without_queue(void **state)
{
    struct fixture *f = *state;
    hijack_server *server = NULL;
    hijack_broadcaster *room = NULL;
    hijack_socket *socket = NULL;
    struct response r;

    OK(hijack_server_new(&server, NULL));
    OK(hijack_broadcaster_new(&room, server));
    OK(hijack_server_hold(server, LIT("/raw"), HIJACK_HOLD_RAW, NULL, 0, room));
    int port = OK(transport_listen(server, "127.0.0.1:0"));
    OK(hijack_server_start(server));
    CODE(hijack_server_adopt(&socket, server, 0, NULL, 0), HIJACK_ESTATE);
    struct client *c = client_connect(port);
    for (int i = 0; i < 3; i++) {
        client_puts(c, i == 1 ? "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
                              : "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
        response_head(&r, c);
        CHECK(r.status == 404);
        response_finish(&r);
        response_free(&r);
    }
    ask(c, "/raw");
    members_wait(room, 1);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("yes")), 1);
    client_expect(c, "yes");
    OK(hijack_server_stop(server));
    client_until_end(c);
    hijack_broadcaster_free(room);
    hijack_server_free(server);
    CHECK(events_poll(&f->events, 0) == 0);
}

/* Every kind of open handle at stop: each gets its last event, then STOPPED comes. */
static void test_stop_with_everything(void **state)
{
    struct fixture *f = *state;
    struct client *c[7];

    hijack_broadcaster *room = fixture_hold(f, "/held", HIJACK_HOLD_SSE);
    fixture_start(f);
    hijack_request *request = request_open(f, &c[0], "/");
    hijack_stream *stream = stream_open(f, &c[1]);
    hijack_socket *socket = socket_open(f, &c[2]);
    hijack_stream *member = sse_open(f, &c[3]);
    OK(hijack_broadcaster_add(room, member, 0, NULL, 0));
    c[4] = client_connect(f->port);
    ask(c[4], "/held");
    members_wait(room, 2);
    c[5] = client_connect(f->port);
    client_puts(c[5], "GET / HT");
    c[6] = client_connect(f->port);
    ask(c[6], "/");
    reply(f, next_request(f), "idle now");
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 7);
    OK(hijack_server_stop(f->server));
    events_closed(&f->events, request, HIJACK_ESHUTDOWN);
    events_closed(&f->events, stream, HIJACK_ESHUTDOWN);
    events_closed(&f->events, socket, HIJACK_ESHUTDOWN);
    events_closed(&f->events, member, HIJACK_ESHUTDOWN);
    CHECK(events_pending(&f->events, HIJACK_EVENT_CLOSED, NULL) == 0);
    for (int i = 0; i < 7; i++)
        client_until_end(c[i]);
    CODE(hijack_request_respond(request, 200, NULL, 0, NULL, 0), HIJACK_ECLOSED);
    CODE(hijack_stream_send(stream, LIT("x")), HIJACK_ECLOSED);
    CODE(hijack_socket_send(socket, LIT("x")), HIJACK_ECLOSED);
    CODE(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, LIT("x")), HIJACK_ESHUTDOWN);
    CODE(hijack_broadcaster_count(room), 0);
    CODE(stat_of(f->server, HIJACK_STAT_CLOSED_SHUTDOWN) > 0, 1);
}

static void test_many_cycles(void **state)
{
    struct fixture *f = *state;
    int descriptors, threads;

    fixture_start(f);
    descriptors = process_descriptors();
    threads = process_threads();
    for (int i = 0; i < 100; i++) {
        hijack_queue *queue = NULL;
        hijack_server *server = NULL;
        OK(hijack_queue_new(&queue));
        OK(hijack_server_new(&server, queue));
        OK(hijack_server_set(server, LIT(OPT_THREADS), LIT("2")));
        int port = OK(transport_listen(server, "127.0.0.1:0"));
        if (i % 4 != 3)
            OK(hijack_server_start(server));
        if (i % 4 == 1) {
            hijack_event event;
            ask(client_connect(port), "/");
            CODE(hijack_queue_poll(&event, queue, 1, (int)clock_limit_ms()), 1);
            hijack_request_free(event.handle);
        }
        if (i % 2 == 0 && i % 4 != 3)
            OK(hijack_server_stop(server));
        if (i % 3 == 0)
            hijack_queue_free(queue);
        hijack_server_free(server);
        if (i % 3 != 0)
            hijack_queue_free(queue);
        clients_free();
    }
    WAIT_FOR(process_threads() <= threads);
    WAIT_FOR(process_descriptors() <= descriptors);
}

static void test_stats(void **state)
{
    struct fixture *f = *state;
    struct client *c, *d;

    CHECK(hijack_server_stat_name(HIJACK_STAT_COUNT) == NULL && hijack_server_stat_name(UINT32_MAX) == NULL);
    CHECK(strcmp(hijack_server_stat_name(HIJACK_STAT_ACCEPTED), "accepted") == 0);
    for (uint32_t i = 0; i < HIJACK_STAT_COUNT; i++)
        CHECK(strlen(hijack_server_stat_name(i)) > 2);
    fixture_start(f);
    c = client_connect(f->port);
    stat_wait(f->server, HIJACK_STAT_READING, 1);
    stat_wait(f->server, HIJACK_STAT_CONNECTIONS, 1);
    ask(c, "/");
    stat_wait(f->server, HIJACK_STAT_EVENTS_QUEUED, 1);
    stat_wait(f->server, HIJACK_STAT_HTTP, 1);
    hijack_request *request = next_request(f);
    CHECK(stat_of(f->server, HIJACK_STAT_EVENTS_QUEUED) == 0);
    reply(f, request, "x");
    hijack_socket *socket = socket_open(f, &d);
    stat_wait(f->server, HIJACK_STAT_SOCKETS, 1);
    uint64_t in = stat_of(f->server, HIJACK_STAT_BYTES_IN), out = stat_of(f->server, HIJACK_STAT_BYTES_OUT);
    OK(hijack_socket_read(socket, 100));
    client_puts(d, "12345");
    free(events_data(&f->events, socket, 5));
    OK(hijack_socket_send(socket, LIT("123")));
    client_expect(d, "123");
    stat_wait(f->server, HIJACK_STAT_BYTES_IN, in + 5);
    stat_wait(f->server, HIJACK_STAT_BYTES_OUT, out + 3);
    CHECK(stat_of(f->server, HIJACK_STAT_ACCEPTED) == 2);
    CHECK(stat_of(f->server, HIJACK_STAT_REQUESTS) == 2);
}

/* How many threads of this process have the name. */
static int threads_called(const char *name)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;

    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[300], line[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue;
        if (fgets(line, sizeof(line), file) != NULL)
            count += strcmp(line, name) == 0;
        fclose(file);
    }
    closedir(folder);
    return count;
}

static void test_thread_names(void **state)
{
    struct fixture *f = *state;

    fixture_option(f, OPT_THREADS, "3");
    CHECK(threads_called("hijack loop\n") == 0);
    fixture_start(f);
    CHECK(threads_called("hijack loop\n") == 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_options),        TEST(test_option_table),  TEST(test_states),
        TEST(test_routes),         TEST(test_route_options), TEST(test_route_body_limits),
        TEST(test_several_queues), TEST(test_without_queue), TEST(test_stop_with_everything),
        TEST(test_many_cycles),    TEST(test_stats),         TEST(test_thread_names),
    };

    return RUN_TESTS(tests, argc, argv);
}
