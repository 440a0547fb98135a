/* The beginnings of held lives: a route's member, a request's stream, socket or member, an adopted descriptor. Loop
 * thread. */
#ifndef HJ_LOOP_HELD_HOLDING_H
#define HJ_LOOP_HELD_HOLDING_H

#include "codec/head.h"
#include "core/command.h"
#include "core/request.h"
#include "core/response.h"
#include "loop/conn.h"

/* Whether the route holds this request: GET or HEAD, without a body. */
bool hj_holding_takes(const struct hj_route *route, const struct hj_head *head);

/* A HEAD connection asked for a held route: it is held, or for HEAD the head is sent. */
void hj_holding_route(struct hj_loop *loop, struct hj_conn *conn, const struct hj_route *route,
                      const struct hj_head *head);

/* Commands. */
void hj_holding_stream(struct hj_loop *loop, struct hj_command *command);
void hj_holding_hijack(struct hj_loop *loop, struct hj_command *command);
void hj_holding_request(struct hj_loop *loop, struct hj_command *command);
void hj_holding_adopt_request(struct hj_loop *loop, struct hj_command *command);
void hj_holding_adopt(struct hj_loop *loop, struct hj_command *command);
void hj_holding_adopt_member(struct hj_loop *loop, struct hj_command *command);

#endif
