/* WebSocket frames (RFC 6455 section 5), as a server reads and writes them. Pure.
 *
 * A reader takes the bytes of a connection as they come and says what they are: a piece of a message, a control frame,
 * or the code with which the connection must fail. Between two messages it has no memory but itself. */
#ifndef HJ_CODEC_WEBSOCKET_H
#define HJ_CODEC_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "codec/utf8.h"

#define HJ_WS_HEAD_MAX 14        /* bytes of a frame's head: masked, with 64 bits of length */
#define HJ_WS_SERVER_HEAD_MAX 10 /* without the mask */
#define HJ_WS_CONTROL_MAX 125    /* bytes of payload in a control frame */
#define HJ_WS_REASON_MAX 123     /* ... of which two are the code of a close frame */

enum hj_ws_opcode {
    HJ_WS_CONTINUATION = 0,
    HJ_WS_TEXT = 1,
    HJ_WS_BINARY = 2,
    HJ_WS_CLOSE = 8,
    HJ_WS_PING = 9,
    HJ_WS_PONG = 10
};

/* Codes of close frames (RFC 6455 section 7.4.1) that the library itself gives. */
enum hj_ws_code {
    HJ_WS_NORMAL = 1000,
    HJ_WS_GOING_AWAY = 1001,
    HJ_WS_PROTOCOL_ERROR = 1002,
    HJ_WS_NO_CODE = 1005,  /* never on the wire: the close frame had none */
    HJ_WS_ABNORMAL = 1006, /* never on the wire: there was no close frame */
    HJ_WS_INVALID_DATA = 1007,
    HJ_WS_POLICY = 1008,
    HJ_WS_TOO_BIG = 1009,
    HJ_WS_INTERNAL_ERROR = 1011
};

struct hj_ws_head {
    uint64_t len; /* of the payload */
    uint8_t opcode, mask[4];
    bool fin, compressed; /* compressed: RSV1 (RFC 7692 section 6) */
};

/* Reads a client's frame head. Returns its length, 0 if more bytes are needed, or minus the code that it must be failed
 * with: also before it is whole, and for one without a mask. may_compress: RSV1 was negotiated. */
int hj_ws_parse_head(struct hj_ws_head *out, const uint8_t *data, size_t len, bool may_compress);

/* Writes a server's frame head; returns its length. */
size_t hj_ws_put_head(uint8_t out[HJ_WS_SERVER_HEAD_MAX], bool fin, bool compressed, enum hj_ws_opcode opcode,
                      uint64_t len);

/* Unmasks len bytes from data to out (which may be the same), of which the first is byte number offset of the
 * payload. */
void hj_ws_unmask(uint8_t *out, const uint8_t *data, size_t len, const uint8_t mask[4], uint64_t offset);

/* Whether a peer may send this code in a close frame (RFC 6455 section 7.4). */
bool hj_ws_code_is_valid(unsigned code);

/* What came. */
enum hj_ws_found {
    HJ_WS_NOTHING, /* all bytes are used, and more are needed */
    HJ_WS_PIECE,   /* of a message: kind, piece, first, last */
    HJ_WS_CONTROL, /* a whole control frame: kind, piece; with CLOSE also code */
    HJ_WS_FAILED   /* the connection must be closed with code; nothing more is read */
};

struct hj_ws_item {
    enum hj_ws_found found;
    enum hj_ws_opcode kind; /* TEXT or BINARY; CLOSE, PING or PONG */
    struct hj_slice piece;  /* unmasked, in the reader or in the data that was given; of CLOSE: the reason */
    unsigned code;
    bool first, last; /* of a message */
    bool compressed;  /* the message is compressed, and not looked at for UTF-8 */
};

/* One connection's. All zero but the limits: between two frames, at the beginning. */
struct hj_ws_reader {
    uint64_t max_message; /* bytes on the wire of one message, over which it fails with TOO_BIG */
    uint64_t left;        /* of the payload of the frame under way */
    uint64_t message;     /* bytes of the message under way */
    struct hj_ws_head head;
    struct hj_utf8 utf8;
    uint8_t kind;                    /* of the message under way; 0: none */
    uint8_t have;                    /* bytes in held */
    bool may_compress;               /* RSV1 was negotiated */
    bool compressed;                 /* the message under way is */
    bool in_frame, began;            /* began: a piece of the message was given out */
    bool over;                       /* CLOSE or FAILED was given out */
    uint8_t held[HJ_WS_CONTROL_MAX]; /* a part of a head, or of a control frame's payload */
};

/* Goes on with data, which is unmasked in place; *used says how many bytes are done with. To be called again while
 * something is found. */
struct hj_ws_item hj_ws_read(struct hj_ws_reader *reader, uint8_t *data, size_t len, size_t *used);

/* Bytes of a close frame with code and reason (at most HJ_WS_REASON_MAX bytes); code HJ_WS_NO_CODE: an empty one. out
 * has room for 2 + HJ_WS_CONTROL_MAX. */
size_t hj_ws_put_close(uint8_t *out, unsigned code, struct hj_slice reason);

/* The same as a buffer of its own, and a whole frame with this payload. NULL when out of memory. */
struct hj_buf *hj_ws_close_frame(unsigned code, struct hj_slice reason);
struct hj_buf *hj_ws_frame(enum hj_ws_opcode opcode, bool fin, struct hj_slice data);

#endif
