/* SPDX-License-Identifier: MIT
 *
 * The server that run.py tries clients of other makers on. Arguments are options of the server as name=value, and
 * "certificate=chain,key" or "certificate=chain,key,staple" (paths) once or more; "plain=on" adds a listener without
 * TLS. It prints its port, "plain" and the other one's, then a line for each end of a socket:
 * "/echo eof", "/echo closed HIJACK_ERESET". Lines on stdin are commands, each answered by the line "= 0" or
 * "= HIJACK_E..."; the end of stdin ends the program.
 *
 *     certificate chain key    replaces a certificate
 *     members                  how many members /sse has
 *     stat name                a statistic of the server
 *     handshakes               how many handshakes are complete
 *
 *     GET  /          "hello\n"; /big a MiB, byte i is 7 i + i div 251; /facts what hijack_request_info says, a line
 * for each POST /upload    reads the body in pieces: "length checksum\n" GET  /sse       held; "data: beep" every
 * BEEP_MS GET  /echo      hijacked: sends back what comes, at EOF "eof\n", then closes GET  /close     hijacked: sends
 * "last words" and closes GET  /half      hijacked: sends "half", shuts its half down and reads on GET  /abort
 * hijacked, then reset GET  /detach    hijacked, then detached: a thread does on the descriptor what /echo does
 *     GET  /some/N    as many bytes of /big
 *     GET  /mute      hijacked: sends "mute", shuts its half down and never reads
 *     GET  /sip       hijacked: sends "sip" and reads four bytes, no more
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hijack/hijack.h>

enum {
    BEEP_MS = 50,
    CREDIT = 65536,
    BIG = 1 << 20
};

/* A request whose body comes in pieces, or a socket. Its address is the handle's user_data. */
struct session {
    const char *path;
    uint64_t length;
    uint32_t sum;
    char *waiting; /* what EAGAIN has refused */
    size_t waiting_len;
    int ended; /* EOF has come */
};

static hijack_server *server;
static hijack_queue *queue;
static hijack_broadcaster *room;
static char *big;
static int plain; /* a plain listener as well */

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, hijack_strerror(result));
        exit(1);
    }
    return result;
}

static int is_path(const char *target, size_t len, const char *path)
{
    return len == strlen(path) && memcmp(target, path, len) == 0;
}

static struct session *session_new(void *handle, const char *path)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        exit(1);
    session->path = path;
    check(hijack_handle_set_user_data(handle, (uint64_t)(uintptr_t)session), "user_data");
    return session;
}

static void answer_facts(hijack_request *request)
{
    static const char *const names[] = {"scheme",          "protocol",    "tls_version",    "tls_cipher",
                                        "tls_server_name", "tls_subject", "tls_certificate"};
    char body[16384];
    size_t at = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *fact;
        size_t len;
        if (check(hijack_request_info(&fact, &len, request, names[i], strlen(names[i])), names[i]) == 1)
            at += (size_t)snprintf(body + at, sizeof(body) - at, "%s=%.*s\n", names[i], (int)len, fact);
    }
    hijack_request_respond(request, 200, NULL, 0, body, at);
}

static void send_or_keep(hijack_socket *socket, struct session *session, const char *data, size_t len)
{
    int code = session->waiting == NULL ? hijack_socket_send(socket, data, len) : HIJACK_EAGAIN;

    if (code == HIJACK_EAGAIN) {
        session->waiting = realloc(session->waiting, session->waiting_len + len);
        memcpy(session->waiting + session->waiting_len, data, len);
        session->waiting_len += len;
    } else if (code == 0) {
        hijack_socket_read(socket, len); /* as much again */
    }
}

static void hijack(hijack_request *request, const char *path)
{
    hijack_socket *socket;

    if (hijack_request_hijack(&socket, request) != 0)
        return;
    session_new(socket, path);
    if (strcmp(path, "/close") == 0) {
        hijack_socket_send(socket, HIJACK_STR("last words"));
        hijack_socket_close(socket);
    } else if (strcmp(path, "/half") == 0) {
        hijack_socket_send(socket, HIJACK_STR("half"));
        hijack_socket_shutdown(socket);
        hijack_socket_read(socket, CREDIT);
    } else if (strcmp(path, "/mute") == 0) {
        hijack_socket_send(socket, HIJACK_STR("mute"));
        hijack_socket_shutdown(socket);
    } else if (strcmp(path, "/sip") == 0) {
        hijack_socket_send(socket, HIJACK_STR("sip"));
        hijack_socket_read(socket, 4);
    } else if (strcmp(path, "/abort") == 0) {
        hijack_socket_abort(socket);
    } else if (strcmp(path, "/detach") == 0) {
        hijack_socket_detach(socket);
    } else {
        hijack_socket_read(socket, CREDIT);
    }
}

static void on_request(hijack_event *event)
{
    static const char *const hijacked[] = {"/echo", "/close", "/half", "/mute", "/sip", "/abort", "/detach"};
    hijack_request *request = event->handle;
    const char *target;
    size_t len;

    check(hijack_request_target(&target, &len, request), "target");
    if (is_path(target, len, "/upload")) {
        session_new(request, "/upload");
        hijack_request_read(request, CREDIT);
        return;
    }
    for (size_t i = 0; i < sizeof(hijacked) / sizeof(hijacked[0]); i++)
        if (is_path(target, len, hijacked[i]))
            hijack(request, hijacked[i]);
    if (is_path(target, len, "/facts"))
        answer_facts(request);
    else if (len > 6 && memcmp(target, "/some/", 6) == 0)
        hijack_request_respond(request, 200, NULL, 0, big, strtoul(target + 6, NULL, 10) % BIG);
    else if (is_path(target, len, "/big"))
        hijack_request_respond(request, 200, NULL, 0, big, BIG);
    else
        hijack_request_respond(request, 200, NULL, 0, HIJACK_STR("hello\n"));
    hijack_request_free(request);
}

static void on_data(hijack_event *event, struct session *session)
{
    for (uint64_t i = 0; i < event->len; i++)
        session->sum = session->sum * 31 + (unsigned char)event->data[i];
    session->length += event->len;
    if (strcmp(session->path, "/echo") == 0)
        send_or_keep(event->handle, session, event->data, event->len);
    else if (strcmp(session->path, "/upload") == 0)
        hijack_request_read(event->handle, event->len);
    else if (strcmp(session->path, "/sip") != 0)
        hijack_socket_read(event->handle, event->len);
}

static void say_bye(hijack_socket *socket, struct session *session)
{
    if (!session->ended || session->waiting != NULL)
        return;
    hijack_socket_send(socket, HIJACK_STR("eof\n"));
    hijack_socket_close(socket);
}

static void on_eof(hijack_event *event, struct session *session)
{
    if (strcmp(session->path, "/upload") == 0) {
        char body[64];
        int len = snprintf(body, sizeof(body), "%llu %u\n", (unsigned long long)session->length, session->sum);
        hijack_request_respond(event->handle, 200, NULL, 0, body, (size_t)len);
        return;
    }
    printf("%s eof\n", session->path);
    session->ended = 1;
    if (strcmp(session->path, "/echo") == 0)
        say_bye(event->handle, session);
}

static void on_drained(hijack_event *event, struct session *session)
{
    if (session->waiting == NULL || hijack_socket_send(event->handle, session->waiting, session->waiting_len) != 0)
        return;
    hijack_socket_read(event->handle, session->waiting_len);
    free(session->waiting);
    session->waiting = NULL;
    session->waiting_len = 0;
    say_bye(event->handle, session);
}

static void write_all(int fd, const char *data, size_t len)
{
    for (ssize_t n; len > 0 && (n = write(fd, data, len)) > 0; len -= (size_t)n)
        data += n;
}

/* The other owner of a detached connection. */
static void *echo_detached(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char data[4096];
    ssize_t n;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    while ((n = read(fd, data, sizeof(data))) > 0)
        write_all(fd, data, (size_t)n);
    if (n == 0)
        write_all(fd, "eof\n", 4);
    close(fd);
    return NULL;
}

static void on_detached(hijack_event *event)
{
    pthread_t thread;

    write_all(event->status, event->data, event->len);
    if (pthread_create(&thread, NULL, echo_detached, (void *)(intptr_t)event->status) != 0)
        exit(1);
    pthread_detach(thread);
}

static void on_event(hijack_event *event)
{
    struct session *session = (struct session *)(uintptr_t)event->user_data;

    if (event->type == HIJACK_EVENT_REQUEST) {
        on_request(event);
        return;
    }
    if (session == NULL)
        return;
    switch (event->type) {
    case HIJACK_EVENT_DATA:
        on_data(event, session);
        return;
    case HIJACK_EVENT_EOF:
        on_eof(event, session);
        return;
    case HIJACK_EVENT_DRAINED:
        on_drained(event, session);
        return;
    case HIJACK_EVENT_DETACHED:
        on_detached(event);
        break;
    case HIJACK_EVENT_CLOSED:
        printf("%s closed %s\n", session->path, event->status == 0 ? "0" : hijack_errname(event->status));
        break;
    default:
        return;
    }
    if (strcmp(session->path, "/upload") == 0)
        hijack_request_free(event->handle);
    else
        hijack_socket_free(event->handle);
    free(session->waiting);
    free(session);
}

static int stat_of(const char *name)
{
    uint64_t stats[HIJACK_STAT_COUNT];

    check(hijack_server_stats(stats, HIJACK_STAT_COUNT, server), "stats");
    for (uint32_t i = 0; i < HIJACK_STAT_COUNT; i++)
        if (strcmp(hijack_server_stat_name(i), name) == 0)
            return (int)stats[i];
    return HIJACK_EINVAL;
}

static void command(char *line)
{
    char chain[512], key[512];
    int code = HIJACK_EINVAL;

    if (sscanf(line, "certificate %511s %511s", chain, key) == 2)
        code = hijack_server_certificate(server, chain, strlen(chain), key, strlen(key), NULL, 0);
    else if (strncmp(line, "stat ", 5) == 0)
        code = stat_of(line + 5);
    else if (strcmp(line, "members") == 0)
        code = hijack_broadcaster_count(room);
    else if (strcmp(line, "handshakes") == 0)
        code = stat_of("tls_handshakes");
    if (code < 0)
        printf("= %s\n", hijack_errname(code));
    else
        printf("= %d\n", code);
}

/* Runs the commands that have come; false at the end of stdin. */
static int read_commands(void)
{
    static char buf[8192];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, buf + len, sizeof(buf) - len);

    if (n <= 0)
        return 0;
    len += (size_t)n;
    for (char *end; (end = memchr(buf, '\n', len)) != NULL;) {
        *end = 0;
        command(buf);
        len -= (size_t)(end + 1 - buf);
        memmove(buf, end + 1, len);
    }
    return 1;
}

static void configure(const char *argument)
{
    const char *value = strchr(argument, '=');
    char chain[512], key[512], staple[512] = "";

    if (value == NULL)
        exit(2);
    if (strcmp(argument, "plain=on") == 0) {
        plain = 1;
        return;
    }
    if (sscanf(argument, "certificate=%511[^,],%511[^,],%511s", chain, key, staple) >= 2)
        check(hijack_server_certificate(server, chain, strlen(chain), key, strlen(key), staple, strlen(staple)),
              argument);
    else
        check(hijack_server_set(server, argument, (size_t)(value - argument), value + 1, strlen(value + 1)), argument);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void run_events(void)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = check(hijack_queue_fd(queue), "fd"), .events = POLLIN}};
    hijack_event events[64];
    uint64_t beep = now_ms();

    for (;;) {
        if (now_ms() >= beep) {
            check(hijack_broadcaster_publish(room, HIJACK_MESSAGE_TEXT, HIJACK_STR("beep")), "publish");
            beep += BEEP_MS;
        }
        poll(fds, 2, BEEP_MS);
        for (int n; (n = check(hijack_queue_poll(events, queue, 64, 0), "poll")) > 0;)
            for (int i = 0; i < n; i++)
                on_event(&events[i]);
        if (fds[0].revents != 0 && !read_commands())
            return;
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* of a detached descriptor whose peer has gone */
    big = malloc(BIG);
    if (big == NULL)
        return 1;
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 251);
    check(hijack_queue_new(&queue), "queue");
    check(hijack_server_new(&server, queue), "server");
    check(hijack_server_set(server, HIJACK_STR("threads"), HIJACK_STR("2")), "threads");
    for (int i = 1; i < argc; i++)
        configure(argv[i]);
    check(hijack_broadcaster_new(&room, server), "broadcaster");
    check(hijack_server_hold(server, HIJACK_STR("/sse"), HIJACK_HOLD_SSE, NULL, 0, room), "hold");
    check(hijack_server_route_set(server, HIJACK_STR("/upload"), HIJACK_STR("request_body"), HIJACK_STR("pieces")),
          "route");
    check(hijack_server_set(server, HIJACK_STR("max_body_bytes"), HIJACK_STR("16777216")), "max_body_bytes");
    printf("%d\n", check(hijack_server_listen(server, HIJACK_STR("tls:127.0.0.1:0")), "listen"));
    if (plain)
        printf("plain %d\n", check(hijack_server_listen(server, HIJACK_STR("127.0.0.1:0")), "listen"));
    check(hijack_server_start(server), "start");
    fflush(stdout);
    run_events();
    check(hijack_server_stop(server), "stop");
    hijack_broadcaster_free(room);
    hijack_server_free(server);
    hijack_queue_free(queue);
    free(big);
    return 0;
}
