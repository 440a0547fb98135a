/* SPDX-License-Identifier: MIT
 *
 * Memory for keys: what a core dump and a forked child get of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os/secret_pages.h"
#include "support/check.h"

#define SIZE 65536

/* Whether the kernel's flags of the mapping at address have this one (proc(5), VmFlags). */
static int has_flag(const void *address, const char *flag)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512], wanted[8];
    unsigned long begin, end;
    int inside = 0, found = 0;

    CHECK(maps != NULL);
    snprintf(wanted, sizeof wanted, " %s", flag);
    while (fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            inside = begin <= (unsigned long)address && (unsigned long)address < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, wanted) != NULL;
    }
    fclose(maps);
    return found;
}

static void not_in_a_core_dump(void **state)
{
    char *pages = hj_secret_pages_new(SIZE);

    (void)state;
    CHECK(pages != NULL);
    for (int i = 0; i < SIZE; i++)
        CHECK(pages[i] == 0);
    CHECK(has_flag(pages, "dd"));
    hj_secret_pages_free(pages, SIZE);
}

static void zeros_in_a_child(void **state)
{
    char *pages = hj_secret_pages_new(SIZE);
    int status;

    (void)state;
    CHECK(pages != NULL);
    memset(pages, 'k', SIZE);
    pid_t child = fork();
    CHECK(child != -1);
    if (child == 0) {
        int seen = 0;
        for (int i = 0; i < SIZE; i++)
            seen |= pages[i];
        _exit(seen);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(pages[SIZE - 1] == 'k'); /* they stay the parent's */
    hj_secret_pages_free(pages, SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_in_a_core_dump),
        cmocka_unit_test(zeros_in_a_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
