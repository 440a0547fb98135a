/* Whether a descriptor from elsewhere is a connection. Any thread. */
#ifndef HJ_BASE_OS_CONNECTED_H
#define HJ_BASE_OS_CONNECTED_H

/* 0; HIJACK_ERESET (a TCP connection that its peer has reset) or HIJACK_ENOTSOCK (not a stream socket, or never
 * connected). */
int hj_connected_check(int fd);

#endif
