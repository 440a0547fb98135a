/* A number beside each entry of a loop's table, 0 at first. Only where one is set it takes memory: 4 bytes for each
 * entry of that chunk. For what few connections have, and their entry has no room for. Loop thread. */
#ifndef HJ_LOOP_NUMBERS_H
#define HJ_LOOP_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: ready. */
struct hj_numbers {
    uint32_t **chunks; /* each NULL, or HJ_TABLE_CHUNK numbers */
    uint32_t chunk_count;
};

uint32_t hj_numbers_get(const struct hj_numbers *numbers, uint32_t index);

/* False when out of memory; setting 0 always succeeds. */
bool hj_numbers_set(struct hj_numbers *numbers, uint32_t index, uint32_t number);

void hj_numbers_dispose(struct hj_numbers *numbers);

#endif
