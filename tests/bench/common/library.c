/* SPDX-License-Identifier: MIT
 * A server of the library that holds what asks for /held; see bench.h. Runs in the process that was forked for it,
 * never in one that forks afterwards. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 30000

int bench_check(int result, const char *what)
{
    if (result < 0)
        bench_die("%s: %s (%s)", what, hijack_strerror(result), hijack_errname(result));
    return result;
}

static void set(hijack_server *server, const char *name, const char *value)
{
    bench_check(hijack_server_set(server, name, strlen(name), value, strlen(value)), name);
}

void bench_library_start_at(struct bench_library *library, const struct bench_place *place,
                            const struct bench_option *options, uint32_t kind)
{
    bench_check(hijack_server_new(&library->server, NULL), "hijack_server_new");
    /* What is measured is what was asked for: a heartbeat in between would be counted as a message. */
    set(library->server, "heartbeat_ms", "0");
    set(library->server, "websocket_ping_ms", "0");
    for (; options->name != NULL; ++options)
        set(library->server, options->name, options->value);
    if (place->certificate != NULL)
        bench_check(hijack_server_certificate(library->server, place->certificate, strlen(place->certificate),
                                              place->key, strlen(place->key), NULL, 0),
                    "hijack_server_certificate");
    bench_check(hijack_broadcaster_new(&library->members, library->server), "hijack_broadcaster_new");
    bench_check(hijack_server_hold(library->server, HIJACK_STR("/held"), kind, NULL, 0, library->members),
                "hijack_server_hold");
    library->port = (uint16_t)bench_check(hijack_server_listen(library->server, place->address, strlen(place->address)),
                                          place->address);
    bench_check(hijack_server_start(library->server), "hijack_server_start");
}

void bench_library_start(struct bench_library *library, int threads, uint32_t kind)
{
    static const struct bench_place place = {.address = "127.0.0.1:0"};
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    bench_library_start_at(library, &place, (struct bench_option[]){{"threads", number}, {NULL, NULL}}, kind);
}

void bench_library_stop(struct bench_library *library)
{
    bench_check(hijack_server_stop(library->server), "hijack_server_stop");
    hijack_broadcaster_free(library->members);
    hijack_server_free(library->server);
}

uint64_t bench_library_stat(const struct bench_library *library, int stat)
{
    uint64_t values[HIJACK_STAT_COUNT] = {0};
    bench_check(hijack_server_stats(values, HIJACK_STAT_COUNT, library->server), "hijack_server_stats");
    return values[stat];
}

void bench_library_wait(const struct bench_library *library, int stat, uint64_t value, bool at_most)
{
    uint64_t now = 0;
    for (int i = 0; i < PATIENCE_MS; ++i) {
        now = bench_library_stat(library, stat);
        if (at_most ? now <= value : now >= value)
            return;
        bench_sleep(1000000);
    }
    bench_die("the statistic %s is %llu after %d seconds, it should be %llu", hijack_server_stat_name((uint32_t)stat),
              (unsigned long long)now, PATIENCE_MS / 1000, (unsigned long long)value);
}
