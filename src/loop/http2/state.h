/* What the files of this folder share: a loop's side of libh2o, its connections, and their streams. Loop thread. */
#ifndef HJ_LOOP_HTTP2_STATE_H
#define HJ_LOOP_HTTP2_STATE_H

#include "base/buf.h"
#include "base/pool.h"
#include "core/facts.h"
#include "loop/conn.h"
#include "loop/http2/budget.h"
#include "loop/http2/compat.h"

struct hj_session;
struct hj_http2_secure;
struct hj_http2_body;

#define HJ_NO_FRAME (-1)
#define HJ_IGNORED 8        /* streams of a connection that were reset, whose bodies may still come */
#define HJ_STREAM_PIECES 16 /* buffers that one h2o_send takes */

/* Buffers on their way: references, and what of them is to be sent. */
struct hj_stream_pieces {
    hj_compat_part left[HJ_STREAM_PIECES]; /* libh2o's working copy */
    struct hj_buf *bufs[HJ_STREAM_PIECES];
    h2o_iovec_t parts[HJ_STREAM_PIECES];
};

/* What of a response waits for libh2o, or is with it. Most of the streams that a loop holds have none at a time. */
struct hj_stream_output {
    struct hj_buf *head; /* the response head, before it is sent; a reference */
    struct hj_buf *last; /* the last chunk of HTTP/1, with the trailers to send; a reference */
    struct hj_buf *one;  /* the only piece; a reference */
    h2o_iovec_t one_part;
    hj_compat_part one_left;
    struct hj_stream_pieces *pieces; /* instead, for more than one */
    uint32_t piece_count, piece_bytes;
    uint32_t head_len;
};

/* A request and its response: the layer of a table entry until that is closed, and libh2o's generator until the stream
 * is. Freed when neither is left. There are as many as members: each byte counts. */
struct hj_http2_stream {
    h2o_generator_t generator;  /* first */
    h2o_req_t *req;             /* NULL: libh2o has closed the stream */
    struct hj_http2_body *body; /* of the request; NULL: there is none, or nobody reads it */
    struct hj_session *session; /* NULL likewise */
    struct hj_loop *loop;
    struct hj_http2_stream *next, **link; /* in the session */
    struct hj_http2_stream *next_dirty;   /* in the loop's list, with dirty */
    struct hj_stream_output *output;      /* NULL: nothing is to be sent */
    uint32_t entry;                       /* index in the table; 0: closed there */
    uint32_t bytes_sent;                  /* as libh2o had it at the last look; its low bits */
    uint32_t moved_ms;                    /* when bytes_sent was seen to change; loop time */
    int16_t why_gone;                     /* HIJACK_E*, why libh2o has closed it; 0: after its last byte */
    bool dirty : 1;
    bool has_head : 1;  /* the response head was written */
    bool in_flight : 1; /* libh2o has the pieces */
    bool finish : 1;    /* END_STREAM follows what was written */
    bool finished : 1;  /* ... and libh2o has it */
};

/* What a connection brings along from before HTTP/2 was spoken. */
struct hj_session_origin {
    struct hj_facts *facts; /* a reference; NULL: not over TLS */
    SSL *ssl;               /* libh2o's, as long as the socket is open; NULL: not over TLS */
    uint32_t since_ms;      /* when its first request began to be awaited; loop time */
    uint32_t peer_ip;       /* as in the entry of a plain connection */
    uint32_t counted;       /* of the counts of addresses (io/acceptor.h); 0: nothing */
    uint16_t peer_port;
    uint8_t queue, listener;
};

/* A connection. */
struct hj_session {
    struct hj_session *next, **link;
    struct hj_loop *loop;
    h2o_socket_t *sock;
    hj_compat_expect inner; /* libh2o's reader of frames */
    hj_compat_timer unread; /* linked until libh2o has looked at what came before it had the connection */
    hj_compat_timer end;    /* linked when it ends, until libh2o has written GOAWAY */
    struct hj_http2_stream *streams;
    struct hj_http2_body *bodies; /* that come in */
    uint32_t ignored[HJ_IGNORED];
    uint8_t next_ignored; /* the one that gives way */
    uint32_t owed;        /* bytes by which the peer's window for the connection may be opened */
    h2o_buffer_t *block;  /* trailers, of which more CONTINUATION frames come; NULL: none */
    struct hj_budget budget;
    uint64_t requests; /* begun so far */
    uint32_t refused;  /* requests in this frame that were reset for what they are */
    uint32_t told_ms;  /* when GOAWAY was sent; loop time */
    uint32_t idle_ms;  /* since when it has no streams, or the first request is being read; loop time */
    struct hj_session_origin origin;
    int reason;      /* why it ends; 0: not known, or in order */
    int frame;       /* type of the frame that libh2o is looking at; -1: none */
    bool requested;  /* it has begun a request */
    bool table_gone; /* the next response head must tell that nothing is indexed */
    bool told;       /* GOAWAY was sent */
    bool handed;     /* libh2o has handed over the request that this frame completes */
    bool ending;
    bool follows; /* the request whose head comes has a body */
};

struct hj_http2 {
    struct hj_loop *owner;
    h2o_loop_t *loop;
    int epoll_fd;
    bool readable; /* the poller has reported it */
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_buffer_prototype_t *write_prototype;
    struct hj_session *sessions;
    struct hj_http2_secure *secures; /* connections in their TLS handshake */
    struct hj_http2_secure *begun;   /* the one that libh2o works on now; NULL: it has ended */
    h2o_linklist_t put_off;          /* secures that have something to read, for the next turns */
    unsigned steps;                  /* of handshakes in this turn */
    struct hj_http2_stream *dirty;
    struct hj_pool streams, outputs; /* blocks for hj_http2_stream and hj_stream_output */
};

#endif
