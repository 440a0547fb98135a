/* SPDX-License-Identifier: MIT
 *
 * Counters of the library and of the process. Runs on the thread of the test.
 */
#include "stats.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

uint64_t stat_of(hijack_server *server, uint32_t index)
{
    uint64_t all[HIJACK_STAT_COUNT];

    CODE(hijack_server_stats(all, HIJACK_STAT_COUNT, server), HIJACK_STAT_COUNT);
    return all[index];
}

void stat_wait_at(hijack_server *server, uint32_t index, uint64_t least, uint64_t most, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();
    uint64_t value;

    while ((value = stat_of(server, index)) < least || value > most) {
        if (clock_ms() > end)
            check_fail(file, line, "statistic %s is %llu after %u ms, must be %s%llu", hijack_server_stat_name(index),
                       (unsigned long long)value, clock_limit_ms(), most == least ? "" : "at least ",
                       (unsigned long long)least);
        clock_tick();
    }
}

uint64_t broadcaster_stat(hijack_broadcaster *broadcaster, uint32_t index)
{
    uint64_t all[HIJACK_BROADCASTER_STAT_COUNT];

    CODE(hijack_broadcaster_stats(all, HIJACK_BROADCASTER_STAT_COUNT, broadcaster), HIJACK_BROADCASTER_STAT_COUNT);
    return all[index];
}

void members_wait_at(hijack_broadcaster *broadcaster, int count, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();
    int now;

    while ((now = OK(hijack_broadcaster_count(broadcaster))) != count) {
        if (clock_ms() > end)
            check_fail(file, line, "the broadcaster has %d members after %u ms, must have %d", now, clock_limit_ms(),
                       count);
        clock_tick();
    }
}

static int entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;

    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* The listing's own descriptor, "." and ".." are in every count alike. */
int process_descriptors(void)
{
    return entries("/proc/self/fd");
}

int process_threads(void)
{
    return entries("/proc/self/task");
}

int process_descriptor_room(void)
{
    char line[256];
    int room = -1;
    FILE *file = fopen("/proc/self/status", "r");

    CHECK(file != NULL);
    while (room == -1 && fgets(line, sizeof(line), file) != NULL)
        sscanf(line, "FDSize: %d", &room);
    fclose(file);
    CHECK(room != -1);
    return room;
}

uint64_t process_resident(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL);
    CHECK(fscanf(file, "%llu %llu", &total, &resident) == 2);
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
