/* Making and freeing commands; see command.h. Any thread. */
#include "core/command.h"

#include <stdlib.h>

struct hj_joining *hj_joining_new(uint64_t user_data, uint64_t from, bool tells, struct hj_buf *first)
{
    struct hj_joining *joining = malloc(sizeof(*joining));
    if (joining != NULL)
        *joining = (struct hj_joining){user_data, from, tells, first == NULL ? NULL : hj_buf_ref(first)};
    return joining;
}

void hj_joining_free(struct hj_joining *joining)
{
    if (joining == NULL)
        return;
    hj_buf_unref(joining->first);
    free(joining);
}

struct hj_command *hj_command_new(enum hj_op op, struct hj_object *object, struct hj_object *other)
{
    struct hj_command *command = malloc(sizeof(*command));
    if (command == NULL)
        return NULL;
    *command = (struct hj_command){.op = (uint32_t)op, .fd = -1, .object = object, .other = other};
    hj_object_ref(object);
    if (other != NULL)
        hj_object_ref(other);
    return command;
}

void hj_command_embed(struct hj_command *command, enum hj_op op, struct hj_object *object)
{
    *command = (struct hj_command){.op = (uint32_t)op, .fd = -1, .object = object, .embedded = true};
    hj_object_ref(object);
}

void hj_command_free(struct hj_command *command)
{
    struct hj_object *object = command->object;
    hj_object_unref(command->other);
    hj_buf_unref(command->buf);
    hj_message_unref(command->message);
    hj_joining_free(command->joining);
    if (!command->embedded)
        free(command);
    hj_object_unref(object);
}
