/* What the operating system still has of the bytes that were written to a socket, and what it has seen of the peer that
 * shall take them. Any thread. */
#ifndef HJ_BASE_OS_OUTSTANDING_H
#define HJ_BASE_OS_OUTSTANDING_H

#include <stdbool.h>
#include <stdint.h>

struct hj_outstanding {
    uint64_t socket; /* differs from that of any other socket, also of one that had the same descriptor earlier */
    uint32_t bytes;  /* written and not taken by the peer's system; 0: nothing else here means anything */
    uint32_t taken;  /* differs from an earlier one if the peer has taken bytes since */
    /* of TCP only: */
    bool unanswered;    /* bytes are on their way, the peer has room for them, and has not acknowledged them */
    bool asked;         /* the peer had no room, was asked for some several times, and gave no answer of any sort */
    uint32_t silent_ms; /* since the peer last acknowledged anything; 0 on other sockets */
};

/* Whether anything is outstanding: one cheap system call. */
bool hj_outstanding_any(int fd);

void hj_outstanding_read(struct hj_outstanding *out, int fd);

#endif
