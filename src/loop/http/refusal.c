/* Refusing requests; see refusal.h. Loop thread. */
#include "loop/http/refusal.h"

#include "core/request.h"
#include "loop/io/transport.h"

/* Of the connection, for statistics and the last events. */
static int reason_of_status(unsigned status)
{
    return status == 408 ? HIJACK_ETIMEDOUT : status == 503 ? HIJACK_ESHUTDOWN : status == 500 ? 0 : HIJACK_EPROTOCOL;
}

/* Whether the program has answered: in the middle of a body, and nothing may follow that. */
static bool is_answered(const struct hj_conn *conn)
{
    return conn->request != NULL && atomic_load(&conn->request->answer) == HJ_ANSWER_TAKEN;
}

void hj_refusal_send_to(struct hj_loop *loop, struct hj_conn *conn, bool is_head, unsigned status, const char *problem)
{
    struct hj_buf *response = hj_response_refusal(status, problem, is_head);
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
