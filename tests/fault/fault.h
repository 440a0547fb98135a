/* SPDX-License-Identifier: MIT
 *
 * The library's calls of the allocator and of the operating system, as fault.c sees them: counted, and one of them made
 * to fail. Only what the library itself calls comes here (redirect.syms), on any thread.
 */
#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include <stdint.h>

/* What can fail or is counted; all calls that take memory are one; EPOLL_CTL is without those that remove. */
#define FAULT_CALLS(X)                                                                                                 \
    X(MEMORY)                                                                                                          \
    X(ACCEPT4)                                                                                                         \
    X(BIND)                                                                                                            \
    X(CHMOD)                                                                                                           \
    X(CLOSE)                                                                                                           \
    X(CONNECT)                                                                                                         \
    X(EPOLL_CREATE1)                                                                                                   \
    X(EPOLL_DEL)                                                                                                       \
    X(EPOLL_CTL)                                                                                                       \
    X(EPOLL_WAIT)                                                                                                      \
    X(EVENTFD)                                                                                                         \
    X(FCHMOD)                                                                                                          \
    X(FCHMODAT)                                                                                                        \
    X(FCNTL)                                                                                                           \
    X(GETPEERNAME)                                                                                                     \
    X(GETSOCKNAME)                                                                                                     \
    X(GETSOCKOPT)                                                                                                      \
    X(IOCTL)                                                                                                           \
    X(LISTEN)                                                                                                          \
    X(LSTAT)                                                                                                           \
    X(PIPE2)                                                                                                           \
    X(POLL)                                                                                                            \
    X(PTHREAD_CREATE)                                                                                                  \
    X(READ)                                                                                                            \
    X(RECV)                                                                                                            \
    X(RECVMSG)                                                                                                         \
    X(SEND)                                                                                                            \
    X(SENDMSG)                                                                                                         \
    X(SETSOCKOPT)                                                                                                      \
    X(SHUTDOWN)                                                                                                        \
    X(SOCKET)                                                                                                          \
    X(SPLICE)                                                                                                          \
    X(UNLINK)                                                                                                          \
    X(WRITE)

enum fault_call {
#define ENTRY(name) FAULT_##name,
    FAULT_CALLS(ENTRY)
#undef ENTRY
    FAULT_CALL_COUNT
};

const char *fault_name(enum fault_call call);

/* From now on the nth of these calls fails with error (MEMORY: returns NULL), once. */
void fault_arm(enum fault_call call, int error, unsigned nth);
void fault_disarm(void);
/* Whether the call that had to fail has come. */
int fault_struck(void);

/* Blocks that the library has and has not freed, without those of its table of handles, which stay for good. */
long fault_blocks(void);
/* Their bytes with what the allocator takes for each, and with the table of handles. */
long fault_bytes(void);

/* Whose calls are counted: those of every thread but the one that calls this, which is the test's. */
void fault_count_loops(void);
/* Calls of the loops since then. */
unsigned long fault_calls(enum fault_call call);

#endif
