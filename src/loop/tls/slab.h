/* Memory of keyed layers: dense, in no core dump, wiped. Loop thread. */
#ifndef HJ_LOOP_TLS_SLAB_H
#define HJ_LOOP_TLS_SLAB_H

#include "loop/tls/state.h"

struct hj_tls_keyed *hj_tls_slab_take(struct hj_tls_slab *slab); /* zeroed; NULL when out of memory */
void hj_tls_slab_give(struct hj_tls_slab *slab, struct hj_tls_keyed *keyed);
void hj_tls_slab_dispose(struct hj_tls_slab *slab);

#endif
