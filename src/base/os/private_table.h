/* A descriptor table of a thread's own. RLIMIT_NOFILE bounds a table, and a process may have several. */
#ifndef HJ_BASE_OS_PRIVATE_TABLE_H
#define HJ_BASE_OS_PRIVATE_TABLE_H

#include <stddef.h>

/* Gives the calling thread a table with these descriptors, under their numbers, and no others. Sorts keep; a number may
 * be in it twice, or be -1. Of 0, 1 and 2, what is not kept is taken, and whatever is written there goes nowhere. 0,
 * HIJACK_ENOTSUP (before Linux 5.9, or a sandbox forbids it), HIJACK_ELIMIT or HIJACK_ENOMEM; after a failure the
 * thread must end. */
int hj_private_table_enter(int *keep, size_t count);

#endif
