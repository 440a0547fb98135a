/* An immutable run of bytes shared by reference, among any threads. Whoever makes it owns one reference. The bytes are
 * written between hj_buf_new and the first time another thread sees it, never after. */
#ifndef HJ_BASE_BUF_H
#define HJ_BASE_BUF_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct hj_buf {
    _Atomic uint32_t refs;
    uint32_t len; /* bytes in data */
    char data[];
};

/* Room for len bytes, uninitialised; NULL when out of memory or len exceeds UINT32_MAX. */
struct hj_buf *hj_buf_new(size_t len);
struct hj_buf *hj_buf_copy(const char *data, size_t len);
/* Changes the length of a buffer that nobody else refers to and returns where it is now; what fits stays. NULL, and the
 * buffer as it was, when out of memory or len exceeds UINT32_MAX; never for a shorter length. */
struct hj_buf *hj_buf_resize(struct hj_buf *buf, size_t len);
struct hj_buf *hj_buf_ref(struct hj_buf *buf);
void hj_buf_unref(struct hj_buf *buf); /* NULL is a no-op */

#endif
