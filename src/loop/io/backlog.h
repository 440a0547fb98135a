/* What a peer that cannot keep up has not been sent yet: references to shared bytes, oldest first.
 *
 * Two sorts of items: the program's own bytes of this connection (bounded by the high-water mark, never dropped), and
 * published messages (bounded by the broadcaster's policy). The first item may be half written and then stays. No I/O
 * here. Loop thread. */
#ifndef HJ_LOOP_IO_BACKLOG_H
#define HJ_LOOP_IO_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/message.h"
#include "core/option.h"

struct hj_backlog_item {
    struct hj_buf *buf;         /* a reference */
    struct hj_message *message; /* a reference, for published messages; else NULL */
    bool counted;               /* counts against the channel's high-water mark until written */
};

struct hj_backlog {
    struct hj_backlog_item *items; /* a ring */
    uint32_t head, count, capacity;
    uint32_t offset;          /* bytes of the first item that are written */
    uint64_t bytes;           /* unwritten, all items */
    uint64_t published_bytes; /* unwritten, of published messages */
};

struct hj_backlog *hj_backlog_new(void);          /* NULL when out of memory */
void hj_backlog_free(struct hj_backlog *backlog); /* NULL is a no-op */

/* Appends buf, of which the first `offset` bytes are written (only where the backlog is empty). References are taken.
 * False when out of memory. */
bool hj_backlog_append(struct hj_backlog *backlog, struct hj_buf *buf, struct hj_message *message, bool counted,
                       uint32_t offset);

enum hj_backlog_result {
    HJ_BACKLOG_TAKEN,
    HJ_BACKLOG_REFUSED,  /* dropped: the new one */
    HJ_BACKLOG_OVERFLOW, /* the policy is to close */
    HJ_BACKLOG_NO_MEMORY
};

/* Appends a published message under a policy; *dropped counts the messages that gave way. */
enum hj_backlog_result hj_backlog_publish(struct hj_backlog *backlog, struct hj_buf *buf, struct hj_message *message,
                                          uint32_t offset, uint64_t limit, enum hj_overflow overflow,
                                          uint32_t *dropped);

/* Fills bufs with what is to be written next, the first one from backlog->offset on; returns how many. */
int hj_backlog_peek(const struct hj_backlog *backlog, struct hj_buf **bufs, int max);

/* Takes written bytes off; returns how many of them counted against the mark. */
uint64_t hj_backlog_consume(struct hj_backlog *backlog, uint64_t written);

#endif
