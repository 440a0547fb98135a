/* Over the server's limit of unsent bytes; see shedding.h. Loop thread.
 *
 * Nothing is counted for it: the loops' statistics of unsent bytes are what is added up. A loop looks only while it has
 * more than its share, the limit divided by the number of loops: when the total is over the limit, one of them does. It
 * looks in each of its turns, of which it has one at least with every sweep.
 *
 * Whose backlogs are the worst is known without a search: each loop publishes a bound, raised where a backlog grows,
 * and made exact by the loop when it sheds. A loop that sees another one with worse backlogs asks that one. One loop
 * sheds at a time, so that no two of them shed for the same bytes. "The most" means within a quarter: else two loops
 * whose backlogs are much alike would take turns, with a walk through the table in each. */
#include "loop/shedding.h"

#include "loop/conn.h"

static uint64_t waiting_at(const struct hj_worker *worker)
{
    return hj_worker_stat(worker, HIJACK_STAT_BACKLOG_BYTES);
}

void hj_shedding_init(struct hj_loop *loop)
{
    uint64_t limit = loop->server->options.backlog_total_bytes;
    loop->backlog_share = limit == 0 ? UINT64_MAX : limit / loop->server->worker_count;
}

/* How many bytes must go; 0: none. */
static uint64_t find_excess(const struct hj_server *server)
{
    uint64_t limit = server->options.backlog_total_bytes, total = 0;
    for (uint32_t i = 0; i < server->worker_count; ++i)
        total += waiting_at(server->workers[i]);
    return total <= limit ? 0 : total - (limit - limit / 16);
}

static uint64_t a_quarter_less(uint64_t bytes)
{
    return bytes - bytes / 4;
}

/* The largest backlog of this loop, which it publishes. */
static uint64_t find_worst(struct hj_loop *loop)
{
    uint64_t worst = 0;
    for (uint32_t i = 1; i < loop->table.used; ++i) {
        const struct hj_conn *conn = hj_table_at(&loop->table, i);
        if (hj_conn_is_open(conn) && conn->backlog != NULL && conn->backlog->bytes > worst)
            worst = conn->backlog->bytes;
    }
    atomic_store_explicit(&loop->worker.worst_backlog, worst, memory_order_relaxed);
    return worst;
}

/* The other loop that may have the largest backlog; NULL: none of them has any. */
static struct hj_worker *find_worst_elsewhere(const struct hj_loop *loop, uint64_t *worst)
{
    struct hj_worker *found = NULL;
    *worst = 0;
    for (uint32_t i = 0; i < loop->server->worker_count; ++i) {
        struct hj_worker *other = loop->server->workers[i];
        uint64_t bound = atomic_load_explicit(&other->worst_backlog, memory_order_relaxed);
        if (bound > waiting_at(other))
            bound = waiting_at(other);
        if (other != &loop->worker && bound > *worst) {
            *worst = bound;
            found = other;
        }
    }
    return found;
}

/* Closes those with at least so many bytes, as long as there is an excess; returns what is left of it. The bytes are
 * freed here and not with the entry, so that the other loops see it. */
static uint64_t shed_from(struct hj_loop *loop, uint64_t least, uint64_t excess)
{
    for (uint32_t i = 1; i < loop->table.used && excess != 0; ++i) {
        struct hj_conn *conn = hj_table_at(&loop->table, i);
        if (!hj_conn_is_open(conn) || conn->backlog == NULL || conn->backlog->bytes < least)
            continue;
        uint64_t bytes = conn->backlog->bytes;
        hj_conn_drop_backlog(loop, conn);
        hj_conn_close(loop, conn, HIJACK_ESLOW);
        excess -= bytes < excess ? bytes : excess;
    }
    return excess;
}

/* Returns the loop that has to go on, or NULL. */
static struct hj_worker *shed(struct hj_loop *loop, uint64_t excess)
{
    while (excess != 0) {
        uint64_t elsewhere, worst = find_worst(loop);
        struct hj_worker *other = find_worst_elsewhere(loop, &elsewhere);
        if (worst < a_quarter_less(elsewhere) || worst == 0)
            return other;
        excess = shed_from(loop, a_quarter_less(worst), excess);
    }
    return NULL;
}

void hj_shedding_run(struct hj_loop *loop)
{
    struct hj_server *server = loop->server;
    struct hj_worker *next = NULL;
    bool asked = atomic_load_explicit(&loop->worker.shed_asked, memory_order_relaxed);
    if (waiting_at(&loop->worker) <= loop->backlog_share && !asked)
        return;
    uint64_t excess = find_excess(server);
    if (excess != 0) {
        if (atomic_exchange(&server->shedding, true))
            return; /* another one is at it; this one looks again in its next turn */
        next = shed(loop, find_excess(server));
        atomic_store(&server->shedding, false);
    }
    atomic_store_explicit(&loop->worker.shed_asked, false, memory_order_relaxed);
    if (next != NULL) {
        atomic_store_explicit(&next->shed_asked, true, memory_order_relaxed);
        hj_mailbox_resume(&next->mailbox);
    }
}
