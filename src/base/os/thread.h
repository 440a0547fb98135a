/* Threads of the library's own. */
#ifndef HJ_BASE_OS_THREAD_H
#define HJ_BASE_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts one that takes no signal: the program's signals are the business of its own threads. False when out of memory
 * or threads. Any thread. */
bool hj_thread_start(pthread_t *out, void *(*run)(void *arg), void *arg);

#endif
