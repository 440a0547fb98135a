/* What h2o/http2_internal.h needs of klib's khash.h, which distributions do not ship with it: the layout of a map from
 * 64-bit integers as in klib 0.2.8, and looking up in it. */
#ifndef HJ_LOOP_HTTP2_KHASH_H
#define HJ_LOOP_HTTP2_KHASH_H

#include <stdint.h>

typedef uint32_t khiter_t;

#define khash_t(name) kh_##name##_t
#define kh_get(name, map, key) kh_get_##name(map, key)
#define kh_end(map) ((map)->n_buckets)
#define kh_val(map, at) ((map)->vals[at])

/* A bucket has two bits: 2 empty, 1 deleted. */
#define KHASH_BITS(map, at) ((map)->flags[(at) >> 4] >> (((at)&15u) << 1) & 3u)

#define KHASH_MAP_INIT_INT64(name, value)                                                                              \
    typedef struct kh_##name##_s {                                                                                     \
        uint32_t n_buckets, size, n_occupied, upper_bound;                                                             \
        uint32_t *flags;                                                                                               \
        uint64_t *keys;                                                                                                \
        value *vals;                                                                                                   \
    } kh_##name##_t;                                                                                                   \
    static inline khiter_t kh_get_##name(const kh_##name##_t *map, uint64_t key)                                       \
    {                                                                                                                  \
        uint32_t mask = map->n_buckets - 1, step = 0;                                                                  \
        uint32_t at = (uint32_t)(key >> 33 ^ key ^ key << 11) & mask, first = at;                                      \
        if (map->n_buckets == 0)                                                                                       \
            return 0;                                                                                                  \
        while ((KHASH_BITS(map, at) & 2) == 0 && ((KHASH_BITS(map, at) & 1) != 0 || map->keys[at] != key))             \
            if ((at = (at + ++step) & mask) == first)                                                                  \
                return map->n_buckets;                                                                                 \
        return KHASH_BITS(map, at) != 0 ? map->n_buckets : at;                                                         \
    }

#define KHASH_SET_INIT_INT64(name) KHASH_MAP_INIT_INT64(name, char)

#endif
