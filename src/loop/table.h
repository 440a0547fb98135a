/* Two dense tables with stable entries: connections, and their memberships. Loop thread. */
#ifndef HJ_LOOP_TABLE_H
#define HJ_LOOP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct hj_conn;
struct hj_shard;

#define HJ_TABLE_CHUNK_BITS 10
#define HJ_TABLE_CHUNK (1u << HJ_TABLE_CHUNK_BITS)

/* Entry 0 of both is never given out. Chunks are never moved, and freed with the table. */
struct hj_table {
    struct hj_conn **chunks;
    void ***layers;       /* a chunk of pointers beside each chunk of entries; NULL until one of them has a layer */
    uint32_t layer_count; /* in layers */
    uint32_t chunk_count;
    uint32_t used; /* entries ever given out */
    uint32_t free; /* first free entry; 0: none */
    uint32_t live;
};

/* One connection in one shard. */
struct hj_membership {
    struct hj_shard *shard;
    uint32_t position; /* in the shard's members */
    uint32_t next;     /* of the same connection, or the next free one; 0: none */
};

struct hj_member_table {
    struct hj_membership **chunks;
    uint32_t chunk_count;
    uint32_t used, free;
};

/* A free entry, NULL when out of memory; its fd is -1, its index is kept. */
struct hj_conn *hj_table_take(struct hj_table *table);
void hj_table_give(struct hj_table *table, struct hj_conn *conn);
struct hj_conn *hj_table_at(const struct hj_table *table, uint32_t index);

/* What carries the bytes of an entry that is not a plain descriptor; NULL at first. A table without such entries has no
 * memory for it. False when out of memory; setting NULL always succeeds. */
bool hj_table_set_layer(struct hj_table *table, uint32_t index, void *layer);
void *hj_table_layer(const struct hj_table *table, uint32_t index);

/* An entry with a layer will be needed soon: asks for both, so that they are on their way during a system call. */
void hj_table_prefetch(const struct hj_table *table, uint32_t index);

void hj_table_dispose(struct hj_table *table);

uint32_t hj_member_table_take(struct hj_member_table *table); /* 0 when out of memory */
void hj_member_table_give(struct hj_member_table *table, uint32_t index);
struct hj_membership *hj_member_table_at(const struct hj_member_table *table, uint32_t index);
void hj_member_table_dispose(struct hj_member_table *table);

#endif
