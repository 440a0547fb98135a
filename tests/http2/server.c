/* SPDX-License-Identifier: MIT
 *
 * A server with HTTP/2 for clients from elsewhere (h2spec, nghttp, h2load, curl): "hello" for every path, the body back
 * for a POST, /events held, /publish?N sends N messages to it, /big?N answers with N bytes, /wait is never answered,
 * /connections with their number. /upload is read in pieces, and answered with its length and trailers; /early is
 * answered before its body has ended, /leave is too, and not read, /unread is neither. Prints its port, and ends at the
 * end of its input. With HIJACK_TEST_TRANSPORT=tls in the environment it listens for TLS.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hijack/hijack.h>

#if HIJACK_TLS
#include "support/certificate.h"
#endif

#define CREDIT 65536
#define WRONG (UINT64_C(1) << 40) /* far from any length */

static hijack_broadcaster *broadcaster;
static hijack_server *server;

static void check(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, hijack_strerror(rc));
    exit(1);
}

/* The number behind a path, or -1. */
static long number_after(const char *path, const char *target, size_t len)
{
    char text[32] = "";
    size_t path_len = strlen(path);
    if (len <= path_len || len - path_len >= sizeof(text) || memcmp(target, path, path_len) != 0)
        return -1;
    memcpy(text, target + path_len, len - path_len);
    return strtol(text, NULL, 10);
}

static int is(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

static void respond_big(hijack_request *request, long size)
{
    char *body = calloc(1, (size_t)size + 1);
    if (body != NULL)
        hijack_request_respond(request, 200, HIJACK_STR("content-type: text/plain\r\n"), body, (size_t)size);
    free(body);
}

static void respond_connections(hijack_request *request)
{
    char text[24];
    uint64_t stats[HIJACK_STAT_CONNECTIONS + 1];
    check(hijack_server_stats(stats, HIJACK_STAT_CONNECTIONS + 1, server), "stats");
    int len = snprintf(text, sizeof(text), "%d", (int)stats[HIJACK_STAT_CONNECTIONS]);
    hijack_request_respond(request, 200, HIJACK_STR("content-type: text/plain\r\n"), text, (size_t)len);
}

static void answer(hijack_request *request)
{
    const char *body, *target, *method;
    size_t body_len, target_len, method_len;
    check(hijack_request_body(&body, &body_len, request), "body");
    check(hijack_request_target(&target, &target_len, request), "target");
    check(hijack_request_method(&method, &method_len, request), "method");
    if (is(target, target_len, "/wait"))
        return; /* CLOSED frees it */
    for (long i = number_after("/publish?", target, target_len); i > 0; --i)
        check(hijack_broadcaster_publish(broadcaster, HIJACK_MESSAGE_TEXT, HIJACK_STR("a message")), "publish");
    long size = number_after("/big?", target, target_len);
    if (size >= 0)
        respond_big(request, size);
    else if (is(target, target_len, "/connections"))
        respond_connections(request);
    else if (is(method, method_len, "POST"))
        hijack_request_respond(request, 200, HIJACK_STR("content-type: text/plain\r\n"), body, body_len);
    else
        hijack_request_respond(request, 200, HIJACK_STR("content-type: text/plain\r\n"), HIJACK_STR("hello\n"));
    hijack_request_free(request);
}

/* A body of bytes 0, 1 ... 250, 0 ..., in pieces: how far it is is the request's user_data. */
static void begin_upload(hijack_request *request)
{
    const char *target;
    size_t len;
    check(hijack_request_target(&target, &len, request), "target");
    hijack_handle_set_user_data(request, 0);
    if (is(target, len, "/unread"))
        return;
    if (!is(target, len, "/upload"))
        hijack_request_respond(request, 200, NULL, 0, HIJACK_STR("early\n"));
    if (is(target, len, "/leave"))
        hijack_request_free(request);
    else
        hijack_request_read(request, CREDIT);
}

static void take_piece(const hijack_event *event)
{
    uint64_t offset; /* the event has it as it was when the events were polled */
    check(hijack_handle_user_data(&offset, event->handle), "user_data");
    int right = 1;
    for (uint64_t i = 0; i < event->len; ++i)
        right &= (unsigned char)event->data[i] == (offset + i) % 251;
    hijack_handle_set_user_data(event->handle, right ? offset + event->len : WRONG);
    hijack_request_read(event->handle, event->len);
}

static void end_upload(const hijack_event *event)
{
    char text[256];
    uint64_t total;
    check(hijack_handle_user_data(&total, event->handle), "user_data");
    int len = snprintf(text, sizeof(text), "%llu %.*s", (unsigned long long)total, (int)event->len, event->data);
    hijack_request_respond(event->handle, 200, NULL, 0, text, (size_t)len); /* in vain after an early answer */
}

static void take_event(const hijack_event *event)
{
    switch (event->type) {
    case HIJACK_EVENT_REQUEST:
        if (event->status == 1)
            begin_upload(event->handle);
        else
            answer(event->handle);
        break;
    case HIJACK_EVENT_DATA:
        take_piece(event);
        break;
    case HIJACK_EVENT_EOF:
        end_upload(event);
        break;
    case HIJACK_EVENT_CLOSED:
        hijack_request_free(event->handle);
        break;
    default:
        break;
    }
}

static int serve(hijack_queue *queue)
{
    hijack_event events[64];
    int count = hijack_queue_poll(events, queue, 64, 0);
    check(count, "poll");
    for (int i = 0; i < count; ++i)
        take_event(&events[i]);
    return count;
}

/* Returns the port. */
static int listen_over_transport(void)
{
    const char *address = "127.0.0.1:0";
#if HIJACK_TLS
    const char *transport = getenv("HIJACK_TEST_TRANSPORT");
    if (transport != NULL && strcmp(transport, "tls") == 0) {
        struct certificate own;
        certificate_make(&own, NULL, CERTIFICATE_EC, "localhost", "DNS:localhost,IP:127.0.0.1");
        check(hijack_server_certificate(server, own.chain_text, strlen(own.chain_text), own.key_text,
                                        strlen(own.key_text), NULL, 0),
              "certificate");
        certificate_free(&own);
        address = "tls:127.0.0.1:0";
    }
#endif
    int port = hijack_server_listen(server, address, strlen(address));
    check(port, "listen");
    return port;
}

int main(int argc, char **argv)
{
    hijack_queue *queue;
    check(hijack_queue_new(&queue), "queue");
    check(hijack_server_new(&server, queue), "server");
    check(hijack_server_set(server, HIJACK_STR("http2"), HIJACK_STR("on")), "http2");
    check(hijack_server_set(server, HIJACK_STR("threads"), HIJACK_STR("1")), "threads");
    for (int i = 1; i + 1 < argc; i += 2)
        check(hijack_server_set(server, argv[i], strlen(argv[i]), argv[i + 1], strlen(argv[i + 1])), argv[i]);
    check(hijack_broadcaster_new(&broadcaster, server), "broadcaster");
    check(hijack_server_hold(server, HIJACK_STR("/events"), HIJACK_HOLD_SSE, NULL, 0, broadcaster), "hold");
    static const char *const in_pieces[] = {"/upload", "/early", "/leave", "/unread"};
    for (int i = 0; i < 4; ++i) {
        const char *path = in_pieces[i];
        check(hijack_server_route_set(server, path, strlen(path), HIJACK_STR("request_body"), HIJACK_STR("pieces")),
              path);
        check(hijack_server_route_set(server, path, strlen(path), HIJACK_STR("max_body_bytes"), HIJACK_STR("1024m")),
              path);
    }
    int port = listen_over_transport();
    check(hijack_server_start(server), "start");
    printf("%d\n", port);
    fflush(stdout);
    struct pollfd fds[] = {{.fd = hijack_queue_fd(queue), .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    while (fds[1].revents == 0) {
        poll(fds, 2, -1);
        while (serve(queue) != 0)
            ;
    }
    hijack_broadcaster_free(broadcaster);
    hijack_server_stop(server);
    hijack_server_free(server);
    hijack_queue_free(queue);
    return 0;
}
