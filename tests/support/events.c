/* SPDX-License-Identifier: MIT
 *
 * Polls a queue and keeps what came. Runs on the thread of the test. Notes are an open-addressed table by handle, since
 * the stress tests see many thousands.
 */
#include "events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void events_init(struct events *events, hijack_queue *queue)
{
    memset(events, 0, sizeof(*events));
    events->queue = queue;
}

static struct handle_note *note_slot(struct events *events, void *handle)
{
    size_t at = ((uintptr_t)handle * 0x9E3779B97F4A7C15u >> 20) & (events->note_cap - 1);

    while (events->notes[at].handle != NULL && events->notes[at].handle != handle)
        at = (at + 1) & (events->note_cap - 1);
    return &events->notes[at];
}

static void note_grow(struct events *events)
{
    struct handle_note *old = events->notes;
    size_t old_cap = events->note_cap;

    events->note_cap = old_cap == 0 ? 64 : old_cap * 2;
    events->notes = calloc(events->note_cap, sizeof(*events->notes));
    CHECK(events->notes != NULL);
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].handle != NULL)
            *note_slot(events, old[i].handle) = old[i];
    free(old);
}

struct handle_note *events_note(struct events *events, void *handle, int kind)
{
    if (events->note_count * 2 >= events->note_cap)
        note_grow(events);
    struct handle_note *note = note_slot(events, handle);
    if (note->handle == NULL) {
        note->handle = handle;
        note->kind = kind;
        events->note_count++;
    }
    return note;
}

void events_freed(struct events *events, void *handle)
{
    events_note(events, handle, 0)->freed = 1;
}

size_t events_live(struct events *events)
{
    size_t live = 0;

    for (size_t i = 0; i < events->note_cap; i++) {
        const struct handle_note *note = &events->notes[i];
        live += note->handle != NULL && note->kind != KIND_SERVER && !note->ended && !note->freed;
    }
    return live;
}

/* Frees a handle by its kind. */
static void note_free(struct handle_note *note)
{
    if (note->kind == KIND_REQUEST)
        hijack_request_free(note->handle);
    else if (note->kind == KIND_STREAM)
        hijack_stream_free(note->handle);
    else if (note->kind == KIND_SOCKET)
        hijack_socket_free(note->handle);
}

void events_free(struct events *events)
{
    for (size_t i = 0; i < events->note_cap; i++)
        if (events->notes[i].handle != NULL && !events->notes[i].freed)
            note_free(&events->notes[i]);
    for (size_t i = 0; i < events->count; i++) {
        if (events->list[i].type == HIJACK_EVENT_DETACHED && !events->list[i].taken)
            close(events->list[i].status);
        free(events->list[i].data);
    }
    free(events->list);
    free(events->notes);
    memset(events, 0, sizeof(*events));
}

static int kind_of(const hijack_event *event)
{
    switch (event->type) {
    case HIJACK_EVENT_REQUEST:
        return KIND_REQUEST;
    case HIJACK_EVENT_STOPPED:
        return KIND_SERVER;
    case HIJACK_EVENT_DATA:
    case HIJACK_EVENT_EOF:
    case HIJACK_EVENT_DETACHED:
    case HIJACK_EVENT_MESSAGE:
    case HIJACK_EVENT_CONNECTED:
    case HIJACK_EVENT_PAUSED:
        return KIND_SOCKET;
    default:
        return 0;
    }
}

/* The laws that hold for every event. */
static void watch(struct events *events, const hijack_event *event)
{
    const char *name = hijack_event_name(event->type);
    struct handle_note *note;

    if (event->type == HIJACK_EVENT_NONE || event->type > HIJACK_EVENT_PAUSED)
        check_fail(__FILE__, __LINE__, "an event of type %u", event->type);
    if (event->type == HIJACK_EVENT_WAKE) {
        CHECK(event->handle == NULL && event->len == 0);
        return;
    }
    CHECK(event->handle != NULL);
    if (event->type == HIJACK_EVENT_MEMBER_MESSAGE || event->type == HIJACK_EVENT_MEMBERS)
        return; /* a broadcaster has no last event */
    note = events_note(events, event->handle, kind_of(event));
    if (note->ended || note->freed)
        check_fail(__FILE__, __LINE__, "%s for handle %p, after its %s", name, event->handle,
                   note->freed ? "free" : "last event");
    if (event->len > 0 && event->data == NULL)
        check_fail(__FILE__, __LINE__, "%s with a length and no data", name);
    if (event->type == HIJACK_EVENT_CLOSED || event->type == HIJACK_EVENT_DETACHED ||
        event->type == HIJACK_EVENT_STOPPED)
        note->ended = 1;
    if (event->type == HIJACK_EVENT_HANGUP && note->hung_up++)
        check_fail(__FILE__, __LINE__, "a second HANGUP for handle %p", event->handle);
    if (event->type == HIJACK_EVENT_CLOSED && event->status > 0)
        check_fail(__FILE__, __LINE__, "CLOSED with status %d", event->status);
}

static void keep(struct events *events, const hijack_event *event)
{
    struct event *kept;

    if (events->count == events->cap) {
        events->cap = events->cap * 2 + 64;
        events->list = realloc(events->list, events->cap * sizeof(*events->list));
        CHECK(events->list != NULL);
    }
    kept = &events->list[events->count++];
    memset(kept, 0, sizeof(*kept));
    kept->user_data = event->user_data;
    kept->handle = event->handle;
    kept->len = event->len;
    kept->type = event->type;
    kept->status = event->status;
    kept->data = malloc(event->len + 1);
    CHECK(kept->data != NULL);
    if (event->len > 0)
        memcpy(kept->data, event->data, event->len);
    kept->data[event->len] = 0;
}

int events_poll(struct events *events, int timeout_ms)
{
    hijack_event batch[64];
    int n = OK(hijack_queue_poll(batch, events->queue, 64, timeout_ms));

    CHECK(n <= 64);
    for (int i = 0; i < n; i++)
        keep(events, &batch[i]);
    for (int i = 0; i < n; i++)
        watch(events, &batch[i]);
    return n;
}

static struct event *find(struct events *events, uint32_t type, void *handle)
{
    while (events->first < events->count && events->list[events->first].taken)
        events->first++;
    for (size_t i = events->first; i < events->count; i++) {
        struct event *event = &events->list[i];
        if (!event->taken && (type == HIJACK_EVENT_NONE || event->type == type) &&
            (handle == NULL || event->handle == handle))
            return event;
    }
    return NULL;
}

static void fail_missing(struct events *events, const char *name, const void *handle, const char *file, int line)
{
    for (size_t i = 0; i < events->count; i++)
        if (!events->list[i].taken)
            print_error("  is there: %s handle %p status %d len %zu\n", hijack_event_name(events->list[i].type),
                        events->list[i].handle, events->list[i].status, events->list[i].len);
    check_fail(file, line, "no event %s for handle %p within %u ms", name, handle, clock_limit_ms());
}

/* An event that stays valid: the list may move when it grows, so the test gets a copy in a small ring. */
static struct event *take(struct event *event)
{
    static struct event ring[64];
    static size_t at;

    event->taken = 1;
    ring[at % 64] = *event;
    return &ring[at++ % 64];
}

struct event *events_next_at(struct events *events, uint32_t type, void *handle, const char *file, int line)
{
    uint64_t end = clock_ms() + clock_limit_ms();
    struct event *event;

    while ((event = find(events, type, handle)) == NULL) {
        if (clock_ms() > end)
            fail_missing(events, hijack_event_name(type), handle, file, line);
        events_poll(events, 100);
    }
    return take(event);
}

struct event *events_only_at(struct events *events, uint32_t type, void *handle, const char *file, int line)
{
    struct event *event = events_next_at(events, HIJACK_EVENT_NONE, handle, file, line);

    if (event->type != type)
        check_fail(file, line, "the next event of handle %p is %s (status %d), must be %s", handle,
                   hijack_event_name(event->type), event->status, hijack_event_name(type));
    return event;
}

void events_closed_at(struct events *events, void *handle, int status, const char *file, int line)
{
    struct event *event = events_next_at(events, HIJACK_EVENT_CLOSED, handle, file, line);

    if (event->status != status)
        check_fail(file, line, "CLOSED has status %s, must be %s", hijack_errname(event->status),
                   hijack_errname(status));
}

void events_barrier(struct events *events)
{
    OK(hijack_queue_wake(events->queue));
    events_next(events, HIJACK_EVENT_WAKE, NULL);
}

size_t events_pending(struct events *events, uint32_t type, void *handle)
{
    size_t pending = 0;

    for (size_t i = events->first; i < events->count; i++) {
        const struct event *event = &events->list[i];
        pending += !event->taken && event->type == type && (handle == NULL || event->handle == handle);
    }
    return pending;
}

char *events_data_at(struct events *events, void *socket, size_t len, const char *file, int line)
{
    char *data = malloc(len + 1);
    size_t have = 0;

    CHECK(data != NULL);
    while (have < len) {
        struct event *event = events_only_at(events, HIJACK_EVENT_DATA, socket, file, line);
        if (event->len == 0 || have + event->len > len)
            check_fail(file, line, "DATA with %zu bytes, when %zu of %zu are missing", event->len, len - have, len);
        memcpy(data + have, event->data, event->len);
        have += event->len;
    }
    data[len] = 0;
    return data;
}
