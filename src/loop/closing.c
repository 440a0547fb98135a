/* The one place where connections end; see closing.h. Loop thread. */
#include "loop/closing.h"

#include "loop/conn.h"
#include "loop/io/acceptor.h"
#include "loop/io/relay.h"
#include "loop/io/transport.h"

void hj_closing_run(struct hj_loop *loop)
{
    while (loop->closing != 0) {
        struct hj_conn *conn = hj_table_at(&loop->table, loop->closing);
        int reason = (int)conn->out_ms;
        loop->closing = conn->in_ms;
        hj_conn_leave(loop, conn, reason);
        hj_relay_closed(loop, conn, reason);
        bool is_connection = hj_conn_is_connection(conn);
        hj_transport_close(loop, conn, reason);
        hj_numbers_set(&loop->requests, conn->index, 0);
        hj_acceptor_uncount(loop, hj_acceptor_take_counted(loop, conn->index));
        hj_conn_forget(loop, conn);
        if (is_connection)
            hj_acceptor_connection_closed(loop);
    }
}
