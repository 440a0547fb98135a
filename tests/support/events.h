/* SPDX-License-Identifier: MIT
 *
 * The events of one queue, taken out and kept. Watches the laws while it does: nothing follows a handle's last event or
 * its free, every handle ends, descriptors in DETACHED events are the test's.
 */
#ifndef TESTS_SUPPORT_EVENTS_H
#define TESTS_SUPPORT_EVENTS_H

#include "check.h"

struct event {
    uint64_t user_data;
    void *handle;
    char *data; /* a copy with a NUL after it; lives until events_free */
    size_t len;
    uint32_t type;
    int status;
    int taken;
};

enum {
    KIND_SERVER = 1,
    KIND_REQUEST,
    KIND_STREAM,
    KIND_SOCKET
};

struct handle_note {
    void *handle;
    int kind;
    int ended;   /* its last event was seen */
    int hung_up; /* HANGUP was seen */
    int freed;
};

struct events {
    hijack_queue *queue;
    struct event *list; /* in the order they came, taken ones too */
    size_t count;
    size_t cap;
    size_t first; /* no event before this one is untaken */
    struct handle_note *notes;
    size_t note_count;
    size_t note_cap; /* a power of two */
};

void events_init(struct events *events, hijack_queue *queue);
/* Frees the copies, and every handle that is noted and not freed. */
void events_free(struct events *events);
/* Polls once; how many events came. */
int events_poll(struct events *events, int timeout_ms);
/* The next event of this type and handle (NULL: any), which must come; events of others stay for later. */
struct event *events_next_at(struct events *events, uint32_t type, void *handle, const char *file, int line);
#define events_next(events, type, handle) events_next_at((events), (type), (handle), __FILE__, __LINE__)
/* The next event of this handle, which must be of this type. */
struct event *events_only_at(struct events *events, uint32_t type, void *handle, const char *file, int line);
#define events_only(events, type, handle) events_only_at((events), (type), (handle), __FILE__, __LINE__)
/* Asserts CLOSED with this status. */
void events_closed_at(struct events *events, void *handle, int status, const char *file, int line);
#define events_closed(events, handle, status) events_closed_at((events), (handle), (status), __FILE__, __LINE__)
/* Everything that was queued before this call is in the list after it. */
void events_barrier(struct events *events);
/* How many untaken events of this type and handle (NULL: any) are in the list. */
size_t events_pending(struct events *events, uint32_t type, void *handle);
/* Takes DATA events of socket until it has len bytes; their bytes, to be freed by the test. */
char *events_data_at(struct events *events, void *socket, size_t len, const char *file, int line);
#define events_data(events, socket, len) events_data_at((events), (socket), (len), __FILE__, __LINE__)

/* The test has a new handle, or has freed one. */
struct handle_note *events_note(struct events *events, void *handle, int kind);
void events_freed(struct events *events, void *handle);
/* Handles that are neither ended nor freed. */
size_t events_live(struct events *events);

#endif
