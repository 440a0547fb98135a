/* Bodies of HTTP/2 requests, while they come in; see body.h. Loop thread. */
#include "loop/http2/body.h"

#include <stdio.h>
#include <string.h>

#include "base/ascii.h"

#define FIRST_CAPACITY 4096
#define GIVE_AT (HJ_BODY_WINDOW / 4) /* bytes worth a WINDOW_UPDATE */
#define CHUNK_HEAD_MAX 7             /* "10000" and a line end */
#define CHUNK_OVERHEAD (CHUNK_HEAD_MAX + 2)
#define TRAILERS_MAX 16384 /* bytes; the decoder of chunks refuses half of that */
#define LEFT_MAX 4         /* of a session: bodies that are thrown away after their response */

static h2o_http2_conn_t *connection_of(const struct hj_http2_body *body)
{
    return body->session->sock->data;
}

struct hj_http2_body *hj_body_open(struct hj_session *session, struct hj_http2_stream *stream, uint32_t stream_id,
                                   uint64_t expected, bool chunked)
{
    struct hj_http2_body *body = calloc(1, sizeof(*body));
    if (body == NULL)
        return NULL;
    body->session = session;
    body->stream = stream;
    body->stream_id = stream_id;
    body->expected = expected;
    body->chunked = chunked;
    body->window = HJ_BODY_WINDOW;
    body->link = &session->bodies;
    if ((body->next = session->bodies) != NULL)
        body->next->link = &body->next;
    session->bodies = body;
    return body;
}

struct hj_http2_body *hj_body_find(const struct hj_session *session, uint32_t stream_id)
{
    struct hj_http2_body *body = session->bodies;
    while (body != NULL && body->stream_id != stream_id)
        body = body->next;
    return body;
}

bool hj_body_is_awaited(const struct hj_session *session)
{
    const struct hj_http2_body *body = session->bodies;
    while (body != NULL && body->stream == NULL)
        body = body->next;
    return body != NULL;
}

void hj_body_ignore(struct hj_session *session, uint32_t stream_id)
{
    session->ignored[session->next_ignored++ % HJ_IGNORED] = stream_id;
}

bool hj_body_is_ignored(const struct hj_session *session, uint32_t stream_id)
{
    for (int i = 0; i < HJ_IGNORED; ++i)
        if (session->ignored[i] == stream_id)
            return true;
    return false;
}

static void release_body(struct hj_http2_body *body)
{
    free(body->data);
    free(body->tail);
    free(body);
}

void hj_body_cut(struct hj_http2_body *body)
{
    if (body->session != NULL && (*body->link = body->next) != NULL)
        body->next->link = body->link;
    body->session = NULL;
    if (body->stream == NULL)
        release_body(body);
}

/* Room for len bytes more. */
static bool reserve_room(struct hj_http2_body *body, size_t len)
{
    if (body->len == 0)
        body->start = 0;
    if (body->data != NULL && body->start + body->len + len <= body->capacity)
        return true;
    if (body->data != NULL && body->len + len <= body->capacity) {
        memmove(body->data, body->data + body->start, body->len);
        body->start = 0;
        return true;
    }
    size_t capacity = body->capacity == 0 ? FIRST_CAPACITY : body->capacity;
    while (capacity < body->len + len)
        capacity *= 2;
    char *data = malloc(capacity);
    if (data == NULL)
        return false;
    if (body->len != 0)
        memcpy(data, body->data + body->start, body->len);
    free(body->data);
    body->data = data;
    body->start = 0;
    body->capacity = (uint32_t)capacity;
    return true;
}

/* Opens the window by what was taken out of it, if that is worth a frame. */
static void give_back(struct hj_http2_body *body)
{
    if (body->session == NULL || body->ended || body->owed < GIVE_AT)
        return;
    h2o_http2_conn_t *conn = connection_of(body);
    h2o_http2_encode_window_update_frame(&conn->_write.buf, body->stream_id, (int32_t)body->owed);
    h2o_http2_conn_request_write(conn);
    body->window += body->owed;
    body->owed = 0;
}

int hj_body_take(struct hj_http2_body *body, struct hj_slice piece, size_t frame_len)
{
    if (frame_len > body->window)
        return -H2O_HTTP2_ERROR_FLOW_CONTROL;
    body->window -= (uint32_t)frame_len;
    body->owed += (uint32_t)(frame_len - piece.len);
    body->received += piece.len;
    if (body->expected != SIZE_MAX && body->received > body->expected)
        return -H2O_HTTP2_ERROR_PROTOCOL;
    if (body->stream == NULL) {
        body->owed += (uint32_t)piece.len;
        body->thrown += piece.len;
    } else if (piece.len != 0) {
        if (!reserve_room(body, piece.len))
            return -H2O_HTTP2_ERROR_INTERNAL;
        memcpy(body->data + body->start + body->len, piece.base, piece.len);
        body->len += (uint32_t)piece.len;
    }
    give_back(body);
    return 0;
}

/* Whether a field may be a trailer: what is written between two line ends must stay there. */
static bool is_trailer(const h2o_header_t *field)
{
    struct hj_slice name = hj_slice(field->name->base, field->name->len);
    return name.len != 0 && hj_ascii_all(name, HJ_ASCII_TOKEN) &&
           hj_ascii_all(hj_slice(field->value.base, field->value.len), HJ_ASCII_VALUE);
}

static char *add_bytes(char *at, const char *data, size_t len)
{
    if (len != 0)
        memcpy(at, data, len);
    return at + len;
}

/* The last chunk and the trailers, as HTTP/1 has them. */
static int make_tail(struct hj_http2_body *body, const h2o_headers_t *trailers)
{
    size_t size = sizeof("0\r\n\r\n");
    for (size_t i = 0; i < trailers->size; ++i) {
        size += trailers->entries[i].name->len + trailers->entries[i].value.len + 4;
        if (size > TRAILERS_MAX || !is_trailer(&trailers->entries[i]))
            return -H2O_HTTP2_ERROR_PROTOCOL;
    }
    if ((body->tail = malloc(size)) == NULL)
        return -H2O_HTTP2_ERROR_INTERNAL;
    char *at = add_bytes(body->tail, "0\r\n", 3);
    for (size_t i = 0; i < trailers->size; ++i) {
        const h2o_header_t *field = &trailers->entries[i];
        at = add_bytes(at, field->name->base, field->name->len);
        at = add_bytes(at, ": ", 2);
        at = add_bytes(at, field->value.base, field->value.len);
        at = add_bytes(at, "\r\n", 2);
    }
    at = add_bytes(at, "\r\n", 2);
    body->tail_len = (uint32_t)(at - body->tail);
    return 0;
}

int hj_body_end(struct hj_http2_body *body, const h2o_headers_t *trailers)
{
    static const h2o_headers_t none;
    if (body->expected != SIZE_MAX && body->received != body->expected)
        return -H2O_HTTP2_ERROR_PROTOCOL;
    int error = body->stream != NULL && body->chunked ? make_tail(body, trailers == NULL ? &none : trailers) : 0;
    if (error != 0)
        return error;
    body->ended = true;
    hj_body_cut(body);
    return 0;
}

bool hj_body_has_unread(const struct hj_http2_body *body)
{
    return body->len != 0 || body->tail_at != body->tail_len;
}

/* The next chunk. */
static size_t read_chunk(struct hj_http2_body *body, char *data, size_t len)
{
    if (len <= CHUNK_OVERHEAD)
        return 0;
    size_t n = body->len < len - CHUNK_OVERHEAD ? body->len : len - CHUNK_OVERHEAD;
    char *at = data + snprintf(data, len, "%zx\r\n", n);
    memcpy(at, body->data + body->start, n);
    memcpy(at + n, "\r\n", 2);
    body->start += (uint32_t)n;
    body->len -= (uint32_t)n;
    body->owed += (uint32_t)n;
    return (size_t)(at - data) + n + 2;
}

static size_t read_plain(struct hj_http2_body *body, char *data, size_t len)
{
    size_t n = body->len < len ? body->len : len;
    memcpy(data, body->data + body->start, n);
    body->start += (uint32_t)n;
    body->len -= (uint32_t)n;
    body->owed += (uint32_t)n;
    return n;
}

static size_t read_tail(struct hj_http2_body *body, char *data, size_t len)
{
    size_t n = body->tail_len - body->tail_at;
    if (n > len)
        n = len;
    if (n != 0)
        memcpy(data, body->tail + body->tail_at, n);
    body->tail_at += (uint32_t)n;
    return n;
}

size_t hj_body_read(struct hj_http2_body *body, char *data, size_t len)
{
    if (body->len == 0)
        return read_tail(body, data, len);
    size_t n = body->chunked ? read_chunk(body, data, len) : read_plain(body, data, len);
    if (body->len == 0) {
        free(body->data); /* one that pauses keeps nothing */
        body->data = NULL;
        body->capacity = 0;
    }
    give_back(body);
    return n;
}

/* Tells the peer to stop, of bodies that were left the one that has been for the longest time, if there are many. */
static void drop_oldest(struct hj_session *session)
{
    struct hj_http2_body *oldest = NULL;
    h2o_http2_conn_t *conn = session->sock->data;
    int count = 0;
    for (struct hj_http2_body *body = session->bodies; body != NULL; body = body->next) {
        if (body->stream != NULL || h2o_http2_conn_get_stream(conn, body->stream_id) != NULL)
            continue;
        oldest = body;
        ++count;
    }
    if (count <= LEFT_MAX)
        return;
    h2o_http2__encode_rst_stream_frame(&conn->_write.buf, oldest->stream_id, -H2O_HTTP2_ERROR_NONE);
    h2o_http2_conn_request_write(conn);
    hj_body_ignore(session, oldest->stream_id);
    hj_body_cut(oldest);
}

void hj_body_leave(struct hj_http2_body *body, bool reset)
{
    struct hj_session *session = body->session;
    body->stream = NULL;
    free(body->data);
    body->data = NULL;
    body->owed += body->len;
    body->len = body->capacity = 0;
    if (session == NULL) {
        release_body(body);
    } else if (reset) {
        hj_body_ignore(session, body->stream_id);
        hj_body_cut(body);
    } else {
        give_back(body);
        drop_oldest(session);
    }
}
