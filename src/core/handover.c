/* Descriptors on their way to a loop; see handover.h. */
#include "core/handover.h"

#include <unistd.h>

#include <hijack/hijack.h>

#include "base/os/passing.h"
#include "core/worker.h"

void hj_handover_init(struct hj_handover *handover)
{
    pthread_mutex_init(&handover->lock, NULL);
    handover->program_end = handover->loop_end = -1;
    handover->left = false;
    atomic_init(&handover->under_way, 0);
}

int hj_handover_open(struct hj_handover *handover)
{
    int ends[2], rc = hj_passing_open(ends);
    if (rc == 0) {
        handover->program_end = ends[0];
        handover->loop_end = ends[1];
    }
    return rc;
}

void hj_handover_leave(struct hj_handover *handover)
{
    if (handover->loop_end != -1 && !handover->left)
        close(handover->loop_end); /* the number stays: it is the loop's */
    handover->left = true;
}

void hj_handover_dispose(struct hj_handover *handover)
{
    hj_handover_leave(handover);
    if (handover->program_end != -1)
        close(handover->program_end);
    pthread_mutex_destroy(&handover->lock);
}

int hj_handover_post(struct hj_worker *worker, struct hj_command *command, int fd)
{
    struct hj_handover *handover = &worker->handover;
    if (handover->program_end == -1) {
        command->fd = fd;
        return hj_worker_post(worker, command) ? 0 : HIJACK_ESHUTDOWN;
    }
    pthread_mutex_lock(&handover->lock);
    atomic_fetch_add_explicit(&handover->under_way, 1, memory_order_relaxed);
    char nothing = 0;
    int rc = hj_passing_send(handover->program_end, fd, &nothing, 1, false);
    if (rc == 0 && !hj_worker_post(worker, command))
        rc = HIJACK_ESHUTDOWN; /* the copy goes with the loop's table */
    if (rc != 0)
        atomic_fetch_sub_explicit(&handover->under_way, 1, memory_order_relaxed);
    pthread_mutex_unlock(&handover->lock);
    if (rc == 0)
        close(fd); /* the loop has its copy */
    return rc == HIJACK_EIO ? HIJACK_ESHUTDOWN : rc;
}

int hj_handover_take(struct hj_worker *worker, const struct hj_command *command)
{
    char nothing;
    int fd;
    if (worker->handover.program_end == -1)
        return command->fd;
    atomic_fetch_sub_explicit(&worker->handover.under_way, 1, memory_order_relaxed);
    return hj_passing_receive(worker->handover.loop_end, &fd, &nothing, 1, false) ? fd : -1;
}
