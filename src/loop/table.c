/* The dense tables; see table.h. Loop thread. */
#include "loop/table.h"

#include <stdlib.h>
#include <string.h>

#include "loop/conn.h"

/* Lines of the cache at the beginning of a layer that a write needs: with TLS, the counts and the keys for writing. */
#define LAYER_LINES 3

/* Makes room for one more chunk of entries; false when out of memory. */
static bool grow_table(void ***chunks, uint32_t *count, size_t entry_size)
{
    void **more = realloc(*chunks, (*count + 1) * sizeof(void *));
    if (more == NULL)
        return false;
    *chunks = more;
    /* an entry of 64 bytes is one line of the cache */
    if ((more[*count] = aligned_alloc(64, HJ_TABLE_CHUNK * entry_size)) == NULL)
        return false;
    ++*count;
    return true;
}

static void dispose_chunks(void **chunks, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i)
        free(chunks[i]);
    free(chunks);
}

struct hj_conn *hj_table_at(const struct hj_table *table, uint32_t index)
{
    return &table->chunks[index >> HJ_TABLE_CHUNK_BITS][index & (HJ_TABLE_CHUNK - 1)];
}

struct hj_conn *hj_table_take(struct hj_table *table)
{
    struct hj_conn *conn;
    if (table->free != 0) {
        conn = hj_table_at(table, table->free);
        table->free = conn->in_ms;
    } else {
        if (table->used == 0)
            table->used = 1;
        if (table->used >> HJ_TABLE_CHUNK_BITS >= table->chunk_count &&
            !grow_table((void ***)&table->chunks, &table->chunk_count, sizeof(struct hj_conn)))
            return NULL;
        uint32_t index = table->used++;
        conn = hj_table_at(table, index);
        memset(conn, 0, sizeof(*conn));
        conn->index = index;
        conn->fd = -1;
    }
    ++table->live;
    return conn;
}

void hj_table_give(struct hj_table *table, struct hj_conn *conn)
{
    uint32_t index = conn->index;
    memset(conn, 0, sizeof(*conn));
    conn->index = index;
    conn->fd = -1;
    conn->in_ms = table->free;
    table->free = index;
    --table->live;
}

/* The layers beside the entry's chunk; NULL when out of memory. */
static void **make_layers(struct hj_table *table, uint32_t chunk)
{
    if (chunk >= table->layer_count) {
        void ***more = realloc(table->layers, table->chunk_count * sizeof(*more));
        if (more == NULL)
            return NULL;
        memset(more + table->layer_count, 0, (table->chunk_count - table->layer_count) * sizeof(*more));
        table->layers = more;
        table->layer_count = table->chunk_count;
    }
    if (table->layers[chunk] == NULL)
        table->layers[chunk] = calloc(HJ_TABLE_CHUNK, sizeof(void *));
    return table->layers[chunk];
}

bool hj_table_set_layer(struct hj_table *table, uint32_t index, void *layer)
{
    if (layer == NULL && hj_table_layer(table, index) == NULL)
        return true;
    void **layers = make_layers(table, index >> HJ_TABLE_CHUNK_BITS);
    if (layers == NULL)
        return false;
    layers[index & (HJ_TABLE_CHUNK - 1)] = layer;
    return true;
}

void *hj_table_layer(const struct hj_table *table, uint32_t index)
{
    uint32_t chunk = index >> HJ_TABLE_CHUNK_BITS;
    return chunk >= table->layer_count || table->layers[chunk] == NULL
               ? NULL
               : table->layers[chunk][index & (HJ_TABLE_CHUNK - 1)];
}

void hj_table_prefetch(const struct hj_table *table, uint32_t index)
{
    const char *layer = hj_table_layer(table, index);
    __builtin_prefetch(hj_table_at(table, index), 1);
    for (int line = 0; layer != NULL && line < LAYER_LINES; ++line)
        __builtin_prefetch(layer + (size_t)line * 64, 1);
}

void hj_table_dispose(struct hj_table *table)
{
    dispose_chunks((void **)table->layers, table->layer_count);
    dispose_chunks((void **)table->chunks, table->chunk_count);
    *table = (struct hj_table){0};
}

struct hj_membership *hj_member_table_at(const struct hj_member_table *table, uint32_t index)
{
    return &table->chunks[index >> HJ_TABLE_CHUNK_BITS][index & (HJ_TABLE_CHUNK - 1)];
}

uint32_t hj_member_table_take(struct hj_member_table *table)
{
    if (table->free != 0) {
        uint32_t index = table->free;
        table->free = hj_member_table_at(table, index)->next;
        return index;
    }
    if (table->used == 0)
        table->used = 1;
    if (table->used >> HJ_TABLE_CHUNK_BITS >= table->chunk_count &&
        !grow_table((void ***)&table->chunks, &table->chunk_count, sizeof(struct hj_membership)))
        return 0;
    return table->used++;
}

void hj_member_table_give(struct hj_member_table *table, uint32_t index)
{
    hj_member_table_at(table, index)->next = table->free;
    table->free = index;
}

void hj_member_table_dispose(struct hj_member_table *table)
{
    dispose_chunks((void **)table->chunks, table->chunk_count);
    *table = (struct hj_member_table){0};
}
