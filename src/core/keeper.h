/* The thread of a server that stays in the program's descriptor table while its loops have tables of their own (option
 * private_fds), and does there what they cannot: it receives what loops pass on (detached connections), closes the
 * listening sockets that the program opened, waits for the loops' threads and ends the server.
 *
 * It holds a reference to the server until the loops have ended. So no loop drops the last reference to anything that
 * has a descriptor in the program's table: not to the server, nor to the queues that the server refers to. */
#ifndef HJ_CORE_KEEPER_H
#define HJ_CORE_KEEPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hj_event;
struct hj_queue;
struct hj_server;

struct hj_keeper {
    struct hj_server *server; /* which owns it */
    void (*stopped)(struct hj_server *server);
    pthread_t thread;
    int keeper_end;          /* in the program's table */
    int loops_end;           /* in the tables of all loops, and in the program's until `left` */
    bool left;               /* the start's */
    _Atomic uint32_t passed; /* orders what loops write before they pass something on */
};

/* Before the loops' threads. stopped: called when the last loop has ended. NULL: no descriptor or no memory is left. */
struct hj_keeper *hj_keeper_new(struct hj_server *server, void (*stopped)(struct hj_server *server));
void hj_keeper_free(struct hj_keeper *keeper); /* NULL is a no-op */

/* All loops have their own tables: starts the thread. 0 or HIJACK_ELIMIT. */
int hj_keeper_start(struct hj_keeper *keeper);

/* Loops: */
/* Passes on a copy of a descriptor and takes over an event, whose hook is told when the copy is in the program's table;
 * then the event is pushed. The queue is one of the server's. HIJACK_ELIMIT or ESHUTDOWN: nothing was taken. */
int hj_keeper_pass(struct hj_keeper *keeper, int fd, struct hj_queue *queue, struct hj_event *event);

/* Runs it in a new thread with the program's table: threads that a loop starts would have the loop's. Without memory
 * for a thread the keeper runs it itself. Does not wait; false: there is no room for the note. */
bool hj_keeper_start_thread(struct hj_keeper *keeper, void *(*run)(void *), void *arg);

void hj_keeper_close_listeners(struct hj_keeper *keeper); /* no loop accepts any more */
void hj_keeper_loop_ended(struct hj_keeper *keeper);      /* the last that a loop's thread does */

#endif
