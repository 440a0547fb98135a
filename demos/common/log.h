/* SPDX-License-Identifier: MIT
 * The chat's last messages: members that return get what they have missed, also after the end of this process if the
 * variable CHAT_LOG names a file. The first line of the file is the history's epoch, each other line is a message. A
 * message is in the file before anybody gets it, so that kill -9 loses nothing; the system's end may lose what it has
 * not written to its disk. One process at a time may have the file. Main thread only. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>

#include <hijack/hijack.h>

#define LOG_ID_SIZE 65 /* of 1 to 64 letters, digits and '-', and a NUL */
#define LOG_POSITION_SIZE 64

/* Makes the history of a server that is not started yet. There is one in a program. */
void log_open(hijack_server *server);

/* Where the chat is now. Returns the length. */
size_t log_position(char position[LOG_POSITION_SIZE]);

/* Makes a connection a member. position: NULL, the one that the client gives, or "" for where the chat is now. As
 * hijack_broadcaster_add. */
int log_add(void *connection, const char *position, size_t len);

bool log_is_id(const char *text, size_t len);

/* json has no line end. id: "" for none; a message with the id of one that is kept is not published again. */
void log_publish(const char *json, size_t len, const char *id);

/* After the server was stopped. */
void log_close(void);

#endif
