/* SPDX-License-Identifier: MIT
 * How long the library's threads write one message to all clients, and how much memory the process has. A publish
 * itself takes microseconds and waits for nobody. Main thread only. */
#ifndef RUN_H
#define RUN_H

#include <hijack/hijack.h>

typedef struct demo_run {
    uint64_t settled;
    double start;
} demo_run;

/* Before the publish. */
demo_run demo_run_begin(hijack_server *server);

/* After it: waits until every copy is written or needs no more waiting for, at most longest_ms, and returns the
 * milliseconds since the beginning. */
double demo_run_end(const demo_run *run, hijack_server *server, int addressed, double longest_ms);

/* Memory that the process has resident, shared libraries included. */
double demo_resident_mib(void);

#endif
