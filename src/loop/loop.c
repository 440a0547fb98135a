/* A loop's life: one turn after the other until it is stopped or drained; see state.h for what it owns. Loop thread. */
#include "loop/loop.h"

#include "base/clock.h"
#include "core/keeper.h"
#include "loop/closing.h"
#include "loop/dispatch.h"
#include "loop/drain.h"
#include "loop/fanout/behind.h"
#include "loop/fanout/long_poll_state.h"
#include "loop/fanout/roll.h"
#include "loop/held/websocket_state.h"
#include "loop/http/pending.h"
#include "loop/http2/http2.h"
#include "loop/io/pipes.h"
#include "loop/opening.h"
#include "loop/producer.h"
#include "loop/shedding.h"
#include "loop/sweep.h"
#include "loop/tls/handshake.h"

/* Waits for whatever comes first: an event, a command, the next sweep. */
static int wait_events(struct hj_loop *loop, struct hj_poll_event *events)
{
    int timeout = loop->ready_count != 0 ? 0 : hj_http2_wait(loop, hj_sweep_wait(loop));
    if (timeout == 0 || !hj_mailbox_sleep(&loop->worker.mailbox))
        return hj_poller_wait(&loop->poller, events, 0);
    int count = hj_poller_wait(&loop->poller, events, timeout);
    hj_mailbox_awake(&loop->worker.mailbox);
    return count;
}

/* Carries out what the program asked for; who frees a handle asks for nothing more. */
static void run_mailbox(struct hj_loop *loop, struct hj_command *(*take)(struct hj_mailbox *, struct hj_object **))
{
    struct hj_object *freed;
    struct hj_command *commands = take(&loop->worker.mailbox, &freed);
    hj_dispatch_commands(loop, commands);
    hj_dispatch_freed(loop, freed);
}

static void turn(struct hj_loop *loop)
{
    struct hj_poll_event events[HJ_POLL_BATCH];
    int count = wait_events(loop, events);
    loop->now_ms = hj_clock_ms();
    hj_handshake_begin_turn(loop);
    if (hj_mailbox_take_resumed(&loop->worker.mailbox)) {
        hj_pending_resume(loop);
        hj_dispatch_stalled(loop);
        hj_outbox_flush(&loop->worker.outbox);
    }
    /* commands first: what the program asked for before a peer did something takes effect before it */
    run_mailbox(loop, hj_mailbox_take);
    for (int i = 0; i < count; ++i)
        hj_dispatch_event(loop, &events[i]);
    hj_dispatch_ready(loop);
    hj_http2_run(loop);
    hj_outbox_flush(&loop->worker.outbox); /* the sweep may write to every connection */
    hj_sweep(loop);
    hj_shedding_run(loop);
    hj_closing_run(loop);
    if (hj_http2_flush(loop))
        hj_closing_run(loop);
    hj_roll_run(loop);
    hj_outbox_flush(&loop->worker.outbox);
}

/* The last of a loop that ran: nothing is asked of it any more, and nothing is left of what it had. */
static void wind_up(struct hj_loop *loop)
{
    loop->stopping = true;
    run_mailbox(loop, hj_mailbox_close);
    hj_drain_abandon(loop);
    hj_roll_run(loop);
    hj_outbox_flush(&loop->worker.outbox);
    hj_producer_cancel(loop);
    hj_poller_close(&loop->poller);
    hj_table_dispose(&loop->table);
    hj_member_table_dispose(&loop->members);
    hj_behind_dispose(loop);
    hj_long_poll_dispose(loop);
    hj_roll_dispose(loop);
    hj_numbers_dispose(&loop->requests);
    hj_numbers_dispose(&loop->addresses);
    hj_numbers_dispose(&loop->partners);
    hj_numbers_dispose(&loop->passed);
    hj_pipes_dispose(loop);
    hj_websocket_dispose(loop);
}

void *hj_loop_run(void *arg)
{
    struct hj_loop *loop = arg;
    struct hj_server *server = loop->server;
    pthread_setname_np(pthread_self(), "hijack loop"); /* for top, ps and gdb; without a name it works as well */
    hj_shedding_init(loop);
    int rc = loop->opened_rc = hj_opening_run(loop);
    sem_post(&loop->opened);
    while (rc == 0 && !loop->stopping && !hj_drain_done(loop))
        turn(loop);
    wind_up(loop);
    if (atomic_fetch_sub(&server->workers_alive, 1) == 1)
        hj_server_stopped(server);
    if (server->keeper != NULL)
        hj_keeper_loop_ended(server->keeper);
    hj_object_unref(&server->object);
    return NULL;
}
