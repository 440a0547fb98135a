/* One or more messages to every member of a shard. Loop thread. */
#ifndef HJ_LOOP_FANOUT_FANOUT_H
#define HJ_LOOP_FANOUT_FANOUT_H

#include "core/message.h"
#include "loop/fanout/batch.h"
#include "loop/fanout/shard.h"
#include "loop/state.h"

/* The batch may have grown when it returns. */
void hj_fanout(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_batch *batch);

/* The same for one message to the members with this user_data. */
void hj_fanout_user(struct hj_loop *loop, struct hj_broadcaster *broadcaster, struct hj_message *message,
                    uint64_t user_data);

/* Answers every long poll with the response of this RESPOND_MEMBERS command. */
void hj_fanout_respond(struct hj_loop *loop, struct hj_command *command);

/* Ends every member gracefully. */
void hj_fanout_close(struct hj_loop *loop, struct hj_broadcaster *broadcaster);

#endif
