/* Session tickets (RFC 5077, RFC 8446 section 4.6.1): what they are sealed with. Any thread.
 *
 * The keys of each period are made from one secret, so that all loops, and all processes that share the secret, take
 * each other's tickets. A ticket is good in its period and the next one. */
#ifndef HJ_CORE_TLS_TICKET_H
#define HJ_CORE_TLS_TICKET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#define HJ_TICKET_SECRET 64

struct hj_ticket_key {
    uint64_t period;
    uint8_t name[16], cipher[32], mac[32];
};

struct hj_tickets {
    pthread_mutex_t lock;
    EVP_CIPHER *cipher;
    uint8_t secret[HJ_TICKET_SECRET];
    struct hj_ticket_key keys[2]; /* of this period and the one before; guarded by lock */
};

/* Makes the secret: from the file at path, which has at least 32 bytes, or, where path is empty, of chance. 0,
 * HIJACK_ETLS (too short), ENOENT, EACCES, EIO or ENOMEM. Closed also after a failure. */
int hj_tickets_open(struct hj_tickets *tickets, const char *path);
void hj_tickets_close(struct hj_tickets *tickets);

/* Lets ctx seal its tickets with these. They must outlive it. */
bool hj_tickets_use(struct hj_tickets *tickets, SSL_CTX *ctx);

#endif
