/* SPDX-License-Identifier: MIT
 *
 * Stands between the library and libc; see fault.h. Any thread.
 */
#include "fault/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many entries as the library's table of handles takes at once (base/handle.c). */
#define HANDLE_CHUNK 4096
/* What the allocator takes for each block beyond its usable bytes. */
#define BLOCK_HEADER 8

static atomic_int armed = -1, armed_error, struck;
static atomic_uint countdown;
static atomic_long blocks, bytes;
static atomic_ulong counts[FAULT_CALL_COUNT];
static _Thread_local int is_test;

const char *fault_name(enum fault_call call)
{
    static const char *const names[] = {
#define ENTRY(name) #name,
        FAULT_CALLS(ENTRY)
#undef ENTRY
    };

    return names[call];
}

void fault_arm(enum fault_call call, int error, unsigned nth)
{
    armed_error = error;
    countdown = nth;
    struck = 0;
    armed = (int)call;
}

void fault_disarm(void)
{
    armed = -1;
}

int fault_struck(void)
{
    return struck;
}

long fault_blocks(void)
{
    return blocks;
}

long fault_bytes(void)
{
    return bytes;
}

void fault_count_loops(void)
{
    is_test = 1;
    for (int i = 0; i < FAULT_CALL_COUNT; i++)
        counts[i] = 0;
}

unsigned long fault_calls(enum fault_call call)
{
    return counts[call];
}

/* Counts the call; 1 if it has to fail, with errno as it shall be. */
static int is_due(enum fault_call call)
{
    if (!is_test)
        atomic_fetch_add_explicit(&counts[call], 1, memory_order_relaxed);
    if (armed != (int)call || atomic_fetch_sub(&countdown, 1) != 1)
        return 0;
    fault_disarm();
    struck = 1;
    errno = armed_error;
    return 1;
}

static void *take_in(void *block, int lasting)
{
    if (block != NULL) {
        blocks += !lasting;
        bytes += (long)malloc_usable_size(block) + BLOCK_HEADER;
    }
    return block;
}

static void give_back(void *block)
{
    if (block != NULL) {
        blocks--;
        bytes -= (long)malloc_usable_size(block) + BLOCK_HEADER;
    }
}

void *fault_malloc(size_t size);
void *fault_calloc(size_t count, size_t size);
void *fault_realloc(void *block, size_t size);
void *fault_aligned_alloc(size_t alignment, size_t size);
void fault_free(void *block);

void *fault_malloc(size_t size)
{
    return is_due(FAULT_MEMORY) ? NULL : take_in(malloc(size), 0);
}

void *fault_calloc(size_t count, size_t size)
{
    return is_due(FAULT_MEMORY) ? NULL : take_in(calloc(count, size), count == HANDLE_CHUNK);
}

void *fault_realloc(void *block, size_t size)
{
    if (is_due(FAULT_MEMORY))
        return NULL;
    size_t before = block == NULL ? 0 : malloc_usable_size(block) + BLOCK_HEADER;
    void *moved = realloc(block, size);
    if (moved != NULL) {
        blocks += block == NULL;
        bytes += (long)(malloc_usable_size(moved) + BLOCK_HEADER) - (long)before;
    }
    return moved;
}

void *fault_aligned_alloc(size_t alignment, size_t size)
{
    return is_due(FAULT_MEMORY) ? NULL : take_in(aligned_alloc(alignment, size), 0);
}

void fault_free(void *block)
{
    int error = errno;

    give_back(block);
    free(block);
    errno = error;
}

/* SYSTEM(type, name, NAME, parameters, arguments): a call that returns -1 and sets errno. */
#define SYSTEM(type, name, NAME, parameters, arguments)                                                                \
    type fault_##name parameters;                                                                                      \
    type fault_##name parameters                                                                                       \
    {                                                                                                                  \
        return is_due(FAULT_##NAME) ? -1 : name arguments;                                                             \
    }

SYSTEM(int, accept4, ACCEPT4, (int fd, struct sockaddr *address, socklen_t *len, int flags), (fd, address, len, flags))
SYSTEM(int, bind, BIND, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))
SYSTEM(int, chmod, CHMOD, (const char *path, mode_t mode), (path, mode))
SYSTEM(int, connect, CONNECT, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))
SYSTEM(int, epoll_create1, EPOLL_CREATE1, (int flags), (flags))
SYSTEM(int, epoll_wait, EPOLL_WAIT, (int epoll, struct epoll_event *events, int max, int timeout),
       (epoll, events, max, timeout))
SYSTEM(int, eventfd, EVENTFD, (unsigned initial, int flags), (initial, flags))
SYSTEM(int, fchmod, FCHMOD, (int fd, mode_t mode), (fd, mode))
SYSTEM(int, fchmodat, FCHMODAT, (int folder, const char *path, mode_t mode, int flags), (folder, path, mode, flags))
SYSTEM(int, getpeername, GETPEERNAME, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))
SYSTEM(int, getsockname, GETSOCKNAME, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))
SYSTEM(int, getsockopt, GETSOCKOPT, (int fd, int level, int name, void *value, socklen_t *len),
       (fd, level, name, value, len))
SYSTEM(int, listen, LISTEN, (int fd, int backlog), (fd, backlog))
SYSTEM(int, lstat, LSTAT, (const char *path, struct stat *out), (path, out))
SYSTEM(int, pipe2, PIPE2, (int ends[2], int flags), (ends, flags))
SYSTEM(int, poll, POLL, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
SYSTEM(ssize_t, read, READ, (int fd, void *data, size_t len), (fd, data, len))
SYSTEM(ssize_t, recv, RECV, (int fd, void *data, size_t len, int flags), (fd, data, len, flags))
SYSTEM(ssize_t, recvmsg, RECVMSG, (int fd, struct msghdr *message, int flags), (fd, message, flags))
SYSTEM(ssize_t, send, SEND, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags))
SYSTEM(ssize_t, sendmsg, SENDMSG, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
SYSTEM(int, setsockopt, SETSOCKOPT, (int fd, int level, int name, const void *value, socklen_t len),
       (fd, level, name, value, len))
SYSTEM(int, shutdown, SHUTDOWN, (int fd, int how), (fd, how))
SYSTEM(int, socket, SOCKET, (int family, int type, int protocol), (family, type, protocol))
SYSTEM(ssize_t, splice, SPLICE, (int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags),
       (in, in_at, out, out_at, len, flags))
SYSTEM(int, unlink, UNLINK, (const char *path), (path))
SYSTEM(ssize_t, write, WRITE, (int fd, const void *data, size_t len), (fd, data, len))

/* Taking out what is there does not fail. */
int fault_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int fault_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    return is_due(op == EPOLL_CTL_DEL ? FAULT_EPOLL_DEL : FAULT_EPOLL_CTL) ? -1 : epoll_ctl(epoll, op, fd, event);
}

/* Linux' close frees the descriptor whatever it returns. */
int fault_close(int fd);
int fault_close(int fd)
{
    int due = is_due(FAULT_CLOSE), error = errno, result = close(fd);

    if (!due)
        return result;
    errno = error;
    return -1;
}

/* The third argument of each is a number or a pointer, or is not there and not looked at. */
int fault_fcntl(int fd, int command, ...);
int fault_fcntl(int fd, int command, ...)
{
    va_list list;

    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return is_due(FAULT_FCNTL) ? -1 : fcntl(fd, command, argument);
}

int fault_ioctl(int fd, unsigned long request, ...);
int fault_ioctl(int fd, unsigned long request, ...)
{
    va_list list;

    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return is_due(FAULT_IOCTL) ? -1 : ioctl(fd, request, argument);
}

int fault_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int fault_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    return is_due(FAULT_PTHREAD_CREATE) ? errno : pthread_create(thread, attributes, run, argument);
}
