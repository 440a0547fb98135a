/* The context of a server's outgoing connections, which all of them share. Made when it is first needed, and then given
 * the system's authorities by a thread that looks names up: they take more than a megabyte and tens of milliseconds of
 * reading, which a server that connects to nobody does not pay, and for which neither a loop nor the program waits. */
#ifndef HJ_CORE_TLS_OUTGOING_H
#define HJ_CORE_TLS_OUTGOING_H

#include <stdbool.h>

#include "core/server.h"

#if HIJACK_TLS

/* At the start, under the server's lock: opens the file for keys, and makes the context if an option is set that names
 * whom it trusts or what it shows, so that a wrong one is found here. 0, HIJACK_ETLS, ENOENT, EACCES, EIO, ELIMIT or
 * ENOMEM. */
int hj_outgoing_tls_start(struct hj_server *server);

/* Makes the context if there is none. Any thread, once the server has started. 0, HIJACK_ETLS or ENOMEM. */
int hj_outgoing_tls_make(struct hj_server *server);

/* Whether the context, which is there, has its authorities: no handshake may begin before. Any thread. */
bool hj_outgoing_tls_trusts(const struct hj_server *server);

/* Sees to it that it has. Reads files: no loop, and one thread at a time. 0, or as hj_authorities_load. */
int hj_outgoing_tls_trust(struct hj_server *server);

/* With the server's end. */
void hj_outgoing_tls_free(struct hj_server *server);

#else /* there is no outgoing connection with TLS */

static inline int hj_outgoing_tls_make(struct hj_server *server)
{
    (void)server;
    return HIJACK_ENOTSUP;
}

static inline bool hj_outgoing_tls_trusts(const struct hj_server *server)
{
    (void)server;
    return false;
}

static inline int hj_outgoing_tls_trust(struct hj_server *server)
{
    (void)server;
    return HIJACK_ENOTSUP;
}

#endif
#endif
