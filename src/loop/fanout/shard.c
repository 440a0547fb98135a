/* Memberships; see shard.h. Loop thread.
 *
 * A shard has its members as indexes, and a membership has its position in the shard, so that joining and leaving cost
 * the same whatever the size: the last member takes the place of the one that leaves. */
#include "loop/fanout/shard.h"

#include <stdlib.h>

#include "base/os/socket.h"
#include "core/membership.h"
#include "loop/conn.h"
#include "loop/fanout/behind.h"
#include "loop/fanout/roll.h"

/* The broadcaster's slot for this loop; NULL when out of memory. */
static struct hj_shard **shard_slot(struct hj_loop *loop, struct hj_broadcaster *broadcaster, bool make)
{
    struct hj_shard **shards = atomic_load_explicit(&broadcaster->shards, memory_order_acquire);
    if (shards == NULL && make) {
        struct hj_shard **made = calloc(loop->server->worker_count, sizeof(struct hj_shard *));
        if (made == NULL)
            return NULL;
        if (atomic_compare_exchange_strong(&broadcaster->shards, &shards, made))
            shards = made;
        else
            free(made);
    }
    return shards == NULL ? NULL : &shards[loop->worker.index];
}

struct hj_shard *hj_shard_of(struct hj_loop *loop, struct hj_broadcaster *broadcaster)
{
    struct hj_shard **slot = shard_slot(loop, broadcaster, false);
    return slot == NULL ? NULL : *slot;
}

static struct hj_shard *make_shard(struct hj_loop *loop, struct hj_broadcaster *broadcaster)
{
    struct hj_shard **slot = shard_slot(loop, broadcaster, true);
    if (slot == NULL || *slot != NULL)
        return slot == NULL ? NULL : *slot;
    struct hj_shard *shard = calloc(1, sizeof(*shard));
    if (shard == NULL)
        return NULL;
    hj_object_ref(&broadcaster->object);
    shard->broadcaster = broadcaster;
    shard->out_ms = hj_loop_time(loop);
    return *slot = shard;
}

static void drop_if_empty(struct hj_loop *loop, struct hj_shard *shard)
{
    if (shard->count != 0)
        return;
    struct hj_broadcaster *broadcaster = shard->broadcaster;
    *shard_slot(loop, broadcaster, false) = NULL;
    free(shard->members);
    free(shard->users);
    free(shard);
    hj_object_unref(&broadcaster->object);
}

/* The link that leads to conn's membership in shard, or to the end of its list. */
static uint32_t *find_membership(struct hj_loop *loop, struct hj_conn *conn, const struct hj_shard *shard)
{
    uint32_t *link = &conn->memberships;
    while (*link != 0) {
        struct hj_membership *membership = hj_member_table_at(&loop->members, *link);
        if (membership->shard == shard)
            break;
        link = &membership->next;
    }
    return link;
}

static struct hj_member describe(const struct hj_conn *conn)
{
    if (conn->backlog != NULL || conn->transport != HJ_TRANSPORT_PLAIN || conn->kind == HJ_CONN_CLOSING)
        return (struct hj_member){conn->index, (uint32_t)conn->wire << HJ_MEMBER_WIRE_SHIFT | HJ_MEMBER_INDIRECT};
    return (struct hj_member){conn->index, (uint32_t)conn->fd | (uint32_t)conn->wire << HJ_MEMBER_WIRE_SHIFT};
}

static bool grow_shard(struct hj_shard *shard)
{
    uint32_t capacity = shard->capacity == 0 ? 2 : shard->capacity + shard->capacity / 2 + 1;
    struct hj_member *members = realloc(shard->members, capacity * sizeof(*members));
    if (members == NULL)
        return false;
    shard->members = members;
    if (shard->users != NULL) {
        uint64_t *users = realloc(shard->users, capacity * sizeof(*users));
        if (users == NULL)
            return false;
        shard->users = users;
    }
    shard->capacity = capacity;
    return true;
}

static bool append(struct hj_shard *shard, const struct hj_conn *conn, uint64_t user_data)
{
    if (shard->count == shard->capacity && !grow_shard(shard))
        return false;
    if (user_data != 0 && shard->users == NULL &&
        (shard->users = calloc(shard->capacity, sizeof(*shard->users))) == NULL)
        return false;
    if (shard->users != NULL)
        shard->users[shard->count] = user_data;
    shard->members[shard->count++] = describe(conn);
    return true;
}

void hj_shard_mark(struct hj_loop *loop, struct hj_conn *conn)
{
    for (uint32_t i = conn->memberships; i != 0; i = hj_member_table_at(&loop->members, i)->next) {
        struct hj_membership *membership = hj_member_table_at(&loop->members, i);
        struct hj_member *member = &membership->shard->members[membership->position];
        if (!hj_member_is_behind(member))
            *member = describe(conn);
    }
}

void hj_shard_hand_over(struct hj_loop *loop, struct hj_conn *conn, struct hj_subscriptions *subscriptions)
{
    for (uint32_t i = conn->memberships; i != 0; i = hj_member_table_at(&loop->members, i)->next) {
        struct hj_broadcaster *broadcaster = hj_member_table_at(&loop->members, i)->shard->broadcaster;
        if (!hj_subscriptions_take(subscriptions, broadcaster))
            hj_membership_begin(broadcaster, &loop->worker); /* a remove that comes too late has counted it out */
    }
    hj_subscriptions_close(subscriptions);
}

/* out_ms counts from the start of the loop and may wrap around: the later one is the one with the smaller age. */
static void refresh(struct hj_conn *conn, const struct hj_shard *shard, uint32_t now)
{
    if (conn->backlog == NULL && now - shard->out_ms < now - conn->out_ms)
        conn->out_ms = shard->out_ms;
}

void hj_shard_refresh(struct hj_loop *loop, struct hj_conn *conn)
{
    uint32_t now = hj_loop_time(loop);
    for (uint32_t i = conn->memberships; i != 0; i = hj_member_table_at(&loop->members, i)->next)
        refresh(conn, hj_member_table_at(&loop->members, i)->shard, now);
}

void hj_shard_limit_unsent(struct hj_loop *loop, struct hj_conn *conn)
{
    uint64_t bytes = loop->server->options.unsent_bytes;
    bool unlimited = conn->memberships == 0;
    if (conn->unlimited == unlimited || bytes == 0 || conn->fd == -1)
        return;
    conn->unlimited = unlimited;
    hj_socket_set_unsent(conn->fd, unlimited ? 0 : bytes);
}

/* Puts those that are there on a new roll. False when out of memory. */
static bool begin_roll(struct hj_loop *loop, struct hj_shard *shard)
{
    shard->roll = hj_roll_begin(shard->broadcaster);
    for (uint32_t i = 0; shard->roll != NULL && i < shard->count; ++i) {
        if (hj_roll_join(loop, shard->roll, hj_shard_user(shard, i)))
            continue;
        hj_roll_end(shard->roll);
        shard->roll = NULL;
    }
    return shard->roll != NULL;
}

/* The last member has just joined. False when out of memory. */
static bool tell_join(struct hj_loop *loop, struct hj_shard *shard)
{
    if (shard->roll != NULL)
        return hj_roll_join(loop, shard->roll, hj_shard_user(shard, shard->count - 1));
    const bool tells = atomic_load_explicit(&shard->broadcaster->tells, memory_order_relaxed);
    return !tells || loop->server->queue_count == 0 || begin_roll(loop, shard);
}

void hj_shard_tell(struct hj_loop *loop, struct hj_broadcaster *broadcaster, bool tells)
{
    struct hj_shard *shard = hj_shard_of(loop, broadcaster);
    if (shard == NULL || tells == (shard->roll != NULL) || loop->server->queue_count == 0)
        return;
    if (tells) {
        begin_roll(loop, shard); /* without memory the next member that joins tries again */
    } else {
        hj_roll_end(shard->roll);
        shard->roll = NULL;
    }
}

bool hj_shard_has(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_conn *conn)
{
    const struct hj_shard *shard = hj_shard_of(loop, broadcaster);
    return shard != NULL && *find_membership(loop, conn, shard) != 0;
}

/* Takes out conn's membership that *link leads to; tells: the program hears of it, if it wants to. */
static void remove_at(struct hj_loop *loop, struct hj_conn *conn, uint32_t *link, int why, bool tells)
{
    uint32_t index = *link;
    struct hj_membership *membership = hj_member_table_at(&loop->members, index);
    struct hj_shard *shard = membership->shard;
    uint32_t position = membership->position;
    refresh(conn, shard, hj_loop_time(loop));
    if (hj_member_is_behind(&shard->members[position]))
        hj_behind_give(loop, shard->members[position].out & HJ_MEMBER_FD);
    if (shard->roll != NULL && tells)
        hj_roll_leave(loop, shard->roll, hj_shard_user(shard, position), why);
    *link = membership->next;
    hj_member_table_give(&loop->members, index);
    struct hj_member moved = shard->members[--shard->count];
    if (position != shard->count) {
        shard->members[position] = moved;
        if (shard->users != NULL)
            shard->users[position] = shard->users[shard->count];
        uint32_t moved_index = *find_membership(loop, hj_table_at(&loop->table, moved.conn), shard);
        hj_member_table_at(&loop->members, moved_index)->position = position;
    }
    hj_loop_uncount(loop, HIJACK_STAT_MEMBERSHIPS, 1);
    drop_if_empty(loop, shard);
}

bool hj_shard_add(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_conn *conn, uint64_t user_data)
{
    struct hj_shard *shard = make_shard(loop, broadcaster);
    if (shard == NULL)
        return false;
    if (*find_membership(loop, conn, shard) != 0)
        return true;
    uint32_t index = hj_member_table_take(&loop->members);
    if (index == 0 || !append(shard, conn, user_data)) {
        if (index != 0)
            hj_member_table_give(&loop->members, index);
        drop_if_empty(loop, shard);
        return false;
    }
    *hj_member_table_at(&loop->members, index) =
        (struct hj_membership){.shard = shard, .position = shard->count - 1, .next = conn->memberships};
    conn->memberships = index;
    hj_shard_limit_unsent(loop, conn);
    hj_loop_count(loop, HIJACK_STAT_MEMBERSHIPS, 1);
    if (tell_join(loop, shard))
        return true;
    remove_at(loop, conn, &conn->memberships, 0, false);
    return false;
}

void hj_shard_remove(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_conn *conn)
{
    struct hj_shard *shard = hj_shard_of(loop, broadcaster);
    if (shard == NULL)
        return;
    uint32_t *link = find_membership(loop, conn, shard);
    if (*link != 0)
        remove_at(loop, conn, link, 0, true);
}

void hj_shard_remove_all(struct hj_loop *loop, struct hj_conn *conn, int why)
{
    conn->behind = false;
    if (conn->channel != NULL)
        hj_subscriptions_close(&conn->channel->subscriptions);
    while (conn->memberships != 0) {
        struct hj_shard *shard = hj_member_table_at(&loop->members, conn->memberships)->shard;
        if (conn->channel == NULL)
            hj_membership_end(shard->broadcaster);
        remove_at(loop, conn, &conn->memberships, why, true);
    }
}
