/* A descriptor's bytes: what a system call says, as values. Loop thread. */
#ifndef HJ_LOOP_IO_PLAIN_H
#define HJ_LOOP_IO_PLAIN_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

#define HJ_TRANSPORT_BUFS 64 /* the most that one write takes */

/* The HIJACK_E* code of an errno that ended a connection; 0: HIJACK_ECLOSED. */
int hj_plain_reason(int error);

/* How many bytes were taken, 0 for "not now", or a HIJACK_E*. */
ssize_t hj_plain_send(int fd, const void *data, size_t len);

/* The same for several, the first one from offset on. count <= HJ_TRANSPORT_BUFS. */
ssize_t hj_plain_send_all(int fd, struct hj_buf *const *bufs, int count, size_t offset);

/* How many bytes came, 0 for "not now", HIJACK_ECLOSED for the peer's FIN, or another HIJACK_E*. */
ssize_t hj_plain_receive(int fd, void *data, size_t len);

#endif
