/* The bytes that a layer keeps; see bytes.h. Loop thread. */
#include "loop/tls/bytes.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

struct hj_tls_rest *hj_tls_rest_of(struct hj_tls_layer *layer)
{
    if (layer->rest == NULL)
        layer->rest = calloc(1, sizeof(*layer->rest));
    return layer->rest;
}

void hj_tls_rest_settle(struct hj_tls_layer *layer)
{
    struct hj_tls_rest *rest = layer->rest;
    if (rest == NULL || rest->out != NULL || rest->in != NULL || rest->plain != NULL || hj_tls_is_within_message(layer))
        return;
    free(rest);
    layer->rest = NULL;
}

static void free_bytes(struct hj_tls_bytes **bytes)
{
    if (*bytes == NULL)
        return;
    OPENSSL_cleanse((*bytes)->data, (*bytes)->capacity); /* what was opened is as secret as the keys */
    free(*bytes);
    *bytes = NULL;
}

void hj_tls_rest_free(struct hj_tls_layer *layer)
{
    if (layer->rest == NULL)
        return;
    free_bytes(&layer->rest->out);
    free_bytes(&layer->rest->in);
    free_bytes(&layer->rest->plain);
    free(layer->rest);
    layer->rest = NULL;
}

bool hj_tls_bytes_add(struct hj_tls_bytes **bytes, const void *data, size_t len)
{
    struct hj_tls_bytes *before = *bytes;
    const size_t have = before == NULL ? 0 : before->len;
    if (len == 0)
        return true;
    if (before == NULL || before->start + have + len > before->capacity) {
        const size_t capacity = before == NULL ? len : (have + len) * 2;
        struct hj_tls_bytes *more = capacity > UINT32_MAX ? NULL : malloc(sizeof(*more) + capacity);
        if (more == NULL)
            return false;
        *more = (struct hj_tls_bytes){.len = (uint32_t)have, .capacity = (uint32_t)capacity};
        if (have != 0)
            memcpy(more->data, before->data + before->start, have);
        free_bytes(bytes);
        *bytes = before = more;
    }
    memcpy(before->data + before->start + have, data, len);
    before->len = (uint32_t)(have + len);
    return true;
}

void hj_tls_bytes_drop(struct hj_tls_bytes **bytes, size_t n)
{
    (*bytes)->start += (uint32_t)n;
    (*bytes)->len -= (uint32_t)n;
    if ((*bytes)->len == 0)
        free_bytes(bytes);
}
