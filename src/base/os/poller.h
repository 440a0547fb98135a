/* Readiness of many descriptors. The only file that names epoll, so that kqueue can follow. */
#ifndef HJ_BASE_OS_POLLER_H
#define HJ_BASE_OS_POLLER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HJ_POLL_IN = 1,
    HJ_POLL_OUT = 2,
    HJ_POLL_PEER = 4, /* the peer has sent its FIN */
    HJ_POLL_GONE = 8, /* reset, failed, or both sides shut; reported whether wanted or not */
    HJ_POLL_ALL = 15,
    HJ_POLL_EXCLUSIVE = 16, /* wanted only: wake one of the loops that wait for this descriptor */
    HJ_POLL_EDGE = 32       /* wanted only: reported once for each change, not for as long as it lasts */
};

struct hj_poller {
    int fd; /* itself readable while an event waits */
};

struct hj_poll_event {
    uint64_t data;
    unsigned events;
};

#define HJ_POLL_BATCH 512

int hj_poller_open(struct hj_poller *poller); /* 0 or HIJACK_ELIMIT */
void hj_poller_close(struct hj_poller *poller);
bool hj_poller_add(struct hj_poller *poller, int fd, unsigned events, uint64_t data);
bool hj_poller_change(struct hj_poller *poller, int fd, unsigned events, uint64_t data);
void hj_poller_remove(struct hj_poller *poller, int fd);

/* Fills at most HJ_POLL_BATCH events and returns how many. timeout_ms: negative waits without end. */
int hj_poller_wait(struct hj_poller *poller, struct hj_poll_event *out, int timeout_ms);

#endif
