/* Members that are behind; see behind.h. Loop thread. */
#include "loop/fanout/behind.h"

#include <stdlib.h>

#include "loop/fanout/shard.h"

struct hj_behind *hj_behind_at(const struct hj_loop *loop, uint32_t index)
{
    return &loop->behind.list[index];
}

static bool grow_behind(struct hj_behind_table *table)
{
    uint32_t capacity = table->capacity == 0 ? 16 : table->capacity * 2;
    struct hj_behind *list = capacity > HJ_MEMBER_FD ? NULL : realloc(table->list, capacity * sizeof(*list));
    if (list == NULL)
        return false;
    table->list = list;
    table->capacity = capacity;
    if (table->used == 0)
        table->used = 1;
    return true;
}

uint32_t hj_behind_take(struct hj_loop *loop)
{
    struct hj_behind_table *table = &loop->behind;
    uint32_t index = table->free;
    if (index != 0) {
        table->free = hj_behind_at(loop, index)->next_free;
    } else {
        if (table->used == table->capacity && !grow_behind(table))
            return 0;
        index = table->used++;
    }
    ++table->live;
    return index;
}

void hj_behind_give(struct hj_loop *loop, uint32_t index)
{
    struct hj_behind_table *table = &loop->behind;
    *hj_behind_at(loop, index) = (struct hj_behind){.next_free = table->free};
    table->free = index;
    if (--table->live == 0)
        hj_behind_dispose(loop); /* of a storm of clients that return nothing is kept */
}

void hj_behind_dispose(struct hj_loop *loop)
{
    free(loop->behind.list);
    loop->behind = (struct hj_behind_table){0};
}
