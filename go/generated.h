/* SPDX-License-Identifier: MIT
 * Code made by bindings/generate from include/hijack/hijack.h. Do not edit.
 * The library's functions with handles as uint64_t, and strings of Go as texts. */
#ifndef HJ_GO_GENERATED_H
#define HJ_GO_GENERATED_H

#include <hijack/hijack.h>

#define HJ_GO static inline __attribute__((unused))

/* hijack_event, with the handle as a number. */
typedef struct hj_go_event {
    uint64_t user_data;
    uint64_t handle;
    const char *data;
    uint64_t len;
    uint32_t type;
    int32_t status;
} hj_go_event;

HJ_GO uint32_t hj_go_version(void)
{
    return hijack_version();
}

HJ_GO const char *hj_go_version_string(void)
{
    return hijack_version_string();
}

HJ_GO int hj_go_check_version(uint32_t header_version)
{
    return hijack_check_version(header_version);
}

HJ_GO const char *hj_go_strerror(int code)
{
    return hijack_strerror(code);
}

HJ_GO const char *hj_go_errname(int code)
{
    return hijack_errname(code);
}

HJ_GO const char *hj_go_event_name(uint32_t type)
{
    return hijack_event_name(type);
}

HJ_GO uint64_t hj_go_hash(_GoString_ text)
{
    return hijack_hash(_GoStringPtr(text), _GoStringLen(text));
}

HJ_GO int hj_go_sse_encode(char *out, size_t out_size, _GoString_ event, _GoString_ id, _GoString_ data,
        int64_t retry_ms)
{
    return hijack_sse_encode(out, out_size, _GoStringPtr(event), _GoStringLen(event), _GoStringPtr(id),
        _GoStringLen(id), _GoStringPtr(data), _GoStringLen(data), retry_ms);
}

HJ_GO const char *hj_go_options(void)
{
    return hijack_options();
}

HJ_GO int hj_go_handle_set_user_data(uint64_t handle, uint64_t user_data)
{
    return hijack_handle_set_user_data((void *)(uintptr_t)handle, user_data);
}

HJ_GO int hj_go_handle_user_data(uint64_t *out, uint64_t handle)
{
    return hijack_handle_user_data(out, (void *)(uintptr_t)handle);
}

HJ_GO int hj_go_queue_new(uint64_t *out)
{
    hijack_queue *made = NULL;
    int result = hijack_queue_new(&made);
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_queue_set(uint64_t queue, _GoString_ name, _GoString_ value)
{
    return hijack_queue_set((hijack_queue *)(uintptr_t)queue, _GoStringPtr(name), _GoStringLen(name),
        _GoStringPtr(value), _GoStringLen(value));
}

HJ_GO int hj_go_queue_fd(uint64_t queue)
{
    return hijack_queue_fd((hijack_queue *)(uintptr_t)queue);
}

HJ_GO int hj_go_queue_poll(hj_go_event *out, uint64_t queue, uint32_t max, int timeout_ms)
{
    return hijack_queue_poll((hijack_event *)out, (hijack_queue *)(uintptr_t)queue, max, timeout_ms);
}

HJ_GO int hj_go_queue_wake(uint64_t queue)
{
    return hijack_queue_wake((hijack_queue *)(uintptr_t)queue);
}

HJ_GO void hj_go_queue_free(uint64_t queue)
{
    hijack_queue_free((hijack_queue *)(uintptr_t)queue);
}

HJ_GO int hj_go_server_new(uint64_t *out, uint64_t queue)
{
    hijack_server *made = NULL;
    int result = hijack_server_new(&made, (hijack_queue *)(uintptr_t)queue);
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_server_set(uint64_t server, _GoString_ name, _GoString_ value)
{
    return hijack_server_set((hijack_server *)(uintptr_t)server, _GoStringPtr(name), _GoStringLen(name),
        _GoStringPtr(value), _GoStringLen(value));
}

HJ_GO int hj_go_server_get(char *out, size_t out_size, uint64_t server, _GoString_ name)
{
    return hijack_server_get(out, out_size, (hijack_server *)(uintptr_t)server, _GoStringPtr(name), _GoStringLen(name));
}

HJ_GO int hj_go_server_listen(uint64_t server, _GoString_ address)
{
    return hijack_server_listen((hijack_server *)(uintptr_t)server, _GoStringPtr(address), _GoStringLen(address));
}

HJ_GO int hj_go_server_address(char *out, size_t out_size, uint64_t server, uint32_t index)
{
    return hijack_server_address(out, out_size, (hijack_server *)(uintptr_t)server, index);
}

HJ_GO int hj_go_server_add_queue(uint64_t server, uint64_t queue)
{
    return hijack_server_add_queue((hijack_server *)(uintptr_t)server, (hijack_queue *)(uintptr_t)queue);
}

HJ_GO int hj_go_server_route(uint64_t server, _GoString_ path, uint64_t queue)
{
    return hijack_server_route((hijack_server *)(uintptr_t)server, _GoStringPtr(path), _GoStringLen(path),
        (hijack_queue *)(uintptr_t)queue);
}

HJ_GO int hj_go_server_certificate(uint64_t server, _GoString_ chain, _GoString_ key, _GoString_ staple)
{
    return hijack_server_certificate((hijack_server *)(uintptr_t)server, _GoStringPtr(chain), _GoStringLen(chain),
        _GoStringPtr(key), _GoStringLen(key), _GoStringPtr(staple), _GoStringLen(staple));
}

HJ_GO int hj_go_server_route_set(uint64_t server, _GoString_ path, _GoString_ name, _GoString_ value)
{
    return hijack_server_route_set((hijack_server *)(uintptr_t)server, _GoStringPtr(path), _GoStringLen(path),
        _GoStringPtr(name), _GoStringLen(name), _GoStringPtr(value), _GoStringLen(value));
}

HJ_GO int hj_go_server_hold(uint64_t server, _GoString_ path, uint32_t kind, _GoString_ headers, uint64_t broadcaster)
{
    return hijack_server_hold((hijack_server *)(uintptr_t)server, _GoStringPtr(path), _GoStringLen(path), kind,
        _GoStringPtr(headers), _GoStringLen(headers), (hijack_broadcaster *)(uintptr_t)broadcaster);
}

HJ_GO int hj_go_server_start(uint64_t server)
{
    return hijack_server_start((hijack_server *)(uintptr_t)server);
}

HJ_GO int hj_go_server_drain(uint64_t server, uint32_t deadline_ms)
{
    return hijack_server_drain((hijack_server *)(uintptr_t)server, deadline_ms);
}

HJ_GO int hj_go_server_stop(uint64_t server)
{
    return hijack_server_stop((hijack_server *)(uintptr_t)server);
}

HJ_GO int hj_go_server_stats(uint64_t *out, uint32_t count, uint64_t server)
{
    return hijack_server_stats(out, count, (hijack_server *)(uintptr_t)server);
}

HJ_GO const char *hj_go_server_stat_name(uint32_t index)
{
    return hijack_server_stat_name(index);
}

HJ_GO int hj_go_server_adopt(uint64_t *out, uint64_t server, int fd, _GoString_ unread)
{
    hijack_socket *made = NULL;
    int result = hijack_server_adopt(&made, (hijack_server *)(uintptr_t)server, fd, _GoStringPtr(unread),
        _GoStringLen(unread));
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_server_adopt_request(uint64_t *out, uint64_t server, int fd, _GoString_ head, _GoString_ unread)
{
    hijack_request *made = NULL;
    int result = hijack_server_adopt_request(&made, (hijack_server *)(uintptr_t)server, fd, _GoStringPtr(head),
        _GoStringLen(head), _GoStringPtr(unread), _GoStringLen(unread));
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO void hj_go_server_free(uint64_t server)
{
    hijack_server_free((hijack_server *)(uintptr_t)server);
}

HJ_GO int hj_go_request_method(const char **out, size_t *out_len, uint64_t request)
{
    return hijack_request_method(out, out_len, (hijack_request *)(uintptr_t)request);
}

HJ_GO int hj_go_request_target(const char **out, size_t *out_len, uint64_t request)
{
    return hijack_request_target(out, out_len, (hijack_request *)(uintptr_t)request);
}

HJ_GO int hj_go_request_version(const char **out, size_t *out_len, uint64_t request)
{
    return hijack_request_version(out, out_len, (hijack_request *)(uintptr_t)request);
}

HJ_GO int hj_go_request_peer(const char **out, size_t *out_len, uint64_t request)
{
    return hijack_request_peer(out, out_len, (hijack_request *)(uintptr_t)request);
}

HJ_GO int hj_go_request_headers(const char **out, size_t *out_len, uint64_t request)
{
    return hijack_request_headers(out, out_len, (hijack_request *)(uintptr_t)request);
}

HJ_GO int hj_go_request_header(const char **out, size_t *out_len, uint64_t request, _GoString_ name, uint32_t index)
{
    return hijack_request_header(out, out_len, (hijack_request *)(uintptr_t)request, _GoStringPtr(name),
        _GoStringLen(name), index);
}

HJ_GO int hj_go_request_body(const char **out, size_t *out_len, uint64_t request)
{
    return hijack_request_body(out, out_len, (hijack_request *)(uintptr_t)request);
}

HJ_GO int hj_go_request_respond(uint64_t request, uint32_t status, _GoString_ headers, _GoString_ body)
{
    return hijack_request_respond((hijack_request *)(uintptr_t)request, status, _GoStringPtr(headers),
        _GoStringLen(headers), _GoStringPtr(body), _GoStringLen(body));
}

HJ_GO int hj_go_request_stream(uint64_t *out, uint64_t request, uint32_t status, _GoString_ headers)
{
    hijack_stream *made = NULL;
    int result = hijack_request_stream(&made, (hijack_request *)(uintptr_t)request, status, _GoStringPtr(headers),
        _GoStringLen(headers));
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_request_sse(uint64_t *out, uint64_t request, _GoString_ headers)
{
    hijack_stream *made = NULL;
    int result = hijack_request_sse(&made, (hijack_request *)(uintptr_t)request, _GoStringPtr(headers),
        _GoStringLen(headers));
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_request_hijack(uint64_t *out, uint64_t request)
{
    hijack_socket *made = NULL;
    int result = hijack_request_hijack(&made, (hijack_request *)(uintptr_t)request);
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_request_hijack_partial(uint64_t *out, uint64_t request, uint32_t status, _GoString_ headers)
{
    hijack_socket *made = NULL;
    int result = hijack_request_hijack_partial(&made, (hijack_request *)(uintptr_t)request, status,
        _GoStringPtr(headers), _GoStringLen(headers));
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_request_websocket(uint64_t *out, uint64_t request, _GoString_ protocol, _GoString_ headers)
{
    hijack_socket *made = NULL;
    int result = hijack_request_websocket(&made, (hijack_request *)(uintptr_t)request, _GoStringPtr(protocol),
        _GoStringLen(protocol), _GoStringPtr(headers), _GoStringLen(headers));
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_request_info(const char **out, size_t *out_len, uint64_t request, _GoString_ name)
{
    return hijack_request_info(out, out_len, (hijack_request *)(uintptr_t)request, _GoStringPtr(name),
        _GoStringLen(name));
}

HJ_GO int hj_go_request_read(uint64_t request, uint64_t credit)
{
    return hijack_request_read((hijack_request *)(uintptr_t)request, credit);
}

HJ_GO int hj_go_request_hold(uint64_t request, uint64_t broadcaster, uint32_t kind, uint64_t user_data,
        _GoString_ headers, _GoString_ first, _GoString_ position)
{
    return hijack_request_hold((hijack_request *)(uintptr_t)request, (hijack_broadcaster *)(uintptr_t)broadcaster,
        kind, user_data, _GoStringPtr(headers), _GoStringLen(headers), _GoStringPtr(first), _GoStringLen(first),
        _GoStringPtr(position), _GoStringLen(position));
}

HJ_GO void hj_go_request_free(uint64_t request)
{
    hijack_request_free((hijack_request *)(uintptr_t)request);
}

HJ_GO int hj_go_stream_send(uint64_t stream, _GoString_ data)
{
    return hijack_stream_send((hijack_stream *)(uintptr_t)stream, _GoStringPtr(data), _GoStringLen(data));
}

HJ_GO int hj_go_stream_send_sse(uint64_t stream, _GoString_ event, _GoString_ id, _GoString_ data, int64_t retry_ms)
{
    return hijack_stream_send_sse((hijack_stream *)(uintptr_t)stream, _GoStringPtr(event), _GoStringLen(event),
        _GoStringPtr(id), _GoStringLen(id), _GoStringPtr(data), _GoStringLen(data), retry_ms);
}

HJ_GO int hj_go_stream_send_comment(uint64_t stream, _GoString_ text)
{
    return hijack_stream_send_comment((hijack_stream *)(uintptr_t)stream, _GoStringPtr(text), _GoStringLen(text));
}

HJ_GO int hj_go_stream_finish(uint64_t stream, _GoString_ trailers)
{
    return hijack_stream_finish((hijack_stream *)(uintptr_t)stream, _GoStringPtr(trailers), _GoStringLen(trailers));
}

HJ_GO int hj_go_stream_abort(uint64_t stream)
{
    return hijack_stream_abort((hijack_stream *)(uintptr_t)stream);
}

HJ_GO void hj_go_stream_free(uint64_t stream)
{
    hijack_stream_free((hijack_stream *)(uintptr_t)stream);
}

HJ_GO int hj_go_socket_read(uint64_t socket, uint64_t credit)
{
    return hijack_socket_read((hijack_socket *)(uintptr_t)socket, credit);
}

HJ_GO int hj_go_socket_send(uint64_t socket, _GoString_ data)
{
    return hijack_socket_send((hijack_socket *)(uintptr_t)socket, _GoStringPtr(data), _GoStringLen(data));
}

HJ_GO int hj_go_socket_send_message(uint64_t socket, uint32_t type, _GoString_ data)
{
    return hijack_socket_send_message((hijack_socket *)(uintptr_t)socket, type, _GoStringPtr(data), _GoStringLen(data));
}

HJ_GO int hj_go_socket_close_message(uint64_t socket, uint32_t code, _GoString_ reason)
{
    return hijack_socket_close_message((hijack_socket *)(uintptr_t)socket, code, _GoStringPtr(reason),
        _GoStringLen(reason));
}

HJ_GO int hj_go_socket_shutdown(uint64_t socket)
{
    return hijack_socket_shutdown((hijack_socket *)(uintptr_t)socket);
}

HJ_GO int hj_go_socket_close(uint64_t socket)
{
    return hijack_socket_close((hijack_socket *)(uintptr_t)socket);
}

HJ_GO int hj_go_socket_abort(uint64_t socket)
{
    return hijack_socket_abort((hijack_socket *)(uintptr_t)socket);
}

HJ_GO int hj_go_socket_detach(uint64_t socket)
{
    return hijack_socket_detach((hijack_socket *)(uintptr_t)socket);
}

HJ_GO void hj_go_socket_free(uint64_t socket)
{
    hijack_socket_free((hijack_socket *)(uintptr_t)socket);
}

HJ_GO int hj_go_broadcaster_new(uint64_t *out, uint64_t server)
{
    hijack_broadcaster *made = NULL;
    int result = hijack_broadcaster_new(&made, (hijack_server *)(uintptr_t)server);
    if (result >= 0)
        *out = (uint64_t)(uintptr_t)made;
    return result;
}

HJ_GO int hj_go_broadcaster_set(uint64_t broadcaster, _GoString_ name, _GoString_ value)
{
    return hijack_broadcaster_set((hijack_broadcaster *)(uintptr_t)broadcaster, _GoStringPtr(name),
        _GoStringLen(name), _GoStringPtr(value), _GoStringLen(value));
}

HJ_GO int hj_go_broadcaster_add(uint64_t broadcaster, uint64_t stream_or_socket, uint64_t user_data,
        _GoString_ position)
{
    return hijack_broadcaster_add((hijack_broadcaster *)(uintptr_t)broadcaster, (void *)(uintptr_t)stream_or_socket,
        user_data, _GoStringPtr(position), _GoStringLen(position));
}

HJ_GO int hj_go_broadcaster_remove(uint64_t broadcaster, uint64_t stream_or_socket)
{
    return hijack_broadcaster_remove((hijack_broadcaster *)(uintptr_t)broadcaster, (void *)(uintptr_t)stream_or_socket);
}

HJ_GO int hj_go_broadcaster_adopt(uint64_t broadcaster, int fd, uint32_t kind, uint64_t user_data,
        _GoString_ headers, _GoString_ first, _GoString_ position)
{
    return hijack_broadcaster_adopt((hijack_broadcaster *)(uintptr_t)broadcaster, fd, kind, user_data,
        _GoStringPtr(headers), _GoStringLen(headers), _GoStringPtr(first), _GoStringLen(first),
        _GoStringPtr(position), _GoStringLen(position));
}

HJ_GO int hj_go_broadcaster_publish(uint64_t broadcaster, uint32_t type, _GoString_ data)
{
    return hijack_broadcaster_publish((hijack_broadcaster *)(uintptr_t)broadcaster, type, _GoStringPtr(data),
        _GoStringLen(data));
}

HJ_GO int hj_go_broadcaster_publish_sse(uint64_t broadcaster, _GoString_ event, _GoString_ id, _GoString_ data,
        _GoString_ key, int64_t retry_ms)
{
    return hijack_broadcaster_publish_sse((hijack_broadcaster *)(uintptr_t)broadcaster, _GoStringPtr(event),
        _GoStringLen(event), _GoStringPtr(id), _GoStringLen(id), _GoStringPtr(data), _GoStringLen(data),
        _GoStringPtr(key), _GoStringLen(key), retry_ms);
}

HJ_GO int hj_go_broadcaster_send_user(uint64_t broadcaster, uint64_t user_data, uint32_t type, _GoString_ data)
{
    return hijack_broadcaster_send_user((hijack_broadcaster *)(uintptr_t)broadcaster, user_data, type,
        _GoStringPtr(data), _GoStringLen(data));
}

HJ_GO int hj_go_broadcaster_remove_user(uint64_t broadcaster, uint64_t user_data)
{
    return hijack_broadcaster_remove_user((hijack_broadcaster *)(uintptr_t)broadcaster, user_data);
}

HJ_GO int hj_go_broadcaster_close_user(uint64_t broadcaster, uint64_t user_data)
{
    return hijack_broadcaster_close_user((hijack_broadcaster *)(uintptr_t)broadcaster, user_data);
}

HJ_GO int hj_go_broadcaster_join_user(uint64_t broadcaster, uint64_t from, uint64_t user_data)
{
    return hijack_broadcaster_join_user((hijack_broadcaster *)(uintptr_t)broadcaster,
        (hijack_broadcaster *)(uintptr_t)from, user_data);
}

HJ_GO int hj_go_broadcaster_close(uint64_t broadcaster)
{
    return hijack_broadcaster_close((hijack_broadcaster *)(uintptr_t)broadcaster);
}

HJ_GO int hj_go_broadcaster_position(char *out, size_t out_size, uint64_t broadcaster)
{
    return hijack_broadcaster_position(out, out_size, (hijack_broadcaster *)(uintptr_t)broadcaster);
}

HJ_GO int hj_go_broadcaster_count(uint64_t broadcaster)
{
    return hijack_broadcaster_count((hijack_broadcaster *)(uintptr_t)broadcaster);
}

HJ_GO int hj_go_broadcaster_stats(uint64_t *out, uint32_t count, uint64_t broadcaster)
{
    return hijack_broadcaster_stats(out, count, (hijack_broadcaster *)(uintptr_t)broadcaster);
}

HJ_GO void hj_go_broadcaster_free(uint64_t broadcaster)
{
    hijack_broadcaster_free((hijack_broadcaster *)(uintptr_t)broadcaster);
}

#endif
