/* Sockets: opening, accepting, their options, and what the operating system's errors about them mean. Any thread. */
#ifndef HJ_BASE_OS_SOCKET_H
#define HJ_BASE_OS_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The HIJACK_E* code of an errno that socket, bind, listen, connect or a call on a socket's file set. */
int hj_socket_error(int error);

/* A stream socket, non-blocking and closed on exec; -1 with errno. */
int hj_socket_open(int family);

/* Two stream sockets that are each other's peer, non-blocking and closed on exec; false with errno. */
bool hj_socket_pair(int out[2]);

/* The next connection of a listening socket, non-blocking and closed on exec; -1 with errno. */
int hj_socket_accept(struct sockaddr_storage *peer, int listener);

/* Begins to connect a non-blocking socket: 0 if it is connected or will be, or a HIJACK_E* code. */
int hj_socket_connect(int fd, const struct sockaddr *address, socklen_t len);

/* What has come of it, once it is writable: 0 or a HIJACK_E* code. */
int hj_socket_connected(int fd);

/* Makes an inherited socket non-blocking and closed on exec. */
bool hj_socket_take(int fd);

bool hj_socket_is_stream(int fd);
bool hj_socket_is_listening(int fd);           /* a stream socket that listens */
void hj_socket_share_port(int fd, bool share); /* SO_REUSEADDR, and if share also SO_REUSEPORT; before binding */
void hj_socket_v6_only(int fd, bool only);     /* before binding */

/* No delay, and keep-alive after so much silence; 0: as the kernel does. Accepted sockets inherit both. On a unix
 * socket nothing happens. */
void hj_socket_set_timers(int fd, uint64_t keepalive_ms);

/* What the kernel takes of one connection's bytes: at most so many that it cannot send yet, and at most so many in all;
 * 0: as it likes. Accepted sockets inherit both. On a unix socket only the second one has an effect, and only on what
 * is sent from it. */
void hj_socket_set_unsent(int fd, uint64_t bytes);
void hj_socket_set_send_buffer(int fd, uint64_t bytes);

/* Whether bytes wait to be read. */
bool hj_socket_has_unread(int fd);

/* Throws away what was not sent yet and resets the connection, also if a forked child has a copy of the descriptor,
 * which stays open. False where there is no such thing: a unix socket. */
bool hj_socket_reset(int fd);

/* Binds a unix socket. mode: the rights of its file, or -1: what the umask leaves. The file has at no moment more
 * rights than mode. 0 or a HIJACK_E* code, with no file left. */
int hj_socket_bind_unix(int fd, const struct sockaddr *address, socklen_t len, const char *path, int mode);

#endif
