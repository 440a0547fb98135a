/* A server's certificates; see certificates.h. Any thread. */
#include "core/tls/certificates.h"

#include <stdlib.h>

#include <hijack/hijack.h>

static struct hj_server_tls *new_server_tls(void)
{
    struct hj_server_tls *tls = calloc(1, sizeof(*tls));
    if (tls != NULL)
        pthread_mutex_init(&tls->lock, NULL);
    return tls;
}

void hj_server_tls_free(struct hj_server_tls *tls)
{
    if (tls == NULL)
        return;
    hj_certificates_unref(tls->current);
    if (tls->equipped)
        hj_tls_context_close(&tls->context);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

void hj_certificates_unref(struct hj_certificates *certificates)
{
    if (certificates == NULL || atomic_fetch_sub_explicit(&certificates->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < certificates->count; ++i)
        hj_certificate_unref(certificates->list[i]);
    free(certificates);
}

struct hj_certificates *hj_certificates_current(struct hj_server_tls *tls, uint32_t *version)
{
    pthread_mutex_lock(&tls->lock);
    struct hj_certificates *current = tls->current;
    atomic_fetch_add_explicit(&current->refs, 1, memory_order_relaxed);
    *version = atomic_load_explicit(&tls->version, memory_order_relaxed);
    pthread_mutex_unlock(&tls->lock);
    return current;
}

struct hj_certificate *hj_certificates_find(const struct hj_certificates *certificates, struct hj_slice host)
{
    struct hj_certificate *best = certificates->list[0];
    int how = 0;
    for (uint32_t i = 0; host.len != 0 && i < certificates->count && how < 2; ++i) {
        int matches = hj_certificate_matches(certificates->list[i], host);
        if (matches > how) {
            how = matches;
            best = certificates->list[i];
        }
    }
    return best;
}

/* A copy of before (NULL: none) in which certificate, whose reference it takes over, has its place. NULL when out of
 * memory, and the reference still the caller's. */
static struct hj_certificates *with_certificate(const struct hj_certificates *before,
                                                struct hj_certificate *certificate)
{
    uint32_t count = before == NULL ? 0 : before->count, place = 0;
    struct hj_certificates *after = calloc(1, sizeof(*after) + (count + 1) * sizeof(after->list[0]));
    if (after == NULL)
        return NULL;
    atomic_init(&after->refs, 1);
    while (place < count && !hj_certificate_same_names(before->list[place], certificate))
        ++place;
    for (uint32_t i = 0; i < count; ++i)
        if (i != place)
            after->list[i] = hj_certificate_ref(before->list[i]);
    after->list[place] = certificate;
    after->count = place == count ? count + 1 : count;
    return after;
}

int hj_certificates_add(struct hj_server *server, struct hj_certificate *certificate)
{
    int rc = 0;
    if (server->tls == NULL && (server->tls = new_server_tls()) == NULL)
        rc = HIJACK_ENOMEM;
    struct hj_server_tls *tls = server->tls;
    if (rc == 0 && atomic_load(&server->state) == HJ_SERVER_STOPPED)
        rc = HIJACK_ESHUTDOWN;
    if (rc == 0 && tls->equipped)
        rc = hj_tls_context_equip(&tls->context, certificate);
    struct hj_certificates *before = rc == 0 ? tls->current : NULL;
    struct hj_certificates *after = rc == 0 ? with_certificate(before, certificate) : NULL;
    if (after == NULL) {
        hj_certificate_unref(certificate);
        return rc == 0 ? HIJACK_ENOMEM : rc;
    }
    pthread_mutex_lock(&tls->lock);
    tls->current = after;
    atomic_fetch_add_explicit(&tls->version, 1, memory_order_release);
    pthread_mutex_unlock(&tls->lock);
    hj_certificates_unref(before);
    return 0;
}

static bool needs_certificate(const struct hj_server *server)
{
    for (uint32_t i = 0; i < server->listener_count; ++i)
        if (server->listeners[i].tls)
            return true;
    return false;
}

static void unequip(struct hj_server_tls *tls)
{
    for (uint32_t i = 0; i < tls->current->count; ++i)
        hj_certificate_strip(tls->current->list[i]);
    hj_tls_context_close(&tls->context);
    tls->equipped = false;
}

int hj_certificates_start(struct hj_server *server)
{
    struct hj_server_tls *tls = server->tls;
    if (!needs_certificate(server))
        return 0;
    if (tls == NULL || tls->current == NULL)
        return HIJACK_ETLS;
    if (tls->equipped) /* by a start that failed later; options may have been set since */
        unequip(tls);
    int rc = hj_tls_context_open(&tls->context, &server->options, server->keylog_fd);
    for (uint32_t i = 0; rc == 0 && i < tls->current->count; ++i)
        rc = hj_tls_context_equip(&tls->context, tls->current->list[i]);
    tls->equipped = true;
    if (rc != 0)
        unequip(tls);
    return rc;
}
