/* The context of outgoing connections; see outgoing.h. Any thread of the program; no loop. */
#include "core/tls/outgoing.h"

#include <unistd.h>

#include "core/tls/context.h"

int hj_outgoing_tls_make(struct hj_server *server)
{
    SSL_CTX *made, *none = NULL;
    if (atomic_load(&server->outgoing_tls) != NULL)
        return 0;
    int rc = hj_tls_context_outgoing(&made, &server->options, server->keylog_fd);
    if (rc == 0 && !atomic_compare_exchange_strong(&server->outgoing_tls, &none, made))
        SSL_CTX_free(made); /* another thread was faster: no lock is held while files are read */
    return rc;
}

void hj_outgoing_tls_free(struct hj_server *server)
{
    SSL_CTX_free(atomic_exchange(&server->outgoing_tls, NULL));
    if (server->keylog_fd != -1)
        close(server->keylog_fd);
    server->keylog_fd = -1;
}

int hj_outgoing_tls_start(struct hj_server *server)
{
    hj_outgoing_tls_free(server); /* of a start that failed; options may have been set since */
    int rc = hj_tls_keylog_open(&server->keylog_fd, &server->options);
    return rc != 0 || server->options.connect_ca[0] == '\0' ? rc : hj_outgoing_tls_make(server);
}
