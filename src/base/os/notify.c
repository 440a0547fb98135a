/* The wake-up descriptor: eventfd. The only file that names it, so that another system can bring its own. Any thread.
 */
#include "base/os/notify.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <hijack/hijack.h>

int hj_notify_open(struct hj_notify *notify)
{
    notify->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return notify->fd == -1 ? HIJACK_ELIMIT : 0;
}

void hj_notify_signal(struct hj_notify *notify)
{
    uint64_t one = 1;
    /* fails only when the counter is full (2^64 - 2 signals without a clear), and then it is readable already */
    while (write(notify->fd, &one, sizeof(one)) == -1 && errno == EINTR)
        ;
}

void hj_notify_clear(struct hj_notify *notify)
{
    uint64_t count;
    while (read(notify->fd, &count, sizeof(count)) == -1 && errno == EINTR)
        ;
}

void hj_notify_close(struct hj_notify *notify)
{
    if (notify->fd != -1)
        close(notify->fd);
    notify->fd = -1;
}
