/* The process' table of descriptors. Any thread. */
#ifndef HJ_BASE_OS_DESCRIPTORS_H
#define HJ_BASE_OS_DESCRIPTORS_H

#include <stdint.h>

/* Makes the table large enough for `count` descriptors, as far as the soft limit allows; fd is any open one. It is only
 * a matter of speed, so nothing is returned: what the system refuses it will ask for again when it is needed. */
void hj_descriptors_reserve(int fd, uint64_t count);

#endif
