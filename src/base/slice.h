/* A run of bytes that somebody else owns. */
#ifndef HJ_BASE_SLICE_H
#define HJ_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct hj_slice {
    const char *base;
    size_t len;
};

static inline struct hj_slice hj_slice(const char *base, size_t len)
{
    return (struct hj_slice){base, len};
}

#define HJ_SLICE(literal) hj_slice("" literal, sizeof(literal) - 1)

static inline bool hj_slice_equal(struct hj_slice a, struct hj_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.base, b.base, a.len) == 0);
}

static inline bool hj_slice_begins(struct hj_slice text, struct hj_slice prefix)
{
    return text.len >= prefix.len && memcmp(text.base, prefix.base, prefix.len) == 0;
}

/* What follows prefix; empty where text does not begin with it. */
static inline struct hj_slice hj_slice_behind(struct hj_slice text, struct hj_slice prefix)
{
    return hj_slice_begins(text, prefix) ? hj_slice(text.base + prefix.len, text.len - prefix.len) : HJ_SLICE("");
}

static inline char hj_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ASCII case is ignored. */
static inline bool hj_slice_equal_nocase(struct hj_slice a, struct hj_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; ++i)
        if (hj_lower(a.base[i]) != hj_lower(b.base[i]))
            return false;
    return true;
}

/* The same for a b that is in lower case already. */
static inline bool hj_slice_equal_lower(struct hj_slice a, struct hj_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; ++i)
        if (hj_lower(a.base[i]) != b.base[i])
            return false;
    return true;
}

#endif
