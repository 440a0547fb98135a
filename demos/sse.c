/* SPDX-License-Identifier: MIT
 * Server-Sent Events: a page that shows the time, pushed to everyone once a second.
 *
 *     /         the page
 *     /sse      the events: held by a broadcaster, without a handle or an event per client; one that comes back with
 *               Last-Event-ID gets what it has missed, up to 100 events
 *     /room     the page of the chat, whose room is here too: /chat, /events and /say, as in chat.c
 *     /stats    how many clients /sse has, how long the last event took to all of them, and the memory, as JSON
 *     /healthz  "ok"
 *
 * One thread of ours: it waits for requests, for the next second and for a signal, all in one poll(2). Clients on /sse
 * never come up here: however many there are, this program makes one call a second for them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "page.h"
#include "room.h"
#include "run.h"

#define LONGEST_RUN_MS 500 /* a run that is not over by then is shown as it stands */

static hijack_broadcaster *clients;
static double run_ms; /* of the last event */

static void answer_stats(hijack_request *request)
{
    char text[128];
    int members = demo_check(hijack_broadcaster_count(clients), "hijack_broadcaster_count");
    int len = snprintf(text, sizeof text, "{\"clients\":%d,\"run_ms\":%.1f,\"resident_mib\":%.1f}\n", members, run_ms,
                       demo_resident_mib());
    demo_answer(request, 200, "application/json", text, (size_t)len);
}

static void on_request(hijack_request *request)
{
    if (demo_path_is(request, "/"))
        demo_answer(request, 200, DEMO_HTML, demo_sse_page, (size_t)(demo_sse_page_end - demo_sse_page));
    else if (demo_path_is(request, "/room"))
        demo_answer(request, 200, DEMO_HTML, demo_chat_page, (size_t)(demo_chat_page_end - demo_chat_page));
    else if (demo_path_is(request, "/stats"))
        answer_stats(request);
    else if (demo_path_is(request, "/healthz"))
        demo_answer_text(request, 200, "ok\n");
    else if (!room_answer(request))
        demo_answer_text(request, 404, "Only /, /sse, /room, /chat, /events, /say, /stats and /healthz are here.\n");
}

static void handle_events(hijack_queue *queue)
{
    hijack_event events[64];
    int n = demo_check(hijack_queue_poll(events, queue, 64, 0), "hijack_queue_poll");
    for (int i = 0; i < n; ++i) {
        if (events[i].type == HIJACK_EVENT_REQUEST)
            on_request(events[i].handle);
        else
            room_event(&events[i]);
    }
}

static void publish_time(hijack_server *server, uint64_t count)
{
    char id[24], text[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    size_t text_len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    int id_len = snprintf(id, sizeof id, "%" PRIu64, count);
    demo_run run = demo_run_begin(server);
    int addressed =
        demo_check(hijack_broadcaster_publish_sse(clients, NULL, 0, id, (size_t)id_len, text, text_len, NULL, 0, -1),
                   "hijack_broadcaster_publish_sse");
    run_ms = demo_run_end(&run, server, addressed, LONGEST_RUN_MS);
}

int main(int argc, char **argv)
{
    int signals = demo_signals();
    demo_raise_descriptor_limit();

    hijack_queue *queue;
    hijack_server *server;
    demo_check(hijack_check_version(HIJACK_VERSION_NUMBER), "hijack_check_version");
    demo_check(hijack_queue_new(&queue), "hijack_queue_new");
    demo_check(hijack_server_new(&server, queue), "hijack_server_new");
    demo_check(hijack_broadcaster_new(&clients, server), "hijack_broadcaster_new");
    demo_check(hijack_broadcaster_set(clients, HIJACK_STR("history_messages"), HIJACK_STR("100")), "history_messages");
    demo_check(hijack_server_hold(server, HIJACK_STR("/sse"), HIJACK_HOLD_SSE, NULL, 0, clients), "hijack_server_hold");
    room_open(server);
    demo_start(server, demo_port(argc, argv));

    uint64_t count = 0;
    int64_t next = demo_now() + 1000;
    while (demo_wait(queue, signals, next - demo_now())) {
        handle_events(queue);
        if (demo_now() >= next) {
            publish_time(server, ++count);
            next += 1000;
        }
    }

    demo_stop(server, queue);
    room_close();
    hijack_broadcaster_free(clients);
    hijack_server_free(server);
    hijack_queue_free(queue);
    close(signals);
    return 0;
}
