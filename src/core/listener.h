/* Listening sockets, and the socket options of connections. Any thread. */
#ifndef HJ_CORE_LISTENER_H
#define HJ_CORE_LISTENER_H

#include <stdbool.h>

#include "core/server.h"

/* Opens the first listening socket for listener->address; the port that was picked is written back there. 0 or
 * HIJACK_EADDR, EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOENT, ELIMIT, EIO, ENOTSOCK. */
int hj_listener_open(struct hj_listener *listener, const struct hj_server_options *options);
void hj_listener_close(struct hj_listener *listener);
void hj_listeners_close(struct hj_server *server); /* all of them; in the table in which they were opened */

/* One more socket on the same TCP address; the kernel gives each socket its share of the connections. -1 if there can
 * be none (unix, inherited, or the system refuses): the loops then share the first one. */
int hj_listener_share(const struct hj_listener *listener, const struct hj_server_options *options);

/* Sets on a socket what connections need: no delay, keep-alive, how much the kernel takes. Accepted sockets inherit it.
 */
void hj_listener_prepare(int fd, const struct hj_server_options *options);

#endif
