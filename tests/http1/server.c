/* SPDX-License-Identifier: MIT
 *
 * The server that run.py sends requests to. It listens on the unix path of its argument, prints "ready" and then one
 * line per request that the program received: "METHOD BODY-LENGTH NUMBER-OF-HEADERS TARGET". The response repeats the
 * line in the header Saw. /held is a held SSE route; its members are released soon after they joined, so that their
 * connections serve further requests. The end of stdin ends the program.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hijack/hijack.h>

enum {
    RELEASE_MS = 2 /* how often members of /held are looked for */
};

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, hijack_strerror(result));
        exit(1);
    }
    return result;
}

static size_t count_lines(const char *text, size_t len)
{
    size_t lines = 0;
    for (const char *at = text, *end = text + len; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; ++at)
        ++lines;
    return lines;
}

static void on_request(hijack_request *request)
{
    const char *method, *target, *headers, *body;
    size_t method_len, target_len, headers_len, body_len;
    char line[16384], header[16384 + 16];
    check(hijack_request_method(&method, &method_len, request), "method");
    check(hijack_request_target(&target, &target_len, request), "target");
    check(hijack_request_headers(&headers, &headers_len, request), "headers");
    check(hijack_request_body(&body, &body_len, request), "body");
    snprintf(line, sizeof(line), "%.*s %zu %zu %.*s", (int)method_len, method, body_len,
             count_lines(headers, headers_len), (int)target_len, target);
    int header_len = snprintf(header, sizeof(header), "Saw: %s\r\n", line);
    puts(line); /* before the response, so that whoever has the response finds the line */
    fflush(stdout);
    int result = hijack_request_respond(request, 200, header, (size_t)header_len, "hello", 5);
    if (result != HIJACK_ECLOSED)
        check(result, "respond");
    hijack_request_free(request);
}

static void handle_events(hijack_queue *queue)
{
    hijack_event events[64];
    int n = check(hijack_queue_poll(events, queue, 64, 0), "poll");
    for (int i = 0; i < n; ++i)
        if (events[i].type == HIJACK_EVENT_REQUEST)
            on_request(events[i].handle);
}

int main(int argc, char **argv)
{
    hijack_queue *queue;
    hijack_server *server;
    hijack_broadcaster *held;
    char address[256];
    if (argc != 2)
        return 2;
    int address_len = snprintf(address, sizeof(address), "unix:%s", argv[1]);
    check(hijack_queue_new(&queue), "queue");
    check(hijack_server_new(&server, queue), "server");
    check(hijack_broadcaster_new(&held, server), "broadcaster");
    check(hijack_server_set(server, "threads", 7, "1", 1), "threads"); /* events come in the order of the requests */
    check(hijack_server_hold(server, "/held", 5, HIJACK_HOLD_SSE, "", 0, held), "hold");
    check(hijack_server_listen(server, address, (size_t)address_len), address);
    check(hijack_server_start(server), "start");
    puts("ready");
    fflush(stdout);
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = check(hijack_queue_fd(queue), "fd"), .events = POLLIN}};
    while (fds[0].revents == 0) {
        poll(fds, 2, RELEASE_MS);
        handle_events(queue);
        if (check(hijack_broadcaster_count(held), "count") != 0)
            check(hijack_broadcaster_close(held), "close");
    }
    check(hijack_server_stop(server), "stop");
    hijack_broadcaster_free(held);
    hijack_server_free(server);
    hijack_queue_free(queue);
    return 0;
}
