/* Sealed bytes on their way to the kernel. Loop thread. */
#ifndef HJ_LOOP_TLS_OUTPUT_H
#define HJ_LOOP_TLS_OUTPUT_H

#include <sys/types.h>

#include "loop/tls/state.h"

/* Room for len more bytes in tls->out. False when out of memory. */
bool hj_tls_output_reserve(struct hj_tls *tls, size_t len);

/* Keeps tls->out[from .. to) in the layer, behind what is there already. False when out of memory. */
bool hj_tls_output_keep(const struct hj_tls *tls, struct hj_tls_layer *layer, size_t from, size_t to);

/* Sends tls->out, which is empty afterwards: what the kernel does not take is kept in the layer, behind what is there
 * already. Returns how much it took, 0 for nothing, or why the connection is dead. */
ssize_t hj_tls_output_send(struct hj_tls *tls, int fd, struct hj_tls_layer *layer);

/* Sends what the layer has kept: 1 once nothing is left, 0, or why the connection is dead. */
int hj_tls_output_flush(int fd, struct hj_tls_layer *layer);

#endif
