/* SPDX-License-Identifier: MIT
 * The chat's room, which the demos chat and sse have: /chat, /events and /say. The protocol is at the top of
 * demos/chat.c. Main thread only. */
#ifndef ROOM_H
#define ROOM_H

#include <stdbool.h>

#include <hijack/hijack.h>

/* Makes the room of a server that is not started yet. There is one in a program. */
void room_open(hijack_server *server);

/* Answers a request for one of the room's paths, and frees it. False: it is for another path. */
bool room_answer(hijack_request *request);

/* Takes an event that is not a request's: one of a member, or one that is nobody's. */
void room_event(const hijack_event *event);

/* After the server was stopped: frees the members and the room. */
void room_close(void);

#endif
