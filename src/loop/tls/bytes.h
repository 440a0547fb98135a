/* The bytes that a layer keeps for a while: sealed ones that the kernel did not take, parts of records, and opened ones
 * that nobody has read. Loop thread. */
#ifndef HJ_LOOP_TLS_BYTES_H
#define HJ_LOOP_TLS_BYTES_H

#include "loop/tls/state.h"

/* The layer's rest, made where it has none. NULL when out of memory. */
struct hj_tls_rest *hj_tls_rest_of(struct hj_tls_layer *layer);

/* Gives back the rest if nothing is in it. */
void hj_tls_rest_settle(struct hj_tls_layer *layer);

/* Wipes and frees it with all that is in it. */
void hj_tls_rest_free(struct hj_tls_layer *layer);

/* Appends to *bytes, which may be NULL. False when out of memory. */
bool hj_tls_bytes_add(struct hj_tls_bytes **bytes, const void *data, size_t len);

/* Takes the first n off; frees it with the last one. */
void hj_tls_bytes_drop(struct hj_tls_bytes **bytes, size_t n);

/* Whether the rest of a handshake message has to come before anything else does. */
static inline bool hj_tls_is_within_message(const struct hj_tls_layer *layer)
{
    return layer->rest != NULL && (layer->rest->message_len != 0 || layer->rest->skip != 0);
}

/* How many bytes the kernel has not taken yet, or nobody has read; 0 without any. */
static inline uint32_t hj_tls_unsent(const struct hj_tls_layer *layer)
{
    return layer->rest == NULL || layer->rest->out == NULL ? 0 : layer->rest->out->len;
}

static inline uint32_t hj_tls_unread(const struct hj_tls_layer *layer)
{
    return layer->rest == NULL || layer->rest->plain == NULL ? 0 : layer->rest->plain->len;
}

#endif
