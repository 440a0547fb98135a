/* Relaying, the program's side; see relay.h. Any thread.
 *
 * Two sockets of one loop are paired there. Of two loops the second socket moves to the loop of the first, which is
 * told to wait for it. Until they meet, each has a notice for the other one, made here, so that an end is never lost
 * for want of memory. */
#include "core/relay.h"

#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/channel.h"
#include "core/worker.h"

#define SOCKET (1u << HJ_KIND_SOCKET)

void hj_relay_notify(struct hj_command *notice, int reason)
{
    const struct hj_channel *channel = (const struct hj_channel *)notice->object;
    notice->value = (uint64_t)-reason;
    if (!hj_worker_post(channel->worker, notice))
        hj_command_free(notice); /* that loop ends all that it has */
}

/* From here on the program has no say in its bytes, and no broadcaster either. */
static int reserve_socket(struct hj_channel *socket)
{
    int state = HJ_CHANNEL_OPEN, rc = 0;
    hj_subscriptions_lock(&socket->subscriptions);
    if (socket->subscriptions.count != 0 || socket->subscriptions.exclusive)
        rc = HIJACK_ESTATE; /* a member, or within a message */
    else if (!atomic_compare_exchange_strong(&socket->state, &state, HJ_CHANNEL_RELAYED))
        rc = state == HJ_CHANNEL_DETACHED ? HIJACK_ESTATE : hj_channel_refusal(state);
    else
        socket->subscriptions.exclusive = true;
    hj_subscriptions_unlock(&socket->subscriptions);
    return rc;
}

/* It was not to be. */
static void release_socket(struct hj_channel *socket)
{
    int state = HJ_CHANNEL_RELAYED;
    hj_subscriptions_lock(&socket->subscriptions);
    socket->subscriptions.exclusive = false;
    atomic_compare_exchange_strong(&socket->state, &state, HJ_CHANNEL_OPEN);
    hj_subscriptions_unlock(&socket->subscriptions);
}

/* What is posted for a pair. Those for the first socket are NULL where both have one loop. */
struct relay_commands {
    struct hj_command *wait, *relay, *end_of_first, *end_of_second;
};

static void free_commands(const struct relay_commands *commands)
{
    struct hj_command *const all[] = {commands->wait, commands->relay, commands->end_of_first, commands->end_of_second};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); ++i)
        if (all[i] != NULL)
            hj_command_free(all[i]);
}

static bool make_relay_commands(struct relay_commands *out, struct hj_channel *first, struct hj_channel *second)
{
    *out = (struct relay_commands){.relay = hj_command_new(HJ_OP_RELAY, &second->object, &first->object)};
    if (first->worker == second->worker)
        return out->relay != NULL;
    out->wait = hj_command_new(HJ_OP_RELAY_WAIT, &first->object, NULL);
    out->end_of_first = hj_command_new(HJ_OP_RELAY_END, &first->object, NULL);
    out->end_of_second = hj_command_new(HJ_OP_RELAY_END, &second->object, NULL);
    if (out->relay == NULL || out->wait == NULL || out->end_of_first == NULL || out->end_of_second == NULL)
        return false;
    out->wait->value = (uintptr_t)out->end_of_second;
    out->relay->value = (uintptr_t)out->end_of_first;
    return true;
}

/* Takes the commands over, those that it could not post included. */
static int post_commands(struct relay_commands *commands, struct hj_channel *first, struct hj_channel *second)
{
    if (commands->wait != NULL && !hj_worker_post(first->worker, commands->wait)) {
        free_commands(commands);
        return HIJACK_ECLOSED;
    }
    if (hj_worker_post(second->worker, commands->relay))
        return 0;
    hj_command_free(commands->relay);
    if (commands->end_of_first != NULL)
        hj_relay_notify(commands->end_of_first, HIJACK_ESHUTDOWN);
    return HIJACK_ECLOSED;
}

static int pair(struct hj_channel *first, struct hj_channel *second)
{
    struct relay_commands commands;
    int rc = reserve_socket(first);
    if (rc != 0)
        return rc;
    if ((rc = reserve_socket(second)) != 0) {
        release_socket(first);
        return rc;
    }
    if (!make_relay_commands(&commands, first, second)) {
        free_commands(&commands);
        release_socket(second);
        release_socket(first);
        return HIJACK_ENOMEM;
    }
    return post_commands(&commands, first, second);
}

int hijack_socket_relay(hijack_socket *a, hijack_socket *b)
{
    struct hj_channel *first, *second;
    if (a == b && a != NULL)
        return HIJACK_EINVAL;
    int rc = hj_handle_pin((struct hj_object **)&first, a, SOCKET);
    if (rc != 0)
        return rc;
    rc = hj_handle_pin((struct hj_object **)&second, b, SOCKET);
    if (rc == 0) {
        rc = first->worker->server == second->worker->server ? pair(first, second) : HIJACK_EINVAL;
        hj_handle_unpin(b);
    }
    hj_handle_unpin(a);
    return rc;
}
