/* Passing descriptors from one descriptor table to another, with a few bytes each. Any thread. */
#ifndef HJ_BASE_OS_PASSING_H
#define HJ_BASE_OS_PASSING_H

#include <stdbool.h>
#include <stddef.h>

/* Two ends; what is sent at one comes out at the other whole and in order. 0 or HIJACK_ELIMIT. */
int hj_passing_open(int ends[2]);

/* Sends a copy of fd (-1: none) and some bytes. wait: until there is room. 0, HIJACK_ELIMIT (no room, or as many
 * descriptors of this user are under way as one process may have) or HIJACK_EIO (the other end has gone). */
int hj_passing_send(int end, int fd, const void *data, size_t len, bool wait);

/* Receives what was sent first. *fd: a new descriptor, closed on exec; -1: none was sent, or this table is full. False:
 * nothing is there (unless wait), or the ends are broken. */
bool hj_passing_receive(int end, int *fd, void *data, size_t len, bool wait);

#endif
