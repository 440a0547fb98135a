/* How a descriptor comes to a loop with a command: of the program, or of another loop that is full. Any thread, except
 * where marked.
 *
 * Loops that share the program's table find it under its number. One with a table of its own (option private_fds) gets
 * a copy over a pair of sockets; the copies and the commands in its mailbox are in the same order, and a copy is there
 * before its command. */
#ifndef HJ_CORE_HANDOVER_H
#define HJ_CORE_HANDOVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hj_command;
struct hj_worker;

struct hj_handover {
    pthread_mutex_t lock;       /* held while a copy is sent and its command is pushed; the mailbox' lock nests in it */
    int program_end;            /* in the program's table and in all loops'; -1: the loop shares that table */
    int loop_end;               /* in the loop's table, and in the program's until it has left that */
    bool left;                  /* guarded by the server's lock */
    _Atomic uint32_t under_way; /* descriptors that were sent and not received */
};

void hj_handover_init(struct hj_handover *handover);
int hj_handover_open(struct hj_handover *handover); /* for a loop with a table of its own; 0 or HIJACK_ELIMIT */
void hj_handover_dispose(struct hj_handover *handover);

/* The loop has its own table: its end leaves the program's. */
void hj_handover_leave(struct hj_handover *handover);

/* Takes over command and fd. On failure both are still the caller's: HIJACK_ESHUTDOWN (the loop has ended), or
 * HIJACK_ELIMIT (the kernel takes no more descriptors for this loop before it has received some). */
int hj_handover_post(struct hj_worker *worker, struct hj_command *command, int fd);

/* Loop: the descriptor of such a command, once; -1 if this table is full. */
int hj_handover_take(struct hj_worker *worker, const struct hj_command *command);

#endif
