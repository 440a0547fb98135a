/* What a request is made of, and reading it; answering is in answer.c. Any thread. */
#include "core/request.h"

#include <stdlib.h>

#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/worker.h"

#define REQUEST (1u << HJ_KIND_REQUEST)

static void destroy_request(struct hj_object *object)
{
    struct hj_request *request = (struct hj_request *)object;
    hj_buf_unref(request->buf);
    hj_facts_unref(request->facts);
    free(request->read);
    if (request->queue != NULL)
        hj_object_unref(&request->queue->object);
    hj_object_unref(&request->server->object);
    free(request);
}

static char *put_bytes(char *cursor, struct hj_slice text)
{
    if (text.len != 0)
        memcpy(cursor, text.base, text.len);
    return cursor + text.len;
}

static char *put_word(struct hj_slice *where, char *cursor, struct hj_slice text, char after)
{
    *where = hj_slice(cursor, text.len);
    cursor = put_bytes(cursor, text);
    *cursor = after;
    return cursor + 1;
}

static struct hj_slice scheme_of(const struct hj_request *request)
{
    return request->facts != NULL ? HJ_SLICE("https") : HJ_SLICE("http");
}

/* The flat form that hijack.h documents with HIJACK_EVENT_REQUEST. */
static struct hj_buf *flatten(struct hj_request *request, const struct hj_head *head, struct hj_slice peer,
                              size_t body_len)
{
    const struct hj_slice scheme = scheme_of(request);
    size_t len = head->method.len + head->target.len + head->version.len + peer.len + scheme.len + 4 + 2 + 2 + body_len;
    for (size_t i = 0; i < head->header_count; ++i)
        len += head->headers[i].name.len + head->headers[i].value.len + 4;
    struct hj_buf *buf = hj_buf_new(len);
    if (buf == NULL)
        return NULL;
    char *cursor = buf->data;
    cursor = put_word(&request->method, cursor, head->method, ' ');
    cursor = put_word(&request->target, cursor, head->target, ' ');
    cursor = put_word(&request->version, cursor, head->version, ' ');
    cursor = put_word(&request->peer, cursor, peer, ' ');
    cursor = put_bytes(cursor, scheme);
    cursor = put_bytes(cursor, HJ_SLICE("\r\n"));
    request->headers.base = cursor;
    for (size_t i = 0; i < head->header_count; ++i) {
        const struct hj_header *header = &head->headers[i];
        for (size_t j = 0; j < header->name.len; ++j)
            *cursor++ = hj_lower(header->name.base[j]);
        cursor = put_bytes(cursor, HJ_SLICE(": "));
        cursor = put_bytes(cursor, header->value);
        cursor = put_bytes(cursor, HJ_SLICE("\r\n"));
    }
    request->headers.len = (size_t)(cursor - request->headers.base);
    cursor = put_bytes(cursor, HJ_SLICE("\r\n"));
    request->body = hj_slice(cursor, body_len);
    return buf;
}

int hj_request_new(struct hj_request **out, struct hj_server *server, struct hj_worker *worker, struct hj_queue *queue,
                   const struct hj_head *head, struct hj_slice peer, struct hj_facts *facts, size_t body_len)
{
    struct hj_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return HIJACK_ENOMEM;
    hj_object_init(&request->object, HJ_KIND_REQUEST, destroy_request);
    atomic_store(&request->object.user_data, atomic_load(&server->object.user_data));
    hj_object_ref(&server->object);
    request->server = server;
    if (queue != NULL)
        hj_object_ref(&queue->object);
    request->queue = queue;
    request->worker = worker;
    request->facts = facts == NULL ? NULL : hj_facts_ref(facts);
    request->client = (struct hj_client){head->minor_version, head->keep_alive, head->http2};
    request->is_head = hj_slice_equal(head->method, HJ_SLICE("HEAD"));
    request->is_connect = head->connect;
    request->buf = flatten(request, head, peer, body_len);
    int rc = request->buf == NULL ? HIJACK_ENOMEM : hj_handle_new(&request->object);
    if (rc != 0) {
        hj_object_unref(&request->object);
        return rc;
    }
    *out = request;
    return 0;
}

bool hj_request_resize_body(struct hj_request *request, size_t body_len)
{
    struct hj_slice *const slices[] = {&request->method, &request->target,  &request->version,
                                       &request->peer,   &request->headers, &request->body};
    const char *before = request->buf->data;
    size_t head_len = (size_t)(request->body.base - before);
    struct hj_buf *buf = hj_buf_resize(request->buf, head_len + body_len);
    if (buf == NULL)
        return false;
    request->buf = buf;
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); ++i)
        slices[i]->base = buf->data + (slices[i]->base - before);
    request->body.len = body_len;
    return true;
}

void hj_request_end(struct hj_request *request, int status)
{
    atomic_store(&request->gone, true);
    if (request->ended)
        return;
    request->ended = true;
    if (!request->delivered) {
        hj_handle_discard(request->object.handle); /* its client left before the program heard of it */
        return;
    }
    hj_event_embed(&request->last, HIJACK_EVENT_CLOSED, &request->object, status);
    hj_outbox_push(&request->worker->outbox, request->queue, &request->last);
}

static int get(const char **out, size_t *out_len, hijack_request *handle, size_t field)
{
    struct hj_request *request;
    if (out == NULL || out_len == NULL)
        return HIJACK_EINVAL;
    int rc = hj_handle_pin((struct hj_object **)&request, handle, REQUEST);
    if (rc != 0)
        return rc;
    const struct hj_slice *slice = (const struct hj_slice *)((const char *)request + field);
    *out = slice->base;
    *out_len = slice->len;
    hj_handle_unpin(handle);
    return 0;
}

int hijack_request_method(const char **out, size_t *out_len, hijack_request *request)
{
    return get(out, out_len, request, offsetof(struct hj_request, method));
}

int hijack_request_target(const char **out, size_t *out_len, hijack_request *request)
{
    return get(out, out_len, request, offsetof(struct hj_request, target));
}

int hijack_request_version(const char **out, size_t *out_len, hijack_request *request)
{
    return get(out, out_len, request, offsetof(struct hj_request, version));
}

int hijack_request_peer(const char **out, size_t *out_len, hijack_request *request)
{
    return get(out, out_len, request, offsetof(struct hj_request, peer));
}

int hijack_request_headers(const char **out, size_t *out_len, hijack_request *request)
{
    return get(out, out_len, request, offsetof(struct hj_request, headers));
}

int hijack_request_body(const char **out, size_t *out_len, hijack_request *request)
{
    return get(out, out_len, request, offsetof(struct hj_request, body));
}

int hijack_request_header(const char **out, size_t *out_len, hijack_request *handle, const char *name, size_t name_len,
                          uint32_t index)
{
    struct hj_request *request;
    if (out == NULL || out_len == NULL || (name == NULL && name_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_handle_pin((struct hj_object **)&request, handle, REQUEST);
    if (rc != 0)
        return rc;
    struct hj_slice field, value;
    const char *cursor = request->headers.base;
    const char *end = cursor + request->headers.len;
    while (hj_fields_next(&field, &value, &cursor, end)) {
        /* the block is in lower case already */
        if (hj_slice_equal_lower(hj_slice(name, name_len), field) && index-- == 0) {
            *out = value.base;
            *out_len = value.len;
            rc = 1;
            break;
        }
    }
    hj_handle_unpin(handle);
    return rc;
}

/* Where a fact is; false: there is no such name. A fact that this connection does not have is empty. */
static bool find_fact(struct hj_slice *out, const struct hj_request *request, struct hj_slice name)
{
    *out = HJ_SLICE("");
    if (hj_slice_equal(name, HJ_SLICE("scheme"))) {
        *out = scheme_of(request);
    } else if (hj_slice_equal(name, HJ_SLICE("protocol"))) {
        *out = request->version;
    } else if (hj_slice_equal(name, HJ_SLICE("local"))) {
        if (request->listener != 0) {
            const char *text = request->server->listeners[request->listener - 1].text;
            *out = hj_slice(text, strlen(text));
        }
    } else {
        int i = 0;
        while (i < HJ_FACTS && !hj_slice_equal(name, hj_facts_names[i]))
            ++i;
        if (i < HJ_FACTS && request->facts != NULL)
            *out = request->facts->fact[i];
        return i < HJ_FACTS;
    }
    return true;
}

int hijack_request_info(const char **out, size_t *out_len, hijack_request *handle, const char *name, size_t name_len)
{
    struct hj_request *request;
    struct hj_slice fact;
    if (out == NULL || out_len == NULL || name == NULL)
        return HIJACK_EINVAL;
    int rc = hj_handle_pin((struct hj_object **)&request, handle, REQUEST);
    if (rc != 0)
        return rc;
    if (!find_fact(&fact, request, hj_slice(name, name_len))) {
        rc = HIJACK_EOPTION;
    } else if (fact.len != 0) {
        *out = fact.base;
        *out_len = fact.len;
        rc = 1;
    }
    hj_handle_unpin(handle);
    return rc;
}
