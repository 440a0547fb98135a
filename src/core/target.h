/* Where an outgoing connection goes: the text of hijack_server_connect, and the addresses that it stands for. */
#ifndef HJ_CORE_TARGET_H
#define HJ_CORE_TARGET_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"
#include "core/address.h"

#define HJ_HOST_MAX 253 /* bytes of a host name (RFC 1035 section 2.3.4) */

struct hj_target {
    bool tls;                   /* a TLS handshake follows, with the host's name, or its address if not named */
    bool named;                 /* by host and port: it has to be looked up */
    char host[HJ_HOST_MAX + 1]; /* with a NUL; if named */
    char port[6];               /* likewise */
    struct hj_address address;  /* if not */
};

/* Understands "127.0.0.1:80", "[::1]:80", "host.example:80" and "unix:/path", and "tls:" before the first three; never
 * waits. 0, or with target untouched HIJACK_EADDR ("tls:unix:" too: there is no name to be verified), ERANGE (port over
 * 65535), ETOOBIG (unix path), EADDRNOTAVAIL (no such interface) or ENOTSUP ("tls:" in a build without it). */
int hj_target_parse(struct hj_target *target, struct hj_slice text);

/* An address in a list of them, which is a buffer of these. */
struct hj_target_address {
    socklen_t sa_len;
    struct sockaddr_storage sa;
};

/* The list of one address; NULL when out of memory. */
struct hj_buf *hj_target_list(const struct hj_address *address);

/* Looks the name up, which may take long. *out: a list of at least one. 0, HIJACK_EADDRNOTAVAIL (no such host) or
 * ENOMEM. */
int hj_target_resolve(struct hj_buf **out, const char *host, const char *port);

#endif
