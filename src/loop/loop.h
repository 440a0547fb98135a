/* The one door from core to the loops. */
#ifndef HJ_LOOP_LOOP_H
#define HJ_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/command.h"
#include "core/server.h"

struct hj_loop;

/* Opens the first listening socket for listener->address; the port that was picked is written back there. 0 or
 * HIJACK_EADDR, EADDRINUSE, EACCES, ELIMIT, ENOTSOCK. Any thread. */
int hj_listener_open(struct hj_listener *listener, const struct hj_server_options *options);
void hj_listener_close(struct hj_listener *listener);

/* Makes the loops of a server and starts their threads: all or none. 0 or HIJACK_ENOMEM, ELIMIT, EIO. Caller holds the
 * server's lock. */
int hj_loops_start(struct hj_server *server);

/* Waits for the end of all threads, or leaves them to themselves. Caller has taken threads_left. */
void hj_loops_join(struct hj_server *server);
void hj_loops_detach(struct hj_server *server);

/* Gives back the memory of loops whose threads have ended or never started. */
void hj_loops_free(struct hj_server *server);

/* Takes over the command; false, and the command still the caller's, when the loop has ended. Any thread. */
bool hj_loop_post(struct hj_loop *loop, struct hj_command *command);

uint64_t hj_loop_stat(const struct hj_loop *loop, uint32_t index); /* any thread */
uint32_t hj_loop_index(const struct hj_loop *loop);                /* any thread */

#endif
