/* SPDX-License-Identifier: MIT
 * The machine, time and medians; see bench.h. Any thread of any process; no state but the two chosen cores, which are
 * settled before anything is started. */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 1000000
#define BUSY_LOAD 2 /* for each core; a benchmark that has just ended leaves about 1 */

static int cores[2];

void bench_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void processor_model(char *out, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown processor");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon == NULL || strncmp(line, "model name", 10) != 0)
            continue;
        snprintf(out, size, "%s", colon + 2);
        out[strcspn(out, "\n")] = '\0';
        break;
    }
    if (file != NULL)
        fclose(file);
}

/* The first and the last core this process may use: on a machine with hyper-threads these are rarely siblings. */
int bench_choose_cores(void)
{
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        bench_die("sched_getaffinity: %s", strerror(errno));
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (!CPU_ISSET(core, &set))
            continue;
        if (count++ == 0)
            cores[BENCH_CORE_SERVER] = core;
        cores[BENCH_CORE_CLIENT] = core;
    }
    return count;
}

long bench_raise_descriptor_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max > MOST_DESCRIPTORS)
        limit.rlim_max = MOST_DESCRIPTORS;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (long)limit.rlim_cur;
}

void bench_begin(const char *title)
{
    char model[200];
    struct utsname kernel;
    setvbuf(stdout, NULL, _IOLBF, 0);
    long descriptors = bench_raise_descriptor_limit();
    /* Sleeps shall end when asked to, not up to 50 microseconds later. */
    prctl(PR_SET_TIMERSLACK, 1);
    processor_model(model, sizeof model);
    uname(&kernel);
    int count = bench_choose_cores();
    printf("%s\n%s, %d core%s; %s %s; %ld descriptors; libhijack %s\n", title, model, count, count == 1 ? "" : "s",
           kernel.sysname, kernel.release, descriptors, hijack_version_string());
    if (count < 2)
        printf("With one core the client takes time from the server: the ratios mean little.\n");
    double load;
    if (getloadavg(&load, 1) == 1 && load > count * BUSY_LOAD)
        printf("The machine is busy (load average %.1f): run this again when it is idle.\n", load);
    printf("\n");
}

long bench_argument(int argc, char **argv, int index, const char *name, long fallback, long min, long max)
{
    if (index >= argc)
        return fallback;
    char *end;
    long value = strtol(argv[index], &end, 10);
    if (*argv[index] == '\0' || *end != '\0' || value < min || value > max)
        bench_die("%s: \"%s\" is not a whole number from %ld to %ld", name, argv[index], min, max);
    return value;
}

void bench_pin(enum bench_core core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cores[core], &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        bench_die("sched_setaffinity to core %d: %s", cores[core], strerror(errno));
}

uint64_t bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_sleep(uint64_t ns)
{
    struct timespec step = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    nanosleep(&step, NULL);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double median_of_copy(const double *values, size_t count)
{
    double copy[BENCH_MAX_ROUNDS];
    memcpy(copy, values, count * sizeof *values);
    return bench_median(copy, count);
}

struct bench_versus bench_versus(const double *ours, const double *theirs, size_t count)
{
    double ratios[BENCH_MAX_ROUNDS];
    for (size_t i = 0; i < count; ++i)
        ratios[i] = ours[i] / theirs[i];
    struct bench_versus out = {.ours = median_of_copy(ours, count), .theirs = median_of_copy(theirs, count)};
    out.of_medians = out.ours / out.theirs;
    out.median_of_ratios = bench_median(ratios, count);
    out.least = ratios[0];
    out.most = ratios[count - 1];
    return out;
}
