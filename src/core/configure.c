/* What is settled before a server starts: options, addresses, routes, queues. Any thread, under the server's lock. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/broadcaster.h"
#include "core/identity.h"
#include "core/listener.h"
#include "core/response.h"
#include "core/server.h"
#include "core/websocket.h"

#define QUEUE (1u << HJ_KIND_QUEUE)

/* Pins and locks a server that has not started. */
static int lock_new_server(struct hj_server **out, hijack_server *handle)
{
    int rc = hj_server_pin(out, handle);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&(*out)->lock);
    if (atomic_load(&(*out)->state) == HJ_SERVER_NEW)
        return 0;
    pthread_mutex_unlock(&(*out)->lock);
    hj_handle_unpin(handle);
    return HIJACK_ESTATE;
}

static int unlock_server(struct hj_server *server, hijack_server *handle, int rc)
{
    pthread_mutex_unlock(&server->lock);
    hj_handle_unpin(handle);
    return rc;
}

int hijack_server_set(hijack_server *handle, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct hj_server *server;
    if ((name == NULL && name_len != 0) || (value == NULL && value_len != 0))
        return HIJACK_EINVAL;
    int rc = lock_new_server(&server, handle);
    if (rc != 0)
        return rc;
    rc = hj_option_set(&server->options, HJ_SCOPE_SERVER, hj_slice(name, name_len), hj_slice(value, value_len));
    return unlock_server(server, handle, rc);
}

int hijack_server_get(char *out, size_t out_size, hijack_server *handle, const char *name, size_t name_len)
{
    struct hj_server *server;
    if (out == NULL || (name == NULL && name_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&server->lock);
    rc = hj_option_get(out, out_size, &server->options, HJ_SCOPE_SERVER, hj_slice(name, name_len));
    return unlock_server(server, handle, rc);
}

/* The port of an address, 0 where there is none. */
static int port_of(const struct hj_address *address)
{
    if (address->sa.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->sa)->sin_port);
    if (address->sa.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address->sa)->sin6_port);
    return 0;
}

/* Whether this inherited descriptor is a listener's already: it would be closed twice. */
static bool has_descriptor(const struct hj_server *server, const struct hj_address *address)
{
    for (uint32_t i = 0; address->kind == HJ_ADDRESS_FD && i < server->listener_count; ++i)
        if (server->listeners[i].fd == address->fd)
            return true;
    return false;
}

static int add_listener(struct hj_server *server, struct hj_slice text)
{
    struct hj_listener listener = {.fd = -1, .tls = hj_slice_begins(text, HJ_SLICE("tls:"))};
    if (listener.tls && !HIJACK_TLS)
        return HIJACK_ENOTSUP;
    if (listener.tls)
        text = hj_slice_behind(text, HJ_SLICE("tls:"));
    int rc = hj_address_parse(&listener.address, text);
    if (rc != 0)
        return rc;
    if (has_descriptor(server, &listener.address))
        return HIJACK_EADDRINUSE;
    size_t size = (server->listener_count + 1) * sizeof(*server->listeners);
    struct hj_listener *listeners = realloc(server->listeners, size);
    if (listeners == NULL)
        return HIJACK_ENOMEM;
    server->listeners = listeners;
    if ((rc = hj_listener_open(&listener, &server->options)) != 0)
        return rc;
    if (hj_address_format(listener.text, sizeof(listener.text), (const struct sockaddr *)&listener.address.sa,
                          listener.address.sa_len) < 0)
        listener.text[0] = '\0';
    listeners[server->listener_count++] = listener;
    return port_of(&listener.address);
}

int hijack_server_listen(hijack_server *handle, const char *address, size_t address_len)
{
    struct hj_server *server;
    if (address == NULL)
        return HIJACK_EINVAL;
    int rc = lock_new_server(&server, handle);
    if (rc != 0)
        return rc;
    return unlock_server(server, handle, add_listener(server, hj_slice(address, address_len)));
}

int hijack_server_address(char *out, size_t out_size, hijack_server *handle, uint32_t index)
{
    struct hj_server *server;
    if (out == NULL)
        return HIJACK_EINVAL;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&server->lock);
    if (index >= server->listener_count) {
        rc = HIJACK_ERANGE;
    } else {
        const struct hj_address *address = &server->listeners[index].address;
        rc = hj_address_format(out, out_size, (const struct sockaddr *)&address->sa, address->sa_len);
    }
    return unlock_server(server, handle, rc);
}

int hijack_server_add_queue(hijack_server *handle, hijack_queue *queue_handle)
{
    struct hj_server *server;
    struct hj_queue *queue;
    int rc = lock_new_server(&server, handle);
    if (rc != 0)
        return rc;
    if ((rc = hj_handle_pin((struct hj_object **)&queue, queue_handle, QUEUE)) != 0)
        return unlock_server(server, handle, rc);
    size_t size = (server->queue_count + 1) * sizeof(struct hj_queue *);
    struct hj_queue **queues = realloc(server->queues, size);
    if (queues == NULL) {
        rc = HIJACK_ENOMEM;
    } else {
        hj_queue_use(queue);
        server->queues = queues;
        queues[server->queue_count++] = queue;
    }
    hj_handle_unpin(queue_handle);
    return unlock_server(server, handle, rc);
}

int hijack_server_route(hijack_server *handle, const char *path, size_t path_len, hijack_queue *queue_handle)
{
    struct hj_server *server;
    struct hj_queue *queue;
    struct hj_route *route;
    int rc = lock_new_server(&server, handle);
    if (rc != 0)
        return rc;
    if ((rc = hj_handle_pin((struct hj_object **)&queue, queue_handle, QUEUE)) != 0)
        return unlock_server(server, handle, rc);
    rc = hj_route_claim(&route, server, hj_slice(path, path_len));
    if (rc == 0) {
        hj_queue_use(queue);
        route->queue = queue;
    }
    hj_handle_unpin(queue_handle);
    return unlock_server(server, handle, rc);
}

/* Whether a client of a held route can say there where it goes on. */
static bool is_place(const char *text)
{
    return text[0] == '\0' || strcmp(text, "last-event-id") == 0 || hj_route_parameter(text).len != 0;
}

int hijack_server_route_set(hijack_server *handle, const char *path, size_t path_len, const char *name, size_t name_len,
                            const char *value, size_t value_len)
{
    struct hj_server *server;
    struct hj_route *route;
    struct hj_route_options checked; /* a route is made only for an option that is right */
    if ((name == NULL && name_len != 0) || (value == NULL && value_len != 0))
        return HIJACK_EINVAL;
    int rc = lock_new_server(&server, handle);
    if (rc != 0)
        return rc;
    const bool prefix = path != NULL && path_len != 0 && path[path_len - 1] == '*';
    rc = hj_option_set(&checked, HJ_SCOPE_ROUTE, hj_slice(name, name_len), hj_slice(value, value_len));
    if (rc == 0 && hj_slice_equal(hj_slice(name, name_len), HJ_SLICE("position")) && !is_place(checked.position))
        rc = HIJACK_ERANGE;
    if (rc == 0 && hj_slice_equal(hj_slice(name, name_len), HJ_SLICE("user_data")) && checked.user_data[0] != '\0' &&
        !hj_identity_is_option(checked.user_data))
        rc = HIJACK_ERANGE;
    if (rc == 0)
        rc = hj_route_make(&route, server, hj_slice(path, path_len - prefix), prefix);
    if (rc == 0)
        rc = hj_option_set(&route->set, HJ_SCOPE_ROUTE, hj_slice(name, name_len), hj_slice(value, value_len));
    return unlock_server(server, handle, rc);
}

/* Tries the head once, so that what cannot be sent is refused here and not at the first request. */
static int check_hold(struct hj_server *server, uint32_t kind, struct hj_slice headers)
{
    struct hj_fields fields;
    struct hj_response response;
    if (kind == HIJACK_HOLD_SSE_BODY)
        return HIJACK_EINVAL;
    int rc = hj_fields_check(&fields, headers.base, headers.len);
    if (rc == 0 && (fields.has_content_length || fields.has_transfer_encoding))
        rc = HIJACK_EHEADER;
    if (kind == HIJACK_HOLD_WEBSOCKET_OPEN)
        return HIJACK_EINVAL;
    if (kind == HIJACK_HOLD_WEBSOCKET)
        return rc == 0 ? hj_websocket_check_headers(headers) : rc;
    if (rc == 0)
        rc = hj_response_hold(&response, kind, headers, (struct hj_client){.minor_version = 1, .keep_alive = true},
                              &server->options);
    if (rc == 0)
        hj_buf_unref(response.head);
    return rc;
}

static int hold_route(struct hj_server *server, struct hj_slice path, uint32_t kind, struct hj_slice headers,
                      struct hj_broadcaster *broadcaster)
{
    struct hj_route *route;
    if (broadcaster->server != server)
        return HIJACK_EINVAL;
    int rc = check_hold(server, kind, headers);
    if (rc != 0)
        return rc;
    struct hj_buf *copy = hj_buf_copy(headers.base, headers.len);
    if (copy == NULL)
        return HIJACK_ENOMEM;
    if ((rc = hj_route_claim(&route, server, path)) != 0) {
        hj_buf_unref(copy);
        return rc;
    }
    hj_object_ref(&broadcaster->object);
    route->broadcaster = broadcaster;
    route->kind = kind;
    route->headers = copy;
    return 0;
}

int hijack_server_hold(hijack_server *handle, const char *path, size_t path_len, uint32_t kind, const char *headers,
                       size_t headers_len, hijack_broadcaster *broadcaster_handle)
{
    struct hj_server *server;
    struct hj_broadcaster *broadcaster;
    if (headers == NULL && headers_len != 0)
        return HIJACK_EINVAL;
    int rc = lock_new_server(&server, handle);
    if (rc != 0)
        return rc;
    if ((rc = hj_broadcaster_pin(&broadcaster, broadcaster_handle)) != 0)
        return unlock_server(server, handle, rc);
    rc = hold_route(server, hj_slice(path, path_len), kind, hj_slice(headers, headers_len), broadcaster);
    hj_handle_unpin(broadcaster_handle);
    return unlock_server(server, handle, rc);
}
