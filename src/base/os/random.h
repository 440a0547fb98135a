/* Random bytes of the kernel. Any thread. */
#ifndef HJ_BASE_OS_RANDOM_H
#define HJ_BASE_OS_RANDOM_H

#include <stddef.h>

/* At most 256, which the kernel gives whole. */
void hj_random_fill(void *out, size_t len);

#endif
