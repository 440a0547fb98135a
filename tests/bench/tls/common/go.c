/* SPDX-License-Identifier: MIT
 * Go's net/http as a contender; see tls.h. */
#include "tls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char program[PATH_MAX];
static int lines[2]; /* a pipe: what it prints */

/* build/release/tests/bench/tls/memory leads to build/release/go/hold. */
static bool find_program(void)
{
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    program[n < 0 ? 0 : n] = '\0';
    for (int up = 0; up < 4; ++up) {
        char *slash = strrchr(program, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
    strcat(program, "/go/hold");
    return access(program, X_OK) == 0;
}

static void run_go(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    bench_pin(BENCH_CORE_SERVER);
    dup2(lines[1], STDOUT_FILENO);
    execl(program, program, (char *)NULL);
    bench_die("%s: %s", program, strerror(errno));
}

bool bench_go_start(struct bench_child *child, uint16_t *port)
{
    char line[64] = "";
    if (!find_program())
        return false;
    if (pipe(lines) != 0)
        bench_die("pipe: %s", strerror(errno));
    *child = bench_start(run_go, NULL);
    close(lines[1]);
    ssize_t n = read(lines[0], line, sizeof line - 1);
    close(lines[0]);
    if (n <= 0 || sscanf(line, "https://127.0.0.1:%hu/", port) != 1)
        bench_die("%s printed \"%s\" instead of its address", program, line);
    return true;
}
