/* What the members have that wait for one response (long_poll.h). Loop thread. */
#ifndef HJ_LOOP_FANOUT_LONG_POLL_STATE_H
#define HJ_LOOP_FANOUT_LONG_POLL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "loop/conn.h"
#include "loop/state.h"

struct hj_broadcaster;

struct hj_long_poll {
    struct hj_broadcaster *broadcaster; /* in which it waits, also when it has left it for others; a reference */
    struct hj_buf *headers;             /* a checked block of the program's; a reference */
    uint64_t from;                      /* the offset of the first message that it wants, or HJ_FROM_LIVE */
    uint32_t index;                     /* of the table's entry */
    uint32_t deadline_ms;               /* loop time */
    uint32_t every_ms;                  /* it is looked at so often; 0: there is none */
    bool old;                           /* HTTP/1.0 */
};

/* NULL: it does not wait for one, or has been answered. */
struct hj_long_poll *hj_long_poll_find(const struct hj_loop *loop, const struct hj_conn *conn);

/* A new one, of a connection that has none, with references to both; the others may move. NULL when out of memory. */
struct hj_long_poll *hj_long_poll_make(struct hj_loop *loop, const struct hj_conn *conn,
                                       struct hj_broadcaster *broadcaster, struct hj_buf *headers);

/* It waits no more. */
void hj_long_poll_forget(struct hj_loop *loop, const struct hj_conn *conn);

/* It has been answered, and is still a member: the response ends. */
bool hj_long_poll_is_answered(const struct hj_loop *loop, const struct hj_conn *conn);

/* Finds out how often deadlines have to be looked at: for those that are left it may be less than before. */
void hj_long_poll_set_pace(struct hj_loop *loop);

bool hj_long_poll_is_due(const struct hj_loop *loop, const struct hj_conn *conn, uint32_t now);

/* For the end of the loop, when all are forgotten. */
void hj_long_poll_dispose(struct hj_loop *loop);

#endif
