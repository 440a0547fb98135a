/* Compression of WebSocket messages: the extension permessage-deflate (RFC 7692), as a server uses it. Pure.
 *
 * hj_ws_deflate_negotiate chooses the parameters of a connection. A deflater compresses whole messages; an inflater
 * decompresses messages while their bytes arrive. With takeover, a message may refer to the messages before it. Without
 * takeover, a deflater or an inflater is as new between two messages, so connections can share it: the deflaters of one
 * window size, and inflaters of 15 window bits for every client. Each is used by one thread at a time. */
#ifndef HJ_CODEC_WEBSOCKET_DEFLATE_H
#define HJ_CODEC_WEBSOCKET_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define HJ_WS_DEFLATE_ANSWER_MAX 129 /* bytes of the longest answer, with its final 0 */

/* What a connection compresses with. Nothing else of it counts while accepted is false. */
struct hj_ws_deflate {
    bool accepted;
    bool server_takeover, client_takeover;
    bool answers_server_window; /* the client asked for server_window_bits, so the answer has to name them */
    uint8_t server_window_bits; /* 9 to 15 */
    uint8_t client_window_bits; /* 8 to 15; the answer names them if they are below 15 */
};

/* Chooses the first acceptable offer of Sec-WebSocket-Extensions (several fields are joined by ", "; empty: no offer).
 * takeover: whether messages may refer to earlier ones, if the client does not object. */
struct hj_ws_deflate hj_ws_deflate_negotiate(struct hj_slice extensions, bool takeover);

/* Writes the value of the response's Sec-WebSocket-Extensions for accepted parameters. Returns its length without the
 * final 0. */
size_t hj_ws_deflate_answer(char out[HJ_WS_DEFLATE_ANSWER_MAX], const struct hj_ws_deflate *deflate);

struct hj_deflater;

/* window_bits: 9 to 15. NULL when out of memory. With 15 bits a deflater takes 150 KiB, with 9 bits 24 KiB. */
struct hj_deflater *hj_deflater_new(int window_bits, bool takeover);
void hj_deflater_free(struct hj_deflater *deflater); /* NULL is a no-op */

/* Compresses a whole message. The buffer that it returns begins with room bytes that are free for a frame's head; the
 * payload follows. A message below about 100 bytes may become longer. NULL when out of memory or a length exceeds
 * UINT32_MAX; the next message is right nonetheless. */
struct hj_buf *hj_deflater_compress(struct hj_deflater *deflater, struct hj_slice message, size_t room);

struct hj_inflater;

enum hj_inflated {
    HJ_INFLATED_MORE,    /* all data is used; the message goes on */
    HJ_INFLATED_FULL,    /* out is full; call again with what is left of the data and new room */
    HJ_INFLATED_DONE,    /* the message is over; the next call begins the next message */
    HJ_INFLATED_CORRUPT, /* this is no compressed message */
    HJ_INFLATED_NO_MEMORY
};

/* window_bits: 8 to 15, at least those that the client uses. NULL when out of memory. With 15 bits an inflater takes
 * 40 KiB, of which 32 KiB are allocated when the first message comes. */
struct hj_inflater *hj_inflater_new(int window_bits, bool takeover);
void hj_inflater_free(struct hj_inflater *inflater); /* NULL is a no-op */

/* Goes on with a piece of a message's payload and cuts off *data what it used. last: the payload ends with this piece.
 * *len is the room in out, at least 1, and becomes the number of bytes written there. A short payload can expand to a
 * thousand times its length, so the caller counts the bytes and stops at its limit. After CORRUPT, NO_MEMORY or a stop,
 * the inflater is to be freed or reset. */
enum hj_inflated hj_inflater_feed(struct hj_inflater *inflater, struct hj_slice *data, bool last, uint8_t *out,
                                  size_t *len);

/* Makes an inflater as new: it forgets the message under way and those before it. */
void hj_inflater_reset(struct hj_inflater *inflater);

#endif
