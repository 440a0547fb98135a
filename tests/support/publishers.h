/* SPDX-License-Identifier: MIT
 *
 * Threads that publish at the same time in a room whose history begins at "e-0", and what the messages were: all who
 * read the message of an offset must have read the same one.
 */
#ifndef TESTS_SUPPORT_PUBLISHERS_H
#define TESTS_SUPPORT_PUBLISHERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "client.h"

enum {
    PUBLISHERS = 4
};

struct publishers {
    hijack_broadcaster *room;
    uint32_t *published; /* at each offset, as who read it first has seen it; 0: nobody yet */
    pthread_t threads[PUBLISHERS];
    unsigned pause_us; /* of each of them, after each message */
    _Atomic bool publishing;
    _Atomic int errors;
    _Atomic int next; /* number of the next thread */
};

void publishers_start(struct publishers *publishers, hijack_broadcaster *room, unsigned pause_us);
/* They end; the offset of the last message. */
uint64_t publishers_stop(struct publishers *publishers);
/* That of the last message until now. */
uint64_t publishers_newest(const struct publishers *publishers);
/* Somebody has read this message at this offset. */
void publishers_read(struct publishers *publishers, uint64_t offset, const char *text);
/* Asks for path, by HTTP/1.minor; with goes_on for what follows the message of this offset. */
void publishers_ask(struct client *client, const char *path, int minor, bool goes_on, uint64_t offset);
void publishers_free(struct publishers *publishers);

#endif
