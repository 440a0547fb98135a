/* The one clock: monotonic milliseconds. */
#ifndef HJ_BASE_CLOCK_H
#define HJ_BASE_CLOCK_H

#include <stdint.h>

uint64_t hj_clock_ms(void);

#endif
