/* SPDX-License-Identifier: MIT
 *
 * The transport of a test. Runs on the thread of the test; a child of fork keeps what its parent knew.
 */
#include "transport.h"
#include "vanish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#if HIJACK_TLS
#include "certificate.h"
#include "tunnel.h"

static struct certificate authority, own;
#endif

enum {
    SKIPPED = 77,
    PORTS = 65536
};

static int over_tls, offers_http2;
static char secure_ports[PORTS]; /* where transport_listen listens for TLS */

void transport_start(void)
{
    const char *wanted = getenv("HIJACK_TEST_TRANSPORT");

    if (wanted == NULL || strcmp(wanted, "tcp") == 0)
        return;
    if (strcmp(wanted, "tls") != 0) {
        fprintf(stderr, "HIJACK_TEST_TRANSPORT must be tcp or tls (got %s)\n", wanted);
        exit(2);
    }
#if HIJACK_TLS
    certificate_make(&authority, NULL, CERTIFICATE_EC, "authority", NULL);
    certificate_make(&own, &authority, CERTIFICATE_EC, "localhost", "DNS:localhost,IP:127.0.0.1");
    tunnel_start(authority.x509, "localhost");
    over_tls = 1;
#else
    fprintf(stderr, "built without TLS\n");
    exit(SKIPPED);
#endif
}

int transport_is_tls(void)
{
    return over_tls;
}

int transport_listen(hijack_server *server, const char *address)
{
    char text[256];

    if ((size_t)snprintf(text, sizeof(text), "%s%s", over_tls ? "tls:" : "", address) >= sizeof(text))
        return HIJACK_ETOOBIG;
#if HIJACK_TLS
    if (over_tls) {
        int code = hijack_server_certificate(server, own.chain_text, strlen(own.chain_text), own.key_text,
                                             strlen(own.key_text), NULL, 0);
        if (code < 0)
            return code;
    }
#endif
    int port = hijack_server_listen(server, text, strlen(text));
    if (port > 0)
        transport_listens(port);
    return port;
}

void transport_listens(int port)
{
    secure_ports[port % PORTS] = (char)over_tls;
}

int transport_connect(int fd, int port, int slow)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
#if HIJACK_TLS
    if (over_tls && secure_ports[port])
        return tunnel_connect(fd, port, slow, offers_http2);
#endif
    (void)slow;
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
}

void transport_offer_http2(int yes)
{
    offers_http2 = yes;
}

const char *transport_scheme(void)
{
    return over_tls ? "https" : "http";
}

void transport_settle(void)
{
#if HIJACK_TLS
    if (over_tls)
        tunnel_settle();
#endif
}

void transport_reset(int fd, int tunnelled)
{
#if HIJACK_TLS
    if (tunnelled)
        tunnel_reset(fd);
#endif
    (void)fd;
    (void)tunnelled;
}

int transport_vanish(int fd, int tunnelled)
{
#if HIJACK_TLS
    if (tunnelled)
        return tunnel_vanish(fd);
#endif
    (void)tunnelled;
    return vanish(fd);
}
