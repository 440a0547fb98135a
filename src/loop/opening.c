/* The descriptors of a loop; see opening.h. Loop thread.
 *
 * With option private_fds the thread leaves the program's table here. It keeps what all loops share, under the numbers
 * that these have in the program's table: the descriptors that wake queues and loops, the listening sockets, the file
 * for keys. All of these were opened before the first thread started, and stay open until the last one has ended. */
#include "loop/opening.h"

#include <stdlib.h>
#include <unistd.h>

#include <hijack/hijack.h>

#include "base/os/private_table.h"
#include "core/keeper.h"
#include "loop/http2/http2.h"
#include "loop/io/acceptor.h"

/* stderr, the ends of the keeper's pair and of the loop's, the file for keys. */
#define KEPT_MORE 4

static size_t list_shared(int *out, const struct hj_loop *loop)
{
    const struct hj_server *server = loop->server;
    size_t count = 0;
    out[count++] = STDERR_FILENO; /* where the message of a crash goes */
    out[count++] = server->keeper->loops_end;
    out[count++] = loop->worker.handover.loop_end;
    out[count++] = server->keylog_fd;
    for (uint32_t i = 0; i < server->worker_count; ++i) {
        out[count++] = server->workers[i]->mailbox.notify.fd;
        out[count++] = server->workers[i]->handover.program_end;
    }
    for (uint32_t i = 0; i < server->queue_count; ++i)
        out[count++] = server->queues[i]->notify.fd;
    for (uint32_t i = 0; i < server->route_count; ++i)
        out[count++] = server->routes[i].queue == NULL ? -1 : server->routes[i].queue->notify.fd;
    for (uint32_t i = 0; i < server->listener_count; ++i)
        out[count++] = server->listeners[i].fd;
    return count;
}

static int enter_private_table(struct hj_loop *loop)
{
    const struct hj_server *server = loop->server;
    int *keep = malloc(
        (KEPT_MORE + 2 * server->worker_count + server->queue_count + server->route_count + server->listener_count) *
        sizeof(*keep));
    if (keep == NULL)
        return HIJACK_ENOMEM;
    int rc = hj_private_table_enter(keep, list_shared(keep, loop));
    free(keep);
    return rc;
}

int hj_opening_run(struct hj_loop *loop)
{
    int rc = loop->server->keeper == NULL ? 0 : enter_private_table(loop);
    if (rc == 0)
        rc = hj_poller_open(&loop->poller);
    if (rc == 0 &&
        !hj_poller_add(&loop->poller, loop->worker.mailbox.notify.fd, HJ_POLL_IN | HJ_POLL_EDGE, HJ_POLL_DATA_MAILBOX))
        rc = HIJACK_ELIMIT;
    if (rc == 0)
        rc = hj_acceptor_open(loop);
    return rc == 0 ? hj_http2_open(loop) : rc;
}
