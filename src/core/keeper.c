/* The keeper of the program's table; see keeper.h. Its own thread, except where marked. */
#include "core/keeper.h"

#include <stdlib.h>
#include <unistd.h>

#include <hijack/hijack.h>

#include "base/os/passing.h"
#include "base/os/thread.h"
#include "core/event.h"
#include "core/listener.h"
#include "core/queue.h"
#include "core/server.h"
#include "core/worker.h"

enum note_kind {
    NOTE_EVENT, /* and a descriptor with it */
    NOTE_THREAD,
    NOTE_LISTENERS,
    NOTE_ENDED
};

struct note {
    enum note_kind kind;
    struct hj_queue *queue;
    struct hj_event *event;
    void *(*run)(void *);
    void *arg;
};

/* Any thread, before the loops run. */
struct hj_keeper *hj_keeper_new(struct hj_server *server, void (*stopped)(struct hj_server *server))
{
    struct hj_keeper *keeper = malloc(sizeof(*keeper));
    int ends[2];
    if (keeper == NULL || hj_passing_open(ends) != 0) {
        free(keeper);
        return NULL;
    }
    *keeper = (struct hj_keeper){.server = server, .stopped = stopped, .keeper_end = ends[0], .loops_end = ends[1]};
    return keeper;
}

/* The loops' end leaves the program's table. */
static void leave(struct hj_keeper *keeper)
{
    if (!keeper->left)
        close(keeper->loops_end);
    keeper->left = true;
}

/* Whoever drops the server. */
void hj_keeper_free(struct hj_keeper *keeper)
{
    if (keeper == NULL)
        return;
    leave(keeper);
    close(keeper->keeper_end);
    free(keeper);
}

/* A loop. It waits for room: the keeper does nothing that takes long, and waits for no loop before all have ended. */
static int tell(struct hj_keeper *keeper, struct note note, int fd)
{
    int rc;
    do
        rc = hj_passing_send(keeper->loops_end, fd, &note, sizeof(note), true);
    while (rc == HIJACK_ELIMIT && fd == -1); /* the kernel is out of memory; this note must not be lost */
    return rc;
}

int hj_keeper_pass(struct hj_keeper *keeper, int fd, struct hj_queue *queue, struct hj_event *event)
{
    atomic_fetch_add_explicit(&keeper->passed, 1, memory_order_release); /* what was written into the event before */
    const int rc = tell(keeper, (struct note){.kind = NOTE_EVENT, .queue = queue, .event = event}, fd);
    return rc == HIJACK_EIO ? HIJACK_ESHUTDOWN : rc;
}

bool hj_keeper_start_thread(struct hj_keeper *keeper, void *(*run)(void *), void *arg)
{
    const struct note note = {.kind = NOTE_THREAD, .run = run, .arg = arg};
    atomic_fetch_add_explicit(&keeper->passed, 1, memory_order_release);
    return hj_passing_send(keeper->loops_end, -1, &note, sizeof(note), false) == 0; /* the caller holds a lock */
}

void hj_keeper_close_listeners(struct hj_keeper *keeper)
{
    (void)tell(keeper, (struct note){.kind = NOTE_LISTENERS}, -1);
}

void hj_keeper_loop_ended(struct hj_keeper *keeper)
{
    (void)tell(keeper, (struct note){.kind = NOTE_ENDED}, -1);
}

static void start_thread_here(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    if (hj_thread_start(&thread, run, arg))
        pthread_detach(thread);
    else
        run(arg);
}

/* Until all loops have ended, or the program has closed the descriptor. */
static void take_notes(struct hj_keeper *keeper)
{
    struct hj_server *server = keeper->server;
    struct note note;
    int fd;
    for (uint32_t running = server->worker_count;
         running != 0 && hj_passing_receive(keeper->keeper_end, &fd, &note, sizeof(note), true);) {
        (void)atomic_load_explicit(&keeper->passed, memory_order_acquire);
        switch (note.kind) {
        case NOTE_EVENT:
            note.event->status = fd;
            note.event->hook(note.event, HJ_EVENT_ARRIVED);
            hj_queue_push(note.queue, note.event);
            break;
        case NOTE_THREAD:
            start_thread_here(note.run, note.arg);
            break;
        case NOTE_LISTENERS:
            hj_listeners_close(server);
            break;
        case NOTE_ENDED:
            --running;
            break;
        }
    }
}

static void *keeper_run(void *arg)
{
    struct hj_keeper *keeper = arg;
    struct hj_server *server = keeper->server;
    take_notes(keeper);
    for (uint32_t i = 0; i < server->worker_count; ++i)
        pthread_join(server->workers[i]->thread, NULL);
    if (atomic_fetch_sub(&server->workers_alive, 1) == 1)
        keeper->stopped(server);
    hj_object_unref(&server->object); /* perhaps the last one */
    return NULL;
}

/* The start. */
int hj_keeper_start(struct hj_keeper *keeper)
{
    struct hj_server *server = keeper->server;
    leave(keeper);
    hj_object_ref(&server->object);
    if (hj_thread_start(&keeper->thread, keeper_run, keeper))
        return 0;
    hj_object_unref(&server->object);
    return HIJACK_ELIMIT;
}
