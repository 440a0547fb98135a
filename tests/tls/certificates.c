/* SPDX-License-Identifier: MIT
 *
 * Writes the certificates of run.py into a folder: each as name.pem (the chain) and name.key.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/certificate.h"

static void write_text(const char *folder, const char *name, const char *suffix, const char *text)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s.%s", folder, name, suffix);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_certificate(const char *folder, const char *name, const struct certificate *certificate)
{
    write_text(folder, name, "pem", certificate->chain_text);
    write_text(folder, name, "key", certificate->key_text);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *subject, *names;
        enum certificate_key kind;
        int stranger; /* signed by nobody that is trusted */
    } table[] = {
        {"ec", "localhost", "DNS:localhost,DNS:example.test,IP:127.0.0.1", CERTIFICATE_EC, 0},
        {"rsa", "localhost", "DNS:localhost,DNS:example.test,IP:127.0.0.1", CERTIFICATE_RSA, 0},
        {"renewed", "localhost", "DNS:localhost,DNS:example.test,IP:127.0.0.1", CERTIFICATE_EC, 0},
        {"other", "other.test", "DNS:other.test,DNS:*.wild.test", CERTIFICATE_EC, 0},
        {"client", "alice", NULL, CERTIFICATE_EC, 0},
        {"stranger", "mallory", NULL, CERTIFICATE_EC, 1},
    };
    struct certificate authority, stranger, made;

    if (argc != 2)
        return 2;
    certificate_make(&authority, NULL, CERTIFICATE_EC, "authority", NULL);
    certificate_make(&stranger, NULL, CERTIFICATE_EC, "another authority", NULL);
    write_certificate(argv[1], "authority", &authority);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        certificate_make(&made, table[i].stranger ? &stranger : &authority, table[i].kind, table[i].subject,
                         table[i].names);
        write_certificate(argv[1], table[i].name, &made);
        certificate_free(&made);
    }
    certificate_free(&stranger);
    certificate_free(&authority);
    return 0;
}
