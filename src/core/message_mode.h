/* Messages that a program sends to a WebSocket: whole ones, and those that it sends in pieces. Any thread. */
#ifndef HJ_CORE_MESSAGE_MODE_H
#define HJ_CORE_MESSAGE_MODE_H

#include <stdint.h>

#include "core/channel.h"

/* Sends a message, or the next piece of one: all or nothing. type: TEXT or BINARY, and MORE. As hj_channel_send, and
 * HIJACK_EINVAL (no UTF-8) or ESTATE (a piece of another kind of message, or a piece to a broadcaster's member). */
int hj_message_mode_send(struct hj_channel *channel, uint32_t type, struct hj_slice data);

#endif
