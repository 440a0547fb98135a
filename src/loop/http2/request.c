/* HTTP/2 requests; see request.h. Loop thread.
 *
 * A request becomes the HTTP/1 head that says the same, and passes the same parser: what HTTP/1 refuses is refused here
 * in the same words. */
#include "loop/http2/request.h"

#include "base/ascii.h"
#include "codec/head.h"
#include "loop/http/refusal.h"
#include "loop/http/request_body.h"
#include "loop/http/request_head.h"
#include "loop/http2/body.h"
#include "loop/http2/session.h"
#include "loop/http2/stream.h"

/* The scratch memory of the loop, being filled. */
struct text {
    char *at, *end;
    bool full; /* it did not fit */
};

static void put(struct text *text, const char *data, size_t len)
{
    if (len > (size_t)(text->end - text->at)) {
        text->full = true;
        return;
    }
    if (len != 0)
        memcpy(text->at, data, len);
    text->at += len;
}

static void put_slice(struct text *text, struct hj_slice slice)
{
    put(text, slice.base, slice.len);
}

static struct hj_slice slice_of(h2o_iovec_t iovec)
{
    return hj_slice(iovec.base, iovec.len);
}

static void put_field(struct text *text, struct hj_slice name, struct hj_slice value)
{
    put_slice(text, name);
    put_slice(text, HJ_SLICE(": "));
    put_slice(text, value);
    put_slice(text, HJ_SLICE("\r\n"));
}

static bool is_named(const h2o_header_t *header, struct hj_slice name)
{
    return hj_slice_equal(slice_of(*header->name), name);
}

/* Fields that are about one connection of HTTP/1 (RFC 9113 section 8.2.2), or that are written here. */
static bool is_forbidden(const h2o_header_t *header)
{
    static const struct hj_slice names[] = {{"connection", 10},        {"keep-alive", 10}, {"proxy-connection", 16},
                                            {"transfer-encoding", 17}, {"upgrade", 7},     {"host", 4},
                                            {"content-length", 14}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i)
        if (is_named(header, names[i]))
            return true;
    return false;
}

/* Cookies may come in pieces, and are one field everywhere else (RFC 9113 section 8.2.3). */
static void put_cookies(struct text *text, const h2o_headers_t *headers)
{
    struct hj_slice before = HJ_SLICE("cookie: ");
    for (size_t i = 0; i < headers->size; ++i) {
        if (!is_named(&headers->entries[i], HJ_SLICE("cookie")))
            continue;
        put_slice(text, before);
        put_slice(text, slice_of(headers->entries[i].value));
        before = HJ_SLICE("; ");
    }
    if (before.len == 2)
        put_slice(text, HJ_SLICE("\r\n"));
}

/* Whether the request can be written as HTTP/1 at all: no character that would end a field early. */
static bool is_well_formed(const h2o_req_t *req, bool follows)
{
    const size_t expected = hj_compat_expected_length(req);
    if (req->input.path.len == 0 || !hj_ascii_all(slice_of(req->input.path), HJ_ASCII_TARGET) ||
        req->input.method.len == 0 || !hj_ascii_all(slice_of(req->input.method), HJ_ASCII_TOKEN) ||
        !hj_ascii_all(slice_of(req->input.authority), HJ_ASCII_VALUE))
        return false;
    for (size_t i = 0; i < req->headers.size; ++i) {
        const h2o_header_t *header = &req->headers.entries[i];
        if (header->name->len == 0 || !hj_ascii_all(slice_of(*header->name), HJ_ASCII_TOKEN) ||
            !hj_ascii_all(slice_of(header->value), HJ_ASCII_VALUE) || is_forbidden(header))
            return false;
    }
    return follows || expected == SIZE_MAX || expected == 0;
}

static void put_length(struct text *text, uint64_t length)
{
    char digits[20], *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + length % 10);
        length /= 10;
    } while (length != 0);
    put_field(text, HJ_SLICE("content-length"), hj_slice(at, (size_t)(digits + sizeof(digits) - at)));
}

static void put_head(struct text *text, const h2o_req_t *req)
{
    const h2o_iovec_t *none = &(*req->conn->hosts)->authority.hostport; /* stands for no :authority */
    put_slice(text, slice_of(req->input.method));
    put_slice(text, HJ_SLICE(" "));
    put_slice(text, slice_of(req->input.path));
    put_slice(text, HJ_SLICE(" HTTP/1.1\r\n"));
    put_field(text, HJ_SLICE("host"),
              req->input.authority.base == none->base ? HJ_SLICE("") : slice_of(req->input.authority));
    for (size_t i = 0; i < req->headers.size && !text->full; ++i)
        if (!is_named(&req->headers.entries[i], HJ_SLICE("cookie")))
            put_field(text, slice_of(*req->headers.entries[i].name), slice_of(req->headers.entries[i].value));
    put_cookies(text, &req->headers);
    if (hj_compat_expected_length(req) != SIZE_MAX)
        put_length(text, hj_compat_expected_length(req));
    put_slice(text, HJ_SLICE("\r\n"));
}

/* As hj_head_parse. */
static int read_head(struct hj_head *head, struct hj_loop *loop, const h2o_req_t *req)
{
    struct text text = {loop->scratch, loop->scratch + HJ_SCRATCH_SIZE, false};
    head->problem = "the request head is too long";
    if (hj_budget_list_bytes(req) > loop->server->options.max_head_bytes)
        return -431;
    if (req->input.path.base[0] != '/' && !h2o_memis(req->input.path.base, req->input.path.len, H2O_STRLIT("*"))) {
        head->problem = "the path does not start with a slash"; /* HTTP/1 also takes a whole URL, as proxies get it */
        return -400;
    }
    put_head(&text, req);
    if (text.full)
        return -431;
    int n =
        hj_head_parse(head, loop->scratch, (size_t)(text.at - loop->scratch), 0, loop->server->options.max_head_bytes);
    head->version = HJ_SLICE("HTTP/2");
    head->http2 = true;
    head->keep_alive = head->expect_continue = false; /* the loop would write it as HTTP/1 */
    return n;
}

/* A body of which the length is not known, or of which a program may want the trailers, is read as chunks. */
static bool is_read_as_chunks(const struct hj_loop *loop, const struct hj_head *head)
{
    if (!head->has_content_length)
        return true;
    const struct hj_route *route = hj_route_find(loop->server, head->path);
    return head->content_length != 0 && hj_route_options_of(loop->server, route)->request_body == HJ_BODY_PIECES;
}

/* False when out of memory. */
static bool begin_body(struct hj_session *session, struct hj_http2_stream *stream, struct hj_head *head)
{
    const h2o_http2_stream_t *inner = hj_compat_stream_of(stream->req);
    head->chunked = is_read_as_chunks(session->loop, head);
    stream->body =
        hj_body_open(session, stream, inner->stream_id, hj_compat_expected_length(stream->req), head->chunked);
    return stream->body != NULL;
}

/* The parser of HTTP/1 heads does not see that there is a body. */
static bool awaits_continue(const struct hj_head *head)
{
    for (size_t i = 0; i < head->header_count; ++i)
        if (hj_slice_equal_lower(head->headers[i].name, HJ_SLICE("expect")) &&
            hj_slice_equal_lower(head->headers[i].value, HJ_SLICE("100-continue")))
            return true;
    return false;
}

/* Bodies are not waited for: the window of each one is open. */
static void answer_continue(struct hj_session *session, const struct hj_http2_stream *stream)
{
    hj_compat_put_continue((h2o_http2_conn_t *)stream->req->conn, stream->body->stream_id, session->table_gone);
    session->table_gone = false;
}

/* The table's entry for a request that libh2o hands over. NULL when out of memory. */
static struct hj_conn *open_entry(struct hj_session *session, h2o_req_t *req)
{
    struct hj_http2_stream *stream = hj_stream_open(session, req);
    struct hj_conn *conn = stream == NULL ? NULL : hj_conn_open_layered(session->loop, HJ_TRANSPORT_HTTP2, stream);
    if (conn == NULL) {
        if (stream != NULL)
            hj_stream_reset(stream, -H2O_HTTP2_ERROR_REFUSED_STREAM);
        else
            hj_compat_reset(req, -H2O_HTTP2_ERROR_REFUSED_STREAM);
        return NULL;
    }
    stream->entry = conn->index;
    conn->peer_ip = session->origin.peer_ip;
    conn->peer_port = session->origin.peer_port;
    conn->queue = session->origin.queue;
    conn->listener = session->origin.listener & 31u;
    return conn;
}

static void serve(struct hj_session *session, struct hj_conn *conn, struct hj_http2_stream *stream)
{
    struct hj_loop *loop = session->loop;
    struct hj_head head;
    int n = read_head(&head, loop, stream->req);
    if (n > 0 && session->follows && !begin_body(session, stream, &head)) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    if (n <= 0) {
        bool is_head = h2o_memis(stream->req->method.base, stream->req->method.len, H2O_STRLIT("HEAD"));
        hj_refusal_send_to(loop, conn, is_head, n == 0 ? 400 : (unsigned)-n,
                           n == 0 ? "the request is incomplete" : head.problem);
        return;
    }
    hj_compat_trim(stream->req); /* now, or what many requests of one read have would leave holes in the heap */
    hj_request_head_serve(loop, conn, &head, HJ_SLICE(""));
    bool reads = hj_conn_is_open(conn) && hj_request_body_is_open(conn);
    if (reads && awaits_continue(&head))
        answer_continue(session, stream);
    if (!reads && stream->body != NULL) {
        hj_body_leave(stream->body, false);
        stream->body = NULL;
    }
}

/* Over the limit of open streams, or after GOAWAY. */
static bool is_one_too_many(const struct hj_session *session, const h2o_req_t *req)
{
    const h2o_http2_conn_t *conn = (const h2o_http2_conn_t *)req->conn;
    return conn->num_streams.pull.open > session->loop->server->options.http2_streams || hj_session_refuses(session);
}

int hj_http2_request(h2o_handler_t *handler, h2o_req_t *req)
{
    struct hj_session *session = hj_compat_owner_of(req);
    struct hj_loop *loop = session->loop;
    (void)handler;
    session->handed = true;
    int error = loop->stopping || is_one_too_many(session, req) ? H2O_HTTP2_ERROR_REFUSED_STREAM
                : hj_budget_is_bomb(req)                        ? H2O_HTTP2_ERROR_ENHANCE_YOUR_CALM
                : !is_well_formed(req, session->follows)        ? H2O_HTTP2_ERROR_PROTOCOL
                                                                : 0;
    if (error != 0) {
        if (error != H2O_HTTP2_ERROR_REFUSED_STREAM)
            hj_loop_count(loop, HIJACK_STAT_BAD_REQUESTS, 1);
        session->refused += hj_budget_resets_of(req);
        hj_compat_reset(req, -error);
        return 0;
    }
    struct hj_conn *conn = open_entry(session, req);
    if (conn != NULL)
        serve(session, conn, hj_table_layer(&loop->table, conn->index));
    return 0;
}
