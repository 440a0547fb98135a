/* The last messages of a broadcaster; see history.h. Any thread, with the broadcaster's lock. */
#include "core/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hijack/hijack.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/os/random.h"

/* A part ends with the message that reaches this. */
#define PART_BYTES 65536

struct hj_history *hj_history_new(void)
{
    uint64_t random = 0;
    struct hj_history *history = calloc(1, sizeof(*history));
    if (history == NULL)
        return NULL;
    hj_options_default(&history->options, HJ_SCOPE_BROADCASTER);
    hj_random_fill(&random, sizeof(random));
    snprintf(history->epoch, sizeof(history->epoch), "%016" PRIx64, random);
    return history;
}

static struct hj_history_entry *entry_at(const struct hj_history *history, uint32_t i)
{
    return &history->ring[(history->first + i) & (history->capacity - 1)];
}

static void drop_oldest(struct hj_history *history)
{
    struct hj_history_entry *entry = entry_at(history, 0);
    history->bytes -= hj_message_cost(entry->message);
    history->own_ids -= entry->id_hash != 0;
    hj_message_unref(entry->message);
    history->first = (history->first + 1) & (history->capacity - 1);
    --history->count;
}

void hj_history_free(struct hj_history *history)
{
    if (history == NULL)
        return;
    while (history->count != 0)
        drop_oldest(history);
    free(history->ring);
    free(history);
}

/* The clock's milliseconds in 32 bits: ages are right up to 49 days, and history_ms is at most one day. */
static uint32_t now_ms(void)
{
    return (uint32_t)hj_clock_ms();
}

static bool is_beyond(const struct hj_history *history, uint32_t now)
{
    const struct hj_broadcaster_options *options = &history->options;
    return history->count > options->history_messages || history->bytes > options->history_bytes ||
           (options->history_ms != 0 && now - entry_at(history, 0)->at_ms > options->history_ms);
}

static void trim(struct hj_history *history)
{
    const uint32_t now = now_ms();
    while (history->count != 0 && is_beyond(history, now))
        drop_oldest(history);
}

/* Whether text is a position; its parts. */
static bool parse_position(struct hj_slice *epoch, uint64_t *offset, struct hj_slice text)
{
    size_t at = text.len;
    while (at > 0 && text.base[at - 1] != '-')
        --at;
    if (at < 2 || at - 1 > HJ_EPOCH_MAX)
        return false;
    *epoch = hj_slice(text.base, at - 1);
    return hj_ascii_all(*epoch, HJ_ASCII_TOKEN) && hj_ascii_number(offset, hj_slice(text.base + at, text.len - at)) &&
           *offset < HJ_FROM_UNKNOWN - 1;
}

int hj_history_position(char out[HJ_POSITION_SIZE], const struct hj_history *history, uint64_t offset)
{
    return snprintf(out, HJ_POSITION_SIZE, "%s-%" PRIu64, history->epoch, offset);
}

/* Begins with the message behind this position, which an earlier process has given out. */
static int begin_at(struct hj_history *history, struct hj_slice position)
{
    struct hj_slice epoch;
    uint64_t offset;
    if (position.len == 0)
        return 0;
    if (history->added)
        return HIJACK_ESTATE;
    if (!parse_position(&epoch, &offset, position) || offset > INT64_MAX) /* the count never comes to HJ_FROM_UNKNOWN */
        return HIJACK_ERANGE;
    memcpy(history->epoch, epoch.base, epoch.len);
    history->epoch[epoch.len] = '\0';
    history->newest = offset;
    for (int i = 0; i < HJ_MAX_LOOPS; ++i)
        atomic_store_explicit(&history->seen[i], offset, memory_order_relaxed);
    return 0;
}

int hj_history_set(struct hj_history *history, struct hj_slice name, struct hj_slice value)
{
    int rc = 0;
    if (hj_slice_equal(name, HJ_SLICE("history_position")))
        rc = begin_at(history, value);
    if (rc == 0)
        rc = hj_option_set(&history->options, HJ_SCOPE_BROADCASTER, name, value);
    if (history->options.history_messages != 0)
        atomic_store_explicit(&history->on, true, memory_order_relaxed);
    trim(history);
    return rc;
}

bool hj_history_reserve(struct hj_history *history)
{
    if (history->count < history->capacity)
        return true;
    uint32_t capacity = history->capacity == 0 ? 16 : history->capacity * 2;
    struct hj_history_entry *ring = malloc(capacity * sizeof(*ring));
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < history->count; ++i)
        ring[i] = *entry_at(history, i);
    free(history->ring);
    history->ring = ring;
    history->capacity = capacity;
    history->first = 0;
    return true;
}

/* FNV-1a, and never 0. */
static uint32_t hash(struct hj_slice id)
{
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < id.len; ++i)
        value = (value ^ (unsigned char)id.base[i]) * 16777619u;
    return value | 1;
}

void hj_history_add(struct hj_history *history, struct hj_message *message)
{
    history->added = true;
    message->offset = ++history->newest;
    uint32_t id_hash = message->id.base != NULL ? hash(message->id) : 0;
    if (id_hash == 0)
        hj_message_set_position(message, history->epoch, message->offset);
    *entry_at(history, history->count++) =
        (struct hj_history_entry){.message = hj_message_ref(message), .at_ms = now_ms(), .id_hash = id_hash};
    history->own_ids += id_hash != 0;
    history->bytes += hj_message_cost(message);
    trim(history);
}

/* The offset of the newest message with this id of the program's own; 0: none. */
static uint64_t find_own(const struct hj_history *history, struct hj_slice id)
{
    const uint32_t wanted = hash(id);
    for (uint32_t i = history->own_ids == 0 ? 0 : history->count; i-- > 0;) {
        const struct hj_history_entry *entry = entry_at(history, i);
        if (entry->id_hash == wanted && hj_slice_equal(entry->message->id, id))
            return entry->message->offset;
    }
    return 0;
}

uint64_t hj_history_find(const struct hj_history *history, struct hj_slice position)
{
    struct hj_slice epoch;
    uint64_t offset;
    if (position.len == 0)
        return HJ_FROM_LIVE;
    if (hj_slice_equal(position, HJ_SLICE("*")))
        return HJ_FROM_ALL;
    if (parse_position(&epoch, &offset, position) &&
        hj_slice_equal(epoch, hj_slice(history->epoch, strlen(history->epoch))))
        return offset <= history->newest ? offset + 1 : HJ_FROM_UNKNOWN;
    offset = find_own(history, position);
    return offset != 0 ? offset + 1 : HJ_FROM_UNKNOWN;
}

void hj_history_read(struct hj_history *history, struct hj_history_part *out, uint64_t *from, uint64_t until)
{
    size_t bytes = 0;
    trim(history);
    if (*from<HJ_FROM_UNKNOWN && * from> history->newest + 1)
        *from = HJ_FROM_UNKNOWN; /* the count has been set back since the position was found */
    const uint64_t oldest = history->newest - history->count + 1;
    const uint64_t first = oldest <= until ? oldest : until + 1; /* what comes after `until` is on its way */
    *out = (struct hj_history_part){.gap = *from != HJ_FROM_ALL && (*from == HJ_FROM_UNKNOWN || *from < first),
                                    .first = first};
    if (*from >= HJ_FROM_UNKNOWN || *from < first)
        *from = first;
    for (; *from <= until && out->count < HJ_HISTORY_PART && bytes < PART_BYTES; ++*from) {
        struct hj_message *message = entry_at(history, (uint32_t)(*from - oldest))->message;
        bytes += message->data->len;
        out->messages[out->count++] = hj_message_ref(message);
    }
}
