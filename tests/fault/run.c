/* SPDX-License-Identifier: MIT
 *
 * Playing scenarios; see run.h. Runs on the thread of the test.
 */
#include "fault/run.h"

#include <stdio.h>
#include <string.h>

/* No scenario makes so many calls of one sort. */
#define NTH_MAX 2000

void run_arm(struct run *run)
{
    fault_arm(run->fault->call, run->fault->error, run->nth);
}

void run_start(struct run *run)
{
    fixture_start(&run->fixture);
    run_arm(run);
}

int run_may_repeat(struct run *run, int code)
{
    return code < 0 && code == run->fault->code && fault_struck();
}

/* The fault has cost a connection: whether it may. */
static int lose(struct run *run, const char *what, const char *file, int line)
{
    if (!fault_struck())
        check_fail(file, line, "%s, and nothing has failed yet", what);
    if (run->fault->reason == 0)
        check_fail(file, line, "%s, which this failure must not cause", what);
    run->lost = 1;
    return 0;
}

int run_went_well(struct run *run, int code, const char *text, const char *file, int line)
{
    if (code >= 0)
        return 1;
    if (code != HIJACK_ECLOSED)
        check_ok(code, text, file, line);
    return lose(run, text, file, line);
}

struct event *run_event_at(struct run *run, uint32_t type, void *handle, const char *file, int line)
{
    struct events *events = &run->fixture.events;
    uint64_t end = clock_ms() + clock_limit_ms();

    while (events_pending(events, type, handle) == 0 && events_pending(events, HIJACK_EVENT_CLOSED, handle) == 0) {
        if (clock_ms() > end)
            check_fail(file, line, "no %s and no CLOSED", hijack_event_name(type));
        events_poll(events, 50);
    }
    if (events_pending(events, type, handle) != 0 && type != HIJACK_EVENT_CLOSED)
        return events_next(events, type, handle);
    struct event *event = events_next(events, HIJACK_EVENT_CLOSED, handle);
    if (type == HIJACK_EVENT_CLOSED && event->status == 0)
        return event;
    lose(run, "CLOSED comes instead", file, line);
    const int passing = run->fault->call == FAULT_SENDMSG ? run->fault->code : 0; /* no bytes, but the descriptor */
    if (event->status != run->fault->reason && (passing == 0 || event->status != passing))
        check_fail(file, line, "CLOSED has status %s, must be %s", hijack_errname(event->status),
                   hijack_errname(run->fault->reason));
    return NULL;
}

int run_data_at(struct run *run, void *handle, size_t len, const char *file, int line)
{
    for (size_t have = 0; have < len;) {
        struct event *event = run_event_at(run, HIJACK_EVENT_DATA, handle, file, line);
        if (event == NULL)
            return 0;
        have += event->len;
        if (have > len)
            check_fail(file, line, "%zu bytes of data, must be %zu", have, len);
    }
    return 1;
}

hijack_request *run_request_at(struct run *run, struct client *client, const char *file, int line)
{
    struct events *events = &run->fixture.events;
    uint64_t end = clock_ms() + clock_limit_ms();

    while (events_pending(events, HIJACK_EVENT_REQUEST, NULL) == 0) {
        client_peek(client);
        if (client->ended) {
            events_barrier(events);
            if (events_pending(events, HIJACK_EVENT_REQUEST, NULL) != 0)
                break;
            lose(run, "the client's connection ended before its request came", file, line);
            return NULL;
        }
        if (clock_ms() > end)
            check_fail(file, line, "neither a request nor the end of its connection");
        events_poll(events, 5);
    }
    return events_next(events, HIJACK_EVENT_REQUEST, NULL)->handle;
}

int run_read_at(struct run *run, struct client *client, const char *text, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();
    char *found;

    while (client_peek(client) == 0 || (found = memmem(client->buf, client->len, text, strlen(text))) == NULL) {
        if (client->ended)
            return lose(run, "the connection ended before what the client waits for", file, line);
        if (clock_ms() > end)
            check_fail(file, line, "neither \"%s\" nor the end of the connection; there is \"%.300s\"", text,
                       client->len == 0 ? "" : client->buf);
        clock_tick();
    }
    client_consume(client, (size_t)(found - client->buf) + strlen(text));
    return 1;
}

void run_end_at(struct run *run, struct client *client, const char *file, int line)
{
    (void)run;
    client_until_end_at(client, file, line);
}

int run_members_at(struct run *run, hijack_broadcaster *room, struct client **clients, int count, const char *file,
                   int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();

    while (OK(hijack_broadcaster_count(room)) != count) {
        for (int i = 0; i < count; i++) {
            client_peek(clients[i]);
            if (clients[i]->ended)
                return lose(run, "the connection of a member ended", file, line);
        }
        if (clock_ms() > end)
            check_fail(file, line, "%d members, must be %d", hijack_broadcaster_count(room), count);
        clock_tick();
    }
    return 1;
}

hijack_request *run_ask(struct run *run, struct client **client, const char *text)
{
    *client = client_connect(run->fixture.port);
    client_puts(*client, text);
    return run_request(run, *client);
}

void run_note(struct run *run, void *handle, int kind)
{
    CHECK(handle != NULL);
    events_note(&run->fixture.events, handle, kind);
}

void run_forget(struct run *run, hijack_request *request)
{
    hijack_request_free(request);
    events_freed(&run->fixture.events, request);
}

/* Whatever has failed: the server serves the next client. */
static void probe(struct run *run)
{
    struct fixture *f = &run->fixture;
    struct client *client;
    const char *target;
    size_t len;

    if (!f->started || run->ended)
        return;
    client = client_connect(f->port);
    client_puts(client, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n");
    for (;;) {
        hijack_request *request = next_request(f);
        OK(hijack_request_target(&target, &len, request));
        if (len == 6 && memcmp(target, "/probe", 6) == 0) {
            OK(hijack_request_respond(request, 200, NULL, 0, LIT("served")));
            break;
        }
    }
    response_expect(client, 200, "served");
}

static void play(struct run *run, const struct scenario *scenario)
{
    long blocks = fault_blocks();

    fixture_init(&run->fixture);
    fixture_option(&run->fixture, "http2", "off"); /* libh2o ends the process without memory */
    scenario->play(run);
    fault_disarm();
    probe(run);
    fixture_end(&run->fixture);
    WAIT_FOR(fault_blocks() <= blocks);
    if (fault_blocks() != blocks)
        check_fail(__FILE__, __LINE__, "%ld blocks of memory were freed too many", blocks - fault_blocks());
}

unsigned run_scenario(const struct scenario *scenario, const struct fault *fault)
{
    for (unsigned nth = 1; nth <= NTH_MAX; nth++) {
        struct run run = {.fault = fault, .nth = nth};
        check_context("%s, with call %u of %s failing by errno %d", scenario->name, nth, fault_name(fault->call),
                      fault->error);
        play(&run, scenario);
        check_context("%s", "");
        if (!fault_struck())
            return nth - 1;
    }
    check_fail(__FILE__, __LINE__, "%s: more than %d calls of %s", scenario->name, NTH_MAX, fault_name(fault->call));
}
