/* What one HTTP/2 connection may make the server do: in a second, and for one block of header fields. Loop thread.
 *
 * libh2o 2.2.5 answers whatever comes. Each of these frames is a few bytes for the peer and allocates, encodes or
 * forgets something here, so that one connection could keep a loop busy. The limits are far above what clients do. */
#ifndef HJ_LOOP_HTTP2_BUDGET_H
#define HJ_LOOP_HTTP2_BUDGET_H

#include "loop/http2/frame.h"

/* All zero at first. */
struct hj_budget {
    uint32_t since_ms; /* when the second that is counted began; loop time */
    uint32_t resets;   /* by the peer, and by us because of what it sent */
    uint32_t heads, controls, empties, updates;
    uint32_t block_ms; /* when the block of header fields began that has not ended; loop time */
    uint32_t block_bytes, block_frames;
    uint32_t block_stream;  /* its stream; 0: no block is open */
    uint64_t granted, sent; /* bytes: by the peer in all, and of them sent before this second */
};

/* Counts a frame. 0, or the error (negative, H2O_HTTP2_ERROR_*) that ends the connection; *problem then says why.
 * window: what the peer lets us send on the connection, as libh2o has it. */
ssize_t hj_budget_take(struct hj_budget *budget, const struct hj_frame *frame, uint32_t now, uint64_t resets_max,
                       int64_t window, const char **problem);

/* Counts streams that were reset for what the peer has sent; same result. */
ssize_t hj_budget_take_resets(struct hj_budget *budget, uint64_t count, uint64_t resets_max, const char **problem);

/* Whether the request has more header fields than any client sends: a few bytes that stand for very many of them (RFC
 * 7541 section 7.3). */
bool hj_budget_is_bomb(const h2o_req_t *req);

/* As how many resets it counts that this request is refused. */
uint32_t hj_budget_resets_of(const h2o_req_t *req);

/* Bytes of all its names and values: what a reference to the table stands for counts each time. */
size_t hj_budget_list_bytes(const h2o_req_t *req);

#endif
