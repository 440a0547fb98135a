/* Joins and leaves; see roll.h. Loop thread. */
#include "loop/fanout/roll.h"

#include <stdlib.h>
#include <string.h>

#include <hijack/hijack.h>

#include "core/event.h"
#include "loop/producer.h"

/* Of one event: as much as a program reads without falling behind. */
#define RECORDS_MAX 4096

struct hj_roll *hj_roll_begin(struct hj_broadcaster *broadcaster)
{
    struct hj_roll *roll = calloc(1, sizeof(*roll));
    if (roll == NULL)
        return NULL;
    hj_object_ref(&broadcaster->object);
    roll->broadcaster = broadcaster;
    return roll;
}

static void free_roll(struct hj_roll *roll)
{
    hj_object_unref(&roll->broadcaster->object);
    free(roll->records);
    free(roll);
}

/* After hj_roll_join has made room. */
static void add_record(struct hj_loop *loop, struct hj_roll *roll, uint64_t user_data, int what)
{
    if (roll->count == 0) {
        if (loop->rolls == NULL)
            loop->rolls = roll;
        else
            loop->last_roll->next = roll;
        loop->last_roll = roll;
    }
    roll->records[roll->count++] = (struct hj_roll_record){.user_data = user_data, .what = what};
}

bool hj_roll_join(struct hj_loop *loop, struct hj_roll *roll, uint64_t user_data)
{
    const uint32_t wanted = roll->count + 1 + roll->members + 1;
    if (wanted > roll->capacity) {
        uint32_t capacity = wanted + wanted / 2 + 2;
        struct hj_roll_record *records = realloc(roll->records, capacity * sizeof(*records));
        if (records == NULL)
            return false;
        roll->records = records;
        roll->capacity = capacity;
    }
    ++roll->members;
    add_record(loop, roll, user_data, HJ_ROLL_JOINED);
    return true;
}

void hj_roll_leave(struct hj_loop *loop, struct hj_roll *roll, uint64_t user_data, int why)
{
    --roll->members;
    add_record(loop, roll, user_data, why);
}

void hj_roll_end(struct hj_roll *roll)
{
    if (roll->count == 0) {
        free_roll(roll);
    } else { /* whoever comes to it in the list finds it empty */
        roll->count = 0;
        roll->members = 0;
    }
}

/* Makes an event of records; false when they have to wait. */
static bool push_records(struct hj_loop *loop, const struct hj_roll *roll, uint32_t from, uint32_t count)
{
    struct hj_queue *queue = loop->server->queues[0];
    if (!loop->stopping && !hj_producer_is_open(loop, queue)) /* there is no later turn of a loop that stops */
        return false;
    struct hj_buf *buf = hj_buf_copy((const char *)(roll->records + from), count * sizeof(*roll->records));
    struct hj_event *event = buf == NULL ? NULL : hj_event_new(HIJACK_EVENT_MEMBERS, &roll->broadcaster->object, buf);
    if (event == NULL)
        return false;
    event->status = (int32_t)count;
    hj_loop_push(loop, queue, event);
    return true;
}

/* Gives out what the queue has room for; false when some have to wait. */
static bool give_out(struct hj_loop *loop, struct hj_roll *roll)
{
    uint32_t given = 0, count;
    for (; given < roll->count; given += count) {
        count = roll->count - given < RECORDS_MAX ? roll->count - given : RECORDS_MAX;
        if (!push_records(loop, roll, given, count))
            break;
    }
    roll->count -= given;
    memmove(roll->records, roll->records + given, roll->count * sizeof(*roll->records));
    return roll->count == 0;
}

/* Takes the first roll out of the list. */
static void drop_first(struct hj_loop *loop)
{
    struct hj_roll *roll = loop->rolls;
    loop->rolls = roll->next;
    roll->next = NULL;
    if (roll->members == 0) /* nor is there a shard */
        free_roll(roll);
}

void hj_roll_run(struct hj_loop *loop)
{
    while (loop->rolls != NULL) {
        if (!give_out(loop, loop->rolls))
            return; /* the others wait too: one behind may be of the same broadcaster */
        drop_first(loop);
    }
}

void hj_roll_dispose(struct hj_loop *loop)
{
    while (loop->rolls != NULL)
        drop_first(loop);
}
