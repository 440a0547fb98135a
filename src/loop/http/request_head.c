/* Reading request heads; see request_head.h. Loop thread.
 *
 * Each head passes the strict parser before anything else sees it. A held route is answered here, and its connection
 * costs its table entry from the first to the last byte. */
#include "loop/http/request_head.h"

#include <stdlib.h>
#include <string.h>

#include "codec/head.h"
#include "core/request.h"
#include "core/route.h"
#include "loop/held/holding.h"
#include "loop/held/websocket.h"
#include "loop/http/pending.h"
#include "loop/http/refusal.h"
#include "loop/io/transport.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" /* RFC 9113 section 3.4 */
#define PREFACE_LEN (sizeof(PREFACE) - 1)
#define REQUESTS_MAX 32 /* of one connection in one turn, so that everybody else has theirs */

/* Whether the connection goes on to the next head in what it has sent already. */
static bool wants_head(const struct hj_conn *conn)
{
    return conn->kind == HJ_CONN_HEAD;
}

size_t hj_request_head_serve(struct hj_loop *loop, struct hj_conn *conn, const struct hj_head *head,
                             struct hj_slice rest)
{
    const struct hj_route *route = hj_route_find(loop->server, head->path);
    if (!hj_holding_takes(route, head))
        return hj_pending_begin(loop, conn, route, head, rest);
    hj_holding_route(loop, conn, route, head);
    return 0;
}

/* Whether these first bytes of a connection begin with the preface of HTTP/2, as far as they go. */
static bool is_preface(const struct hj_loop *loop, const struct hj_conn *conn, const char *data, size_t len)
{
    size_t known = len < PREFACE_LEN ? len : PREFACE_LEN;
    return loop->server->options.http2 == HJ_SWITCH_ON && conn->transport == HJ_TRANSPORT_PLAIN &&
           (conn->flags & HJ_CONN_REUSED) == 0 && memcmp(data, PREFACE, known) == 0;
}

/* Counts the request; whether it is the last one of its connection (option requests_per_connection). What has not had
 * a request before takes no memory for it: most held connections. */
static bool is_last_request(struct hj_loop *loop, const struct hj_conn *conn)
{
    uint64_t limit = loop->server->options.requests_per_connection;
    if (limit == 0 || (conn->flags & HJ_CONN_REUSED) == 0)
        return limit == 1;
    uint32_t had = hj_numbers_get(&loop->requests, conn->index);
    uint32_t now = (had == 0 ? 1 : had) + 1;
    return now >= limit || !hj_numbers_set(&loop->requests, conn->index, now);
}

static int parse_by_options(const struct hj_loop *loop, struct hj_head *head, const char *data, size_t len,
                            size_t scanned)
{
    const struct hj_server_options *options = &loop->server->options;
    return options->connect_method == HJ_SWITCH_ON
               ? hj_head_parse_with_connect(head, data, len, scanned, options->max_head_bytes)
               : hj_head_parse(head, data, len, scanned, options->max_head_bytes);
}

/* Looks at one request in data; returns how many bytes of it are done with. 0: the head is not complete, or refused. */
static size_t take_request(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len, size_t scanned)
{
    struct hj_head head;
    if (is_preface(loop, conn, data, len)) {
        if (len >= PREFACE_LEN) {
            hj_conn_set_kind(loop, conn, HJ_CONN_PREFACE);
            hj_conn_make_ready(loop, conn);
        }
        return 0;
    }
    if (scanned < PREFACE_LEN)
        scanned = 0; /* it may have looked like a preface, and was not searched */
    int n = parse_by_options(loop, &head, data, len, scanned);
    if (n < 0)
        hj_refusal_send_to(loop, conn, hj_slice_equal(head.method, HJ_SLICE("HEAD")), (unsigned)-n, head.problem);
    if (n <= 0)
        return 0;
    if (is_last_request(loop, conn))
        head.keep_alive = false;
    return (size_t)n + hj_request_head_serve(loop, conn, &head, hj_slice(data + n, len - (size_t)n));
}

/* Works through the requests in data, as long as each is followed by the next; returns how many bytes are done with.
 * What is left of a long pipeline is looked at later. */
static size_t take_requests(struct hj_loop *loop, struct hj_conn *conn, const char *data, size_t len, size_t scanned)
{
    size_t done = 0;
    for (int count = 0; done < len && wants_head(conn); ++count) {
        if (count == REQUESTS_MAX) {
            hj_conn_make_ready(loop, conn);
            break;
        }
        size_t n = take_request(loop, conn, data + done, len - done, scanned);
        if (n == 0)
            break;
        done += n;
        scanned = 0;
    }
    return done;
}

/* Whether bytes after the last request are kept. */
static bool keeps_rest(const struct hj_loop *loop, struct hj_conn *conn, size_t len)
{
    if (!hj_conn_is_open(conn) || conn->kind == HJ_CONN_LINGERING)
        return false;
    if (conn->kind != HJ_CONN_HELD || hj_conn_is_websocket(conn))
        return true;
    if (len > loop->server->options.max_head_bytes)
        conn->flags &= (uint16_t)~HJ_CONN_KEEP_ALIVE; /* so much is not worth keeping for the next request */
    return (conn->flags & HJ_CONN_KEEP_ALIVE) != 0;
}

void hj_request_head_process(struct hj_loop *loop, struct hj_conn *conn)
{
    struct hj_input *input = conn->input;
    if (input == NULL)
        return;
    conn->input = NULL; /* ours meanwhile */
    size_t done = take_requests(loop, conn, input->data + input->start, input->len, input->scanned);
    input->start += (uint32_t)done;
    input->len -= (uint32_t)done;
    input->scanned = wants_head(conn) && (conn->flags & HJ_CONN_READY) == 0 ? input->len : 0;
    if (input->len != 0 && keeps_rest(loop, conn, input->len))
        conn->input = input;
    else
        free(input);
}

void hj_request_head_read(struct hj_loop *loop, struct hj_conn *conn)
{
    bool between = (conn->flags & HJ_CONN_REUSED) != 0 && conn->input == NULL;
    ssize_t n = hj_transport_read(loop, conn, loop->scratch, HJ_SCRATCH_SIZE);
    if (n < 0)
        hj_conn_close(loop, conn, between ? 0 : (int)n); /* the wait between two requests ends like this normally */
    if (n <= 0)
        return;
    if (between)
        conn->in_ms = hj_loop_time(loop); /* the next head begins now */
    size_t len = (size_t)n, done = 0;
    if (conn->input == NULL) { /* the usual case: nothing is copied but what must wait */
        done = take_requests(loop, conn, loop->scratch, len, 0);
        if (done == len || !keeps_rest(loop, conn, len - done))
            return;
    }
    bool first = conn->input == NULL;
    if (!hj_conn_keep_input(conn, loop->scratch + done, len - done))
        hj_conn_close(loop, conn, HIJACK_ENOMEM);
    else if (!first)
        hj_request_head_process(loop, conn);
    else if (wants_head(conn) && (conn->flags & HJ_CONN_READY) == 0)
        conn->input->scanned = conn->input->len;
}
