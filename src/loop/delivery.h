/* Peers that do not take what was written to them: one that acknowledges nothing (ack_timeout_ms) is dead, one that
 * takes nothing for much longer (stall_timeout_ms) is given up. Loop thread. */
#ifndef HJ_LOOP_DELIVERY_H
#define HJ_LOOP_DELIVERY_H

#include <stdint.h>

struct hj_loop;

/* A connection that had bytes outstanding when it was looked at. */
struct hj_delivery {
    uint64_t socket;   /* struct hj_outstanding: the table entry may have another connection by now */
    uint32_t index;    /* of its table entry */
    uint32_t taken;    /* struct hj_outstanding */
    uint32_t since_ms; /* when taken was seen first; loop time */
};

/* Of one loop. */
struct hj_deliveries {
    struct hj_delivery *list; /* owned */
    uint32_t count, capacity;
    uint32_t period_ms;           /* in which each connection has its turn once */
    uint32_t looked_ms;           /* loop time of the last look */
    uint32_t next_conn, next_one; /* whose turn is next: in the table, in the list */
};

/* Before the loop turns for the first time. */
void hj_delivery_init(struct hj_loop *loop);

/* Looks at those whose turn has come since the last look, and closes those that take nothing. */
void hj_delivery_look(struct hj_loop *loop);

#endif
