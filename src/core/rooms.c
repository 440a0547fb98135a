/* A channel's memberships; see rooms.h. Any thread. */
#include "core/rooms.h"

#include <stdlib.h>

#include <hijack/hijack.h>

#include "core/broadcaster.h"

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

static int join_locked(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster)
{
    if (rooms->closed)
        return HIJACK_ECLOSED;
    if (find(rooms, broadcaster) != rooms->count)
        return HIJACK_ESTATE;
    if (rooms->count == rooms->capacity) {
        uint32_t capacity = rooms->capacity == 0 ? 2 : rooms->capacity * 2;
        struct hj_broadcaster **list = realloc(rooms->list, capacity * sizeof(*list));
        if (list == NULL)
            return HIJACK_ENOMEM;
        rooms->list = list;
        rooms->capacity = capacity;
    }
    rooms->list[rooms->count++] = broadcaster;
    atomic_fetch_add_explicit(&broadcaster->members, 1, memory_order_relaxed);
    return 0;
}

int hj_rooms_join(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster)
{
    pthread_mutex_lock(&rooms->lock);
    int rc = join_locked(rooms, broadcaster);
    pthread_mutex_unlock(&rooms->lock);
    return rc;
}

bool hj_rooms_leave(struct hj_rooms *rooms, struct hj_broadcaster *broadcaster)
{
    pthread_mutex_lock(&rooms->lock);
    uint32_t i = find(rooms, broadcaster);
    bool found = i != rooms->count;
    if (found) {
        rooms->list[i] = rooms->list[--rooms->count];
        atomic_fetch_sub_explicit(&broadcaster->members, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&rooms->lock);
    return found;
}

void hj_rooms_close(struct hj_rooms *rooms)
{
    pthread_mutex_lock(&rooms->lock);
    rooms->closed = true;
    while (rooms->count != 0)
        atomic_fetch_sub_explicit(&rooms->list[--rooms->count]->members, 1, memory_order_relaxed);
    pthread_mutex_unlock(&rooms->lock);
}
