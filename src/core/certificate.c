/* Certificates from the program: hijack_server_certificate. Any thread, before and after the start. */
#include <hijack/hijack.h>

#include "base/handle.h"
#include "core/server.h"
#if HIJACK_TLS
#include "core/tls/certificates.h"
#endif

static int add_certificate(struct hj_server *server, struct hj_slice chain, struct hj_slice key, struct hj_slice staple)
{
#if HIJACK_TLS
    struct hj_certificate *certificate;
    int rc = hj_certificate_load(&certificate, chain, key, staple);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&server->lock);
    rc = hj_certificates_add(server, certificate);
    pthread_mutex_unlock(&server->lock);
    return rc;
#else
    (void)server;
    (void)chain;
    (void)key;
    (void)staple;
    return HIJACK_ENOTSUP;
#endif
}

int hijack_server_certificate(hijack_server *handle, const char *chain, size_t chain_len, const char *key,
                              size_t key_len, const char *staple, size_t staple_len)
{
    struct hj_server *server;
    if (chain == NULL || key == NULL || (staple == NULL && staple_len != 0))
        return HIJACK_EINVAL;
    int rc = hj_server_pin(&server, handle);
    if (rc != 0)
        return rc;
    rc = add_certificate(server, hj_slice(chain, chain_len), hj_slice(key, key_len), hj_slice(staple, staple_len));
    hj_handle_unpin(handle);
    return rc;
}
