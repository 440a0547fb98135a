/* Memory of keyed layers; see slab.h. Loop thread. Chunks are never moved, and freed with the loop. */
#include "loop/tls/slab.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/os/secret_pages.h"

#define CHUNK 65536 /* bytes */
#define PER_CHUNK (CHUNK / sizeof(struct hj_tls_keyed))

static bool add_chunk(struct hj_tls_slab *slab)
{
    void **more = realloc(slab->chunks, (slab->chunk_count + 1) * sizeof(*more));
    if (more == NULL)
        return false;
    slab->chunks = more;
    if ((more[slab->chunk_count] = hj_secret_pages_new(CHUNK)) == NULL)
        return false;
    ++slab->chunk_count;
    slab->used = 0;
    return true;
}

struct hj_tls_keyed *hj_tls_slab_take(struct hj_tls_slab *slab)
{
    struct hj_tls_keyed *keyed = slab->free;
    if (keyed != NULL) {
        slab->free = (struct hj_tls_keyed *)keyed->layer.rest;
        keyed->layer.rest = NULL;
        return keyed;
    }
    if ((slab->chunk_count == 0 || slab->used == PER_CHUNK) && !add_chunk(slab))
        return NULL;
    return (struct hj_tls_keyed *)slab->chunks[slab->chunk_count - 1] + slab->used++;
}

void hj_tls_slab_give(struct hj_tls_slab *slab, struct hj_tls_keyed *keyed)
{
    OPENSSL_cleanse(keyed, sizeof(*keyed));
    keyed->layer.rest = (struct hj_tls_rest *)slab->free;
    slab->free = keyed;
}

void hj_tls_slab_dispose(struct hj_tls_slab *slab)
{
    for (uint32_t i = 0; i < slab->chunk_count; ++i)
        hj_secret_pages_free(slab->chunks[i], CHUNK);
    free(slab->chunks);
    *slab = (struct hj_tls_slab){0};
}
