/* SPDX-License-Identifier: MIT
 *
 * Scenarios of servers and requests; see run.h. Run on the thread of the test.
 */
#include "fault/run.h"
#include "support/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: x\r\n"

/* Everything that is made and settled before a server runs, and the start of two loops. */
static void play_creation(struct run *run)
{
    struct fixture *f = &run->fixture;
    hijack_queue *first = f->queue, *queue = NULL, *more = NULL, *unused = NULL;
    hijack_server *server = NULL;
    hijack_broadcaster *room = NULL;
    char name[64]; /* of this process alone: other fault tests run at the same time */
    int name_len = snprintf(name, sizeof name, "unix:@hijack-fault-test-%ld", (long)getpid());

    run_arm(run);
    DO(run, hijack_queue_new(&queue));
    f->queue = f->events.queue = queue;
    hijack_queue_free(first);
    DO(run, hijack_queue_new(&unused));
    hijack_queue_free(unused);
    DO(run, hijack_server_new(&server, queue));
    hijack_server_free(f->server);
    f->server = server;
    DO(run, hijack_server_set(server, LIT(OPT_THREADS), LIT("2")));
    DO(run, hijack_server_set(server, LIT("http2"), LIT("off"))); /* libh2o ends the process */
    DO(run, f->port = transport_listen(server, "127.0.0.1:0"));
    DO(run, hijack_server_listen(server, LIT("127.0.0.1:0")));
    DO(run, hijack_server_listen(server, name, (size_t)name_len));
    DO(run, hijack_queue_new(&more));
    DO(run, hijack_server_route(server, LIT("/more"), more));
    DO(run, hijack_server_route_set(server, LIT("/up/*"), LIT("request_body"), LIT("pieces")));
    DO(run, hijack_broadcaster_new(&room, server));
    f->broadcasters[f->broadcaster_count++] = room;
    DO(run, hijack_broadcaster_set(room, LIT("overflow"), LIT("latest")));
    DO(run, hijack_server_hold(server, LIT("/sse"), HIJACK_HOLD_SSE, LIT("a: b\r\n"), room));
    DO(run, hijack_server_hold(server, LIT("/raw"), HIJACK_HOLD_RAW, NULL, 0, room));
    DO(run, hijack_server_set(server, LIT("connections_per_address"), LIT("100")));
    DO(run, hijack_server_start(server));
    f->started = 1;
    hijack_queue_free(more);
}

/* Answers the request and reads the answer. */
static int answer(struct run *run, struct client *client, hijack_request *request)
{
    int code = hijack_request_respond(request, 200, LIT("a: b\r\n"), LIT("hello"));

    if (run_may_repeat(run, code))
        code = hijack_request_respond(request, 200, LIT("a: b\r\n"), LIT("hello"));
    if (!run_went_well(run, code, "respond", __FILE__, __LINE__))
        return 0;
    int closed = run_event(run, HIJACK_EVENT_CLOSED, request) != NULL;
    return closed && run_read(run, client, "hello");
}

static void play_get(struct run *run)
{
    struct client *client;

    run_start(run);
    client = client_connect(run->fixture.port);
    for (int i = 0; i < 2; i++) {
        client_puts(client, GET("/"));
        hijack_request *request = run_request(run, client);
        MUST_HAVE(request != NULL && answer(run, client, request));
    }
    client_puts(client, "GET / HTTP/1.1\r\nHo");
    stat_wait_least(run->fixture.server, HIJACK_STAT_BYTES_IN, 1);
    client_puts(client, "st: x\r\n\r\n");
    hijack_request *request = run_request(run, client);
    MUST_HAVE(request != NULL && answer(run, client, request));
}

/* More than one turn takes of one connection. */
static void play_pipeline(struct run *run)
{
    char text[40 * sizeof(GET("/"))] = "";
    struct client *client;

    for (int i = 0; i < 40; i++)
        strcat(text, GET("/"));
    run_start(run);
    client = client_connect(run->fixture.port);
    client_puts(client, text);
    for (int i = 0; i < 40; i++) {
        hijack_request *request = run_request(run, client);
        MUST_HAVE(request != NULL && answer(run, client, request));
    }
}

/* The queue has room for one: the other requests wait. */
static void play_full_queue(struct run *run)
{
    struct client *clients[3];
    struct fixture *f = &run->fixture;
    /* one is served before the next: their requests come in this order */
    const uint32_t served = transport_is_tls() ? HIJACK_STAT_TLS_HANDSHAKES : HIJACK_STAT_ACCEPTED;

    fixture_capacity(f, "1");
    fixture_option(f, "http2", "off");
    fixture_option(f, OPT_THREADS, "1");
    run_start(run);
    for (int i = 0; i < 3; i++) {
        clients[i] = client_connect(f->port);
        client_puts(clients[i], GET("/"));
        WAIT_FOR(client_peek(clients[i]) > 0 || clients[i]->ended || stat_of(f->server, served) > (uint64_t)i);
        MUST_HAVE(!clients[i]->ended || !run_went_well(run, HIJACK_ECLOSED, "accept", __FILE__, __LINE__));
        MUST_HAVE(!clients[i]->ended);
    }
    for (int i = 0; i < 3; i++) {
        hijack_request *request = run_request(run, clients[i]);
        MUST_HAVE(request != NULL && answer(run, clients[i], request));
    }
}

static void play_post(struct run *run)
{
    static const char head[] = POST("/") "Content-Length: 10\r\n\r\n01234";
    const char *body;
    struct client *client;
    size_t len;

    run_start(run);
    client = client_connect(run->fixture.port);
    client_puts(client, head);
    client_puts(client, "56789");
    hijack_request *request = run_request(run, client);
    MUST_HAVE(request != NULL);
    OK(hijack_request_body(&body, &len, request));
    BYTES(body, len, "0123456789", 10);
    MUST_HAVE(answer(run, client, request));
    client_puts(client, POST("/") "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    MUST_HAVE(run_read(run, client, "100 Continue\r\n\r\n"));
    client_puts(client, "body");
    request = run_request(run, client);
    MUST_HAVE(request != NULL && answer(run, client, request));
}

/* A chunked body that outgrows its memory several times. */
static void play_chunked(struct run *run)
{
    char chunk[3000], size[16];
    const char *body;
    struct client *client;
    size_t len;

    memset(chunk, 'x', sizeof(chunk));
    run_start(run);
    client = client_connect(run->fixture.port);
    client_puts(client, POST("/") "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 6; i++) {
        snprintf(size, sizeof(size), "%zx\r\n", sizeof(chunk));
        client_puts(client, size);
        client_send(client, chunk, sizeof(chunk));
        client_puts(client, "\r\n");
    }
    client_puts(client, "0\r\nA: b\r\n\r\n" GET("/next"));
    hijack_request *request = run_request(run, client);
    MUST_HAVE(request != NULL);
    OK(hijack_request_body(&body, &len, request));
    CHECK(len == 6 * sizeof(chunk));
    MUST_HAVE(answer(run, client, request));
    request = run_request(run, client);
    MUST_HAVE(request != NULL && answer(run, client, request));
}

/* Reads a body in pieces and answers: what comes is whole, or broken off by CLOSED. */
static int read_pieces(struct run *run, struct client *client, size_t len, const char *trailers)
{
    hijack_request *request = run_request(run, client);

    if (request == NULL)
        return 0;
    for (int i = 0; i < 2; i++) {
        uint64_t credit = i == 0 ? 3 : UINT64_MAX;
        int code = hijack_request_read(request, credit);
        if (run_may_repeat(run, code))
            code = hijack_request_read(request, credit);
        if (!run_went_well(run, code, "read", __FILE__, __LINE__) || !run_data(run, request, i == 0 ? 3 : len - 3))
            return 0;
    }
    struct event *event = run_event(run, HIJACK_EVENT_EOF, request);
    if (event == NULL)
        return 0;
    BYTES(event->data, event->len, trailers, strlen(trailers));
    return answer(run, client, request);
}

static void play_pieces(struct run *run)
{
    struct client *client;

    fixture_option(&run->fixture, "request_body", "pieces");
    run_start(run);
    client = client_connect(run->fixture.port);
    client_puts(client, POST("/") "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    client_puts(client, "0123456789");
    MUST_HAVE(read_pieces(run, client, 10, ""));
    client_puts(client, POST("/") "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client_puts(client, "5\r\ndefgh\r\n0\r\nA: b\r\n\r\n");
    MUST_HAVE(read_pieces(run, client, 8, "a: b\r\n"));
}

/* A request freed unanswered, and one answered whose body nobody reads. */
static void play_freed(struct run *run)
{
    struct client *client;

    fixture_option(&run->fixture, "request_body", "pieces");
    run_start(run);
    hijack_request *request = run_ask(run, &client, POST("/") "Content-Length: 4\r\n\r\n");
    MUST_HAVE(request != NULL);
    DO(run, hijack_request_respond(request, 200, NULL, 0, LIT("early")));
    run_forget(run, request);
    client_puts(client, "body" GET("/"));
    MUST_HAVE(run_read(run, client, "early"));
    request = run_request(run, client);
    MUST_HAVE(request != NULL);
    run_forget(run, request);
    if (run->fault->call == FAULT_MEMORY || run->fault->call == FAULT_SEND)
        run_end(run, client); /* a refusal that cannot be made or sent is left out */
    else
        MUST_HAVE(run_read(run, client, "HTTP/1.1 500"));
}

static void play_refusal(struct run *run)
{
    struct client *client;

    run_start(run);
    client = client_connect(run->fixture.port);
    client_puts(client, "GET / HTTP/1.1\r\nHost : x\r\n\r\n");
    if (run->fault->call == FAULT_MEMORY || run->fault->call == FAULT_SEND)
        run_end(run, client);
    else
        MUST_HAVE(run_read(run, client, "HTTP/1.1 400"));
}

static void play_not_found(struct run *run)
{
    struct client *client;
    struct fixture *f = &run->fixture;

    fixture_without_queue(f);
    fixture_option(f, "http2", "off");
    run->ended = 1; /* nobody would answer the probe */
    run_start(run);
    client = client_connect(f->port);
    client_puts(client, GET("/") GET("/again"));
    MUST_HAVE(run_read(run, client, "HTTP/1.1 404"));
    MUST_HAVE(run_read(run, client, "HTTP/1.1 404"));
}

static void play_hangup(struct run *run)
{
    struct client *client;

    run_start(run);
    hijack_request *request = run_ask(run, &client, GET("/"));
    MUST_HAVE(request != NULL);
    client_shutdown(client);
    MUST_HAVE(run_event(run, HIJACK_EVENT_HANGUP, request) != NULL);
    MUST_HAVE(answer(run, client, request));
}

static void play_wake(struct run *run)
{
    run_start(run);
    for (int i = 0; i < 2; i++) {
        DO(run, hijack_queue_wake(run->fixture.queue));
        DO(run, hijack_queue_wake(run->fixture.queue));
        events_next(&run->fixture.events, HIJACK_EVENT_WAKE, NULL);
    }
}

/* A request waits for its answer, a member for its end; both get it, and then the server stops by itself. */
static void play_drain(struct run *run)
{
    struct client *client, *member;
    struct fixture *f = &run->fixture;
    hijack_broadcaster *room = fixture_hold(f, "/sse", HIJACK_HOLD_SSE);

    run->ended = 1;
    fixture_start(f);
    member = client_connect(f->port);
    client_puts(member, GET("/sse"));
    client_until(member, "\r\n\r\n");
    members_wait(room, 1);
    hijack_request *request = run_ask(run, &client, GET("/"));
    run_arm(run);
    DO(run, hijack_server_drain(f->server, 60000));
    MUST_HAVE(answer(run, client, request));
    DO(run, hijack_broadcaster_close(room));
    MUST_HAVE(run_read(run, member, "0\r\n\r\n"));
    events_next(&f->events, HIJACK_EVENT_STOPPED, f->server);
    f->stopped = 1;
}

static void play_stop(struct run *run)
{
    struct client *client, *member;
    struct fixture *f = &run->fixture;
    hijack_stream *stream;

    fixture_hold(f, "/sse", HIJACK_HOLD_SSE);
    run->ended = 1;
    fixture_start(f);
    member = client_connect(f->port);
    client_puts(member, GET("/sse"));
    client_until(member, "\r\n\r\n");
    hijack_request *request = request_open(f, &client, "/");
    stream = stream_open(f, &client);
    client_until(client, "\r\n\r\n");
    run_arm(run);
    DO(run, hijack_server_stop(f->server));
    events_closed(&f->events, request, HIJACK_ESHUTDOWN);
    events_closed(&f->events, stream, HIJACK_ESHUTDOWN);
    run_end(run, client);
    run_end(run, member);
}

const struct scenario scenarios_http[] = {
    {"creation", play_creation},     {"get", play_get},       {"pipeline", play_pipeline},
    {"full queue", play_full_queue}, {"post", play_post},     {"chunked", play_chunked},
    {"pieces", play_pieces},         {"freed", play_freed},   {"refusal", play_refusal},
    {"not found", play_not_found},   {"hangup", play_hangup}, {"wake", play_wake},
    {"drain", play_drain},           {"stop", play_stop},     {NULL, NULL},
};
