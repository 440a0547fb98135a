/* How many connections each client's address has, for option connections_per_address. Any thread.
 *
 * An IPv6 client has as many addresses as it likes of its network, so that a network (/64) counts as one address. What
 * would punish many for one is never counted: loopback, which is a proxy of this machine, and unix sockets. Memory is
 * bounded by the number of connections at once. */
#ifndef HJ_CORE_ADDRESS_COUNT_H
#define HJ_CORE_ADDRESS_COUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct hj_address_counts;

/* NULL when out of memory. limit: of each address. */
struct hj_address_counts *hj_address_counts_new(uint64_t limit);
void hj_address_counts_free(struct hj_address_counts *counts); /* NULL is a no-op */

/* What connections are counted by; false: this peer is not counted. */
bool hj_address_count_key(uint64_t *out, const struct sockaddr *peer);

/* Counts one more: 0, HIJACK_ELIMIT (it has as many as it may) or HIJACK_ENOMEM. *out: to give back; never 0. */
int hj_address_count_take(uint32_t *out, struct hj_address_counts *counts, uint64_t key);

/* That connection has ended. */
void hj_address_count_give(struct hj_address_counts *counts, uint32_t taken);

#endif
