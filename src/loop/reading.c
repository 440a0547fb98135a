/* Reading request heads; see reading.h. Loop thread.
 *
 * Each head passes the strict parser before anything else sees it. A held route is answered here, and its connection
 * costs its table entry from the first to the last byte; everything else goes to libh2o, which reads it whole. */
#include "loop/reading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/response.h"
#include "loop/holding.h"
#include "loop/http.h"
#include "loop/writer.h"

const struct hj_route *hj_reading_route(const struct hj_server *server, struct hj_slice path)
{
    for (uint32_t i = 0; i < server->route_count; ++i) {
        const struct hj_route *route = &server->routes[i];
        if (hj_slice_equal(hj_slice(route->path, route->path_len), path))
            return route;
    }
    return NULL;
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
        hj_loop_count(loop, HIJACK_STAT_BAD_REQUESTS, 1);
    if (hj_response_head_encode(&head, &response) == 0) {
        /* a connection that cannot take this little has a peer that does not read: it goes without an answer */
        hj_writer_try(conn->fd, head->data, head->len);
        hj_writer_try(conn->fd, body, (size_t)len);
        hj_buf_unref(head);
    }
    hj_conn_close_in_order(loop, conn, status == 408 ? HIJACK_ETIMEDOUT : status == 503 ? HIJACK_ESHUTDOWN : 0, true);
}

enum step {
    STEP_MORE, /* needs more bytes */
    STEP_NEXT, /* a head was dealt with, and the connection reads on */
    STEP_GONE  /* the connection is READING no more */
};

/* Looks at one head in data; *used bytes of it are done with when STEP_NEXT or the connection is held. */
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
    const struct hj_route *route = hj_reading_route(loop->server, head.path);
    if (head.content_length > loop->server->options.max_body_bytes) {
        hj_reading_refuse(loop, conn, 413, "the body is over the limit (option max_body_bytes)");
        return STEP_GONE;
    }
    if (!hj_reading_is_held(route, &head)) {
        hj_http_begin(loop, conn, data, len);
        return STEP_GONE;
    }
    *used = (size_t)n;
    struct hj_client client = {head.minor_version, head.keep_alive};
    bool is_head = hj_slice_equal(head.method, HJ_SLICE("HEAD"));
    return hj_holding_route(loop, conn, route, client, is_head) ? STEP_NEXT : STEP_GONE;
}

/* Works through the heads in data. Returns how many bytes at its end are to be kept as the connection's input. */
static size_t process(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len, size_t scanned)
{
    uint32_t generation = conn->generation;
    while (len != 0) {
        size_t used = 0;
        enum step step = take_head(loop, conn, data, len, scanned, &used);
        if (conn->generation != generation || conn->kind == HJ_CONN_LINGERING)
            return 0;
        data += used;
        len -= used;
        scanned = 0;
        if (step == STEP_MORE)
            return len;
        /* a held member's further bytes matter only where the connection will serve requests again */
        if (step == STEP_GONE)
            return (conn->flags & HJ_CONN_KEEP_ALIVE) != 0 ? len : 0;
    }
    return 0;
}

void hj_reading_process(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_input *input = conn->input;
    if (input == NULL)
        return;
    conn->input = NULL;
    size_t left = process(loop, conn, input->data + input->start, input->len, input->scanned);
    if (left == 0) {
        free(input);
        return;
    }
    input->start += input->len - (uint32_t)left;
    input->len = (uint32_t)left;
    input->scanned = conn->kind == HJ_CONN_READING ? (uint32_t)left : 0;
    conn->input = input;
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
    hj_loop_count(loop, HIJACK_STAT_BYTES_IN, (uint64_t)n);
    if ((conn->flags & HJ_CONN_REUSED) != 0 && conn->input == NULL)
        conn->in_ms = hj_loop_time(loop); /* the next head begins now */
    if (conn->input != NULL) {
        if (hj_conn_keep_input(conn, loop->scratch, (size_t)n))
            hj_reading_process(loop, conn);
        else
            hj_conn_close(loop, conn, HIJACK_ENOMEM);
        return;
    }
    size_t left = process(loop, conn, loop->scratch, (size_t)n, 0);
    if (left == 0)
        return;
    if (hj_conn_keep_input(conn, loop->scratch + n - left, left))
        conn->input->scanned = conn->kind == HJ_CONN_READING ? (uint32_t)left : 0;
    else
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
}
