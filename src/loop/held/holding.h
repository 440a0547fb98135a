/* The beginnings of held lives: a route's member, a request's stream, socket or member, an adopted descriptor. Loop
 * thread. */
#ifndef HJ_LOOP_HELD_HOLDING_H
#define HJ_LOOP_HELD_HOLDING_H

#include "core/command.h"
#include "core/request.h"
#include "core/response.h"
#include "loop/conn.h"

/* A READING connection asked for a held route. True if it goes on READING (HEAD with keep-alive); else it is held, or
 * gone. */
bool hj_holding_route(struct hj_loop *loop, struct hj_conn *conn, const struct hj_route *route, struct hj_client client,
                      bool is_head);

/* Commands. */
void hj_holding_stream(struct hj_loop *loop, struct hj_command *command);
void hj_holding_hijack(struct hj_loop *loop, struct hj_command *command);
void hj_holding_request(struct hj_loop *loop, struct hj_command *command);
void hj_holding_adopt(struct hj_loop *loop, struct hj_command *command);
void hj_holding_adopt_member(struct hj_loop *loop, struct hj_command *command);

#endif
