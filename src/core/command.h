/* One thing that the program asks of a loop. */
#ifndef HJ_CORE_COMMAND_H
#define HJ_CORE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/object.h"
#include "core/message.h"

/* What it is about is `object`; the other fields as said here. */
enum hj_op {
    HJ_OP_RESPOND,       /* request: the whole response in buf, keep-alive in value */
    HJ_OP_STREAM,        /* request: becomes the channel `other`, head in buf */
    HJ_OP_HIJACK,        /* request: becomes the channel `other`, head in buf or NULL */
    HJ_OP_HOLD,          /* request: becomes a member of broadcaster `other`, head in buf or NULL, HJ_HOLD_* in value */
    HJ_OP_REQUEST_READ,  /* request: credit for its body in value */
    HJ_OP_SEND,          /* channel: buf */
    HJ_OP_FINISH,        /* stream: end of body; buf: what ends it with trailers, or NULL */
    HJ_OP_READ,          /* socket: credit in value; 0 takes it back */
    HJ_OP_SHUTDOWN,      /* socket: half-close */
    HJ_OP_CLOSE,         /* socket */
    HJ_OP_DETACH,        /* socket */
    HJ_OP_ABORT,         /* channel */
    HJ_OP_ADOPT,         /* channel: fd, unread bytes in buf */
    HJ_OP_CONNECT,       /* channel: where to in buf, HJ_CONNECT_* in value */
    HJ_OP_RESOLVED,      /* channel: its addresses in buf; or in value why not, positive, and buf: a sentence or NULL */
    HJ_OP_RELAY,         /* socket: to be paired with the socket `other`; HJ_OP_RELAY_END for that one in value */
    HJ_OP_RELAY_MOVE,    /* socket: to be paired with one of another loop, which had no room for its descriptor */
    HJ_OP_RELAY_WAIT,    /* socket: another one comes to be paired with it; HJ_OP_RELAY_END for that one in value */
    HJ_OP_RELAY_ARRIVE,  /* socket: fd, comes from another loop to the socket `other`; struct hj_parcel in value */
    HJ_OP_RELAY_END,     /* socket: the one that it was to be paired with has ended, for a reason in value, positive */
    HJ_OP_ADOPT_REQUEST, /* request: fd, unread bytes in buf */
    HJ_OP_ADOPT_MEMBER,  /* broadcaster: fd, head in buf or NULL, HJ_HOLD_* in value */
    HJ_OP_TAKE,          /* server: fd, accepted by a loop that is full; value as loop/io/acceptor.c has it */
    HJ_OP_ADD,           /* broadcaster: channel `other` */
    HJ_OP_REMOVE,        /* broadcaster: channel `other` */
    HJ_OP_PUBLISH,       /* broadcaster: message */
    HJ_OP_CLOSE_MEMBERS, /* broadcaster */
    HJ_OP_RESPOND_MEMBERS, /* broadcaster: to its long polls, status in value, headers in buf, the body is message's
                              data */
    HJ_OP_TELL_MEMBERS,    /* broadcaster: whether the program wants to hear of its members in value */
    HJ_OP_SEND_USER,       /* broadcaster: message, to the members with this user_data in value */
    HJ_OP_REMOVE_USER,     /* broadcaster: user_data in value */
    HJ_OP_CLOSE_USER,      /* broadcaster: user_data in value */
    HJ_OP_JOIN_USER,       /* broadcaster: those of the broadcaster `other` with this user_data in value */
    HJ_OP_ACCEPT,          /* server: all loops run, connections may come */
    HJ_OP_DRAIN,           /* server: deadline in value, a moment of hj_clock_ms */
    HJ_OP_STOP,            /* server */
    HJ_OP_COUNT
};

/* How a member is written to, in one number. */
#define HJ_HOLD_WIRE 7u          /* enum hj_wire */
#define HJ_HOLD_KEEP_ALIVE 0x100 /* after the body the connection serves further requests */
#define HJ_HOLD_WINDOW 0x200     /* of a WebSocket: the client's messages may refer to earlier ones */
#define HJ_HOLD_OLD 0x400        /* of a long poll: the client speaks HTTP/1.0 */

/* What is in buf. */
enum {
    HJ_CONNECT_LIST, /* addresses: struct hj_target_address (core/target.h) */
    HJ_CONNECT_NAME  /* port and host, each with a NUL */
};
#define HJ_CONNECT_TLS 0x100 /* a TLS handshake follows */

/* How a member begins, where it is not live and without a message of its own. */
struct hj_joining {
    uint64_t user_data;
    uint64_t from;        /* HJ_FROM_* or an offset (core/history.h) */
    bool tells;           /* a WebSocket's client wants to know positions */
    struct hj_buf *first; /* a reference, framed for its wire; NULL: none */
};

/* NULL when out of memory. */
struct hj_joining *hj_joining_new(uint64_t user_data, uint64_t from, bool tells, struct hj_buf *first);
void hj_joining_free(struct hj_joining *joining); /* NULL is a no-op */

/* Owns a reference to each thing it points at. */
struct hj_command {
    struct hj_command *next;
    uint32_t op;
    int fd;        /* -1, or owned by whoever takes the command in */
    bool embedded; /* lives elsewhere: it must not fail for want of memory */
    struct hj_object *object, *other;
    struct hj_buf *buf;
    struct hj_message *message;
    struct hj_joining *joining; /* of HOLD, ADD, ADOPT_MEMBER; owned; NULL: live, and nothing first */
    uint64_t value;
};

/* A new command that takes a reference to object and other (may be NULL). NULL when out of memory. */
struct hj_command *hj_command_new(enum hj_op op, struct hj_object *object, struct hj_object *other);

/* Makes a command that lives elsewhere ready to be posted. */
void hj_command_embed(struct hj_command *command, enum hj_op op, struct hj_object *object);

/* Drops the references; the descriptor is not closed: it belongs to whoever the command did not reach. */
void hj_command_free(struct hj_command *command);

#endif
