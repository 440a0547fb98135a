/* A descriptor that is readable between signal and clear, however often it was signalled; each signal is an edge for a
 * poller that asks for edges. */
#ifndef HJ_BASE_OS_NOTIFY_H
#define HJ_BASE_OS_NOTIFY_H

struct hj_notify {
    int fd; /* to wait on */
};

int hj_notify_open(struct hj_notify *notify); /* 0 or HIJACK_ELIMIT */
void hj_notify_signal(struct hj_notify *notify);
void hj_notify_clear(struct hj_notify *notify);
void hj_notify_close(struct hj_notify *notify);

#endif
