/* SPDX-License-Identifier: MIT
 * libhijack in C as a contender of bindings/bench/peers/run.py.
 *
 *     hijack port
 *
 * /sse and /ws are held; GET /publish?n=COUNT&bytes=BYTES publishes so many messages. TLS_CERT and TLS_KEY name a
 * certificate and its key. One thread polls, the library has one loop thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "peers.h"

static size_t read_file(char *out, size_t size, const char *path)
{
    FILE *file = fopen(path, "r");
    size_t len = file == NULL ? 0 : fread(out, 1, size, file);
    if (len == 0)
        bench_die("%s cannot be read", path);
    fclose(file);
    return len;
}

static void use_certificate(hijack_server *server)
{
    char chain[8192], key[4096];
    const char *chain_path = getenv("TLS_CERT"), *key_path = getenv("TLS_KEY");
    if (chain_path == NULL || key_path == NULL)
        return;
    size_t chain_len = read_file(chain, sizeof chain, chain_path), key_len = read_file(key, sizeof key, key_path);
    bench_check(hijack_server_certificate(server, chain, chain_len, key, key_len, NULL, 0),
                "hijack_server_certificate");
}

static void publish(hijack_request *request, hijack_broadcaster *clients)
{
    static char message[PEERS_MOST_BYTES];
    char text[128];
    const char *target;
    size_t len;
    unsigned count = 0, bytes = 1;
    bench_check(hijack_request_target(&target, &len, request), "hijack_request_target");
    snprintf(text, sizeof text, "%.*s", (int)len, target);
    if (sscanf(text, "/publish?n=%u&bytes=%u", &count, &bytes) != 2 || bytes < 1 || bytes > PEERS_MOST_BYTES)
        count = 0;
    peers_message(message, bytes);
    for (unsigned i = 0; i < count; ++i)
        bench_check(hijack_broadcaster_publish(clients, HIJACK_MESSAGE_TEXT, message, bytes),
                    "hijack_broadcaster_publish");
    hijack_request_respond(request, count > 0 ? 200 : 404, NULL, 0, NULL, 0);
    hijack_request_free(request);
}

int main(int argc, char **argv)
{
    hijack_queue *queue;
    hijack_server *server;
    hijack_broadcaster *clients;
    char address[32];
    long port = bench_argument(argc, argv, 1, "port", 0, 1, 65535);
    snprintf(address, sizeof address, "%s127.0.0.1:%ld", getenv("TLS_CERT") == NULL ? "" : "tls:", port);
    bench_raise_descriptor_limit();
    bench_check(hijack_queue_new(&queue), "hijack_queue_new");
    bench_check(hijack_server_new(&server, queue), "hijack_server_new");
    bench_check(hijack_broadcaster_new(&clients, server), "hijack_broadcaster_new");
    bench_check(hijack_server_hold(server, HIJACK_STR("/sse"), HIJACK_HOLD_SSE, NULL, 0, clients), "/sse");
    bench_check(hijack_server_hold(server, HIJACK_STR("/ws"), HIJACK_HOLD_WEBSOCKET, NULL, 0, clients), "/ws");
    use_certificate(server);
    bench_check(hijack_server_listen(server, address, strlen(address)), address);
    bench_check(hijack_server_start(server), "hijack_server_start");
    for (;;) {
        hijack_event events[64];
        int n = bench_check(hijack_queue_poll(events, queue, 64, -1), "hijack_queue_poll");
        for (int i = 0; i < n; ++i)
            if (events[i].type == HIJACK_EVENT_REQUEST)
                publish(events[i].handle, clients);
    }
}
