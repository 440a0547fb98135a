/* SPDX-License-Identifier: MIT
 * Child processes that answer questions, and what the kernel knows of them; see bench.h. Always holds: a child ends
 * when its parent does, however that came about. */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Longer than any step takes here; a child that does not answer in this time hangs. */
#define ANSWER_SECONDS 60

struct bench_child bench_start(void (*body)(int fd, void *arg), void *arg)
{
    int pair[2];
    pid_t parent = getpid();
    fflush(NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        bench_die("socketpair: %s", strerror(errno));
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(pair[0]);
        body(pair[1], arg);
        exit(0);
    }
    close(pair[1]);
    return (struct bench_child){.pid = pid, .fd = pair[0]};
}

uint64_t bench_hear(const struct bench_child *child)
{
    uint64_t answer;
    if (recv(child->fd, &answer, sizeof answer, MSG_WAITALL) != sizeof answer)
        bench_die("process %d failed, or did not answer within %d seconds", (int)child->pid, ANSWER_SECONDS);
    return answer;
}

uint64_t bench_ask(const struct bench_child *child, uint64_t question)
{
    if (send(child->fd, &question, sizeof question, MSG_NOSIGNAL) != sizeof question)
        bench_die("process %d has ended", (int)child->pid);
    return bench_hear(child);
}

bool bench_next(int fd, uint64_t *question)
{
    return recv(fd, question, sizeof *question, MSG_WAITALL) == sizeof *question;
}

void bench_answer(int fd, uint64_t answer)
{
    if (send(fd, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer)
        exit(1);
}

void bench_end(struct bench_child *child)
{
    close(child->fd);
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
}

static FILE *open_proc(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        bench_die("%s: %s", path, strerror(errno));
    return file;
}

struct bench_resident bench_resident(pid_t pid)
{
    struct bench_resident out = {0};
    char line[256];
    unsigned long size, pages = 0, kib;

    FILE *file = open_proc(pid, "statm");
    if (fscanf(file, "%lu %lu", &size, &pages) != 2)
        bench_die("/proc/%d/statm cannot be understood", (int)pid);
    fclose(file);
    out.rss = (double)pages * (double)sysconf(_SC_PAGESIZE);

    file = open_proc(pid, "smaps_rollup");
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Pss: %lu kB", &kib) == 1)
            out.pss = (double)kib * 1024;
        else if (sscanf(line, "Private_Dirty: %lu kB", &kib) == 1)
            out.private_dirty = (double)kib * 1024;
    }
    fclose(file);
    return out;
}

uint64_t bench_processor_time(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        bench_die("the processor time of process %d cannot be read", (int)pid);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}
