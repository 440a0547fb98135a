/* Numbers beside the entries of a table; see numbers.h. Loop thread. */
#include "loop/numbers.h"

#include <stdlib.h>
#include <string.h>

#include "loop/table.h"

/* Where the number of this entry is; NULL: it was never set. */
static uint32_t *number_at(const struct hj_numbers *numbers, uint32_t index)
{
    uint32_t chunk = index >> HJ_TABLE_CHUNK_BITS;
    if (chunk >= numbers->chunk_count || numbers->chunks[chunk] == NULL)
        return NULL;
    return &numbers->chunks[chunk][index & (HJ_TABLE_CHUNK - 1)];
}

/* False when out of memory. */
static bool make_numbers(struct hj_numbers *numbers, uint32_t chunk)
{
    if (chunk >= numbers->chunk_count) {
        uint32_t **more = realloc(numbers->chunks, (chunk + 1) * sizeof(*more));
        if (more == NULL)
            return false;
        memset(more + numbers->chunk_count, 0, (chunk + 1 - numbers->chunk_count) * sizeof(*more));
        numbers->chunks = more;
        numbers->chunk_count = chunk + 1;
    }
    if (numbers->chunks[chunk] == NULL)
        numbers->chunks[chunk] = calloc(HJ_TABLE_CHUNK, sizeof(uint32_t));
    return numbers->chunks[chunk] != NULL;
}

uint32_t hj_numbers_get(const struct hj_numbers *numbers, uint32_t index)
{
    const uint32_t *number = number_at(numbers, index);
    return number == NULL ? 0 : *number;
}

bool hj_numbers_set(struct hj_numbers *numbers, uint32_t index, uint32_t number)
{
    uint32_t *where = number_at(numbers, index);
    if (where == NULL) {
        if (number == 0)
            return true;
        if (!make_numbers(numbers, index >> HJ_TABLE_CHUNK_BITS))
            return false;
        where = number_at(numbers, index);
    }
    *where = number;
    return true;
}

void hj_numbers_dispose(struct hj_numbers *numbers)
{
    for (uint32_t i = 0; i < numbers->chunk_count; ++i)
        free(numbers->chunks[i]);
    free(numbers->chunks);
    *numbers = (struct hj_numbers){0};
}
