/* SPDX-License-Identifier: MIT */
#include "outgoing.h"

#include <stdio.h>
#include <unistd.h>

struct certificate authority, trusted;

static char path[64], key_path[64], both_path[64];

static void write_file(const char *name, const char *first, const char *second)
{
    FILE *file = fopen(name, "w");
    CHECK(file != NULL && fputs(first, file) >= 0 && fputs(second, file) >= 0 && fclose(file) == 0);
}

int outgoing_setup(void **state)
{
    (void)state;
    certificate_make(&authority, NULL, CERTIFICATE_EC, "authority", NULL);
    certificate_make(&trusted, &authority, CERTIFICATE_EC, "server", "DNS:localhost,IP:127.0.0.1");
    snprintf(path, sizeof(path), "/tmp/hijack-authority-%d.pem", (int)getpid());
    snprintf(key_path, sizeof(key_path), "/tmp/hijack-key-%d.pem", (int)getpid());
    snprintf(both_path, sizeof(both_path), "/tmp/hijack-chain-%d.pem", (int)getpid());
    write_file(path, authority.chain_text, "");
    write_file(key_path, trusted.key_text, "");
    write_file(both_path, trusted.chain_text, trusted.key_text);
    return 0;
}

int outgoing_teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(key_path);
    unlink(both_path);
    certificate_free(&trusted);
    certificate_free(&authority);
    return 0;
}

const char *outgoing_authority(void)
{
    return path;
}

const char *outgoing_key(void)
{
    return key_path;
}

const char *outgoing_chain_and_key(void)
{
    return both_path;
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
