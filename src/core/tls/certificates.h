/* The certificates of a server, which may be added to and replaced while it runs. */
#ifndef HJ_CORE_TLS_CERTIFICATES_H
#define HJ_CORE_TLS_CERTIFICATES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/server.h"
#include "core/tls/certificate.h"
#include "core/tls/context.h"

/* As they were at one moment. Constant; counted. */
struct hj_certificates {
    _Atomic uint32_t refs;
    uint32_t count;
    struct hj_certificate *list[]; /* references; the first one also serves clients that name no host we know */
};

/* A server's side of TLS; server->tls. The server's lock guards all but what loops read. */
struct hj_server_tls {
    pthread_mutex_t lock;            /* guards current for loops; held for a moment, inside the server's lock */
    struct hj_certificates *current; /* a reference */
    _Atomic uint32_t version;        /* of current: a loop takes it anew when this has changed */
    struct hj_tls_context context;   /* made by the start */
    bool equipped;                   /* ... and there */
};

/* Under the server's lock: puts the certificate, whose reference it takes over, into its place. 0, HIJACK_ESHUTDOWN, or
 * as hj_tls_context_equip. */
int hj_certificates_add(struct hj_server *server, struct hj_certificate *certificate);

/* At the start, under the server's lock: makes what handshakes need. 0, HIJACK_ETLS (a listener needs a certificate,
 * and there is none, or options that cannot be used) or as hj_tls_context_open and hj_tls_context_equip. */
int hj_certificates_start(struct hj_server *server);

/* Loops: the certificates as they are now, and their version; the caller owns a reference. */
struct hj_certificates *hj_certificates_current(struct hj_server_tls *tls, uint32_t *version);
void hj_certificates_unref(struct hj_certificates *certificates); /* NULL is a no-op */

/* The one for this host, or the first. */
struct hj_certificate *hj_certificates_find(const struct hj_certificates *certificates, struct hj_slice host);

/* With the server's end. NULL is a no-op. */
void hj_server_tls_free(struct hj_server_tls *tls);

#endif
