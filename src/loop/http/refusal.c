/* Refusing requests; see refusal.h. Loop thread. */
#include "loop/http/refusal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/response_head.h"
#include "core/request.h"
#include "loop/io/transport.h"

/* Of the connection, for statistics and the last events. */
static int reason_of_status(unsigned status)
{
    return status == 408 ? HIJACK_ETIMEDOUT : status == 503 ? HIJACK_ESHUTDOWN : status == 500 ? 0 : HIJACK_EPROTOCOL;
}

/* NULL when out of memory. */
static struct hj_buf *encode_refusal(unsigned status, const char *problem, bool is_head)
{
    char body[256];
    char date[HJ_HTTP_DATE_LEN];
    struct hj_buf *response;
    int len = snprintf(body, sizeof(body), "%u %s: %s\n", status, hj_status_reason(status), problem);
    hj_http_date(date, time(NULL));
    struct hj_response_head head = {
        .status = status,
        .headers = HJ_SLICE("Content-Type: text/plain; charset=utf-8\r\n"),
        .with_length = true,
        .length = (uint64_t)len,
        .connection = HJ_CONNECTION_CLOSE,
        .date = hj_slice(date, sizeof(date)),
    };
    if (hj_response_head_encode(&response, &head) != 0)
        return NULL;
    size_t head_len = response->len;
    struct hj_buf *whole = is_head ? response : hj_buf_resize(response, head_len + (size_t)len);
    if (whole == NULL)
        hj_buf_unref(response);
    else if (!is_head)
        memcpy(whole->data + head_len, body, (size_t)len);
    return whole;
}

/* Whether the program has answered: in the middle of a body, and nothing may follow that. */
static bool is_answered(const struct hj_conn *conn)
{
    return conn->request != NULL && atomic_load(&conn->request->answer) == HJ_ANSWER_TAKEN;
}

void hj_refusal_send_to(struct hj_loop *loop, struct hj_conn *conn, bool is_head, unsigned status, const char *problem)
{
    struct hj_buf *response = encode_refusal(status, problem, is_head);
    if (!hj_conn_is_open(conn)) {
        hj_buf_unref(response);
        return;
    }
    if (status != 500 && status != 503) /* those are not the client's doing */
        hj_loop_count(loop, HIJACK_STAT_BAD_REQUESTS, 1);
    /* a connection that cannot take this little has a peer that does not read: it goes without an answer */
    if (response != NULL && conn->backlog == NULL && !is_answered(conn))
        hj_transport_write(loop, conn, &response, 1, 0);
    hj_buf_unref(response);
    hj_conn_close_gracefully(loop, conn, reason_of_status(status), true);
}

void hj_refusal_send(struct hj_loop *loop, struct hj_conn *conn, unsigned status, const char *problem)
{
    hj_refusal_send_to(loop, conn, conn->request != NULL && conn->request->is_head, status, problem);
}
