/* A server's compression of WebSocket messages (RFC 7692), without memory between two messages, so that all connections
 * share it. Any thread. */
#ifndef HJ_CORE_COMPRESSOR_H
#define HJ_CORE_COMPRESSOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "codec/websocket.h"

#define HJ_COMPRESSOR_LOCKS 8
#define HJ_COMPRESSOR_SPARE 4 /* deflaters that are kept, of each window */

struct hj_deflater;

enum hj_window {
    HJ_WINDOW_FULL,  /* 2^15 bytes */
    HJ_WINDOW_NARROW /* 2^9, which every client's holds */
};

struct hj_compressor {
    pthread_mutex_t lock; /* guards spare and spare_count */
    struct hj_deflater *spare[2][HJ_COMPRESSOR_SPARE];
    uint32_t spare_count[2];
    _Atomic uint64_t compressed;                /* messages */
    pthread_mutex_t turns[HJ_COMPRESSOR_LOCKS]; /* each held while one message is compressed for several threads */
};

void hj_compressor_init(struct hj_compressor *compressor);
void hj_compressor_dispose(struct hj_compressor *compressor);

/* A whole message's frame, compressed unless that would not make it shorter. NULL when out of memory. */
struct hj_buf *hj_compressor_frame(struct hj_compressor *compressor, enum hj_window window, enum hj_ws_opcode opcode,
                                   struct hj_slice data);

/* The same for one peer alone, whose deflater stands in *own (NULL before the first message): a message may refer to
 * those before it. What was made must be sent, in this order, and no other compressed message between. */
struct hj_buf *hj_compressor_frame_after(struct hj_compressor *compressor, struct hj_deflater **own,
                                         enum hj_window window, enum hj_ws_opcode opcode, struct hj_slice data);

/* The next message refers to none before it. */
void hj_compressor_forget(struct hj_deflater **own);

/* Whoever needs the same thing (an address) compressed takes turns: the second finds it done. */
pthread_mutex_t *hj_compressor_turn(struct hj_compressor *compressor, const void *thing);

#endif
