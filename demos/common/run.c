/* SPDX-License-Identifier: MIT
 * The time of a write run by the server's statistics; see run.h. */
#include "run.h"

#include <stdio.h>
#include <time.h>

#include "demo.h"

/* Copies that need no more waiting for: written, dropped, or of a member that has left. */
static uint64_t settled(hijack_server *server)
{
    uint64_t stats[HIJACK_STAT_COUNT] = {0};
    demo_check(hijack_server_stats(stats, HIJACK_STAT_COUNT, server), "hijack_server_stats");
    return stats[HIJACK_STAT_DELIVERED] + stats[HIJACK_STAT_DROPPED] + stats[HIJACK_STAT_CLOSED_PEER] +
           stats[HIJACK_STAT_CLOSED_TIMEOUT] + stats[HIJACK_STAT_CLOSED_SLOW];
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void pause_one_ms(void)
{
    struct timespec step = {.tv_nsec = 1000000};
    nanosleep(&step, NULL);
}

demo_run demo_run_begin(hijack_server *server)
{
    return (demo_run){.settled = settled(server), .start = now_ms()};
}

double demo_run_end(const demo_run *run, hijack_server *server, int addressed, double longest_ms)
{
    while (settled(server) - run->settled < (uint64_t)addressed && now_ms() - run->start < longest_ms)
        pause_one_ms();
    return now_ms() - run->start;
}

double demo_resident_mib(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "VmRSS: %lu kB", &kib) != 1)
        ;
    fclose(file);
    return (double)kib / 1024;
}
