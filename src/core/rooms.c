/* A channel's memberships; see rooms.h. Any thread. */
#include "core/rooms.h"

#include <stdlib.h>

#include <hijack/hijack.h>

#include "core/broadcaster.h"
#include "core/worker.h"

void hj_rooms_init(struct hj_rooms *rooms)
{
    *rooms = (struct hj_rooms){.count = 0};
    pthread_mutex_init(&rooms->lock, NULL);
}

void hj_rooms_dispose(struct hj_rooms *rooms)
{
    free(rooms->list);
    pthread_mutex_destroy(&rooms->lock);
}

/* The entry of broadcaster, or count. */
static uint32_t find(const struct hj_rooms *rooms, const struct hj_broadcaster *broadcaster)
{
    uint32_t i = 0;
    while (i < rooms->count && rooms->list[i] != broadcaster)
        ++i;
    return i;
}

static bool make_room(struct hj_rooms *rooms)
{
    if (rooms->count < rooms->capacity)
        return true;
    uint32_t capacity = rooms->capacity == 0 ? 2 : rooms->capacity * 2;
    struct hj_broadcaster **list = realloc(rooms->list, capacity * sizeof(*list));
    if (list == NULL)
        return false;
    rooms->list = list;
    rooms->capacity = capacity;
    return true;
}

static int join_locked(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster, struct hj_worker *worker,
                       struct hj_command *command)
{
    if (rooms->closed)
        return HIJACK_ECLOSED;
    if (find(rooms, broadcaster) != rooms->count)
        return HIJACK_ESTATE;
    if (!make_room(rooms))
        return HIJACK_ENOMEM;
    hj_broadcaster_address(broadcaster, worker);
    if (!hj_worker_post(worker, command))
        return HIJACK_ECLOSED;
    rooms->list[rooms->count++] = broadcaster;
    atomic_fetch_add_explicit(&broadcaster->members, 1, memory_order_relaxed);
    return 0;
}

int hj_rooms_join(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster, struct hj_worker *worker,
                  struct hj_command *command)
{
    pthread_mutex_lock(&rooms->lock);
    int rc = join_locked(rooms, broadcaster, worker, command);
    pthread_mutex_unlock(&rooms->lock);
    return rc;
}

static void remove_entry(struct hj_rooms *rooms, uint32_t i)
{
    atomic_fetch_sub_explicit(&rooms->list[i]->members, 1, memory_order_relaxed);
    rooms->list[i] = rooms->list[--rooms->count];
}

int hj_rooms_leave(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster, struct hj_worker *worker,
                   struct hj_command *command)
{
    int rc = 0;
    pthread_mutex_lock(&rooms->lock);
    uint32_t i = find(rooms, broadcaster);
    if (rooms->closed)
        rc = HIJACK_ECLOSED;
    else if (i == rooms->count)
        rc = HIJACK_ESTATE;
    else if (!hj_worker_post(worker, command))
        rc = HIJACK_ECLOSED;
    else
        remove_entry(rooms, i);
    pthread_mutex_unlock(&rooms->lock);
    return rc;
}

void hj_rooms_forget(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster)
{
    pthread_mutex_lock(&rooms->lock);
    uint32_t i = find(rooms, broadcaster);
    if (i != rooms->count)
        remove_entry(rooms, i);
    pthread_mutex_unlock(&rooms->lock);
}

void hj_rooms_close(struct hj_rooms *rooms)
{
    pthread_mutex_lock(&rooms->lock);
    rooms->closed = true;
    while (rooms->count != 0)
        remove_entry(rooms, rooms->count - 1);
    pthread_mutex_unlock(&rooms->lock);
}
