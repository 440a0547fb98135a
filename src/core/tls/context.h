/* What all handshakes of a server have in common: OpenSSL's SSL_CTX, made for each certificate from the server's
 * options, and what it tells us while a handshake runs. */
#ifndef HJ_CORE_TLS_CONTEXT_H
#define HJ_CORE_TLS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "core/option.h"
#include "core/tls/certificate.h"
#include "core/tls/ticket.h"

/* Of one handshake, on its loop's thread: what taking over the keys of TLS 1.3 needs. To be wiped afterwards. */
struct hj_handshake_secrets {
    uint8_t client[48], server[48]; /* application traffic secrets; 32 bytes with SHA-256 */
    bool has_client, has_server;
    uint64_t sealed; /* by us, as a server, with the server's: records with session tickets */
};

/* Of a server's listeners. Constant once made. */
struct hj_tls_context {
    const struct hj_server_options *options;
    struct hj_tickets tickets;
    int keylog_fd; /* the server's; -1: none */
};

/* Opens the file of option tls_keylog_file. *out: its descriptor, or -1 without that option. 0, HIJACK_ENOENT, EACCES,
 * ELIMIT or EIO. */
int hj_tls_keylog_open(int *out, const struct hj_server_options *options);

/* 0, HIJACK_ETLS, ENOENT, EACCES, EIO or ENOMEM. Closed also after a failure. */
int hj_tls_context_open(struct hj_tls_context *context, const struct hj_server_options *options, int keylog_fd);
void hj_tls_context_close(struct hj_tls_context *context);

/* Makes the certificate's contexts for OpenSSL. 0, HIJACK_ETLS, ENOENT (tls_client_ca) or ENOMEM. */
int hj_tls_context_equip(struct hj_tls_context *context, struct hj_certificate *certificate);

/* Makes the context of outgoing connections, which verifies whom they reach, and trusts nobody yet. The caller owns it.
 * 0, HIJACK_ETLS or ENOMEM. */
int hj_tls_context_outgoing(SSL_CTX **out, const struct hj_server_options *options, int keylog_fd);

/* Before its first handshake: what it shows to whom asks for a certificate. 0 or HIJACK_ETLS. */
int hj_tls_context_present(SSL_CTX *ctx, const struct hj_certificate *certificate);

/* The object whose ClientHello was read last on this thread: libh2o does not show its own. */
SSL *hj_tls_context_last(void);

/* Where the handshake of ssl, which is made from http1 or for an outgoing connection, leaves its secrets. False when
 * out of memory. */
bool hj_tls_context_watch(SSL *ssl, struct hj_handshake_secrets *secrets);

#endif
