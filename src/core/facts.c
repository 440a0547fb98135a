/* Facts of handshakes; see facts.h. Any thread. */
#include "core/facts.h"

#include <stdlib.h>
#include <string.h>

const struct hj_slice hj_facts_names[HJ_FACTS] = {
    {"tls_version", 11}, {"tls_cipher", 10}, {"tls_server_name", 15}, {"tls_subject", 11}, {"tls_certificate", 15},
};

struct hj_facts *hj_facts_new(const struct hj_slice fact[HJ_FACTS])
{
    size_t len = 0;
    for (int i = 0; i < HJ_FACTS; ++i)
        len += fact[i].len;
    struct hj_facts *facts = malloc(sizeof(*facts) + len);
    if (facts == NULL)
        return NULL;
    char *at = (char *)(facts + 1);
    atomic_init(&facts->refs, 1);
    for (int i = 0; i < HJ_FACTS; ++i) {
        if (fact[i].len != 0)
            memcpy(at, fact[i].base, fact[i].len);
        facts->fact[i] = hj_slice(at, fact[i].len);
        at += fact[i].len;
    }
    return facts;
}

struct hj_facts *hj_facts_ref(struct hj_facts *facts)
{
    atomic_fetch_add_explicit(&facts->refs, 1, memory_order_relaxed);
    return facts;
}

void hj_facts_unref(struct hj_facts *facts)
{
    if (facts != NULL && atomic_fetch_sub_explicit(&facts->refs, 1, memory_order_acq_rel) == 1)
        free(facts);
}
