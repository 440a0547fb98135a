/* SPDX-License-Identifier: MIT
 *
 * Counters of a server and of a broadcaster: read one, wait until one is as wanted.
 */
#ifndef TESTS_SUPPORT_STATS_H
#define TESTS_SUPPORT_STATS_H

#include "check.h"

uint64_t stat_of(hijack_server *server, uint32_t index);
void stat_wait_at(hijack_server *server, uint32_t index, uint64_t least, uint64_t most, const char *file, int line);
/* Until the counter is exactly, or at least, this. */
#define stat_wait(server, index, value) stat_wait_at((server), (index), (value), (value), __FILE__, __LINE__)
#define stat_wait_least(server, index, value) stat_wait_at((server), (index), (value), UINT64_MAX, __FILE__, __LINE__)

uint64_t broadcaster_stat(hijack_broadcaster *broadcaster, uint32_t index);
void members_wait_at(hijack_broadcaster *broadcaster, int count, const char *file, int line);
#define members_wait(broadcaster, count) members_wait_at((broadcaster), (count), __FILE__, __LINE__)

/* Open descriptors and threads of this process. */
int process_descriptors(void);
int process_threads(void);
/* For how many descriptors the kernel's table of this process has room before it must grow. */
int process_descriptor_room(void);
/* Resident memory in bytes. */
uint64_t process_resident(void);

#endif
