/* Linux' close_range; see private_table.h. Any thread, for itself.
 *
 * It can also be told to unshare the table before. unshare(2) does the same, but containers mostly forbid it. */
#include "base/os/private_table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <hijack/hijack.h>

#ifndef SYS_close_range /* a C library older than the kernel; the number is the same on every machine */
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2u
#endif

static int table_error(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
        return HIJACK_ELIMIT;
    case ENOMEM:
        return HIJACK_ENOMEM;
    default:
        return HIJACK_ENOTSUP;
    }
}

static int by_number(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static bool close_between(unsigned first, unsigned last)
{
    return first > last || syscall(SYS_close_range, first, last, 0) == 0;
}

/* Closes all but the sorted numbers. */
static bool close_others(const int *keep, size_t count)
{
    unsigned next = 0;
    for (size_t i = 0; i < count; ++i) {
        if (keep[i] < 0 || (unsigned)keep[i] < next)
            continue;
        if (keep[i] != 0 && !close_between(next, (unsigned)keep[i] - 1))
            return false;
        next = (unsigned)keep[i] + 1;
    }
    return close_between(next, UINT_MAX);
}

/* Takes the standard numbers that are free, so that no connection gets one of them: what some library prints there
 * would be sent to a client. An eventfd refuses text. */
static bool fill_standard(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd == -1)
        return false;
    close(fd);
    return true;
}

int hj_private_table_enter(int *keep, size_t count)
{
    qsort(keep, count, sizeof(*keep), by_number);
    /* none has this number */
    if (syscall(SYS_close_range, UINT_MAX, UINT_MAX, CLOSE_RANGE_UNSHARE) != 0 || !close_others(keep, count) ||
        !fill_standard())
        return table_error(errno);
    return 0;
}
