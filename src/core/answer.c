/* Answering a request: once, and by one of five ways. Any thread.
 *
 * Everything is checked and made before the one answer is claimed, so that a refused call leaves the request open. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/broadcaster.h"
#include "core/channel.h"
#include "core/command.h"
#include "core/membership.h"
#include "core/request.h"
#include "core/websocket.h"
#include "core/worker.h"

#define REQUEST (1u << HJ_KIND_REQUEST)

static int pin_request(struct hj_request **out, hijack_request *handle, const char *headers, size_t headers_len)
{
    if (headers == NULL && headers_len != 0)
        return HIJACK_EINVAL;
    return hj_handle_pin((struct hj_object **)out, handle, REQUEST);
}

/* Takes the one answer; false if it was taken before. */
static bool claim_answer(struct hj_request *request, enum hj_answer how)
{
    uint8_t open = HJ_ANSWER_OPEN;
    return atomic_compare_exchange_strong(&request->answer, &open, (uint8_t)how);
}

/* Claims the answer and posts the command; takes over the command. */
static int answer(struct hj_request *request, struct hj_command *command)
{
    int rc;
    /* Another thread may free the handle at CLOSED while this one answers: what it is told is that the client left. */
    if (!atomic_load(&request->gone) && claim_answer(request, HJ_ANSWER_TAKEN))
        rc = hj_worker_post(request->worker, command) ? 0 : HIJACK_ECLOSED;
    else if (atomic_load(&request->gone) && atomic_load(&request->answer) != HJ_ANSWER_TAKEN)
        rc = HIJACK_ECLOSED;
    else
        rc = HIJACK_ESTATE;
    if (rc != 0)
        hj_command_free(command);
    return rc;
}

static int post_read(struct hj_request *request, uint64_t credit)
{
    struct hj_command *command = hj_command_new(HJ_OP_REQUEST_READ, &request->object, NULL);
    if (command == NULL)
        return HIJACK_ENOMEM;
    command->value = credit;
    if (hj_worker_post(request->worker, command))
        return 0;
    hj_command_free(command);
    return HIJACK_ECLOSED;
}

/* The other end of a request; while the server drains no connection is kept. */
static struct hj_client client_of(const struct hj_request *request)
{
    struct hj_client client = request->client;
    client.keep_alive &= atomic_load(&request->server->state) == HJ_SERVER_RUNNING;
    return client;
}

static bool has_body(const struct hj_request *request, uint32_t status)
{
    return !request->is_head && !hj_status_is_bodiless(status);
}

/* Whether the connection can be given away: not while the rest of a request is on it, and never a stream of HTTP/2. */
static int check_own_connection(struct hj_request *request)
{
    if (request->client.http2)
        return HIJACK_ENOTSUP;
    return atomic_load(&request->has_body) ? HIJACK_ESTATE : 0;
}

/* Whether the answer turns the connection into a tunnel: a success has no body then, and no framing (RFC 9110 section
 * 9.3.6), so the program has to take the connection. */
static bool opens_tunnel(const struct hj_request *request, uint32_t status)
{
    return request->is_connect && status >= 200 && status <= 299;
}

/* Headers of a response whose length nobody knows. */
static int check_open_ended(struct hj_fields *fields, struct hj_slice headers)
{
    int rc = hj_response_check(fields, 200, 200, headers);
    return rc == 0 && fields->has_content_length ? HIJACK_EHEADER : rc;
}

/* Sends a whole response, which it takes over (NULL: out of memory); the connection closes after it or is kept. */
static int answer_whole(struct hj_request *request, struct hj_buf *response, bool keep_alive)
{
    struct hj_command *command = response == NULL ? NULL : hj_command_new(HJ_OP_RESPOND, &request->object, NULL);
    if (command == NULL) {
        hj_buf_unref(response);
        return HIJACK_ENOMEM;
    }
    command->buf = response;
    command->value = keep_alive;
    return answer(request, command);
}

static int respond(struct hj_request *request, uint32_t status, struct hj_slice headers, struct hj_slice body)
{
    struct hj_fields fields;
    int rc = opens_tunnel(request, status) ? HIJACK_EINVAL : hj_response_check(&fields, status, 200, headers);
    if (rc != 0)
        return rc;
    bool body_sent = has_body(request, status);
    if (fields.has_content_length && body_sent && fields.content_length != body.len)
        return HIJACK_EHEADER;
    struct hj_buf *response;
    bool keep_alive;
    rc = hj_response_whole(&response, &keep_alive, status, headers, &fields, client_of(request), body_sent, body,
                           &request->server->options);
    return rc != 0 ? rc : answer_whole(request, response, keep_alive);
}

int hijack_request_respond(hijack_request *handle, uint32_t status, const char *headers, size_t headers_len,
                           const char *body, size_t body_len)
{
    struct hj_request *request;
    if (body == NULL && body_len != 0)
        return HIJACK_EINVAL;
    int rc = pin_request(&request, handle, headers, headers_len);
    if (rc != 0)
        return rc;
    rc = respond(request, status, hj_slice(headers, headers_len), hj_slice(body, body_len));
    hj_handle_unpin(handle);
    return rc;
}

/* Gives the request's connection to a new channel; takes over response->head. */
static int become_channel(void *out, struct hj_request *request, enum hj_kind kind, enum hj_op op,
                          struct hj_response *response, bool body, uint64_t room)
{
    struct hj_channel *channel;
    int rc = hj_channel_new(&channel, kind, response->own_window, request->worker, request->queue,
                            atomic_load(&request->object.user_data));
    if (rc != 0) {
        hj_buf_unref(response->head);
        return rc;
    }
    channel->wire = (uint8_t)response->wire;
    channel->discard = !body;
    channel->keep_alive = response->keep_alive;
    channel->keeps_window = response->keeps_window;
    channel->half_closes = response->half_closes;
    if (kind == HJ_KIND_STREAM)
        atomic_store(&channel->room, room);
    struct hj_command *command = hj_command_new(op, &request->object, &channel->object);
    if (command == NULL) {
        hj_buf_unref(response->head);
        rc = HIJACK_ENOMEM;
    } else {
        command->buf = response->head;
        rc = answer(request, command);
    }
    if (rc != 0)
        hj_channel_discard(channel);
    else
        hj_channel_give(out, channel);
    return rc;
}

static int stream(hijack_stream **out, struct hj_request *request, uint32_t status, struct hj_slice headers)
{
    struct hj_fields fields;
    struct hj_response response;
    bool body = has_body(request, status);
    int rc = opens_tunnel(request, status) ? HIJACK_EINVAL : hj_response_check(&fields, status, 200, headers);
    if (rc == 0)
        rc = hj_response_stream(&response, status, headers, &fields, client_of(request), body,
                                &request->server->options);
    if (rc != 0)
        return rc;
    uint64_t room = body && fields.has_content_length ? fields.content_length : HJ_NO_LENGTH;
    return become_channel(out, request, HJ_KIND_STREAM, HJ_OP_STREAM, &response, body, room);
}

int hijack_request_stream(hijack_stream **out, hijack_request *handle, uint32_t status, const char *headers,
                          size_t headers_len)
{
    struct hj_request *request;
    if (out == NULL)
        return HIJACK_EINVAL;
    int rc = pin_request(&request, handle, headers, headers_len);
    if (rc != 0)
        return rc;
    rc = stream(out, request, status, hj_slice(headers, headers_len));
    hj_handle_unpin(handle);
    return rc;
}

int hijack_request_sse(hijack_stream **out, hijack_request *handle, const char *headers, size_t headers_len)
{
    struct hj_request *request;
    struct hj_response response;
    struct hj_fields fields;
    if (out == NULL)
        return HIJACK_EINVAL;
    int rc = pin_request(&request, handle, headers, headers_len);
    if (rc != 0)
        return rc;
    rc = opens_tunnel(request, 200) ? HIJACK_EINVAL : check_open_ended(&fields, hj_slice(headers, headers_len));
    if (rc == 0)
        rc = hj_response_sse(&response, hj_slice(headers, headers_len), client_of(request), &request->server->options);
    if (rc == 0)
        rc = become_channel(out, request, HJ_KIND_STREAM, HJ_OP_STREAM, &response, !request->is_head, HJ_NO_LENGTH);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_request_hijack(hijack_socket **out, hijack_request *handle)
{
    struct hj_request *request;
    if (out == NULL)
        return HIJACK_EINVAL;
    int rc = pin_request(&request, handle, NULL, 0);
    if (rc != 0)
        return rc;
    struct hj_response response = {.wire = HJ_WIRE_RAW};
    rc = check_own_connection(request);
    if (rc == 0)
        rc = become_channel(out, request, HJ_KIND_SOCKET, HJ_OP_HIJACK, &response, true, HJ_NO_LENGTH);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_request_hijack_partial(hijack_socket **out, hijack_request *handle, uint32_t status, const char *headers,
                                  size_t headers_len)
{
    struct hj_request *request;
    struct hj_response response;
    struct hj_fields fields;
    if (out == NULL)
        return HIJACK_EINVAL;
    int rc = pin_request(&request, handle, headers, headers_len);
    if (rc != 0)
        return rc;
    rc = status < 100 || status > 999 ? HIJACK_EINVAL : hj_fields_check(&fields, headers, headers_len);
    if (rc == 0 && opens_tunnel(request, status)) {
        if (fields.has_content_length || fields.has_transfer_encoding)
            rc = HIJACK_EHEADER;
        fields.has_connection = true; /* "Connection: close" would be about the tunnel, which has no such thing */
    }
    if (rc == 0)
        rc = check_own_connection(request);
    if (rc == 0)
        rc = hj_response_hijack(&response, status, hj_slice(headers, headers_len), &fields, &request->server->options);
    if (rc == 0)
        rc = become_channel(out, request, HJ_KIND_SOCKET, HJ_OP_HIJACK, &response, true, HJ_NO_LENGTH);
    hj_handle_unpin(handle);
    return rc;
}

/* The answer to a WebSocket's handshake; a client that is refused has its answer: HIJACK_EPROTOCOL. */
static int answer_handshake(struct hj_response *accepted, struct hj_request *request, struct hj_slice protocol,
                            struct hj_slice headers)
{
    struct hj_websocket_offer offer;
    struct hj_websocket_refusal refusal;
    int rc = check_own_connection(request);
    if (rc == 0)
        rc = hj_websocket_check_headers(headers);
    if (rc != 0)
        return rc;
    hj_websocket_offer_of_request(&offer, request);
    rc = hj_websocket_accept(accepted, &refusal, &offer, protocol, headers, &request->server->options);
    if (rc != HIJACK_EPROTOCOL)
        return rc;
    struct hj_buf *response = hj_response_refusal(refusal.status, refusal.problem, request->is_head);
    int refused = answer_whole(request, response, false);
    return refused != 0 ? refused : HIJACK_EPROTOCOL;
}

static struct hj_slice last_event_id(const struct hj_request *request)
{
    struct hj_slice name, value, found = HJ_SLICE("");
    const char *cursor = request->headers.base, *const end = cursor + request->headers.len;
    while (hj_fields_next(&name, &value, &cursor, end))
        if (hj_slice_equal(name, HJ_SLICE("last-event-id"))) /* the block is in lower case */
            found = value;
    return found;
}

static int hold_request(struct hj_request *request, uint32_t kind, struct hj_slice headers,
                        struct hj_broadcaster *broadcaster, struct hj_newcomer *newcomer)
{
    struct hj_response response;
    struct hj_fields fields;
    struct hj_joining *joining = NULL;
    if (broadcaster->server != request->server || kind == HIJACK_HOLD_SSE_BODY || kind == HIJACK_HOLD_WEBSOCKET_OPEN)
        return HIJACK_EINVAL;
    if (kind != HIJACK_HOLD_RAW && kind != HIJACK_HOLD_WEBSOCKET && opens_tunnel(request, 200))
        return HIJACK_EINVAL;
    int rc = check_open_ended(&fields, headers);
    if (rc == 0)
        rc = atomic_load(&request->has_body) ? HIJACK_ESTATE : 0;
    if (rc == 0 && newcomer->position.len != 0 && hj_history_of(&broadcaster->history) == NULL)
        rc = HIJACK_ESTATE;
    if (rc == 0 && kind == HIJACK_HOLD_WEBSOCKET)
        rc = answer_handshake(&response, request, HJ_SLICE(""), headers);
    else if (rc == 0 && kind == HIJACK_HOLD_LONG_POLL && request->is_head)
        rc = hj_response_stream(&response, 200, headers, &fields, client_of(request), false, &request->server->options);
    else if (rc == 0)
        rc = hj_response_hold(&response, kind, headers, client_of(request), &request->server->options);
    if (rc != 0)
        return rc;
    newcomer->clients = last_event_id(request);
    rc = hj_broadcaster_joining(&joining, broadcaster, response.wire, newcomer);
    struct hj_command *command = rc != 0 ? NULL : hj_command_new(HJ_OP_HOLD, &request->object, &broadcaster->object);
    if (command == NULL) {
        hj_joining_free(joining);
        hj_buf_unref(response.head);
        return rc != 0 ? rc : HIJACK_ENOMEM;
    }
    command->joining = joining;
    command->buf = response.head;
    command->value = hj_response_how(&response);
    if (request->is_head) /* which gets the head alone */
        return answer(request, command);
    hj_membership_begin(broadcaster, request->worker);
    rc = answer(request, command);
    if (rc != 0)
        hj_membership_end(broadcaster);
    return rc;
}

int hijack_request_websocket(hijack_socket **out, hijack_request *handle, const char *protocol, size_t protocol_len,
                             const char *headers, size_t headers_len)
{
    struct hj_request *request;
    struct hj_response response;
    if (out == NULL || (protocol == NULL && protocol_len != 0))
        return HIJACK_EINVAL;
    int rc = pin_request(&request, handle, headers, headers_len);
    if (rc != 0)
        return rc;
    rc = answer_handshake(&response, request, hj_slice(protocol, protocol_len), hj_slice(headers, headers_len));
    if (rc == 0)
        rc = become_channel(out, request, HJ_KIND_SOCKET, HJ_OP_HIJACK, &response, true, HJ_NO_LENGTH);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_request_hold(hijack_request *handle, hijack_broadcaster *broadcaster_handle, uint32_t kind,
                        uint64_t user_data, const char *headers, size_t headers_len, const char *first,
                        size_t first_len, const char *position, size_t position_len)
{
    struct hj_request *request;
    struct hj_broadcaster *broadcaster;
    if ((first == NULL && first_len != 0) || (position == NULL && position_len != 0))
        return HIJACK_EINVAL;
    struct hj_newcomer newcomer = {
        .user_data = user_data, .first = hj_slice(first, first_len), .position = hj_slice(position, position_len)};
    int rc = pin_request(&request, handle, headers, headers_len);
    if (rc != 0)
        return rc;
    rc = hj_broadcaster_pin(&broadcaster, broadcaster_handle);
    if (rc == 0) {
        rc = hold_request(request, kind, hj_slice(headers, headers_len), broadcaster, &newcomer);
        hj_handle_unpin(broadcaster_handle);
    }
    hj_handle_unpin(handle);
    return rc;
}

/* Ends a pinned handle; a request that was not answered is refused, the rest of its body thrown away. */
static void free_handle(struct hj_request *request)
{
    if (!hj_handle_kill(request->object.handle))
        return;
    if (claim_answer(request, HJ_ANSWER_NEVER) || atomic_load(&request->has_body))
        hj_mailbox_push_freed(&request->worker->mailbox, &request->object);
}

void hijack_request_free(hijack_request *handle)
{
    struct hj_request *request;
    if (pin_request(&request, handle, NULL, 0) != 0)
        return;
    free_handle(request);
    hj_handle_unpin(handle);
}

bool hj_request_event_hook(struct hj_event *event, enum hj_event_end end)
{
    if (end == HJ_EVENT_DROPPED)
        hijack_request_free(event->object->handle);
    return true;
}

int hijack_request_read(hijack_request *handle, uint64_t credit)
{
    struct hj_request *request;
    if (credit == 0)
        return HIJACK_EINVAL;
    int rc = pin_request(&request, handle, NULL, 0);
    if (rc != 0)
        return rc;
    if (!request->in_pieces)
        rc = HIJACK_ESTATE;
    else if (atomic_load(&request->gone))
        rc = HIJACK_ECLOSED;
    else if (atomic_load(&request->has_body))
        rc = post_read(request, credit);
    hj_handle_unpin(handle);
    return rc;
}
