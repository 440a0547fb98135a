/* The public functions of a broadcaster. Any thread. */
#include "core/broadcaster.h"

#include <stdlib.h>

#include <hijack/hijack.h>

#include "base/handle.h"
#include "codec/sse.h"
#include "codec/utf8.h"
#include "codec/websocket.h"
#include "core/channel.h"
#include "core/command.h"
#include "core/history.h"
#include "core/message.h"
#include "core/response.h"
#include "core/worker.h"

#define BROADCASTER (1u << HJ_KIND_BROADCASTER)
#define CHANNEL (1u << HJ_KIND_STREAM | 1u << HJ_KIND_SOCKET)
#define MESSAGE_MAX (16u << 20)

static void destroy_broadcaster(struct hj_object *object)
{
    struct hj_broadcaster *broadcaster = (struct hj_broadcaster *)object;
    free(atomic_load(&broadcaster->shards));
    hj_history_free(atomic_load(&broadcaster->history));
    pthread_mutex_destroy(&broadcaster->lock);
    hj_object_unref(&broadcaster->server->object);
    free(broadcaster);
}

int hj_broadcaster_pin(struct hj_broadcaster **out, const void *handle)
{
    return hj_handle_pin((struct hj_object **)out, handle, BROADCASTER);
}

int hijack_broadcaster_new(hijack_broadcaster **out, hijack_server *server_handle)
{
    struct hj_server *server;
    if (out == NULL)
        return HIJACK_EINVAL;
    int rc = hj_server_pin(&server, server_handle);
    if (rc != 0)
        return rc;
    struct hj_broadcaster *broadcaster = calloc(1, sizeof(*broadcaster));
    if (broadcaster == NULL) {
        hj_handle_unpin(server_handle);
        return HIJACK_ENOMEM;
    }
    struct hj_broadcaster_options options;
    hj_options_default(&options, HJ_SCOPE_BROADCASTER);
    hj_object_init(&broadcaster->object, HJ_KIND_BROADCASTER, destroy_broadcaster);
    pthread_mutex_init(&broadcaster->lock, NULL);
    atomic_store(&broadcaster->backlog_bytes, options.backlog_bytes);
    atomic_store(&broadcaster->overflow, (uint8_t)options.overflow);
    atomic_store(&broadcaster->long_poll_ms, (uint32_t)options.long_poll_ms);
    hj_object_ref(&server->object);
    broadcaster->server = server;
    hj_handle_unpin(server_handle);
    rc = hj_handle_new(&broadcaster->object);
    if (rc == 0)
        *out = broadcaster->object.handle;
    hj_object_unref(&broadcaster->object);
    return rc;
}

uint64_t hj_broadcaster_find(struct hj_broadcaster *broadcaster, struct hj_slice position)
{
    struct hj_history *history = hj_history_of(&broadcaster->history);
    if (history == NULL || position.len == 0)
        return HJ_FROM_LIVE;
    pthread_mutex_lock(&broadcaster->lock);
    uint64_t from = hj_history_find(history, position);
    pthread_mutex_unlock(&broadcaster->lock);
    return from;
}

/* first in the form of the wire. NULL when out of memory. */
static struct hj_buf *frame_first(enum hj_wire wire, struct hj_slice first)
{
    struct hj_buf *buf = NULL;
    if (hj_wire_is_websocket(wire))
        return hj_ws_frame(HJ_WS_TEXT, true, first);
    if (!hj_wire_is_chunked(wire))
        return hj_buf_copy(first.base, first.len);
    hj_chunk_encode(&buf, first);
    return buf;
}

int hj_broadcaster_joining(struct hj_joining **out, struct hj_broadcaster *broadcaster, enum hj_wire wire,
                           const struct hj_newcomer *newcomer)
{
    const struct hj_slice first = newcomer->first, position = newcomer->position;
    *out = NULL;
    if (position.len != 0 && hj_history_of(&broadcaster->history) == NULL)
        return HIJACK_ESTATE;
    if (hj_wire_is_websocket(wire) && !hj_utf8_check(first.base, first.len))
        return HIJACK_EINVAL;
    const uint64_t from = hj_broadcaster_find(broadcaster, position.len != 0 ? position : newcomer->clients);
    if (newcomer->user_data == 0 && from == HJ_FROM_LIVE && first.len == 0)
        return 0;
    struct hj_buf *buf = first.len == 0 ? NULL : frame_first(wire, first);
    if (first.len == 0 || buf != NULL)
        *out = hj_joining_new(newcomer->user_data, from, position.len != 0, buf);
    hj_buf_unref(buf);
    return *out == NULL ? HIJACK_ENOMEM : 0;
}

void hj_broadcaster_saw(struct hj_broadcaster *broadcaster, uint32_t loop, uint64_t offset)
{
    struct hj_history *history = atomic_load_explicit(&broadcaster->history, memory_order_acquire);
    if (offset != 0)
        atomic_store_explicit(&history->seen[loop], offset, memory_order_relaxed);
}

/* An option of the history, which the first one makes. */
static int set_history(struct hj_broadcaster *broadcaster, struct hj_slice name, struct hj_slice value)
{
    pthread_mutex_lock(&broadcaster->lock);
    struct hj_history *history = atomic_load(&broadcaster->history);
    if (history == NULL)
        history = hj_history_new();
    int rc = history == NULL ? HIJACK_ENOMEM : hj_history_set(history, name, value);
    atomic_store_explicit(&broadcaster->history, history, memory_order_release);
    pthread_mutex_unlock(&broadcaster->lock);
    return rc;
}

static bool is_of_history(struct hj_slice name)
{
    return hj_slice_begins(name, HJ_SLICE("history_")) || hj_slice_equal(name, HJ_SLICE("gap_event"));
}

static int set_tells(struct hj_broadcaster *broadcaster, bool tells)
{
    if (hj_server_check_running(broadcaster->server) == 0)
        return hj_broadcaster_ask(broadcaster, &(struct hj_command){.op = HJ_OP_TELL_MEMBERS, .value = tells});
    atomic_store(&broadcaster->tells, tells);
    return 0;
}

static int set_broadcaster_option(struct hj_broadcaster *broadcaster, struct hj_slice name, struct hj_slice value)
{
    struct hj_broadcaster_options options;
    hj_options_default(&options, HJ_SCOPE_BROADCASTER);
    int rc = hj_option_set(&options, HJ_SCOPE_BROADCASTER, name, value);
    if (rc != 0)
        return rc;
    if (is_of_history(name))
        return set_history(broadcaster, name, value);
    if (hj_slice_equal(name, HJ_SLICE("member_events")))
        return set_tells(broadcaster, options.member_events == HJ_SWITCH_ON);
    /* the others stay as they are: another thread may set one at this moment */
    if (hj_slice_equal(name, HJ_SLICE("backlog_bytes")))
        atomic_store(&broadcaster->backlog_bytes, options.backlog_bytes);
    else if (hj_slice_equal(name, HJ_SLICE("overflow")))
        atomic_store(&broadcaster->overflow, (uint8_t)options.overflow);
    else if (hj_slice_equal(name, HJ_SLICE("long_poll_ms")))
        atomic_store(&broadcaster->long_poll_ms, (uint32_t)options.long_poll_ms);
    else
        atomic_store(&broadcaster->delivers, options.member_messages == HJ_MEMBER_MESSAGES_DELIVER);
    return 0;
}

int hijack_broadcaster_set(hijack_broadcaster *handle, const char *name, size_t name_len, const char *value,
                           size_t value_len)
{
    struct hj_broadcaster *broadcaster;
    if ((name == NULL && name_len != 0) || (value == NULL && value_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    rc = set_broadcaster_option(broadcaster, hj_slice(name, name_len), hj_slice(value, value_len));
    hj_handle_unpin(handle);
    return rc;
}

static int add(struct hj_broadcaster *broadcaster, struct hj_channel *channel, const struct hj_newcomer *newcomer)
{
    struct hj_joining *joining;
    if (hj_channel_has_length(channel))
        return HIJACK_EINVAL; /* published bytes would not keep to the Content-Length */
    int state = atomic_load(&channel->state);
    if (state != HJ_CHANNEL_OPEN)
        return hj_channel_refusal(state);
    int rc = hj_broadcaster_joining(&joining, broadcaster, (enum hj_wire)(channel->wire & HJ_HOLD_WIRE), newcomer);
    if (rc != 0)
        return rc;
    struct hj_command *command = hj_command_new(HJ_OP_ADD, &broadcaster->object, &channel->object);
    if (command == NULL) {
        hj_joining_free(joining);
        return HIJACK_ENOMEM;
    }
    command->joining = joining;
    rc = hj_subscriptions_join(&channel->subscriptions, broadcaster, channel->worker, command);
    if (rc != 0)
        hj_command_free(command);
    else
        hj_channel_forget_window(channel); /* no use for it while others send to the connection */
    return rc;
}

static int remove_member(struct hj_broadcaster *broadcaster, struct hj_channel *channel, const struct hj_newcomer *none)
{
    (void)none;
    struct hj_command *command = hj_command_new(HJ_OP_REMOVE, &broadcaster->object, &channel->object);
    if (command == NULL)
        return HIJACK_ENOMEM;
    int rc = hj_subscriptions_leave(&channel->subscriptions, broadcaster, channel->worker, command);
    if (rc != 0)
        hj_command_free(command);
    return rc;
}

/* Pins both and does it. */
static int change_membership(hijack_broadcaster *handle, void *member, const struct hj_newcomer *newcomer,
                             int (*change)(struct hj_broadcaster *, struct hj_channel *, const struct hj_newcomer *))
{
    struct hj_broadcaster *broadcaster;
    struct hj_channel *channel;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    rc = hj_handle_pin((struct hj_object **)&channel, member, CHANNEL);
    if (rc == 0) {
        rc = channel->worker->server == broadcaster->server ? change(broadcaster, channel, newcomer) : HIJACK_EINVAL;
        hj_handle_unpin(member);
    }
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_add(hijack_broadcaster *broadcaster, void *stream_or_socket, uint64_t user_data,
                           const char *position, size_t position_len)
{
    if (position == NULL && position_len != 0)
        return HIJACK_EINVAL;
    const struct hj_newcomer newcomer = {.user_data = user_data, .position = hj_slice(position, position_len)};
    return change_membership(broadcaster, stream_or_socket, &newcomer, add);
}

int hijack_broadcaster_remove(hijack_broadcaster *broadcaster, void *stream_or_socket)
{
    return change_membership(broadcaster, stream_or_socket, NULL, remove_member);
}

static int adopt_member(struct hj_broadcaster *broadcaster, int fd, uint32_t kind, struct hj_slice headers,
                        const struct hj_newcomer *newcomer)
{
    struct hj_joining *joining;
    struct hj_response response;
    struct hj_fields fields;
    /* what the client speaks is not known here: a body until close is right for every version */
    struct hj_client client = {.minor_version = 0, .keep_alive = false};
    int rc = hj_fields_check(&fields, headers.base, headers.len);
    if (rc == 0 && (fields.has_content_length || fields.has_transfer_encoding))
        rc = HIJACK_EHEADER;
    if (rc == 0 && kind == HIJACK_HOLD_LONG_POLL)
        rc = HIJACK_ENOTSUP; /* the answer depends on the version that the client speaks */
    if (rc == 0)
        rc = hj_response_hold(&response, kind, headers, client, &broadcaster->server->options);
    if (rc != 0)
        return rc;
    if ((rc = hj_server_check_adopting(broadcaster->server, fd)) != 0 ||
        (rc = hj_broadcaster_joining(&joining, broadcaster, response.wire, newcomer)) != 0) {
        hj_buf_unref(response.head);
        return rc;
    }
    struct hj_command *command = hj_command_new(HJ_OP_ADOPT_MEMBER, &broadcaster->object, NULL);
    if (command == NULL) {
        hj_joining_free(joining);
        hj_buf_unref(response.head);
        return HIJACK_ENOMEM;
    }
    command->joining = joining;
    command->buf = response.head;
    command->value = response.wire;
    struct hj_worker *worker = hj_server_next_worker(broadcaster->server);
    hj_membership_begin(broadcaster, worker);
    if ((rc = hj_handover_post(worker, command, fd)) == 0)
        return 0;
    hj_membership_end(broadcaster);
    hj_command_free(command);
    return rc;
}

int hijack_broadcaster_adopt(hijack_broadcaster *handle, int fd, uint32_t kind, uint64_t user_data, const char *headers,
                             size_t headers_len, const char *first, size_t first_len, const char *position,
                             size_t position_len)
{
    struct hj_broadcaster *broadcaster;
    if ((headers == NULL && headers_len != 0) || (first == NULL && first_len != 0) ||
        (position == NULL && position_len != 0))
        return HIJACK_EINVAL;
    const struct hj_newcomer newcomer = {
        .user_data = user_data, .first = hj_slice(first, first_len), .position = hj_slice(position, position_len)};
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    rc = adopt_member(broadcaster, fd, kind, hj_slice(headers, headers_len), &newcomer);
    hj_handle_unpin(handle);
    return rc;
}

/* A command for each loop that has members; none of them when out of memory. The lock is held. */
static int make_commands(struct hj_command **out, uint32_t loops, struct hj_broadcaster *broadcaster,
                         const struct hj_command *what)
{
    uint64_t addressed = atomic_load(&broadcaster->addressed);
    for (uint32_t i = 0; i < loops; ++i) {
        out[i] = NULL;
        if ((addressed >> i & 1) == 0)
            continue;
        if ((out[i] = hj_command_new((enum hj_op)what->op, &broadcaster->object, what->other)) == NULL) {
            while (i-- > 0)
                if (out[i] != NULL)
                    hj_command_free(out[i]);
            return HIJACK_ENOMEM;
        }
        if (what->message != NULL)
            out[i]->message = hj_message_ref(what->message);
        if (what->buf != NULL)
            out[i]->buf = hj_buf_ref(what->buf);
        out[i]->value = what->value;
    }
    return 0;
}

/* Into one loop's list, after everything asked before; a loop that has ended needs nothing. */
static void post_to(struct hj_worker *worker, struct hj_server *server, struct hj_command *command)
{
    uint64_t cost = command->message == NULL ? 0 : hj_message_cost(command->message);
    atomic_fetch_add_explicit(&server->publish_waiting, cost, memory_order_relaxed);
    if (hj_worker_post(worker, command))
        return;
    atomic_fetch_sub_explicit(&server->publish_waiting, cost, memory_order_relaxed);
    hj_command_free(command);
}

/* Before start only the history gets messages: those of an earlier process, which clients that return may want. */
static int check_publishing(struct hj_broadcaster *broadcaster)
{
    int rc = hj_server_check_running(broadcaster->server);
    return rc == HIJACK_ESTATE && hj_history_of(&broadcaster->history) != NULL ? 0 : rc;
}

int hj_broadcaster_ask(struct hj_broadcaster *broadcaster, const struct hj_command *what)
{
    struct hj_server *server = broadcaster->server;
    struct hj_command *commands[HJ_MAX_LOOPS];
    int rc = what->op == HJ_OP_PUBLISH ? check_publishing(broadcaster) : hj_server_check_running(server);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&broadcaster->lock);
    const uint32_t loops = atomic_load(&broadcaster->addressed) == 0 ? 0 : server->worker_count;
    struct hj_history *history = what->op == HJ_OP_PUBLISH ? hj_history_of(&broadcaster->history) : NULL;
    if (history != NULL && !hj_history_reserve(history))
        rc = HIJACK_ENOMEM;
    if (rc == 0)
        rc = make_commands(commands, loops, broadcaster, what);
    if (rc == 0 && history != NULL)
        hj_history_add(history, what->message);
    if (rc == 0 && what->op == HJ_OP_TELL_MEMBERS) /* of several calls the last one counts, here and in the loops */
        atomic_store(&broadcaster->tells, what->value != 0);
    for (uint32_t i = 0; rc == 0 && i < loops; ++i)
        if (commands[i] != NULL)
            post_to(server->workers[i], server, commands[i]);
    pthread_mutex_unlock(&broadcaster->lock);
    return rc;
}

static bool is_too_big(const struct hj_message_parts *parts)
{
    return parts->data.len > MESSAGE_MAX || parts->event.len > MESSAGE_MAX || parts->id.len > MESSAGE_MAX ||
           parts->key.len > MESSAGE_MAX;
}

int hj_broadcaster_compose(struct hj_message **out, struct hj_broadcaster *broadcaster,
                           const struct hj_message_parts *parts)
{
    int rc = check_publishing(broadcaster);
    if (rc != 0)
        return rc;
    if (is_too_big(parts))
        return HIJACK_ETOOBIG;
    if (atomic_load_explicit(&broadcaster->server->publish_waiting, memory_order_relaxed) > HJ_PUBLISH_WAITING_MAX)
        return HIJACK_EAGAIN;
    return hj_message_new(out, &broadcaster->server->compressor, parts);
}

static int publish(struct hj_broadcaster *broadcaster, struct hj_message_parts *parts)
{
    struct hj_message *message;
    const int members = hj_broadcaster_count(broadcaster);
    parts->positioned = parts->id.base == NULL; /* a history may begin before it is posted */
    int rc = hj_broadcaster_compose(&message, broadcaster, parts);
    if (rc != 0)
        return rc;
    rc = hj_broadcaster_ask(broadcaster, &(struct hj_command){.op = HJ_OP_PUBLISH, .message = message});
    hj_message_unref(message);
    if (rc != 0)
        return rc;
    atomic_fetch_add_explicit(&broadcaster->published, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&broadcaster->server->published, 1, memory_order_relaxed);
    return members;
}

int hijack_broadcaster_publish_sse(hijack_broadcaster *handle, const char *event, size_t event_len, const char *id,
                                   size_t id_len, const char *data, size_t data_len, const char *key, size_t key_len,
                                   int64_t retry_ms)
{
    struct hj_broadcaster *broadcaster;
    if ((event == NULL && event_len != 0) || (id == NULL && id_len != 0) || (data == NULL && data_len != 0) ||
        (key == NULL && key_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    struct hj_message_parts parts = {.event = hj_slice(event, event_len),
                                     .id = hj_slice(id, id_len),
                                     .data = hj_slice(data, data_len),
                                     .key = hj_slice(key, key_len),
                                     .retry_ms = retry_ms};
    rc = publish(broadcaster, &parts);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_publish(hijack_broadcaster *handle, uint32_t type, const char *data, size_t len)
{
    struct hj_broadcaster *broadcaster;
    if ((type != HIJACK_MESSAGE_TEXT && type != HIJACK_MESSAGE_BINARY) || (data == NULL && len != 0))
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    struct hj_message_parts parts = {
        .data = hj_slice(data, len), .retry_ms = -1, .binary = type == HIJACK_MESSAGE_BINARY};
    rc = publish(broadcaster, &parts);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_close(hijack_broadcaster *handle)
{
    struct hj_broadcaster *broadcaster;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    if (hj_server_check_running(broadcaster->server) == 0)
        rc = hj_broadcaster_ask(broadcaster, &(struct hj_command){.op = HJ_OP_CLOSE_MEMBERS});
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_count(hijack_broadcaster *handle)
{
    struct hj_broadcaster *broadcaster;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    rc = hj_broadcaster_count(broadcaster);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_position(char *out, size_t out_size, hijack_broadcaster *handle)
{
    struct hj_broadcaster *broadcaster;
    char text[HJ_POSITION_SIZE];
    if (out == NULL && out_size != 0)
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    struct hj_history *history = hj_history_of(&broadcaster->history);
    rc = HIJACK_ESTATE;
    if (history != NULL) {
        pthread_mutex_lock(&broadcaster->lock);
        rc = hj_history_position(text, history, history->newest);
        pthread_mutex_unlock(&broadcaster->lock);
        if (out != NULL && (size_t)rc >= out_size)
            rc = HIJACK_ETOOBIG;
        else if (out != NULL)
            memcpy(out, text, (size_t)rc + 1);
    }
    hj_handle_unpin(handle);
    return rc;
}

int hijack_broadcaster_stats(uint64_t *out, uint32_t count, hijack_broadcaster *handle)
{
    struct hj_broadcaster *broadcaster;
    if (out == NULL && count != 0)
        return HIJACK_EINVAL;
    int rc = hj_broadcaster_pin(&broadcaster, handle);
    if (rc != 0)
        return rc;
    uint64_t values[HIJACK_BROADCASTER_STAT_COUNT] = {
        [HIJACK_BROADCASTER_STAT_MEMBERS] = atomic_load(&broadcaster->members),
        [HIJACK_BROADCASTER_STAT_PUBLISHED] = atomic_load(&broadcaster->published),
        [HIJACK_BROADCASTER_STAT_DELIVERED] = atomic_load(&broadcaster->delivered),
        [HIJACK_BROADCASTER_STAT_DROPPED] = atomic_load(&broadcaster->dropped),
        [HIJACK_BROADCASTER_STAT_CLOSED] = atomic_load(&broadcaster->closed),
    };
    for (uint32_t i = 0; i < count && i < HIJACK_BROADCASTER_STAT_COUNT; ++i)
        out[i] = values[i];
    hj_handle_unpin(handle);
    return HIJACK_BROADCASTER_STAT_COUNT;
}

void hijack_broadcaster_free(hijack_broadcaster *handle)
{
    struct hj_broadcaster *broadcaster;
    if (hj_broadcaster_pin(&broadcaster, handle) != 0)
        return;
    hj_handle_kill(handle);
    hj_handle_unpin(handle);
}
