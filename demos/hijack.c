/* SPDX-License-Identifier: MIT
 * Raw hijack: taking the connection itself out of a request.
 *
 *     /         a page that says what to try
 *     /hijack   full: the library writes nothing, this program writes a whole response by hand, then echoes
 *     /partial  partial: the library writes status and headers, this program writes lines over time and closes
 *     /detach   the descriptor itself is handed over; this program writes to it with write(2) and closes it
 *
 * One thread. A hijacked connection is a struct line in one list, from the request to its last event (CLOSED or
 * DETACHED); the address of that struct is the user_data by which its events find it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

#define WINDOW 4096   /* how much a peer may send before its echo is on the way back */
#define TICK_MS 200   /* between two lines of /partial */
#define TICK_LINES 10 /* of them */

struct line {
    hijack_socket *socket;
    struct line *next;
    int ticks;         /* lines of /partial still to write; 0 for the others */
    bool leaving;      /* its descriptor is on the way to us: nothing more is asked of the socket */
    bool ended;        /* the peer has sent all it had */
    size_t held;       /* bytes in hold: their send was refused, DRAINED will follow */
    char hold[WINDOW]; /* never too small, since no more than WINDOW is ever out on credit */
};

static struct line *lines;

static struct line *line_new(void)
{
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL)
        demo_check(HIJACK_ENOMEM, "calloc");
    line->next = lines;
    lines = line;
    return line;
}

static void line_free(struct line *line)
{
    struct line **at = &lines;
    while (*at != line)
        at = &(*at)->next;
    *at = line->next;
    hijack_socket_free(line->socket);
    free(line);
}

/* Result of a call on a connection whose peer may have gone a moment ago: CLOSED says so in its own time. */
static int on_the_way(int result, const char *what)
{
    return result == HIJACK_ECLOSED || result == HIJACK_EAGAIN ? result : demo_check(result, what);
}

static void line_send(struct line *line, const char *text)
{
    on_the_way(hijack_socket_send(line->socket, text, strlen(text)), "hijack_socket_send");
}

/* Takes the connection; the request has done its duty then. NULL if the client has gone, or shares its connection among
 * many requests, as HTTP/2 does. */
static struct line *take(hijack_request *request, const char *partial_headers)
{
    hijack_socket *socket;
    int result = partial_headers == NULL
                     ? hijack_request_hijack(&socket, request)
                     : hijack_request_hijack_partial(&socket, request, 200, partial_headers, strlen(partial_headers));
    if (result == HIJACK_ENOTSUP) {
        demo_answer_text(request, 505, "Taking a connection needs HTTP/1.1.\n");
        return NULL;
    }
    hijack_request_free(request);
    if (on_the_way(result, "hijack_request_hijack") < 0)
        return NULL;
    struct line *line = line_new();
    line->socket = socket;
    demo_check(hijack_handle_set_user_data(socket, (uintptr_t)line), "hijack_handle_set_user_data");
    return line;
}

static void take_full(hijack_request *request)
{
    struct line *line = take(request, NULL);
    if (line == NULL)
        return;
    line_send(line, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
                    "This program wrote every byte of this response. Send something, it comes back.\n");
    on_the_way(hijack_socket_read(line->socket, WINDOW), "hijack_socket_read");
}

static void take_partial(hijack_request *request)
{
    struct line *line = take(request, "content-type: text/plain\r\n");
    if (line != NULL)
        line->ticks = TICK_LINES;
}

static void take_descriptor(hijack_request *request)
{
    struct line *line = take(request, NULL);
    if (line == NULL)
        return;
    line->leaving = true;
    on_the_way(hijack_socket_detach(line->socket), "hijack_socket_detach");
}

static void on_request(hijack_request *request)
{
    if (demo_path_is(request, "/hijack"))
        take_full(request);
    else if (demo_path_is(request, "/partial"))
        take_partial(request);
    else if (demo_path_is(request, "/detach"))
        take_descriptor(request);
    else if (demo_path_is(request, "/"))
        demo_answer_text(
            request, 200,
            "Raw hijack with libhijack. PORT is the port of this page.\n\n"
            "Full: a response by hand, then an echo of what you send, until you end (Ctrl-D):\n"
            "    { printf 'GET /hijack HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n'; cat; } | nc -N 127.0.0.1 PORT\n\n"
            "Partial: the head is the library's, the lines come one by one:\n"
            "    curl -iN http://127.0.0.1:PORT/partial\n\n"
            "Detached: the response is written with write(2) on the descriptor itself:\n"
            "    curl -i http://127.0.0.1:PORT/detach\n");
    else
        demo_answer_text(request, 404, "Only /, /hijack, /partial and /detach are here.\n");
}

/* Sends back what came; credit for more reading is given only as fast as the peer takes what it gets. Returns false if
 * the peer has to take what is on the way first. */
static bool echo(struct line *line, const char *data, size_t len)
{
    if (on_the_way(hijack_socket_send(line->socket, data, len), "hijack_socket_send") == HIJACK_EAGAIN)
        return false;
    on_the_way(hijack_socket_read(line->socket, len), "hijack_socket_read");
    return true;
}

static void on_data(struct line *line, const char *data, size_t len)
{
    if (line->held == 0 && echo(line, data, len))
        return;
    memcpy(line->hold + line->held, data, len);
    line->held += len;
}

/* A line of /partial goes on although its peer sends no more; an echo has nothing left to do. */
static void close_if_done(struct line *line)
{
    if (line->ended && line->held == 0 && line->ticks == 0 && !line->leaving)
        on_the_way(hijack_socket_close(line->socket), "hijack_socket_close");
}

static void on_drained(struct line *line)
{
    if (line->held > 0 && echo(line, line->hold, line->held))
        line->held = 0;
    close_if_done(line);
}

/* From here on the descriptor is ours; what the client sent after its request would be in event->data. */
static void on_detached(const hijack_event *event)
{
    static const char response[] = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
                                   "Written with write(2).\n";
    if (write(event->status, response, strlen(response)) < 0 && errno != EPIPE && errno != ECONNRESET)
        perror("write to the detached descriptor");
    close(event->status);
}

static void on_event(const hijack_event *event)
{
    struct line *line = (struct line *)(uintptr_t)event->user_data;
    if (event->type == HIJACK_EVENT_REQUEST) {
        on_request(event->handle);
        return;
    }
    if (line == NULL) /* the client went right after its request, and both events came in one batch */
        return;
    switch (event->type) {
    case HIJACK_EVENT_DATA:
        on_data(line, event->data, event->len);
        break;
    case HIJACK_EVENT_EOF:
        line->ended = true;
        close_if_done(line);
        break;
    case HIJACK_EVENT_DRAINED:
        on_drained(line);
        break;
    case HIJACK_EVENT_DETACHED:
        on_detached(event);
        line_free(line);
        break;
    case HIJACK_EVENT_CLOSED:
        line_free(line);
        break;
    default:
        break;
    }
}

static void tick(void)
{
    char text[32];
    for (struct line *line = lines; line != NULL; line = line->next) {
        if (line->ticks == 0)
            continue;
        snprintf(text, sizeof text, "line %d of %d\n", TICK_LINES - line->ticks + 1, TICK_LINES);
        line_send(line, text);
        if (--line->ticks == 0)
            on_the_way(hijack_socket_close(line->socket), "hijack_socket_close");
    }
}

static void handle_events(hijack_queue *queue)
{
    hijack_event events[64];
    int n = demo_check(hijack_queue_poll(events, queue, 64, 0), "hijack_queue_poll");
    for (int i = 0; i < n; ++i)
        on_event(&events[i]);
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
    demo_start(server, demo_port(argc, argv));

    int64_t next = demo_now() + TICK_MS;
    while (demo_wait(queue, signals, next - demo_now())) {
        handle_events(queue);
        if (demo_now() >= next) {
            tick();
            next += TICK_MS;
        }
    }

    demo_stop(server, queue);
    while (lines != NULL)
        line_free(lines);
    hijack_server_free(server);
    hijack_queue_free(queue);
    close(signals);
    return 0;
}
