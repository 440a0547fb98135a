/* SPDX-License-Identifier: MIT
 *
 * The names of the options that the tests set, in one place.
 */
#ifndef TESTS_SUPPORT_OPTION_H
#define TESTS_SUPPORT_OPTION_H

/* scope server */
#define OPT_THREADS "threads"
#define OPT_PRIVATE_FDS "private_fds"
#define OPT_MAX_HEAD "max_head_bytes"
#define OPT_MAX_BODY "max_body_bytes"
#define OPT_HEAD_TIMEOUT "head_timeout_ms"
#define OPT_REQUEST_TIMEOUT "request_timeout_ms"
#define OPT_IDLE_TIMEOUT "idle_timeout_ms"
#define OPT_HEARTBEAT "heartbeat_ms"
#define OPT_HIGH_WATER "high_water_bytes"
#define OPT_MAX_CONNECTIONS "max_connections"
#define OPT_REQUESTS "requests_per_connection"
/* scope queue */
#define OPT_CAPACITY "capacity"
/* scope broadcaster */
#define OPT_BACKLOG "backlog_bytes"
#define OPT_OVERFLOW "overflow"

#endif
