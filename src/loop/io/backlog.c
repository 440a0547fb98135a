/* The ring of unwritten bytes and its policies; see backlog.h. Loop thread. */
#include "loop/io/backlog.h"

#include <stdlib.h>

static struct hj_backlog_item *item_at(const struct hj_backlog *backlog, uint32_t i)
{
    return &backlog->items[(backlog->head + i) & (backlog->capacity - 1)];
}

static uint64_t unwritten(const struct hj_backlog *backlog, uint32_t i)
{
    return item_at(backlog, i)->buf->len - (i == 0 ? backlog->offset : 0);
}

struct hj_backlog *hj_backlog_new(void)
{
    return calloc(1, sizeof(struct hj_backlog));
}

static void release(struct hj_backlog_item *item)
{
    hj_buf_unref(item->buf);
    hj_message_unref(item->message);
}

void hj_backlog_free(struct hj_backlog *backlog)
{
    if (backlog == NULL)
        return;
    for (uint32_t i = 0; i < backlog->count; ++i)
        release(item_at(backlog, i));
    free(backlog->items);
    free(backlog);
}

static bool grow_ring(struct hj_backlog *backlog)
{
    uint32_t capacity = backlog->capacity == 0 ? 4 : backlog->capacity * 2;
    struct hj_backlog_item *items = malloc(capacity * sizeof(*items));
    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < backlog->count; ++i)
        items[i] = *item_at(backlog, i);
    free(backlog->items);
    backlog->items = items;
    backlog->head = 0;
    backlog->capacity = capacity;
    return true;
}

bool hj_backlog_append(struct hj_backlog *backlog, struct hj_buf *buf, struct hj_message *message, bool counted,
                       uint32_t offset)
{
    if (backlog->count == backlog->capacity && !grow_ring(backlog))
        return false;
    *item_at(backlog, backlog->count) = (struct hj_backlog_item){
        .buf = hj_buf_ref(buf),
        .message = message == NULL ? NULL : hj_message_ref(message),
        .counted = counted,
    };
    if (backlog->count++ == 0)
        backlog->offset = offset;
    uint64_t left = unwritten(backlog, backlog->count - 1);
    backlog->bytes += left;
    if (message != NULL)
        backlog->published_bytes += left;
    return true;
}

/* Takes out the i-th item, which is not half written. */
static void remove_item(struct hj_backlog *backlog, uint32_t i)
{
    struct hj_backlog_item dropped = *item_at(backlog, i);
    backlog->bytes -= dropped.buf->len;
    if (dropped.message != NULL)
        backlog->published_bytes -= dropped.buf->len;
    if (i < backlog->count / 2) { /* the shorter side moves: what gives way is mostly the oldest */
        for (; i != 0; --i)
            *item_at(backlog, i) = *item_at(backlog, i - 1);
        backlog->head = (backlog->head + 1) & (backlog->capacity - 1);
    } else {
        for (; i + 1 < backlog->count; ++i)
            *item_at(backlog, i) = *item_at(backlog, i + 1);
    }
    --backlog->count;
    release(&dropped);
}

/* The first published message that nothing has been written of; count if there is none. */
static uint32_t first_droppable(const struct hj_backlog *backlog)
{
    uint32_t i = backlog->offset != 0 ? 1 : 0;
    while (i < backlog->count && item_at(backlog, i)->message == NULL)
        ++i;
    return i < backlog->count ? i : backlog->count;
}

static uint32_t drop_same_key(struct hj_backlog *backlog, const struct hj_message *message)
{
    for (uint32_t i = first_droppable(backlog); message->key.len != 0 && i < backlog->count; ++i) {
        const struct hj_message *waiting = item_at(backlog, i)->message;
        if (waiting != NULL && hj_message_same_key(waiting, message)) {
            remove_item(backlog, i);
            return 1;
        }
    }
    return 0;
}

/* Unwritten bytes of a published message of which a part is on the wire: it must be finished, the peer would read a
 * torn one otherwise. */
static uint64_t begun_bytes(const struct hj_backlog *backlog)
{
    return backlog->offset != 0 && item_at(backlog, 0)->message != NULL ? unwritten(backlog, 0) : 0;
}

enum hj_backlog_result hj_backlog_publish(struct hj_backlog *backlog, struct hj_buf *buf, struct hj_message *message,
                                          uint32_t offset, uint64_t limit, enum hj_overflow overflow, uint32_t *dropped)
{
    uint64_t len = buf->len - offset;
    bool fits = backlog->published_bytes + len <= limit;
    if (overflow == HJ_OVERFLOW_CLOSE && !fits)
        return HJ_BACKLOG_OVERFLOW;
    if (offset == 0) {
        /* nothing is dropped for a message that cannot fit in the end */
        if (begun_bytes(backlog) + len > limit || (overflow == HJ_OVERFLOW_DROP_NEWEST && !fits))
            return HJ_BACKLOG_REFUSED;
        if (overflow == HJ_OVERFLOW_LATEST)
            *dropped += drop_same_key(backlog, message);
        while (backlog->published_bytes + len > limit) {
            remove_item(backlog, first_droppable(backlog));
            ++*dropped;
        }
    }
    return hj_backlog_append(backlog, buf, message, false, offset) ? HJ_BACKLOG_TAKEN : HJ_BACKLOG_NO_MEMORY;
}

int hj_backlog_peek(const struct hj_backlog *backlog, struct hj_buf **bufs, int max)
{
    int n = 0;
    for (uint32_t i = 0; i < backlog->count && n < max; ++i)
        bufs[n++] = item_at(backlog, i)->buf;
    return n;
}

uint64_t hj_backlog_consume(struct hj_backlog *backlog, uint64_t written)
{
    uint64_t counted = 0;
    while (backlog->count != 0) {
        struct hj_backlog_item *item = item_at(backlog, 0);
        uint64_t left = unwritten(backlog, 0);
        uint64_t part = written < left ? written : left;
        written -= part;
        backlog->bytes -= part;
        if (item->message != NULL)
            backlog->published_bytes -= part;
        if (item->counted)
            counted += part;
        if (part < left) {
            backlog->offset += (uint32_t)part;
            break;
        }
        release(item);
        backlog->head = (backlog->head + 1) & (backlog->capacity - 1);
        --backlog->count;
        backlog->offset = 0;
    }
    return counted;
}
