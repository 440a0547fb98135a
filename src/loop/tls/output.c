/* Sealed bytes on their way; see output.h. Loop thread. */
#include "loop/tls/output.h"

#include <stdlib.h>

#include "loop/io/plain.h"
#include "loop/tls/bytes.h"

bool hj_tls_output_reserve(struct hj_tls *tls, size_t len)
{
    if (tls->out_len + len <= tls->out_capacity)
        return true;
    const size_t capacity = (tls->out_len + len) * 2;
    uint8_t *more = realloc(tls->out, capacity);
    if (more == NULL)
        return false;
    tls->out = more;
    tls->out_capacity = capacity;
    return true;
}

bool hj_tls_output_keep(const struct hj_tls *tls, struct hj_tls_layer *layer, size_t from, size_t to)
{
    struct hj_tls_rest *rest = hj_tls_rest_of(layer);
    return rest != NULL && hj_tls_bytes_add(&rest->out, tls->out + from, to - from);
}

ssize_t hj_tls_output_send(struct hj_tls *tls, int fd, struct hj_tls_layer *layer)
{
    ssize_t n = 0;
    const size_t len = tls->out_len;
    tls->out_len = 0;
    if (len == 0)
        return 0;
    if (hj_tls_unsent(layer) == 0)
        n = hj_plain_send(fd, tls->out, len);
    if (n < 0 || (size_t)n == len)
        return n;
    return hj_tls_output_keep(tls, layer, (size_t)n, len) ? n : HIJACK_ENOMEM;
}

int hj_tls_output_flush(int fd, struct hj_tls_layer *layer)
{
    const uint32_t len = hj_tls_unsent(layer);
    if (len == 0)
        return 1;
    struct hj_tls_bytes **out = &layer->rest->out;
    ssize_t n = hj_plain_send(fd, (*out)->data + (*out)->start, len);
    if (n <= 0)
        return (int)n;
    hj_tls_bytes_drop(out, (size_t)n);
    hj_tls_rest_settle(layer);
    return (uint32_t)n == len;
}
