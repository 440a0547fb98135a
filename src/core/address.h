/* Addresses as text: what a server listens on, and what a peer is called. */
#ifndef HJ_CORE_ADDRESS_H
#define HJ_CORE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/slice.h"

/* Room for the text of any address, with its NUL. */
#define HJ_ADDRESS_TEXT_SIZE 128

enum hj_address_kind {
    HJ_ADDRESS_TCP,  /* sa, sa_len, any */
    HJ_ADDRESS_UNIX, /* path, sa, sa_len */
    HJ_ADDRESS_FD    /* fd */
};

struct hj_address {
    enum hj_address_kind kind;
    int fd;         /* -1 except for HJ_ADDRESS_FD */
    char path[108]; /* with a NUL; empty except for HJ_ADDRESS_UNIX */
    struct sockaddr_storage sa;
    socklen_t sa_len;
    bool any; /* "*": the IPv6 wildcard, to be bound with IPV6_V6ONLY off (or 0.0.0.0 where there is no IPv6) */
};

/* Understands "127.0.0.1:8080", "[::1]:8080", "[fe80::1%eth0]:80", "*:8080", "localhost:0", "unix:/path", "fd:3". Of
 * host names only localhost: any other might wait for a name server. Returns 0, or, with address untouched,
 * HIJACK_EADDR (cannot be understood), ERANGE (port over 65535), ETOOBIG (unix path too long) or EADDRNOTAVAIL
 * (localhost has no address here; no such interface). */
int hj_address_parse(struct hj_address *address, struct hj_slice text);

/* Makes "*" the IPv4 wildcard, with the port it has. */
void hj_address_use_v4(struct hj_address *address);

/* Writes "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@abstract", "unix:" or, for another family, "unknown:", and a
 * NUL. IPv4 inside IPv6 is shown as IPv4. Returns the length or HIJACK_ETOOBIG. */
int hj_address_format(char *out, size_t out_size, const struct sockaddr *sa, socklen_t len);

/* The address of the peer of a connected socket, in out or static memory. */
struct hj_slice hj_address_of_peer(char *out, size_t out_size, int fd);

#endif
