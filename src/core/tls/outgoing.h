/* The context of a server's outgoing connections, which all of them share. Made when it is first needed: the system's
 * authorities take more than a megabyte and tens of milliseconds, which a server that connects to nobody does not pay.
 */
#ifndef HJ_CORE_TLS_OUTGOING_H
#define HJ_CORE_TLS_OUTGOING_H

#include "core/server.h"

/* At the start, under the server's lock: opens the file for keys, and makes the context if option connect_ca is set, so
 * that a wrong option is found here. 0, or as hj_tls_keylog_open and hj_authorities_load. */
int hj_outgoing_tls_start(struct hj_server *server);

/* Makes the context if there is none. Any thread of the program, once the server has started. 0, or as
 * hj_authorities_load. */
int hj_outgoing_tls_make(struct hj_server *server);

/* With the server's end. */
void hj_outgoing_tls_free(struct hj_server *server);

#endif
