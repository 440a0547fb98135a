/* SPDX-License-Identifier: MIT
 *
 * Bodies in pieces for a queue that is full: what comes is bounded, whole, and for everybody.
 */
#include "support/exchange.h"

#include <stdio.h>
#include <stdlib.h>

/* The request of a head that announces a body of len bytes. */
static hijack_request *begin(struct fixture *f, struct client *client, size_t len)
{
    char head[128];

    snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", len);
    client_puts(client, head);
    return next_request(f);
}

/* Without room in the queue nothing is read, and nothing lost. */
static void test_queue_full(void **state)
{
    struct fixture *f = *state;
    size_t len = 300000, have = 0;
    char *body = malloc(len);

    CHECK(body != NULL);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 13 ^ i >> 8);
    fixture_capacity(f, "2");
    fixture_option(f, "request_body", "pieces");
    fixture_option(f, "read_chunk_bytes", "4096");
    fixture_start(f);
    struct client *c = client_connect(f->port);
    hijack_request *request = begin(f, c, len);
    OK(hijack_request_read(request, UINT64_MAX));
    client_send(c, body, len);
    stat_wait(f->server, HIJACK_STAT_EVENTS_QUEUED, 2);
    while (have < len) {
        CHECK(stat_of(f->server, HIJACK_STAT_EVENTS_QUEUED) <= 3); /* EOF comes with the last DATA */
        struct event *event = events_only(&f->events, HIJACK_EVENT_DATA, request);
        CHECK(have + event->len <= len);
        BYTES(event->data, event->len, body + have, event->len);
        have += event->len;
    }
    CODE(events_only(&f->events, HIJACK_EVENT_EOF, request)->len == 0, 1);
    reply(f, request, "all");
    response_expect(c, 200, "all");
    free(body);
}

/* Room in a full queue goes round: no upload waits for the end of the others. */
static void test_queue_full_for_many(void **state)
{
    enum {
        UPLOADS = 3,
        LEN = 200000,
        EVENTS = 300
    };
    struct fixture *f = *state;
    hijack_request *requests[UPLOADS];
    int events[UPLOADS] = {0};
    char *body = calloc(1, LEN);

    CHECK(body != NULL);
    fixture_capacity(f, "2");
    fixture_option(f, OPT_THREADS, "1");
    fixture_option(f, "request_body", "pieces");
    fixture_option(f, "read_chunk_bytes", "1024");
    fixture_start(f);
    for (int i = 0; i < UPLOADS; i++) {
        struct client *c = client_connect(f->port);
        requests[i] = begin(f, c, LEN);
        client_send(c, body, LEN); /* as much as the kernel keeps */
    }
    for (int i = 0; i < UPLOADS; i++)
        OK(hijack_request_read(requests[i], UINT64_MAX));
    for (int i = 0; i < EVENTS; i++) {
        struct event *event = events_next(&f->events, HIJACK_EVENT_DATA, NULL);
        for (int j = 0; j < UPLOADS; j++)
            events[j] += event->handle == requests[j];
    }
    for (int i = 0; i < UPLOADS; i++) {
        check_context("upload %d: %d of %d events", i, events[i], EVENTS);
        CHECK(events[i] >= EVENTS / UPLOADS / 4);
        request_free(f, requests[i]);
    }
    free(body);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {TEST(test_queue_full), TEST(test_queue_full_for_many)};

    return RUN_TESTS(tests, argc, argv);
}
