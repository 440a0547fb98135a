/* SPDX-License-Identifier: MIT
 * A server of the library that answers "hello"; see bench.h. It runs in the process that was forked for it. Its polling
 * thread answers and counts; the thread that started it answers the parent's questions. */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define BATCH 64

struct hello {
    hijack_queue *queue;
    hijack_server *server;
    struct bench_served *served;
};

bool bench_body_right(const char *body, size_t len)
{
    return len == BENCH_BODY_BYTES && body[0] == 'x' && memcmp(body, body + 1, len - 1) == 0;
}

static void answer_request(struct hello *hello, const hijack_event *event)
{
    hijack_request *request = event->handle;
    const char *body;
    size_t len;
    /* The head and the body are the payload, and a head alone is shorter than a body here. */
    if (event->len >= BENCH_BODY_BYTES && hijack_request_body(&body, &len, request) == 0 && bench_body_right(body, len))
        atomic_fetch_add_explicit(&hello->served->bodies, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&hello->served->requests, 1, memory_order_relaxed);
    int result = hijack_request_respond(request, 200, NULL, 0, BENCH_HELLO, strlen(BENCH_HELLO));
    if (result != HIJACK_ECLOSED) /* the client may have gone */
        bench_check(result, "hijack_request_respond");
    hijack_request_free(request);
}

static void *answer_requests(void *arg)
{
    struct hello *hello = arg;
    hijack_event events[BATCH];
    for (;;) {
        int n = bench_check(hijack_queue_poll(events, hello->queue, BATCH, -1), "hijack_queue_poll");
        for (int i = 0; i < n; ++i)
            if (events[i].type == HIJACK_EVENT_REQUEST)
                answer_request(hello, &events[i]);
    }
    return NULL;
}

uint16_t bench_hello_start(struct bench_served *served)
{
    return bench_hello_start_at(served, &(struct bench_place){.address = "127.0.0.1:0"});
}

uint16_t bench_hello_start_at(struct bench_served *served, const struct bench_place *place)
{
    static const char threads[] = "threads", one[] = "1";
    static const char requests[] = "requests_per_connection", no_limit[] = "0"; /* the others have none either */
    static struct hello hello;
    pthread_t thread;
    hello.served = served;
    bench_check(hijack_queue_new(&hello.queue), "hijack_queue_new");
    bench_check(hijack_server_new(&hello.server, hello.queue), "hijack_server_new");
    bench_check(hijack_server_set(hello.server, threads, strlen(threads), one, strlen(one)), threads);
    bench_check(hijack_server_set(hello.server, requests, strlen(requests), no_limit, strlen(no_limit)), requests);
    if (place->certificate != NULL)
        bench_check(hijack_server_certificate(hello.server, place->certificate, strlen(place->certificate), place->key,
                                              strlen(place->key), NULL, 0),
                    "hijack_server_certificate");
    int port = bench_check(hijack_server_listen(hello.server, place->address, strlen(place->address)), place->address);
    bench_check(hijack_server_start(hello.server), "hijack_server_start");
    if (pthread_create(&thread, NULL, answer_requests, &hello) != 0)
        bench_die("pthread_create failed");
    return (uint16_t)port;
}

void bench_hello_answer(int fd, uint16_t (*start)(struct bench_served *served))
{
    static struct bench_served served;
    uint64_t question;
    bench_pin(BENCH_CORE_SERVER);
    uint16_t port = start(&served);
    bench_pin(BENCH_CORE_CLIENT);
    while (bench_next(fd, &question))
        bench_answer(fd, question == BENCH_ASK_PORT       ? port
                         : question == BENCH_ASK_REQUESTS ? atomic_load(&served.requests)
                                                          : atomic_load(&served.bodies));
}
