/* SPDX-License-Identifier: MIT
 * Hold: opens many connections, keeps them, and counts how often each receives a string.
 *
 *     hold [-n connections] [-t seconds] [-k times] [-s string] [-u path] [-x program | port]
 *
 * Without a port it starts a program, by default the demo beep beside it, with the port 0, and asks it to end with
 * SIGTERM afterwards. The time starts when all connections are open. Exit code 1 if a connection was refused, closed,
 * or received the string fewer than so many times since then, or if the program did not end with exit code 0. One
 * process, one thread. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define STARTING_SECONDS 10
#define ENDING_SECONDS 20

struct member {
    int fd;
    uint32_t matched; /* bytes of the string seen so far at the end of what came */
    uint32_t before;  /* occurrences before all were open */
    uint32_t count;   /* occurrences */
    bool closed;
};

struct settings {
    long connections, seconds, times;
    const char *string, *path, *program;
    uint16_t port;
};

/* ---- The program under load. ---- */

struct program {
    pid_t pid;
    FILE *output;       /* NULL: none was started */
    uint64_t addressed; /* copies it says it has sent; 0: it says nothing of that kind */
};

static struct program program_start(const char *path, uint16_t *port)
{
    struct program program = {0};
    char line[256];
    unsigned value;
    int pipe_ends[2];
    pid_t parent = getpid();
    if (pipe2(pipe_ends, O_CLOEXEC) != 0 || (program.pid = fork()) < 0)
        bench_die("starting %s: %s", path, strerror(errno));
    if (program.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        setenv("BEEP_INTERVAL_MS", "1000", 0);
        dup2(pipe_ends[1], STDOUT_FILENO);
        if (getppid() == parent)
            execl(path, path, "0", (char *)NULL);
        bench_die("starting %s: %s", path, strerror(errno));
    }
    close(pipe_ends[1]);
    alarm(STARTING_SECONDS);
    program.output = fdopen(pipe_ends[0], "r");
    if (program.output == NULL || fgets(line, sizeof line, program.output) == NULL ||
        sscanf(line, "http://127.0.0.1:%u/", &value) != 1)
        bench_die("%s did not print http://127.0.0.1:PORT/ first", path);
    alarm(0);
    *port = (uint16_t)value;
    bench_nonblocking(pipe_ends[0]);
    return program;
}

/* Prints what the program prints, and adds up what it says: "BEEP to 19000 clients". */
static void program_relay(struct program *program)
{
    char line[256];
    unsigned long clients;
    while (program->output != NULL && fgets(line, sizeof line, program->output) != NULL) {
        printf("  %s", line);
        if (sscanf(line, "BEEP to %lu clients", &clients) == 1)
            program->addressed += clients;
    }
    if (program->output != NULL)
        clearerr(program->output);
}

/* Returns false when it has not ended yet. */
static bool program_ended(struct program *program)
{
    int status = 0;
    pid_t ended = waitpid(program->pid, &status, WNOHANG);
    program_relay(program);
    if (ended == 0)
        return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("the program ended with status %#x instead of exit code 0", (unsigned)status);
    fclose(program->output);
    return true;
}

/* ---- The connections. ---- */

/* Occurrences that do not overlap; a string that begins anew inside itself is not looked for. */
static void count(struct member *member, const char *data, size_t len, const char *string)
{
    for (size_t i = 0; i < len; ++i) {
        if (data[i] != string[member->matched])
            member->matched = 0;
        if (data[i] != string[member->matched])
            continue;
        if (string[++member->matched] == '\0') {
            ++member->count;
            member->matched = 0;
        }
    }
}

static void receive(int epoll, const char *string, int timeout_ms)
{
    static char buffer[65536];
    struct epoll_event events[256];
    int n = epoll_wait(epoll, events, 256, timeout_ms);
    for (int i = 0; i < n; ++i) {
        struct member *member = events[i].data.ptr;
        ssize_t got = recv(member->fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got > 0) {
            count(member, buffer, (size_t)got, string);
        } else if (got == 0 || errno != EAGAIN) {
            epoll_ctl(epoll, EPOLL_CTL_DEL, member->fd, NULL);
            member->closed = true;
        }
    }
}

static void open_all(struct member *members, const struct settings *settings, int epoll)
{
    char request[1024];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", settings->path,
                       settings->port);
    if (len >= (int)sizeof request)
        bench_die("the path is longer than %zu bytes", sizeof request);
    for (long i = 0; i < settings->connections; ++i) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &members[i]};
        members[i].fd = bench_connect(settings->port);
        bench_send_all(members[i].fd, request, (size_t)len);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, members[i].fd, &event) != 0)
            bench_die("epoll_ctl: %s", strerror(errno));
        if (i % 100 == 0)
            receive(epoll, settings->string, 0);
    }
}

static bool report(struct member *members, const struct settings *settings)
{
    long closed = 0, enough = 0;
    double *counts = calloc((size_t)settings->connections, sizeof *counts);
    if (counts == NULL)
        bench_die("out of memory");
    for (long i = 0; i < settings->connections; ++i) {
        uint32_t since = members[i].count - members[i].before;
        closed += members[i].closed;
        enough += since >= settings->times;
        counts[i] = since;
    }
    double median = bench_median(counts, (size_t)settings->connections);
    printf("\n%-36s %8ld\n", "connections opened", settings->connections);
    printf("%-36s %8ld\n", "closed by the server", closed);
    printf("received %-12s %3ld times or more %8ld\n", settings->string, settings->times, enough);
    printf("%-36s %8.0f %.0f %.0f\n", "least, median, most of a connection", counts[0], median,
           counts[settings->connections - 1]);
    free(counts);
    return closed == 0 && enough == settings->connections;
}

/* The program ends and closes its connections; what was on its way still has to come. */
static bool end_program(struct program *program, const struct member *members, const struct settings *settings,
                        int epoll)
{
    uint64_t received = 0, end = bench_now() + ENDING_SECONDS * 1000000000ull;
    long open = settings->connections;
    bool ended = false;
    kill(program->pid, SIGTERM);
    while (!ended || open > 0) {
        receive(epoll, settings->string, 10);
        ended = ended || program_ended(program);
        open = 0;
        for (long i = 0; i < settings->connections; ++i)
            open += !members[i].closed;
        if (bench_now() > end)
            bench_die("%d seconds after SIGTERM the program %s, and %ld connections are open", ENDING_SECONDS,
                      ended ? "has ended" : "still runs", open);
    }
    for (long i = 0; i < settings->connections; ++i)
        received += members[i].count;
    printf("%-36s %8llu\n", "received in all", (unsigned long long)received);
    if (program->addressed == 0)
        return true;
    printf("%-36s %8llu\n", "sent in all, as the program says", (unsigned long long)program->addressed);
    /* one that joins between the count and the message gets it without having been counted */
    return received >= program->addressed;
}

static void beep_beside(char *out, size_t size)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        bench_die("readlink /proc/self/exe: %s", strerror(errno));
    self[len] = '\0';
    if (snprintf(out, size, "%s/../../demos/beep", dirname(self)) >= (int)size)
        bench_die("the path of this program is too long");
}

static long number(const char *name, char *text, long min, long max)
{
    return bench_argument(1, &text, 0, name, 0, min, max);
}

static struct settings parse(int argc, char **argv)
{
    struct settings settings = {
        .connections = 19000, .seconds = 10, .times = 5, .string = "BEEP", .path = "/", .program = NULL};
    for (int option; (option = getopt(argc, argv, "n:t:k:s:u:x:")) != -1;) {
        switch (option) {
        case 'n':
            settings.connections = number("-n", optarg, 1, 1000000);
            break;
        case 't':
            settings.seconds = number("-t", optarg, 1, 3600);
            break;
        case 'k':
            settings.times = number("-k", optarg, 0, 1000000);
            break;
        case 's':
            settings.string = optarg;
            break;
        case 'u':
            settings.path = optarg;
            break;
        case 'x':
            settings.program = optarg;
            break;
        default:
            bench_die("usage: hold [-n connections] [-t seconds] [-k times] [-s string] [-u path] "
                      "[-x program | port]");
        }
    }
    if (*settings.string == '\0')
        bench_die("-s: the string is empty");
    settings.port = (uint16_t)bench_argument(argc, argv, optind, "port", 0, 1, 65535);
    return settings;
}

int main(int argc, char **argv)
{
    static char beep[PATH_MAX + 32];
    struct program program = {0};
    bench_begin("Hold: connections that all have to receive");
    struct settings settings = parse(argc, argv);
    struct member *members = calloc((size_t)settings.connections, sizeof *members);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (members == NULL || epoll < 0)
        bench_die("out of memory or descriptors");
    beep_beside(beep, sizeof beep);
    if (settings.port == 0)
        program = program_start(settings.program != NULL ? settings.program : beep, &settings.port);

    open_all(members, &settings, epoll);
    for (long i = 0; i < settings.connections; ++i)
        members[i].before = members[i].count;
    for (uint64_t end = bench_now() + (uint64_t)settings.seconds * 1000000000u; bench_now() < end;) {
        receive(epoll, settings.string, 100);
        program_relay(&program);
    }
    program_relay(&program);
    bool fine = report(members, &settings);
    if (program.output != NULL && !end_program(&program, members, &settings, epoll))
        fine = false;
    for (long i = 0; i < settings.connections; ++i)
        close(members[i].fd);
    free(members);
    return fine ? 0 : 1;
}
