/* Two sockets of which each gets the other one's bytes: what the program asks for. Any thread. */
#ifndef HJ_CORE_RELAY_H
#define HJ_CORE_RELAY_H

#include "core/command.h"

/* Posts a HJ_OP_RELAY_END to the socket's loop, for this reason (HIJACK_E* or 0); takes it over. */
void hj_relay_notify(struct hj_command *notice, int reason);

#endif
