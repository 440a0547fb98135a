/* Bytes that go from one socket to another through a pipe, without being copied. Linux. Any thread; the calling thread
 * must have SIGPIPE blocked: there is no way to ask for EPIPE alone. */
#ifndef HJ_BASE_OS_SPLICE_H
#define HJ_BASE_OS_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A pipe with room for about so many bytes: 0, or HIJACK_ELIMIT. */
int hj_splice_open(int pipe[2], size_t bytes);
void hj_splice_close(const int pipe[2]);

/* What a socket has goes into the pipe, at most len bytes; what the pipe has goes to a socket. How many; 0 for the
 * peer's end (in only); or -1 with errno, EAGAIN for "not now". */
ssize_t hj_splice_in(const int pipe[2], int fd, size_t len);
ssize_t hj_splice_out(const int pipe[2], int fd, size_t len);

#endif
