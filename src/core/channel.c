/* What streams and sockets share; see channel.h. Any thread unless the header says loop.
 *
 * High water: pending counts what was taken and not written. A sender that finds it over the mark sets starved and
 * looks again; the loop, having written, looks at starved after it lowered pending. One of the two sees the other, so
 * that EAGAIN is always followed by DRAINED. */
#include "core/channel.h"

#include <stdlib.h>
#include <unistd.h>

#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/compressor.h"
#include "core/keeper.h"
#include "core/worker.h"

/* Closes the descriptor of a DETACHED event that nobody will poll. */
static void drop_descriptor(struct hj_channel *channel)
{
    int fd = atomic_exchange(&channel->descriptor, -1);
    if (fd != -1)
        close(fd);
}

static void destroy_channel(struct hj_object *object)
{
    struct hj_channel *channel = (struct hj_channel *)object;
    struct hj_server *server = channel->worker->server;
    drop_descriptor(channel);
    hj_subscriptions_dispose(&channel->subscriptions);
    hj_object_unref(&channel->queue->object);
    if (channel->own_window) {
        hj_compressor_forget(channel->deflater);
        free(channel);
    } else {
        hj_pool_give(&server->channels, channel);
    }
    hj_object_unref(&server->object);
}

int hj_channel_new(struct hj_channel **out, enum hj_kind kind, bool own_window, struct hj_worker *worker,
                   struct hj_queue *queue, uint64_t user_data)
{
    struct hj_channel *channel = own_window ? calloc(1, sizeof(*channel) + sizeof(channel->deflater[0]))
                                            : hj_pool_take(&worker->server->channels);
    if (channel == NULL)
        return HIJACK_ENOMEM;
    hj_object_init(&channel->object, kind, destroy_channel);
    atomic_store(&channel->object.user_data, user_data);
    if (kind == HJ_KIND_STREAM)
        atomic_init(&channel->room, HJ_NO_LENGTH);
    atomic_init(&channel->descriptor, -1);
    hj_object_ref(&worker->server->object);
    hj_object_ref(&queue->object);
    channel->own_window = own_window;
    channel->queue = queue;
    channel->worker = worker;
    int rc = hj_handle_new(&channel->object);
    if (rc != 0) {
        hj_object_unref(&channel->object);
        return rc;
    }
    *out = channel;
    return 0;
}

void hj_channel_discard(struct hj_channel *channel)
{
    hj_handle_discard(channel->object.handle);
    hj_object_unref(&channel->object);
}

void hj_channel_give(void *out, struct hj_channel *channel)
{
    *(void **)out = channel->object.handle;
    hj_object_unref(&channel->object);
}

/* Takes len from what the Content-Length allows. */
static bool take_room(struct hj_channel *channel, uint64_t len)
{
    if (!hj_channel_has_length(channel))
        return true;
    uint64_t room = atomic_load(&channel->room);
    do {
        if (len > room)
            return false;
    } while (!atomic_compare_exchange_weak(&channel->room, &room, room - len));
    return true;
}

int hj_channel_reserve(struct hj_channel *channel, uint64_t len)
{
    uint64_t high_water = channel->worker->server->options.high_water_bytes;
    int state = atomic_load(&channel->state);
    if (state != HJ_CHANNEL_OPEN)
        return hj_channel_refusal(state);
    if (atomic_load(&channel->pending) >= high_water) {
        /* stays set even if there is room now: another sender may rely on it, and one DRAINED too many does no harm */
        atomic_store(&channel->starved, true);
        if (atomic_load(&channel->pending) >= high_water)
            return HIJACK_EAGAIN;
    }
    if (!take_room(channel, len))
        return HIJACK_ETOOBIG;
    atomic_fetch_add(&channel->pending, len);
    return 0;
}

int hj_channel_send(struct hj_channel *channel, struct hj_buf *buf)
{
    struct hj_command *command = buf == NULL ? NULL : hj_command_new(HJ_OP_SEND, &channel->object, NULL);
    if (command == NULL) {
        hj_buf_unref(buf);
        return HIJACK_ENOMEM;
    }
    command->buf = buf;
    /* nothing that was reserved is ever given back: another sender may have had EAGAIN because of it alone, and only
     * what is written brings DRAINED */
    int rc = hj_channel_reserve(channel, buf->len);
    if (rc == 0 && !hj_worker_post(channel->worker, command))
        rc = HIJACK_ECLOSED;
    if (rc != 0)
        hj_command_free(command);
    return rc;
}

int hj_channel_post(struct hj_channel *channel, enum hj_op op, uint64_t value)
{
    struct hj_command *command = hj_command_new(op, &channel->object, NULL);
    if (command == NULL)
        return HIJACK_ENOMEM;
    command->value = value;
    if (hj_worker_post(channel->worker, command))
        return 0;
    hj_command_free(command);
    return HIJACK_ECLOSED;
}

int hj_channel_move(struct hj_channel *channel, enum hj_channel_state to, enum hj_channel_state below, enum hj_op op,
                    struct hj_buf *buf)
{
    struct hj_command *command = hj_command_new(op, &channel->object, NULL);
    if (command == NULL) {
        hj_buf_unref(buf);
        return HIJACK_ENOMEM;
    }
    command->buf = buf;
    int state = atomic_load(&channel->state);
    do {
        if (state >= (int)below) {
            hj_command_free(command);
            return state == HJ_CHANNEL_DETACHED ? HIJACK_ESTATE : hj_channel_refusal(state);
        }
    } while (!atomic_compare_exchange_weak(&channel->state, &state, (int)to));
    if (hj_worker_post(channel->worker, command))
        return 0;
    hj_command_free(command);
    return HIJACK_ECLOSED;
}

void hj_channel_free_handle(struct hj_channel *channel)
{
    if (!hj_handle_kill(channel->object.handle))
        return;
    /* here, and not in the loop, which may have another table: whoever pushes DETACHED later finds the handle freed */
    drop_descriptor(channel);
    hj_mailbox_push_freed(&channel->worker->mailbox, &channel->object);
}

bool hj_channel_release(struct hj_channel *channel, uint64_t len)
{
    uint64_t left = atomic_fetch_sub(&channel->pending, len) - len;
    const struct hj_server_options *options = &channel->worker->server->options;
    uint64_t low_water =
        options->low_water_bytes < options->high_water_bytes ? options->low_water_bytes : options->high_water_bytes;
    if (left > low_water || channel->ended || !atomic_exchange(&channel->starved, false))
        return true;
    struct hj_event *event = hj_event_new(HIJACK_EVENT_DRAINED, &channel->object, NULL);
    if (event == NULL)
        return false;
    hj_outbox_push(&channel->worker->outbox, channel->queue, event);
    return true;
}

void hj_channel_forget_window(struct hj_channel *channel)
{
    if (!channel->own_window)
        return;
    hj_subscriptions_lock(&channel->subscriptions);
    hj_compressor_forget(channel->deflater);
    hj_subscriptions_unlock(&channel->subscriptions);
}

void hj_channel_end(struct hj_channel *channel, int status, struct hj_buf *data)
{
    atomic_store(&channel->state, HJ_CHANNEL_GONE);
    hj_channel_forget_window(channel); /* the program may keep the handle for long */
    if (channel->ended) {
        hj_buf_unref(data);
        return;
    }
    channel->ended = true;
    hj_event_embed(&channel->last, HIJACK_EVENT_CLOSED, &channel->object, status);
    channel->last.buf = data;
    hj_outbox_push(&channel->worker->outbox, channel->queue, &channel->last);
}

/* The connection is lost: the program's table has no room for its descriptor. */
static void lose_detached(struct hj_event *event)
{
    hj_buf_unref(event->buf);
    event->buf = NULL;
    event->hook = NULL;
    event->type = HIJACK_EVENT_CLOSED;
    event->status = HIJACK_ELIMIT;
}

/* The poll takes the descriptor out; whoever frees the handle at that moment finds none. */
static bool detached_hook(struct hj_event *event, enum hj_event_end end)
{
    struct hj_channel *channel = (struct hj_channel *)event->object;
    switch (end) {
    case HJ_EVENT_ARRIVED:
        if (event->status == -1)
            lose_detached(event);
        else
            atomic_store(&channel->descriptor, event->status);
        return true;
    case HJ_EVENT_POLLED:
        event->status = atomic_exchange(&channel->descriptor, -1);
        return event->status != -1;
    default:
        drop_descriptor(channel);
        return false;
    }
}

int hj_channel_end_detached(struct hj_channel *channel, int fd, struct hj_buf *unread)
{
    struct hj_keeper *keeper = channel->worker->server->keeper;
    hj_event_embed(&channel->last, HIJACK_EVENT_DETACHED, &channel->object, 0);
    channel->last.hook = detached_hook;
    channel->last.buf = unread;
    atomic_store(&channel->state, HJ_CHANNEL_GONE);
    int rc = keeper == NULL ? 0 : hj_keeper_pass(keeper, fd, channel->queue, &channel->last);
    if (rc != 0) {
        hj_object_unref(&channel->object); /* the event's */
        return rc;
    }
    channel->ended = true;
    if (keeper == NULL) {
        atomic_store(&channel->descriptor, fd);
        hj_outbox_push(&channel->worker->outbox, channel->queue, &channel->last);
    } else {
        close(fd); /* the program's table gets its own */
    }
    return 0;
}
