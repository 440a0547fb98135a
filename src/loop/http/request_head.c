/* Reading request heads; see reading.h. Loop thread.
 *
 * Each head passes the strict parser before anything else sees it. A held route is answered here, and its connection
 * costs its table entry from the first to the last byte; everything else goes to libh2o, which reads it whole. */
#include "loop/http/request_head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "codec/response_head.h"
#include "core/request.h"
#include "loop/held/holding.h"
#include "loop/http/http2.h"
#include "loop/io/writer.h"

const struct hj_route *hj_reading_route(const struct hj_server *server, struct hj_slice path)
{
    return hj_route_find(server, path);
}

bool hj_reading_is_held(const struct hj_route *route, const struct hj_head *head)
{
    if (route == NULL || route->broadcaster == NULL || head->chunked || head->content_length != 0)
        return false;
    return hj_slice_equal(head->method, HJ_SLICE("GET")) || hj_slice_equal(head->method, HJ_SLICE("HEAD"));
}

void hj_reading_refuse(struct hj_loop *loop, struct hj_conn *conn, unsigned status, const char *problem)
{
    char body[256];
    char date[HJ_HTTP_DATE_LEN];
    struct hj_buf *head;
    int len = snprintf(body, sizeof(body), "%u %s: %s\n", status, hj_status_reason(status), problem);
    hj_http_date(date, time(NULL));
    struct hj_response_head response = {
        .status = status,
        .headers = HJ_SLICE("Content-Type: text/plain; charset=utf-8\r\n"),
        .with_length = true,
        .length = (uint64_t)len,
        .connection = HJ_CONNECTION_CLOSE,
        .date = hj_slice(date, sizeof(date)),
    };
    if (status != 500 && status != 503) /* those are not the client's doing */
        hj_worker_count(loop, HIJACK_STAT_BAD_REQUESTS, 1);
    if (hj_response_head_encode(&head, &response) == 0) {
        /* a connection that cannot take this little has a peer that does not read: it goes without an answer */
        hj_writer_try(conn->fd, head->data, head->len);
        if (conn->request == NULL || !conn->request->is_head)
            hj_writer_try(conn->fd, body, (size_t)len);
        hj_buf_unref(head);
    }
    hj_conn_close_in_order(loop, conn, status == 408 ? HIJACK_ETIMEDOUT : status == 503 ? HIJACK_ESHUTDOWN : 0, true);
}

enum step {
    STEP_MORE, /* needs more bytes */
    STEP_NEXT, /* a head was dealt with, and the connection reads on */
    STEP_HELD, /* the connection is held now; what follows matters if it will serve requests again */
    STEP_HTTP, /* a request for libh2o */
    STEP_GONE  /* refused or closed */
};

/* How many of the bytes libh2o needs to read this request. What follows waits with us: a long pipeline would otherwise
 * be copied whole for each of its requests. */
static size_t request_size(const struct hj_head *head, size_t head_len, size_t len)
{
    if (head->chunked)
        return len;
    return head->content_length < len - head_len ? head_len + (size_t)head->content_length : len;
}

/* Looks at one head in data; *used bytes of it are the head's, or libh2o's. */
static enum step take_head(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len, size_t scanned,
                           size_t *used)
{
    struct hj_head head;
    int n = hj_head_parse(&head, data, len, scanned, loop->server->options.max_head_bytes);
    if (n == 0)
        return STEP_MORE;
    if (n < 0) {
        hj_reading_refuse(loop, conn, (unsigned)-n, head.problem);
        return STEP_GONE;
    }
    if (head.content_length > loop->server->options.max_body_bytes) {
        hj_reading_refuse(loop, conn, 413, "the body is over the limit (option max_body_bytes)");
        return STEP_GONE;
    }
    const struct hj_route *route = hj_reading_route(loop->server, head.path);
    if (!hj_reading_is_held(route, &head)) {
        *used = request_size(&head, (size_t)n, len);
        return STEP_HTTP;
    }
    *used = (size_t)n;
    uint32_t generation = conn->generation;
    struct hj_client client = {head.minor_version, head.keep_alive};
    bool is_head = hj_slice_equal(head.method, HJ_SLICE("HEAD"));
    if (hj_holding_route(loop, conn, route, client, is_head))
        return STEP_NEXT;
    return conn->generation == generation && conn->kind == HJ_CONN_HELD ? STEP_HELD : STEP_GONE;
}

/* Works through the heads in data. *done bytes are dealt with; with STEP_HTTP the next *http bytes are libh2o's. */
static enum step take_heads(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len, size_t scanned,
                            size_t *done, size_t *http)
{
    enum step step = STEP_MORE;
    *done = *http = 0;
    while (*done < len) {
        size_t used = 0;
        step = take_head(loop, conn, data + *done, len - *done, scanned, &used);
        if (step == STEP_HTTP) {
            *http = used;
            return step;
        }
        *done += used;
        if (step != STEP_NEXT)
            return step;
        scanned = 0;
        step = STEP_MORE;
    }
    return step;
}

/* Whether bytes after the last head are kept. */
static bool wants_rest(const struct hj_conn *conn, enum step step)
{
    return step == STEP_MORE || step == STEP_HTTP || (step == STEP_HELD && (conn->flags & HJ_CONN_KEEP_ALIVE) != 0);
}

void hj_reading_process(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_input *input = conn->input;
    size_t done, http;
    if (input == NULL)
        return;
    const char *data = input->data + input->start;
    conn->input = NULL;
    enum step step = take_heads(loop, conn, data, input->len, input->scanned, &done, &http);
    input->start += (uint32_t)(done + http);
    input->len -= (uint32_t)(done + http);
    input->scanned = step == STEP_MORE ? input->len : 0;
    struct hj_input *rest = step != STEP_GONE && input->len != 0 && wants_rest(conn, step) ? input : NULL;
    if (step == STEP_HTTP)
        hj_http_begin(loop, conn, data + done, http, rest);
    else if (rest != NULL)
        conn->input = rest;
    if (rest == NULL)
        free(input);
}

/* The same for bytes that were just read, which is the usual case: nothing is copied but what must wait. */
static void process_scratch(struct hj_loop *loop, struct hj_conn *conn, size_t len)
{
    const char *data = loop->scratch;
    size_t done, http;
    enum step step = take_heads(loop, conn, data, len, 0, &done, &http);
    if (step == STEP_GONE)
        return;
    size_t used = done + http;
    if (step == STEP_HELD && len - used > loop->server->options.max_head_bytes)
        conn->flags &= (uint16_t)~HJ_CONN_KEEP_ALIVE; /* so much is not worth keeping for the next request */
    if (wants_rest(conn, step) && !hj_conn_keep_input(conn, data + used, len - used)) {
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    struct hj_input *rest = conn->input;
    if (step == STEP_HTTP) {
        conn->input = NULL;
        hj_http_begin(loop, conn, data + done, http, rest);
    } else if (rest != NULL && step == STEP_MORE) {
        rest->scanned = rest->len;
    }
}

void hj_reading_input(struct hj_loop *loop, struct hj_conn *conn)
{
    ssize_t n = recv(conn->fd, loop->scratch, HJ_SCRATCH_SIZE, MSG_DONTWAIT);
    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        /* the wait between two requests ends like this in the normal case */
        bool idle = (conn->flags & HJ_CONN_REUSED) != 0 && conn->input == NULL;
        hj_conn_close(loop, conn, idle ? 0 : n == 0 ? HIJACK_ECLOSED : HIJACK_ERESET);
        return;
    }
    hj_worker_count(loop, HIJACK_STAT_BYTES_IN, (uint64_t)n);
    if ((conn->flags & HJ_CONN_REUSED) != 0 && conn->input == NULL)
        conn->in_ms = hj_loop_time(loop); /* the next head begins now */
    if (conn->input != NULL) {
        if (hj_conn_keep_input(conn, loop->scratch, (size_t)n))
            hj_reading_process(loop, conn);
        else
            hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    process_scratch(loop, conn, (size_t)n);
}
