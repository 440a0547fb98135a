/* SPDX-License-Identifier: MIT */
#include "outgoing.h"

#include <stdio.h>
#include <unistd.h>

#include <openssl/pem.h>

struct certificate authority, trusted;

static char path[64];

int outgoing_setup(void **state)
{
    (void)state;
    certificate_make(&authority, NULL, CERTIFICATE_EC, "authority", NULL);
    certificate_make(&trusted, &authority, CERTIFICATE_EC, "server", "DNS:localhost,IP:127.0.0.1");
    snprintf(path, sizeof(path), "/tmp/hijack-authority-%d.pem", (int)getpid());
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && PEM_write_X509(file, authority.x509) == 1 && fclose(file) == 0);
    return 0;
}

int outgoing_teardown(void **state)
{
    (void)state;
    unlink(path);
    certificate_free(&trusted);
    certificate_free(&authority);
    return 0;
}

const char *outgoing_authority(void)
{
    return path;
}

int outgoing_start(struct fixture *fixture, int *listener)
{
    int port;

    fixture_option(fixture, "connect_ca", path);
    fixture_start(fixture);
    *listener = listen_here(&port, 64);
    return port;
}

hijack_socket *outgoing_connect(struct fixture *fixture, const char *host, int port)
{
    char address[128];

    snprintf(address, sizeof(address), "tls:%s", host);
    return connect_to_port(fixture, address, port);
}
