/* Listening sockets, and the socket options of connections. Any thread. */
#ifndef HJ_LOOP_LISTENER_H
#define HJ_LOOP_LISTENER_H

#include <stdbool.h>

#include "core/server.h"
#include "loop/loop.h"

/* One more socket on the same TCP address, whose share of the connections the kernel deals out to it. -1 where there
 * can be none (unix, inherited, or the system refuses): the loops then share the first one. */
int hj_listener_share(const struct hj_listener *listener, const struct hj_server_options *options);

/* Sets on a socket what connections need: no delay, keep-alive, user timeout. Accepted sockets inherit it. */
void hj_listener_prepare(int fd, const struct hj_server_options *options);

#endif
