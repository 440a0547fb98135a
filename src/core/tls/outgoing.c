/* The context of outgoing connections; see outgoing.h. */
#include "core/tls/outgoing.h"

#include <string.h>
#include <unistd.h>

#include <hijack/hijack.h>

#include "core/tls/authorities.h"
#include "core/tls/certificate.h"
#include "core/tls/context.h"

int hj_outgoing_tls_make(struct hj_server *server)
{
    SSL_CTX *made, *none = NULL;
    if (atomic_load(&server->outgoing_tls) != NULL)
        return 0;
    int rc = hj_tls_context_outgoing(&made, &server->options, server->keylog_fd);
    if (rc == 0 && !atomic_compare_exchange_strong(&server->outgoing_tls, &none, made))
        SSL_CTX_free(made); /* another thread was faster */
    return rc;
}

bool hj_outgoing_tls_trusts(const struct hj_server *server)
{
    return atomic_load(&server->outgoing_trusts);
}

int hj_outgoing_tls_trust(struct hj_server *server)
{
    X509_STORE *store = SSL_CTX_get_cert_store(atomic_load(&server->outgoing_tls));
    const int rc = hj_authorities_load(store, server->options.connect_ca);
    atomic_store(&server->outgoing_trusts, rc == 0);
    return rc;
}

void hj_outgoing_tls_free(struct hj_server *server)
{
    atomic_store(&server->outgoing_trusts, false);
    SSL_CTX_free(atomic_exchange(&server->outgoing_tls, NULL));
    if (server->keylog_fd != -1)
        close(server->keylog_fd);
    server->keylog_fd = -1;
}

static bool is_set(const char *path)
{
    return path[0] != '\0';
}

/* The context, which nobody else has yet, shows the certificate of the options. */
static int present(struct hj_server *server)
{
    const char *chain = server->options.connect_certificate, *key = server->options.connect_key;
    struct hj_certificate *certificate;
    if (!is_set(chain))
        return HIJACK_ETLS; /* a key for nothing */
    if (!is_set(key))
        key = chain;
    int rc =
        hj_certificate_load(&certificate, hj_slice(chain, strlen(chain)), hj_slice(key, strlen(key)), HJ_SLICE(""));
    if (rc != 0)
        return rc == HIJACK_ETOOBIG ? HIJACK_ETLS : rc;
    rc = hj_tls_context_present(atomic_load(&server->outgoing_tls), certificate);
    hj_certificate_unref(certificate);
    return rc;
}

int hj_outgoing_tls_start(struct hj_server *server)
{
    const bool presents = is_set(server->options.connect_certificate) || is_set(server->options.connect_key);
    const bool trusts = is_set(server->options.connect_ca);
    hj_outgoing_tls_free(server); /* of a start that failed; options may have been set since */
    int rc = hj_tls_keylog_open(&server->keylog_fd, &server->options);
    if (rc == 0 && (presents || trusts))
        rc = hj_outgoing_tls_make(server);
    if (rc == 0 && presents)
        rc = present(server);
    if (rc == 0 && trusts)
        rc = hj_outgoing_tls_trust(server);
    return rc;
}
