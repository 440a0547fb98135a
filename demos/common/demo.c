/* SPDX-License-Identifier: MIT
 * What the demos share; see demo.h. Runs on the main thread. Always holds: a failure ends the program with a sentence
 * on stderr and exit code 1, so that the demos can be read without error branches. */
#include "demo.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

_Noreturn void demo_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

int demo_check(int result, const char *what)
{
    if (result < 0)
        demo_fail(what, hijack_strerror(result));
    return result;
}

static long whole_number(const char *name, const char *text, long min, long max)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
        fprintf(stderr, "%s: \"%s\" is not a whole number from %ld to %ld\n", name, text, min, max);
        exit(1);
    }
    return value;
}

int demo_port(int argc, char **argv)
{
    if (argc > 1)
        return (int)whole_number("port", argv[1], 0, 65535);
    return (int)demo_env("PORT", 9292, 0, 65535);
}

long demo_env(const char *name, long fallback, long min, long max)
{
    const char *text = getenv(name);
    return text == NULL || *text == '\0' ? fallback : whole_number(name, text, min, max);
}

int demo_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    /* For write(2) on a detached descriptor; the library itself never raises it. */
    signal(SIGPIPE, SIG_IGN);
    /* A line at a time even into a pipe, so that whoever started the demo can read its URL. */
    setvbuf(stdout, NULL, _IOLBF, 0);

    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        demo_fail("signalfd", strerror(errno));
    return fd;
}

void demo_raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Whether the environment names a certificate, which the server has then. */
static bool use_certificate(hijack_server *server)
{
    const char *chain = getenv("TLS_CERT"), *key = getenv("TLS_KEY");
    const bool has_chain = chain != NULL && *chain != '\0', has_key = key != NULL && *key != '\0';
    if (has_chain != has_key)
        demo_fail(has_chain ? "TLS_KEY" : "TLS_CERT", "not set; https needs both TLS_CERT and TLS_KEY");
    if (has_chain)
        demo_check(hijack_server_certificate(server, chain, strlen(chain), key, strlen(key), NULL, 0), chain);
    return has_chain;
}

void demo_start(hijack_server *server, int port)
{
    char address[32];
    const bool tls = use_certificate(server);
    int len = snprintf(address, sizeof address, "%s127.0.0.1:%d", tls ? "tls:" : "", port);
    port = demo_check(hijack_server_listen(server, address, (size_t)len), address);
    demo_check(hijack_server_start(server), "hijack_server_start");
    printf("%s://127.0.0.1:%d/\n", tls ? "https" : "http", port);
}

bool demo_wait(hijack_queue *queue, int signals, int64_t timeout_ms)
{
    struct pollfd fds[2] = {{.fd = signals, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    if (queue != NULL)
        fds[1].fd = demo_check(hijack_queue_fd(queue), "hijack_queue_fd");
    poll(fds, 2, timeout_ms > 0 ? (int)timeout_ms : 0);
    return (fds[0].revents & POLLIN) == 0;
}

int64_t demo_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool demo_path(const char **out, size_t *out_len, hijack_request *request)
{
    const char *target;
    size_t target_len;
    if (hijack_request_target(&target, &target_len, request) < 0)
        return false;
    const char *end = target + target_len, *query = memchr(target, '?', target_len);
    if (query != NULL)
        end = query;
    const size_t scheme = target_len > 8 && strncasecmp(target, "https://", 8) == 0  ? 8
                          : target_len > 7 && strncasecmp(target, "http://", 7) == 0 ? 7
                                                                                     : 0;
    if (scheme != 0) /* as to a proxy, RFC 9112 section 3.2.2 */
        target = memchr(target + scheme, '/', (size_t)(end - target) - scheme);
    *out = target == NULL ? "/" : target;
    *out_len = target == NULL ? 1 : (size_t)(end - target);
    return true;
}

bool demo_path_is(hijack_request *request, const char *path)
{
    const char *it;
    size_t len;
    return demo_path(&it, &len, request) && len == strlen(path) && memcmp(it, path, len) == 0;
}

bool demo_method_is(hijack_request *request, const char *method)
{
    const char *it;
    size_t len;
    return hijack_request_method(&it, &len, request) == 0 && len == strlen(method) && memcmp(it, method, len) == 0;
}

static void respond(hijack_request *request, uint32_t status, const char *headers, const char *body, size_t len)
{
    int result = hijack_request_respond(request, status, headers, strlen(headers), body, len);
    /* A client that went away in the meantime is everyday life, and no fault of the program. */
    if (result != HIJACK_ECLOSED)
        demo_check(result, "hijack_request_respond");
    hijack_request_free(request);
}

void demo_answer(hijack_request *request, uint32_t status, const char *content_type, const char *body, size_t len)
{
    char headers[128];
    snprintf(headers, sizeof headers, "content-type: %s\r\n", content_type);
    respond(request, status, headers, body, len);
}

void demo_answer_with(hijack_request *request, uint32_t status, const char *headers, const char *text)
{
    respond(request, status, headers, text, strlen(text));
}

void demo_answer_text(hijack_request *request, uint32_t status, const char *text)
{
    demo_answer(request, status, DEMO_TEXT, text, strlen(text));
}

void demo_stop(hijack_server *server, hijack_queue *queue)
{
    demo_check(hijack_server_stop(server), "hijack_server_stop");
    if (queue == NULL)
        return;
    hijack_event events[64];
    for (int n; (n = hijack_queue_poll(events, queue, 64, 0)) > 0;) {
        for (int i = 0; i < n; ++i) {
            if (events[i].type == HIJACK_EVENT_REQUEST)
                hijack_request_free(events[i].handle);
            else if (events[i].type == HIJACK_EVENT_DETACHED)
                close(events[i].status);
        }
    }
}
