/* The authorities (CAs) that may have signed the certificates of those whom the program connects to. Read at the
 * start or by a thread that looks names up: a loop neither waits for a disk, nor has the program's descriptors. */
#ifndef HJ_CORE_TLS_AUTHORITIES_H
#define HJ_CORE_TLS_AUTHORITIES_H

#include <openssl/x509.h>

/* Puts them into store: those of the PEM file at path, or, where path is empty, those that OpenSSL's own programs
 * trust on this system (SSL_CERT_FILE and SSL_CERT_DIR name other ones). 0, HIJACK_ETLS (there is none), ENOENT,
 * EACCES, ELIMIT, EIO or ENOMEM. */
int hj_authorities_load(X509_STORE *store, const char *path);

#endif
