/* What a handshake has settled, for hijack_request_info: shared by all connections and requests that it is the same
 * for. Constant; counted; any thread. */
#ifndef HJ_CORE_FACTS_H
#define HJ_CORE_FACTS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/slice.h"

/* In the order of hj_facts_names. */
enum hj_fact {
    HJ_FACT_TLS_VERSION,
    HJ_FACT_TLS_CIPHER,
    HJ_FACT_TLS_SERVER_NAME,
    HJ_FACT_TLS_SUBJECT,     /* of the client's certificate (RFC 4514) */
    HJ_FACT_TLS_CERTIFICATE, /* of the client; PEM */
    HJ_FACTS
};

extern const struct hj_slice hj_facts_names[HJ_FACTS];

struct hj_facts {
    _Atomic uint32_t refs;
    struct hj_slice fact[HJ_FACTS]; /* empty: none; the texts follow in the same block */
};

/* A copy of these facts; the caller owns a reference. NULL when out of memory. */
struct hj_facts *hj_facts_new(const struct hj_slice fact[HJ_FACTS]);
struct hj_facts *hj_facts_ref(struct hj_facts *facts);
void hj_facts_unref(struct hj_facts *facts); /* NULL is a no-op */

#endif
