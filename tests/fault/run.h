/* SPDX-License-Identifier: MIT
 *
 * One scenario with one call that fails: what a test may see of that, and no more. A call of the program that fails for
 * it has its one right code, has changed nothing and can be made again. A loop's call that fails costs at most one
 * connection, which is closed, with the right reason; or nothing at all where the failure is one that passes.
 */
#ifndef TESTS_FAULT_RUN_H
#define TESTS_FAULT_RUN_H

#include "fault/fault.h"
#include "support/exchange.h"

/* What fails, and what may come of it. */
struct fault {
    enum fault_call call;
    int error;
    int code;   /* of a public function that meets it */
    int reason; /* in the last event of a connection that it costs; 0: it costs none */
};

struct run {
    struct fixture fixture;
    const struct fault *fault;
    unsigned nth;
    int lost;  /* a connection was lost to the fault */
    int ended; /* set by a scenario: the server takes no connections any more */
};

struct scenario {
    const char *name;
    void (*play)(struct run *run);
};

extern const struct scenario scenarios_http[], scenarios_held[], scenarios_relay[]; /* each ends with a NULL name */

/* Plays it again and again, each time with a later call failing, until none does. How often one did. */
unsigned run_scenario(const struct scenario *scenario, const struct fault *fault);

/* For scenarios. From here on the fault may strike. */
void run_arm(struct run *run);
/* Starts the server, then arms. */
void run_start(struct run *run);

/* A call of the library that must do well, made again if the fault met it; the scenario ends where its connection was
 * lost to the fault. */
#define DO(run, call)                                                                                                  \
    do {                                                                                                               \
        int do_code = (call);                                                                                          \
        if (run_may_repeat((run), do_code))                                                                            \
            do_code = (call);                                                                                          \
        if (!run_went_well((run), do_code, #call, __FILE__, __LINE__))                                                 \
            return;                                                                                                    \
    } while (0)
int run_may_repeat(struct run *run, int code);
int run_went_well(struct run *run, int code, const char *text, const char *file, int line);

/* The scenario goes on only with what these give. */
#define MUST_HAVE(thing)                                                                                               \
    do {                                                                                                               \
        if (!(thing))                                                                                                  \
            return;                                                                                                    \
    } while (0)

/* The next event of this type; NULL if the handle was closed by the fault instead. CLOSED must have status 0. */
struct event *run_event_at(struct run *run, uint32_t type, void *handle, const char *file, int line);
#define run_event(run, type, handle) run_event_at((run), (type), (handle), __FILE__, __LINE__)
/* Takes DATA until there are len bytes; 0 if the handle was closed by the fault instead. */
int run_data_at(struct run *run, void *handle, size_t len, const char *file, int line);
#define run_data(run, handle, len) run_data_at((run), (handle), (len), __FILE__, __LINE__)
/* The request of this client's; NULL if its connection was lost. */
hijack_request *run_request_at(struct run *run, struct client *client, const char *file, int line);
#define run_request(run, client) run_request_at((run), (client), __FILE__, __LINE__)
/* Reads up to text and consumes it; 0 if the connection was lost first. */
int run_read_at(struct run *run, struct client *client, const char *text, const char *file, int line);
#define run_read(run, client, text) run_read_at((run), (client), (text), __FILE__, __LINE__)
/* Until the server ends the connection. */
void run_end_at(struct run *run, struct client *client, const char *file, int line);
#define run_end(run, client) run_end_at((run), (client), __FILE__, __LINE__)
/* Until the broadcaster has all of these clients as members; 0 if one of them was lost. */
int run_members_at(struct run *run, hijack_broadcaster *room, struct client **clients, int count, const char *file,
                   int line);
#define run_members(run, room, clients, count) run_members_at((run), (room), (clients), (count), __FILE__, __LINE__)

/* Sends the text and gives the request that it is. */
hijack_request *run_ask(struct run *run, struct client **client, const char *text);
/* Notes a handle, so that its last event is waited for. */
void run_note(struct run *run, void *handle, int kind);
/* Frees a request that has become something else. */
void run_forget(struct run *run, hijack_request *request);

#endif
