/* Room in the descriptor table; see descriptors.h. Any thread.
 *
 * Linux doubles the table when a descriptor does not fit, and in a process of several threads it then waits for an RCU
 * grace period, 6 to 20 ms. In a loop's thread that wait is inside accept4, and every connection of the loop waits with
 * it. A descriptor with the highest number makes the table grow once; the table never shrinks. */
#include "base/os/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

void hj_descriptors_reserve(int fd, uint64_t count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur != RLIM_INFINITY && count > limit.rlim_cur)
        count = limit.rlim_cur;
    if (count == 0 || count > INT_MAX)
        return;
    int highest = fcntl(fd, F_DUPFD_CLOEXEC, (int)count - 1);
    if (highest != -1)
        close(highest);
}
