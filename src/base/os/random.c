/* Random bytes; see random.h. Any thread. */
#include "base/os/random.h"

#include <errno.h>
#include <sys/random.h>

void hj_random_fill(void *out, size_t len)
{
    while (getrandom(out, len, 0) < 0 && errno == EINTR)
        ;
}
