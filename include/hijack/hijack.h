/* SPDX-License-Identifier: MIT
 *
 * libhijack: very many live connections (SSE, streams, raw hijacked sockets) in one process, on the library's own
 * threads, driven from any language.
 *
 * How to read this file
 *
 * - The library never calls the program. It puts events into a queue; the program polls them in batches.
 * - Functions that can fail return 0 or a positive number, or a negative HIJACK_E* code (hijack_strerror
 *   gives a sentence for it). On failure nothing has happened and no out-parameter has been touched.
 * - Unless its comment names an exception, a function may be called from any thread at any time, never blocks, and
 * copies what it is given before it returns. Out-parameters come first.
 * - Handles are opaque 64-bit values in the shape of pointers; the library checks each one. NULL, a freed handle or a
 *   handle of another kind gives HIJACK_EHANDLE; a handle whose connection is closed gives HIJACK_ECLOSED; a handle
 *   inherited through fork() gives HIJACK_EFORK.
 * - Everything asked of one connection, and every publish, takes effect in the order of the calls.
 * - Closing ends a connection; freeing releases a handle. *_free works in any order, from any thread, and NULL is a
 *   no-op. A freed handle gets no further event.
 * - Strings come with their length and need no terminating NUL. If a length is 0, the pointer may be NULL.
 * - A header block is one flat string, "name: value\r\nname: value\r\n", without the empty line. Names are tokens
 *   (RFC 9110 section 5.6.2); a name or value with CR, LF, NUL or another control character is HIJACK_EHEADER.
 * - Times are milliseconds, sizes are bytes.
 */
#ifndef HIJACK_H
#define HIJACK_H

#include <stddef.h>
#include <stdint.h>

#include <hijack/version.h>

#if defined(__GNUC__)
#define HIJACK_API __attribute__((visibility("default")))
#else
#define HIJACK_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * Types
 * ---------------------------------------------------------------------------------------------------------------- */

typedef struct hijack_queue hijack_queue;             /* delivers events to the program */
typedef struct hijack_server hijack_server;           /* accepts, owns the loop threads */
typedef struct hijack_request hijack_request;         /* one request: answered once, or becomes something else */
typedef struct hijack_stream hijack_stream;           /* a response body in pieces: streaming, SSE */
typedef struct hijack_socket hijack_socket;           /* the connection itself: raw hijack, WebSocket */
typedef struct hijack_broadcaster hijack_broadcaster; /* one message to any number of connections */

/* The one public struct, frozen for good: new facts get new event types or accessors. */
typedef struct hijack_event {
    uint64_t user_data; /* the handle's user_data at the moment of the poll */
    void *handle;       /* the request, stream, socket or server it is about; NULL for HIJACK_EVENT_WAKE */
    const char *data;   /* payload; valid until the next hijack_queue_poll of the same queue, or its free */
    uint64_t len;       /* bytes at data */
    uint32_t type;      /* HIJACK_EVENT_* */
    int32_t status;     /* see each type */
} hijack_event;

enum {
    HIJACK_EVENT_NONE = 0,
    /* A new request. handle: hijack_request, which the program must free. status: 0, data ends with the whole body; 1,
     * hijack_request_read asks for the body (option request_body). data: the head in one flat form, then the
     * body. The first line has five fields, split by one space: method, target, version, peer, scheme
     * ("GET /a?b=1 HTTP/1.1 127.0.0.1:50312 http"); later versions may append fields. Then one "name: value" line per
     * header, names in lower case, in the order received; every line ends with CRLF; an empty line; then the body,
     * decoded, up to the end of data. With option connect_method a CONNECT has the target "host:port" (RFC 9112 section
     * 3.2.3). The request starts with its server's user_data. */
    HIJACK_EVENT_REQUEST = 1,
    /* Bytes from the peer of a hijack_socket, or of the body of a hijack_request that is read in pieces, within the
     * credit given by hijack_socket_read or hijack_request_read. */
    HIJACK_EVENT_DATA = 2,
    /* The peer of a hijack_socket will send no more, and all of its bytes have been delivered; sending to it is still
     * possible, unless hijack_socket_shutdown was called: CLOSED then follows. Of a request that is read in pieces: its
     * body has ended; data: the trailers as a header block (RFC 9110 section 6.5), may be empty. */
    HIJACK_EVENT_EOF = 3,
    /* A stream or socket that answered HIJACK_EAGAIN can take more. If one thread sends and another polls, DRAINED may
     * be polled before that send has returned. It may come once too often. */
    HIJACK_EVENT_DRAINED = 4,
    /* The last event of a request, stream or socket. status: 0 if it ended as asked for (response written, request
     * became something else, stream finished, socket closed), else the reason as HIJACK_E*: ECLOSED (the peer closed
     * the connection), ERESET, ETIMEDOUT, ESLOW, ESHUTDOWN, EABORTED, EPROTOCOL (a body that breaks the rules), ENOMEM.
     * Of a request that is read in pieces it comes when the request is answered and its body has ended. The handle
     * stays valid until freed; calls on it return ECLOSED or ESTATE. Of a socket in message mode, data is how it
     * ended, as "1001 peer going away": the code (1006: no close frame came, RFC 6455 section 7.4.1), who closed first
     * (peer, us, none), and the reason, which may be empty; data is empty if there never was a connection. Of an
     * outgoing connection with ETLS, data is why, for people: "certificate verify failed: hostname mismatch". */
    HIJACK_EVENT_CLOSED = 5,
    /* The last event of a detached socket. status: its descriptor, non-blocking, now the program's to close; data:
     * bytes already read from it and not yet delivered. */
    HIJACK_EVENT_DETACHED = 6,
    /* The last event of a server: its threads have no connection left. status: 0. */
    HIJACK_EVENT_STOPPED = 7,
    /* hijack_queue_wake was called (any number of times since the last one). */
    HIJACK_EVENT_WAKE = 8,
    /* The peer of a request, stream or socket has ended its sending side (FIN) while nobody read: it has closed the
     * connection, or has only no more to send. Comes at most once for each handle, and is not a last event: unread
     * bytes may still come, and answering or sending is still possible. */
    HIJACK_EVENT_HANGUP = 9,
    /* A message, or a piece of one (option websocket_piece_bytes), of a socket in message mode. status:
     * HIJACK_MESSAGE_TEXT or _BINARY, with HIJACK_MESSAGE_MORE if more of this message follows. A text is UTF-8 as a
     * whole; a piece may begin or end within a character. It uses credit by its bytes (an empty one 1), or all that
     * is left: a message begins to be read while there is credit, and comes whole; so do the pieces that one read has
     * brought. */
    HIJACK_EVENT_MESSAGE = 10,
    /* A connection that the program asked for (hijack_server_connect) is open. handle: hijack_socket; data: the peer's
     * address. */
    HIJACK_EVENT_CONNECTED = 11,
    /* Members joined or left. handle: hijack_broadcaster. data: 16-byte records in native byte order, in the order in
     * which it happened: uint64_t user_data of the member; int32_t 1 if it joined, 0 or the HIJACK_E* reason if it
     * left; uint32_t 0. status: how many records. With option member_events of the broadcaster; comes to the
     * server's first queue. */
    HIJACK_EVENT_MEMBERS = 12,
    /* A WebSocket member without a handle sent a message (option member_messages of the broadcaster). handle:
     * hijack_broadcaster. data: uint64_t user_data of the member, then the message. status:
     * HIJACK_MESSAGE_TEXT or _BINARY. Comes to the server's first queue. */
    HIJACK_EVENT_MEMBER_MESSAGE = 13,
    /* A hijack_socket has no credit any more, as hijack_socket_read with 0 asked for: no DATA and no MESSAGE follows
     * until there is credit again. */
    HIJACK_EVENT_PAUSED = 14
};

/* What a message is: to send, to publish (TEXT and BINARY), and in the status of its event. */
enum {
    HIJACK_MESSAGE_TEXT = 1,   /* UTF-8 */
    HIJACK_MESSAGE_BINARY = 2, /* any bytes */
    HIJACK_MESSAGE_PING = 9,   /* to send only; at most 125 bytes (RFC 6455 section 5.5) */
    HIJACK_MESSAGE_MORE = 256  /* added to TEXT or BINARY: more pieces of this message follow */
};

enum {
    HIJACK_OK = 0,
    HIJACK_EINVAL = -1,     /* an argument is out of its domain (NULL, a bad length, a status not in 100..999) */
    HIJACK_EHANDLE = -2,    /* the handle is NULL, freed, or of another kind */
    HIJACK_ECLOSED = -3,    /* the connection is closed, or the program has closed or finished it */
    HIJACK_EAGAIN = -4,     /* nothing was taken: at or over the high-water mark; HIJACK_EVENT_DRAINED follows */
    HIJACK_ENOMEM = -5,     /* out of memory */
    HIJACK_EFORK = -6,      /* the handle belongs to the parent process */
    HIJACK_ESTATE = -7,     /* not possible in this state: already started, answered, a member, ... */
    HIJACK_EBUSY = -8,      /* another thread is polling this queue */
    HIJACK_EADDRINUSE = -9, /* the address is in use */
    HIJACK_EADDR = -10,     /* the address cannot be understood */
    HIJACK_EACCES = -11,    /* the operating system does not permit it (a port below 1024, a unix path) */
    HIJACK_EHEADER = -12,   /* an invalid header name or value, or one that the library itself owns */
    HIJACK_EOPTION = -13,   /* no option of that name */
    HIJACK_ERANGE = -14,    /* an option's value is not of its type or out of its range; a port is over 65535 */
    HIJACK_ETOOBIG = -15,   /* more bytes than the limit, or than fit into out; a unix path over 107 bytes */
    HIJACK_EVERSION = -16,  /* program and library were made for different versions */
    HIJACK_ELIMIT = -17,    /* the process or the server has no descriptor, thread or connection left */
    HIJACK_ETIMEDOUT = -18, /* head, request or idle timeout, or the peer acknowledges or takes nothing */
    HIJACK_ERESET = -19,    /* the peer reset the connection */
    HIJACK_ESLOW = -20,     /* the peer could not keep up: a broadcaster's policy, or option backlog_total_bytes */
    HIJACK_ESHUTDOWN = -21, /* the server stops or has stopped */
    HIJACK_EIO = -22,       /* the operating system failed in an unexpected way */
    HIJACK_EABORTED = -23,  /* the program aborted it */
    HIJACK_ENOTSOCK = -24,  /* the descriptor is not a socket of the needed sort: connected (adopt), listening (fd:) */
    HIJACK_ENOTSUP = -25,   /* not possible with this protocol, or with this version or build of the library */
    HIJACK_EPROTOCOL = -26, /* the peer broke the protocol's rules (a chunked body, say) */
    HIJACK_ETLS = -27,      /* TLS: unusable certificate or key, failed handshake, or a peer that is not verified */
    HIJACK_EREFUSED = -28,  /* the other side refused the connection */
    HIJACK_ENOENT = -29,    /* no such file or folder (a unix path, a certificate) */
    HIJACK_EADDRNOTAVAIL = -30 /* no such host, or the address is not one of this machine */
};

/* How a held connection starts, and how messages are written to it. */
enum {
    HIJACK_HOLD_RAW = 1,      /* write nothing first; message data as it is (full hijack) */
    HIJACK_HOLD_STREAM = 2,   /* write a 200 head; message data as pieces of the response body */
    HIJACK_HOLD_SSE = 3,      /* write a 200 text/event-stream head; each message as one SSE event */
    HIJACK_HOLD_SSE_BODY = 4, /* adopt only: the other server has written the head; each message as one SSE event */
    /* Answer the handshake of a WebSocket (a client whose handshake is wrong gets a 4xx), then each message as one
     * frame. The member answers pings and closes by itself; what it sends: option member_messages. Not of a descriptor
     * alone (adopt): hijack_server_adopt_request takes the head as well. */
    HIJACK_HOLD_WEBSOCKET = 5,
    HIJACK_HOLD_WEBSOCKET_OPEN = 6, /* adopt only: the same where the handshake is done, without an extension */
    /* Wait for one response: the first message is its body, or hijack_broadcaster_respond gives it; 204 after option
     * long_poll_ms. Not of a descriptor alone (adopt). */
    HIJACK_HOLD_LONG_POLL = 7
};

/* A string literal and its length, for two arguments of a call: hijack_server_set(server, HIJACK_STR("threads"),
 * HIJACK_STR("2")). A convenience for C; no other language needs it. */
#define HIJACK_STR(literal) "" literal "", (sizeof(literal) - 1)

/* ------------------------------------------------------------------------------------------------------------------
 * Library
 * ---------------------------------------------------------------------------------------------------------------- */

/* The version of the library that runs, as HIJACK_VERSION_NUMBER counts it: major << 16 | minor << 8 | patch. */
HIJACK_API uint32_t hijack_version(void);

/* The version as text, "0.2.0". Static memory. */
HIJACK_API const char *hijack_version_string(void);

/* Whether a program built with this header_version (pass HIJACK_VERSION_NUMBER) can run on this library: same major
 * version, for major 0 also the same minor version, and the library not older than the header. Errors: EVERSION. */
HIJACK_API int hijack_check_version(uint32_t header_version);

/* A sentence for a HIJACK_E* code, and its name ("HIJACK_EAGAIN"). Never NULL, for any number. Static memory. */
HIJACK_API const char *hijack_strerror(int code);
HIJACK_API const char *hijack_errname(int code);

/* The name of an event type ("REQUEST"). Never NULL. Static memory. */
HIJACK_API const char *hijack_event_name(uint32_t type);

/* The number that a text becomes as a member's user_data: a decimal number without leading zeros is itself, anything
 * else the first 8 bytes of its SHA-256 as a big-endian number. The empty text is 0, which is nobody. */
HIJACK_API uint64_t hijack_hash(const char *text, size_t len);

/* Writes one SSE event as hijack_stream_send_sse sends it, without a NUL, and returns its length (out NULL: the length
 * alone). Errors: EINVAL, ETOOBIG (out_size; data over 256 MiB), ENOMEM. */
HIJACK_API int hijack_sse_encode(char *out, size_t out_size, const char *event, size_t event_len, const char *id,
                                 size_t id_len, const char *data, size_t data_len, int64_t retry_ms);

/* Every option, one per line: scope (server, route, queue, broadcaster), name, type (int, size, string, choice, mode),
 * minimum, maximum, default, help; split by tabs. docs/reference/options.md is made from it. Static memory. */
HIJACK_API const char *hijack_options(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Handle: what all handles share
 * ---------------------------------------------------------------------------------------------------------------- */

/* Sets the number that comes back in each event of this handle. Any handle. Events polled after this call carry it.
 * Errors: EHANDLE, EFORK. */
HIJACK_API int hijack_handle_set_user_data(void *handle, uint64_t user_data);

/* The number that was set last, 0 at first; a request starts with its server's, a stream or socket with its request's.
 * Errors: EINVAL, EHANDLE, EFORK. */
HIJACK_API int hijack_handle_user_data(uint64_t *out, void *handle);

/* ------------------------------------------------------------------------------------------------------------------
 * Queue
 * ---------------------------------------------------------------------------------------------------------------- */

/* A new, empty queue. The program owns it and frees it. Errors: EINVAL, ENOMEM, ELIMIT (no descriptor). */
HIJACK_API int hijack_queue_new(hijack_queue **out);

/* Sets an option of scope "queue" by name. Errors: EINVAL, EHANDLE, EFORK, EOPTION, ERANGE, ESTATE (a server uses it
 * already). */
HIJACK_API int hijack_queue_set(hijack_queue *queue, const char *name, size_t name_len, const char *value,
                                size_t value_len);

/* A descriptor that becomes readable when an event comes and stays readable until a poll returns 0 (level-triggered).
 * Poll until 0 before waiting again; a program that waits earlier is woken once for nothing. The descriptor belongs to
 * the queue: wait on it with poll, select, epoll or the language's own loop; never read, write or close it. Errors:
 * EHANDLE, EFORK. */
HIJACK_API int hijack_queue_fd(hijack_queue *queue);

/* Moves up to max events into out and returns how many, 0 if none came in time. timeout_ms: 0 returns immediately,
 * negative waits without a limit. Waits with poll(2), so that a signal ends it: it then returns 0. Invalidates the
 * payloads returned by the last poll. One thread at a time per queue: a second one gets EBUSY. Blocks for at most
 * timeout_ms. Errors: EINVAL, EHANDLE, EFORK, EBUSY, EIO. */
HIJACK_API int hijack_queue_poll(hijack_event *out, hijack_queue *queue, uint32_t max, int timeout_ms);

/* Puts a WAKE event into the queue, so that a waiting poll returns. Do not call it from a signal handler. Errors:
 * EHANDLE, EFORK, ENOMEM. */
HIJACK_API int hijack_queue_wake(hijack_queue *queue);

/* Invalidates the payloads returned by the last poll. Waiting events are dropped: their requests are answered with 500,
 * their descriptors (DETACHED) closed. Not while another thread polls the queue. */
HIJACK_API void hijack_queue_free(hijack_queue *queue);

/* ------------------------------------------------------------------------------------------------------------------
 * Server
 * ---------------------------------------------------------------------------------------------------------------- */

/* A new server whose requests go to queue. queue NULL: the server has held routes only and answers 404 to everything
 * else. Errors: EINVAL, EHANDLE, EFORK, ENOMEM. */
HIJACK_API int hijack_server_new(hijack_server **out, hijack_queue *queue);

/* Sets an option of scope "server" by name; before start. Errors: EINVAL, EHANDLE, EFORK, EOPTION, ERANGE, ESTATE. */
HIJACK_API int hijack_server_set(hijack_server *server, const char *name, size_t name_len, const char *value,
                                 size_t value_len);

/* Writes the option's value and a NUL to out and returns its length. Errors: EINVAL, EHANDLE, EFORK, EOPTION, ETOOBIG.
 */
HIJACK_API int hijack_server_get(char *out, size_t out_size, hijack_server *server, const char *name, size_t name_len);

/* Adds an address to listen on and binds it immediately; before start. Forms: "127.0.0.1:8080", "[::1]:8080", "*:8080"
 * (all interfaces, IPv6 and IPv4; IPv4 alone if the machine has no IPv6), "localhost:0" (port 0: a free one),
 * "unix:/path" (an old socket there that nobody answers is replaced; the file has the rights of option unix_mode and is
 * removed at stop), "fd:3" (a listening socket that was inherited; the server owns it afterwards). "tls:" before any
 * of them: connections begin with a TLS handshake, and a certificate is needed (hijack_server_certificate). Names other
 * than localhost are not resolved. Returns the port, or 0 if there is none. Errors: EINVAL, EHANDLE, EFORK, ESTATE,
 * ENOMEM, ELIMIT, EIO; EADDR (cannot be understood), ERANGE (port over 65535), ETOOBIG (unix path over 107 bytes),
 * ENOENT (the folder of the unix path is missing), EADDRNOTAVAIL (no such host or interface, or not an address of this
 * machine), EADDRINUSE, EACCES, ENOTSOCK (fd: is not a listening stream socket), ENOTSUP (tls: in a build without TLS).
 */
HIJACK_API int hijack_server_listen(hijack_server *server, const char *address, size_t address_len);

/* Writes the address of the index-th listener ("127.0.0.1:41873") and a NUL to out; returns its length. Errors: EINVAL,
 * EHANDLE, EFORK, ETOOBIG; ERANGE (no such index). */
HIJACK_API int hijack_server_address(char *out, size_t out_size, hijack_server *server, uint32_t index);

/* One more queue: connections are assigned to the queue of hijack_server_new and these in turn; all requests of one
 * connection go to one queue. For programs with several polling threads. Before start. Errors: EHANDLE, EFORK,
 * ESTATE, ENOMEM. */
HIJACK_API int hijack_server_add_queue(hijack_server *server, hijack_queue *queue);

/* Requests whose path (target up to '?') equals path go to this queue instead; before start. Errors: EINVAL (path does
 * not start with '/', or has a '?'), EHANDLE, EFORK, ESTATE (routed or held already, or started), ENOMEM. */
HIJACK_API int hijack_server_route(hijack_server *server, const char *path, size_t path_len, hijack_queue *queue);

/* Adds a certificate chain with its key for the listeners with "tls:"; before or after start. chain and key: PEM text,
 * or the path of a PEM file; the server's own certificate comes first, and the key has no passphrase. staple: an OCSP
 * response in DER, the path of a file with one, or none. A certificate for the same names is replaced: later handshakes
 * get the new one, connections keep what they have. Clients get the certificate for the server name that they send (RFC
 * 6066 section 3); those without a name, or with another one, get the first that was added. Errors: EINVAL, EHANDLE,
 * EFORK, ETLS (cannot be used; key and certificate do not belong together), ENOENT and EACCES (file), ETOOBIG (file
 * over 1 MiB), ELIMIT (no descriptor is free), EIO, ESHUTDOWN, ENOTSUP (built without TLS), ENOMEM. */
HIJACK_API int hijack_server_certificate(hijack_server *server, const char *chain, size_t chain_len, const char *key,
                                         size_t key_len, const char *staple, size_t staple_len);

/* Sets an option of scope "route" for the requests of path; a trailing '*' means all paths that begin so. An exact path
 * comes before prefixes, a longer prefix before a shorter one; what none of them sets is the server's. Before start, in
 * any order with route and hold. Errors: EINVAL (path does not start with '/'), EHANDLE, EFORK, EOPTION, ERANGE,
 * ESTATE, ENOMEM. */
HIJACK_API int hijack_server_route_set(hijack_server *server, const char *path, size_t path_len, const char *name,
                                       size_t name_len, const char *value, size_t value_len);

/* Holds a route: each GET of path without a body becomes a member of broadcaster immediately, on the loop's thread,
 * without an event or handle. kind: HIJACK_HOLD_RAW, _STREAM, _SSE, _WEBSOCKET or _LONG_POLL. headers: added to the
 * response head (none with RAW). HEAD is answered with the head alone (with WEBSOCKET by 405); other methods of this
 * path go to the server's queues. What a member sends is not read, except from a WebSocket (option member_messages).
 * headers of a LONG_POLL are those of its answer, also of the 204. Before start. Errors: EINVAL, EHANDLE, EFORK,
 * EHEADER, ESTATE, ENOTSUP (kind), ENOMEM. */
HIJACK_API int hijack_server_hold(hijack_server *server, const char *path, size_t path_len, uint32_t kind,
                                  const char *headers, size_t headers_len, hijack_broadcaster *broadcaster);

/* Starts the loop threads. A server without listeners is fine: it serves adopted connections. Errors: EHANDLE, EFORK,
 * ESTATE (started before), ENOMEM, ELIMIT, EIO, ENOTSOCK (the descriptor of a listener cannot be watched: the program
 * closed it), ETLS (a listener with "tls:" has no certificate, or an option of TLS cannot be used), ENOENT and EACCES
 * (a file that such an option names), ENOTSUP (private_fds: the system is older than Linux 5.9, or a sandbox forbids
 * it). */
HIJACK_API int hijack_server_start(hijack_server *server);

/* Stops accepting, serves what has arrived, lets open requests and streams finish, and closes held members spread
 * evenly over deadline_ms; what is left is closed at the deadline. Then STOPPED comes. Returns immediately. Errors:
 * EHANDLE, EFORK, ESTATE (not running). */
HIJACK_API int hijack_server_drain(hijack_server *server, uint32_t deadline_ms);

/* Stops now: every connection is closed, every open handle gets its last event, the threads are joined, STOPPED is
 * queued. Blocks until then (milliseconds). A second call returns 0. Errors: EHANDLE, EFORK, ESTATE (never started). */
HIJACK_API int hijack_server_stop(hijack_server *server);

/* Counters and gauges of a server, by index; hijack_server_stat_name gives the names. */
enum {
    HIJACK_STAT_CONNECTIONS = 0,      /* open now, all kinds */
    HIJACK_STAT_READING = 1,          /* open now: in a TLS handshake, or waiting for a request head */
    HIJACK_STAT_HTTP = 2,             /* open now: the body of a request is read, or it awaits its answer */
    HIJACK_STAT_STREAMS = 3,          /* open now: hijack_stream */
    HIJACK_STAT_SOCKETS = 4,          /* open now: hijack_socket */
    HIJACK_STAT_HELD = 5,             /* open now: held by a broadcaster alone, without a handle */
    HIJACK_STAT_MEMBERSHIPS = 6,      /* memberships in broadcasters now */
    HIJACK_STAT_ACCEPTED = 7,         /* connections accepted */
    HIJACK_STAT_ADOPTED = 8,          /* connections adopted */
    HIJACK_STAT_DETACHED = 9,         /* connections given to the program */
    HIJACK_STAT_REQUESTS = 10,        /* requests delivered as events */
    HIJACK_STAT_BAD_REQUESTS = 11,    /* requests that the library refused with a 4xx, 501 or 505 */
    HIJACK_STAT_CLOSED_OK = 12,       /* closed as asked: response sent, finished, closed by the program */
    HIJACK_STAT_CLOSED_PEER = 13,     /* closed or reset by the peer, or refused (bad_requests) */
    HIJACK_STAT_CLOSED_TIMEOUT = 14,  /* closed by a timeout: head, request, idle, ack or stall */
    HIJACK_STAT_CLOSED_SLOW = 15,     /* reset because its backlog, or that of the server, was over the limit */
    HIJACK_STAT_CLOSED_ABORTED = 16,  /* aborted by the program, or out of memory */
    HIJACK_STAT_CLOSED_SHUTDOWN = 17, /* closed by drain or stop */
    HIJACK_STAT_EVENTS_QUEUED = 18,   /* events waiting in its queues now, except those of routes */
    HIJACK_STAT_BYTES_IN = 19,        /* read from connections */
    HIJACK_STAT_BYTES_OUT = 20,       /* written to connections */
    HIJACK_STAT_BACKLOG_BYTES = 21,   /* waiting for slow peers now */
    HIJACK_STAT_PUBLISHED = 22,       /* messages published */
    HIJACK_STAT_DELIVERED = 23,       /* message copies handed to the kernel or to a backlog */
    HIJACK_STAT_DROPPED = 24,         /* message copies dropped by a policy */
    HIJACK_STAT_HEARTBEATS = 25,      /* heartbeats written */
    HIJACK_STAT_ACCEPT_PAUSES = 26,   /* times accepting was paused for want of descriptors or at the limit */
    HIJACK_STAT_TLS_HANDSHAKES = 27,  /* TLS handshakes completed, of clients and of outgoing connections */
    HIJACK_STAT_TLS_RESUMED = 28,     /* of them resumed by a session ticket */
    HIJACK_STAT_TLS_FAILED = 29,      /* connections to a TLS port, and outgoing ones, that completed no handshake */
    HIJACK_STAT_REFUSED = 30,         /* connections reset right after accepting: option connections_per_address */
    HIJACK_STAT_COMPRESSED = 31,      /* messages to WebSockets that were compressed, a published one once */
    HIJACK_STAT_RESUMED = 32,         /* members that went on where they were, or with all that was kept */
    HIJACK_STAT_GAPS = 33,            /* of them those that had missed what was not kept any more */
    HIJACK_STAT_OUTGOING = 34,        /* connections that the program asked for (hijack_server_connect) */
    HIJACK_STAT_RELAYED = 35,         /* open now: relayed, or detached and over TLS: another one has their bytes */
    HIJACK_STAT_RELAYED_BYTES = 36,   /* bytes that relayed sockets have passed on */
    HIJACK_STAT_COUNT = 37
};

/* Writes the first count values to out and returns how many there are in all. Each value is exact; together they are
 * not one instant. Errors: EINVAL, EHANDLE, EFORK. */
HIJACK_API int hijack_server_stats(uint64_t *out, uint32_t count, hijack_server *server);

/* The name of a server statistic ("accepted"). NULL past the last. Static memory. */
HIJACK_API const char *hijack_server_stat_name(uint32_t index);

/* Connects to "host:port" ("127.0.0.1:80", "[::1]:80", "example.org:80") or "unix:/path", or with TLS to
 * "tls:host:port". Nobody waits for it: CONNECTED follows, or CLOSED with the reason: EADDRNOTAVAIL (no such host, or
 * no way to it), EREFUSED, ENOENT and EACCES (unix path), ETLS (not verified, or no handshake; data is why), ERESET,
 * ETIMEDOUT (option connect_timeout_ms), ELIMIT. The addresses of a name are tried one after the other. Before it is
 * open, the socket may be used as if it was: what is sent waits, close and shutdown come after it. Freeing the handle
 * before CONNECTED ends it, even if it is a member. With TLS, CONNECTED comes after the handshake: the peer has shown a
 * certificate for this host name, or this IP address, that the authorities of option connect_ca have signed, or,
 * without that option, those that the system trusts, which are read for the first connection with "tls:", in tens of
 * milliseconds; CLOSED with ETLS if there are none. Whom asks for one gets the certificate of option
 * connect_certificate. ALPN is not used. Its user_data is user_data, its events go to the server's first queue. Errors:
 * EINVAL, EHANDLE, EFORK, EADDR (address cannot be understood; "tls:unix:", of which there is no name to verify),
 * ERANGE (port), ETOOBIG (unix path over 107 bytes), EADDRNOTAVAIL (no such interface), ETLS (tls_ciphers has no
 * cipher), ENOTSUP ("tls:" in a build without TLS), ESTATE (not running, or without a queue), ESHUTDOWN, ELIMIT,
 * ENOMEM. */
HIJACK_API int hijack_server_connect(hijack_socket **out, hijack_server *server, const char *address,
                                     size_t address_len, uint64_t user_data);

/* Takes a connected stream socket from elsewhere (another server's hijack) as a hijack_socket. unread: bytes that were
 * read from it already and come first as DATA. On success the descriptor is the library's: the program must not use or
 * close it again (dup it first if its old owner will close it); on failure it stays the program's. The socket starts
 * with the server's user_data; its events go to the server's first queue. Errors: EINVAL, EHANDLE, EFORK, ENOTSOCK,
 * ERESET (the peer has reset it), ESTATE (not running, or without a queue), ESHUTDOWN, ENOMEM, ELIMIT (the server is
 * full; or, with option private_fds, some hundreds are on their way to a loop: a later try may do). */
HIJACK_API int hijack_server_adopt(hijack_socket **out, hijack_server *server, int fd, const char *unread,
                                   size_t unread_len);

/* Takes a request that another server has read, with its connection. head: as on the wire, "GET / HTTP/1.1\r\n", the
 * headers and the empty line; unread: what followed. No REQUEST event comes: the request is answered like any other
 * (respond, stream, sse, hold, hijack); its body is not read, and the connection closes after it. The descriptor and
 * the other errors: as hijack_server_adopt; EHEADER (not a request head). */
HIJACK_API int hijack_server_adopt_request(hijack_request **out, hijack_server *server, int fd, const char *head,
                                           size_t head_len, const char *unread, size_t unread_len);

/* Stops the server if it runs, without waiting: memory goes when the last of its handles is freed. No event follows. */
HIJACK_API void hijack_server_free(hijack_server *server);

/* ------------------------------------------------------------------------------------------------------------------
 * Request
 *
 * Pointers returned by the accessors are valid until the request is freed.
 * ---------------------------------------------------------------------------------------------------------------- */

/* The parts of the head. method and target as sent; version "HTTP/1.0" or "HTTP/1.1"; peer "127.0.0.1:50312",
 * "[::1]:50312" or "unix:". Errors: EINVAL, EHANDLE, EFORK. */
HIJACK_API int hijack_request_method(const char **out, size_t *out_len, hijack_request *request);
HIJACK_API int hijack_request_target(const char **out, size_t *out_len, hijack_request *request);
HIJACK_API int hijack_request_version(const char **out, size_t *out_len, hijack_request *request);
HIJACK_API int hijack_request_peer(const char **out, size_t *out_len, hijack_request *request);

/* All headers as a header block, names in lower case. Errors: EINVAL, EHANDLE, EFORK. */
HIJACK_API int hijack_request_headers(const char **out, size_t *out_len, hijack_request *request);

/* The value of the index-th header of that name (any case). Returns 1 if there is one, 0 (and out untouched) if not.
 * The SSE client's last id is the header "last-event-id". Errors: EINVAL, EHANDLE, EFORK. */
HIJACK_API int hijack_request_header(const char **out, size_t *out_len, hijack_request *request, const char *name,
                                     size_t name_len, uint32_t index);

/* The whole body, decoded; length 0 if there is none, or if it is read in pieces. Errors: EINVAL, EHANDLE, EFORK. */
HIJACK_API int hijack_request_body(const char **out, size_t *out_len, hijack_request *request);

/* Answers. status 200..999; Date, Content-Length and Connection are the library's (a Content-Length in headers must
 * equal body_len, except for HEAD and 304; "Connection: close" closes after the response; Transfer-Encoding is
 * refused). A body to HEAD, 204, 205 or 304 is not sent. CLOSED follows when the response has been accepted for
 * writing. A CONNECT cannot be answered with a success here, nor by stream, sse or hold (EINVAL): that is a partial
 * hijack. Errors: EINVAL, EHANDLE, EFORK, EHEADER, ESTATE (answered already), ECLOSED, ENOMEM. */
HIJACK_API int hijack_request_respond(hijack_request *request, uint32_t status, const char *headers, size_t headers_len,
                                      const char *body, size_t body_len);

/* Answers with a head and turns the rest of the response into a stream. HTTP/1.1: chunked (RFC 9112 section 7.1),
 * or as many bytes as a Content-Length in headers announces; HTTP/1.0: until close. The request stays readable until
 * freed. The stream belongs to the program; it starts with the request's user_data. Errors: as hijack_request_respond.
 */
HIJACK_API int hijack_request_stream(hijack_stream **out, hijack_request *request, uint32_t status, const char *headers,
                                     size_t headers_len);

/* As hijack_request_stream, with the head of Server-Sent Events (200, text/event-stream, no-cache) and heartbeats while
 * the stream is silent (option heartbeat_ms). headers are added, and a Content-Type, Cache-Control or X-Accel-Buffering
 * among them replaces the library's; a Content-Length is EHEADER. */
HIJACK_API int hijack_request_sse(hijack_stream **out, hijack_request *request, const char *headers,
                                  size_t headers_len);

/* Full hijack: takes the connection with nothing written to it. What followed the request on the wire comes as the
 * first DATA once credit is given. The socket belongs to the program; it starts with the request's user_data. Errors:
 * EINVAL, EHANDLE, EFORK, ESTATE, ECLOSED, ENOTSUP (HTTP/2), ENOMEM. */
HIJACK_API int hijack_request_hijack(hijack_socket **out, hijack_request *request);

/* Partial hijack: writes a head of this status (100..999, 101 included) and these headers, then takes the connection.
 * "Connection: close" is added unless headers has a Connection, or the answer is a success to CONNECT, which also may
 * have no Content-Length or Transfer-Encoding (RFC 9110 section 9.3.6; else EHEADER). Errors: as hijack_request_hijack,
 * and EHEADER. */
HIJACK_API int hijack_request_hijack_partial(hijack_socket **out, hijack_request *request, uint32_t status,
                                             const char *headers, size_t headers_len);

/* Accepts a WebSocket (RFC 6455 section 4.2): answers 101 and gives a socket in message mode, which sends and gets
 * messages instead of bytes. protocol: the subprotocol to agree upon, one of those in the client's
 * "sec-websocket-protocol", or none. headers are added to the answer; those of the handshake itself are EHEADER. A
 * client whose handshake is wrong, or a page of another origin (option websocket_origins), is answered with 400, 403,
 * 405 or 426, and the call returns EPROTOCOL. Errors: as hijack_request_hijack_partial, and EPROTOCOL. */
HIJACK_API int hijack_request_websocket(hijack_socket **out, hijack_request *request, const char *protocol,
                                        size_t protocol_len, const char *headers, size_t headers_len);

/* A fact about the request's connection by name: "scheme" ("http" or "https"), "protocol" ("HTTP/1.1"), "local" (the
 * address of the listener it came by, as hijack_server_address gives it; none if it was adopted), "tls_version",
 * "tls_cipher", "tls_server_name", "tls_subject", "tls_certificate" (none without TLS). Returns 1, or 0 if there is
 * none and out stays untouched. The text lives until the request is freed. Errors: EINVAL, EHANDLE, EFORK, EOPTION (no
 * such name).
 */
HIJACK_API int hijack_request_info(const char **out, size_t *out_len, hijack_request *request, const char *name,
                                   size_t name_len);

/* Adds credit for the body of a request whose REQUEST event had status 1 (option request_body): DATA events within it,
 * then EOF, whose data is the trailers as a header block and may be empty. A peer that waits for 100 Continue
 * (RFC 9110 section 10.1.1) gets it with the first credit. The request may be answered before its body has ended:
 * CLOSED then comes when both are done; hijack and hold return ESTATE until EOF. If it is freed before, up to 256 KiB
 * of the rest are thrown away; if more comes, the connection closes after the answer. Errors: EINVAL (0), EHANDLE,
 * EFORK, ESTATE (status was 0), ECLOSED, ENOMEM. */
HIJACK_API int hijack_request_read(hijack_request *request, uint64_t credit);

/* Makes the connection a member of broadcaster, without a handle of its own; kind and headers as hijack_server_hold.
 * first: what it is sent before everything that is published later: bytes of the body (hijack_sse_encode makes those of
 * an event), for a WebSocket one text message. position: where it goes on, if the broadcaster keeps a history (option
 * history_messages): "<epoch>-<offset>" of the last message that it has, an id that the program has given to one, or
 * "*" for all that is kept; none: the client's Last-Event-ID, else live only. What it has missed comes after first and
 * before what is published later, each message once. If some of it is not kept any more, an SSE member is sent an event
 * with the name of option gap_event and the position of the first message that is, as its data, and a WebSocket the
 * text "\x1e<gap_event> <position>". user_data is the member's own: see hijack_broadcaster_send_user.
 *
 * A LONG_POLL is answered immediately with first, or with the first message that it has missed; else it waits. With a
 * history the field Hijack-Position of the answer, also of a 204, is where the client is, and Hijack-Gap, where
 * something is not kept any more, the position of the first message that is. If nothing is there, a gap is reported
 * immediately, by a 204.
 *
 * Errors: as hijack_request_respond, and EINVAL also if first of a WebSocket is not UTF-8; ESTATE also for a position
 * without a history; ENOTSUP for HIJACK_HOLD_RAW and _WEBSOCKET over HTTP/2; EPROTOCOL for a handshake that was
 * refused.
 */
HIJACK_API int hijack_request_hold(hijack_request *request, hijack_broadcaster *broadcaster, uint32_t kind,
                                   uint64_t user_data, const char *headers, size_t headers_len, const char *first,
                                   size_t first_len, const char *position, size_t position_len);

/* A request freed unanswered is answered with 500, and its connection is closed. */
HIJACK_API void hijack_request_free(hijack_request *request);

/* ------------------------------------------------------------------------------------------------------------------
 * Stream
 * ---------------------------------------------------------------------------------------------------------------- */

/* Sends a piece of the body, all of it or nothing. Taken while less than high_water_bytes wait, else EAGAIN. Errors:
 * EINVAL, EHANDLE, EFORK, EAGAIN, ECLOSED, ETOOBIG (more than the Content-Length allows), ENOMEM. */
HIJACK_API int hijack_stream_send(hijack_stream *stream, const char *data, size_t len);

/* Sends one SSE event (WHATWG HTML, section "Server-sent events"). event: left out if its length is 0. id: left out if
 * NULL; an id of length 0 that is not NULL ("", 0) resets the client's Last-Event-ID. Both: EINVAL with CR or LF, or
 * NUL in id. data: left out if NULL; each line (CRLF, CR or LF) becomes one data line. retry_ms: left out if negative.
 * Errors: as hijack_stream_send. */
HIJACK_API int hijack_stream_send_sse(hijack_stream *stream, const char *event, size_t event_len, const char *id,
                                      size_t id_len, const char *data, size_t data_len, int64_t retry_ms);

/* Sends an SSE comment; each line of text becomes one comment line. Errors: as hijack_stream_send. */
HIJACK_API int hijack_stream_send_comment(hijack_stream *stream, const char *text, size_t len);

/* Ends the body after what was sent; the connection serves further requests if HTTP allows it. CLOSED follows when all
 * is written. A body shorter than its Content-Length is aborted instead. trailers: a header block, or none (RFC 9110
 * section 6.5); left out if the body is neither chunked nor HTTP/2's. Errors: EINVAL, EHANDLE, EFORK, ECLOSED, EHEADER,
 * ENOMEM. */
HIJACK_API int hijack_stream_finish(hijack_stream *stream, const char *trailers, size_t trailers_len);

/* Cuts the connection so that the client sees a broken body. CLOSED (EABORTED) follows. Errors: EHANDLE, EFORK,
 * ECLOSED, ENOMEM. */
HIJACK_API int hijack_stream_abort(hijack_stream *stream);

/* An unfinished stream that is a broadcaster's member lives on as such; any other unfinished one is aborted. */
HIJACK_API void hijack_stream_free(hijack_stream *stream);

/* ------------------------------------------------------------------------------------------------------------------
 * Socket
 *
 * In message mode (hijack_request_websocket) it has messages instead of bytes: send, shutdown and detach return ESTATE,
 * close is close_message with code 1000.
 * ---------------------------------------------------------------------------------------------------------------- */

/* Adds credit: up to this many more bytes will be read and come as DATA, or as MESSAGE in message mode. A new socket
 * has no credit. UINT64_MAX: no limit afterwards. 0: takes all credit back; PAUSED follows, behind what was read by
 * then, or CLOSED. Errors: EHANDLE, EFORK, ECLOSED, ESTATE (detached, relayed), ENOMEM. */
HIJACK_API int hijack_socket_read(hijack_socket *socket, uint64_t credit);

/* Sends bytes, all or none; see hijack_stream_send. Errors: EINVAL, EHANDLE, EFORK, EAGAIN, ECLOSED (also after
 * shutdown), ENOMEM. */
HIJACK_API int hijack_socket_send(hijack_socket *socket, const char *data, size_t len);

/* Message mode: sends a message whole, however large, or a piece of one. type: HIJACK_MESSAGE_TEXT or _BINARY, with
 * HIJACK_MESSAGE_MORE if more pieces follow; the last piece comes without it. HIJACK_MESSAGE_PING sends a ping of at
 * most 125 bytes, also between two pieces. Back-pressure as hijack_stream_send. Errors: EINVAL (type; a text that is
 * not UTF-8), EHANDLE, EFORK, EAGAIN, ECLOSED, ESTATE (not in message mode; a piece of another kind of message; a piece
 * to a broadcaster's member), ENOMEM. */
HIJACK_API int hijack_socket_send_message(hijack_socket *socket, uint32_t type, const char *data, size_t len);

/* Message mode: sends a close frame after what was sent (RFC 6455 section 7.1.2). code: 1000 to 1014 or 3000 to 4999,
 * as its section 7.4 allows. reason: at most 123 bytes of UTF-8. No further message is delivered. CLOSED follows when
 * the peer has answered, or after websocket_pong_ms, with ETIMEDOUT. Errors: EINVAL, EHANDLE, EFORK, ECLOSED, ESTATE
 * (not in message mode), ENOMEM. */
HIJACK_API int hijack_socket_close_message(hijack_socket *socket, uint32_t code, const char *reason, size_t reason_len);

/* Half-close: no more is sent after what was; reading goes on. When the peer ends its side, EOF comes, then CLOSED with
 * status 0. Errors: EHANDLE, EFORK, ECLOSED, ESTATE (detached), ENOMEM. */
HIJACK_API int hijack_socket_shutdown(hijack_socket *socket);

/* Closes gracefully, after what was sent is written; nothing more is read. CLOSED follows. Errors: EHANDLE, EFORK,
 * ECLOSED, ESTATE (detached), ENOMEM. */
HIJACK_API int hijack_socket_close(hijack_socket *socket);

/* Resets the connection immediately (TCP RST); unsent bytes are lost. CLOSED (EABORTED) follows. Errors: EHANDLE,
 * EFORK, ECLOSED, ENOMEM. */
HIJACK_API int hijack_socket_abort(hijack_socket *socket);

/* Gives the descriptor to the program, after what was sent is written: DETACHED follows with it (or CLOSED, if the peer
 * ends the connection first). Over TLS it is one end of a socket pair that the server relays as long as it runs. The
 * socket leaves its broadcasters. With option private_fds CLOSED comes with ELIMIT if the program's table has no room.
 * Errors: EHANDLE, EFORK, ECLOSED, ESTATE (detached already), ENOMEM. */
HIJACK_API int hijack_socket_detach(hijack_socket *socket);

/* Pairs two sockets of one server: each gets the other one's bytes, both ways and without an event, as fast as the
 * slower side takes them. What was sent before goes first, and what was not read yet goes to the other one. The sockets
 * may be over TCP, TLS or a unix socket, and not open yet (hijack_server_connect). In message mode each message is
 * bytes to the other one, and what comes from there a binary message; between two sockets in message mode messages stay
 * what they are. The end of one side is passed on as FIN, and the pair goes on until both sides have ended. WebSocket
 * has no such end: there it is a close frame with 1000, and ends both; with the subprotocol "purr" an empty binary
 * message, both ways. A side that dies (a reset, a timeout, a WebSocket without close frame) resets the other one, or
 * closes it with 1011. CLOSED comes for each, with its reason. Afterwards read, send, shutdown, detach and broadcasters
 * are ESTATE; close and abort end both; freed handles leave the pair alive. DATA events that are on their way still
 * come: take the credit back and wait for PAUSED before. Errors: EINVAL (the same socket, or of another server),
 * EHANDLE, EFORK, ESTATE (a member, relayed or detached, within a message), ECLOSED, ENOMEM. Both are then as before.
 */
HIJACK_API int hijack_socket_relay(hijack_socket *a, hijack_socket *b);

/* An open socket that is a broadcaster's member, or relayed, lives on as such; a socket that is closing finishes that;
 * any other is aborted. A descriptor in a DETACHED event that was not yet polled is closed. */
HIJACK_API void hijack_socket_free(hijack_socket *socket);

/* ------------------------------------------------------------------------------------------------------------------
 * Broadcaster
 *
 * What a member that cannot keep up costs is bounded: its own backlog of shared messages, up to option backlog_bytes,
 * then option overflow decides what happens (close, drop_newest, drop_oldest, latest: keep the newest per key).
 * ---------------------------------------------------------------------------------------------------------------- */

/* A new broadcaster for connections of this server; before or after its start. Cheap: make one per user or room.
 * Errors: EINVAL, EHANDLE, EFORK, ENOMEM. */
HIJACK_API int hijack_broadcaster_new(hijack_broadcaster **out, hijack_server *server);

/* Sets an option of scope "broadcaster" by name. Applies to messages published afterwards. Errors: EINVAL, EHANDLE,
 * EFORK, EOPTION, ERANGE. */
HIJACK_API int hijack_broadcaster_set(hijack_broadcaster *broadcaster, const char *name, size_t name_len,
                                      const char *value, size_t value_len);

/* Makes a stream or socket of the same server a member; it may be a member of several broadcasters. position: as
 * hijack_request_hold, without a client's own. user_data: the member's. Errors: EHANDLE, EFORK,
 * ECLOSED, EINVAL (another server's, or a stream with a Content-Length), ESTATE (a member already; a position without a
 * history), ENOMEM. */
HIJACK_API int hijack_broadcaster_add(hijack_broadcaster *broadcaster, void *stream_or_socket, uint64_t user_data,
                                      const char *position, size_t position_len);

/* Ends a membership; the connection stays with its handle. Errors: EHANDLE, EFORK, ECLOSED, EINVAL (another server's),
 * ESTATE (not a member), ENOMEM. */
HIJACK_API int hijack_broadcaster_remove(hijack_broadcaster *broadcaster, void *stream_or_socket);

/* Takes a connected stream socket from elsewhere as a member without a handle. kind: any HIJACK_HOLD_*; headers as
 * hijack_server_hold; user_data, first and position as hijack_request_hold. The descriptor: as hijack_server_adopt.
 * Errors: EINVAL, EHANDLE, EFORK, EHEADER, ENOTSOCK, ERESET, ESTATE (the server does not run), ESHUTDOWN, ELIMIT,
 * ENOTSUP (kind), ENOMEM. */
HIJACK_API int hijack_broadcaster_adopt(hijack_broadcaster *broadcaster, int fd, uint32_t kind, uint64_t user_data,
                                        const char *headers, size_t headers_len, const char *first, size_t first_len,
                                        const char *position, size_t position_len);

/* Sends data to every member: as it is to raw and stream members, as one SSE event to SSE members, as one message to
 * WebSocket members. type: HIJACK_MESSAGE_TEXT (UTF-8, else EINVAL) or _BINARY, which else differ for WebSocket members
 * alone. Never waits. Returns how many members it
 * was addressed to; a member that joins through a held route at this moment may get it uncounted. All members get
 * concurrent publishes in one order.
 * With a history it may come before start, as a process that continues one does with the messages that it has saved.
 * Errors: EINVAL, EHANDLE, EFORK, ESTATE (the server never started, and there is no history), ESHUTDOWN, ETOOBIG (over
 * 16 MiB), EAGAIN (256 MiB of messages wait for the server's threads; no event follows), ENOMEM. */
HIJACK_API int hijack_broadcaster_publish(hijack_broadcaster *broadcaster, uint32_t type, const char *data, size_t len);

/* Publishes a text with SSE fields (as hijack_stream_send_sse; other members get the data alone) and a key for the
 * overflow policy "latest": an unsent message is replaced by a newer one of the same key. Lengths may be 0; data is
 * always sent. retry_ms: left out if negative. Errors: as publish. */
HIJACK_API int hijack_broadcaster_publish_sse(hijack_broadcaster *broadcaster, const char *event, size_t event_len,
                                              const char *id, size_t id_len, const char *data, size_t data_len,
                                              const char *key, size_t key_len, int64_t retry_ms);

/* To, and about, the members with this user_data, which has to be other than 0; that there are none is not an error.
 * What is sent to a user is not kept in the history, and a member that is catching up gets it in between. Like publish,
 * they take effect in the order of the calls. Errors: EINVAL (user_data 0; type), EHANDLE, EFORK, ESTATE (the server
 * never started), ESHUTDOWN, ENOMEM; of send_user also ETOOBIG and EAGAIN, as publish. */
HIJACK_API int hijack_broadcaster_send_user(hijack_broadcaster *broadcaster, uint64_t user_data, uint32_t type,
                                            const char *data, size_t len);
/* Ends their memberships here. A connection without a handle that is a member of no other broadcaster ends gracefully.
 */
HIJACK_API int hijack_broadcaster_remove_user(hijack_broadcaster *broadcaster, uint64_t user_data);
/* Ends their connections gracefully. */
HIJACK_API int hijack_broadcaster_close_user(hijack_broadcaster *broadcaster, uint64_t user_data);
/* Makes those of `from` members of broadcaster as well, with the same user_data; both are of one server (else EINVAL).
 */
HIJACK_API int hijack_broadcaster_join_user(hijack_broadcaster *broadcaster, hijack_broadcaster *from,
                                            uint64_t user_data);

/* Answers all requests that wait here as LONG_POLL with this response, of which the library makes the framing, Date and
 * Server; other members get nothing, and the history keeps nothing. For answers whose head is not known beforehand.
 * body must be empty with 204, 205 and 304. Returns the number of members (up to INT32_MAX). Errors: EINVAL (status
 * under 200 or over 999, body), EHANDLE, EFORK, EHEADER, ETOOBIG (body over 16 MiB), EAGAIN (as publish), ESTATE,
 * ESHUTDOWN, ENOMEM. */
HIJACK_API int hijack_broadcaster_respond(hijack_broadcaster *broadcaster, uint32_t status, const char *headers,
                                          size_t headers_len, const char *body, size_t body_len);

/* Ends every member gracefully: streams finish, sockets close, long polls get 204, each after what was published
 * before. The broadcaster remains usable. Errors: EHANDLE, EFORK, ENOMEM. */
HIJACK_API int hijack_broadcaster_close(hijack_broadcaster *broadcaster);

/* Writes the position of the newest message, "<epoch>-<offset>", and a NUL; returns its length (out NULL: the length
 * alone). Errors: EINVAL, EHANDLE, EFORK, ETOOBIG (out_size), ESTATE (no history: option history_messages). */
HIJACK_API int hijack_broadcaster_position(char *out, size_t out_size, hijack_broadcaster *broadcaster);

/* Members now. Errors: EHANDLE, EFORK. */
HIJACK_API int hijack_broadcaster_count(hijack_broadcaster *broadcaster);

/* Counters of a broadcaster, by index. */
enum {
    HIJACK_BROADCASTER_STAT_MEMBERS = 0,   /* now */
    HIJACK_BROADCASTER_STAT_PUBLISHED = 1, /* messages published */
    HIJACK_BROADCASTER_STAT_DELIVERED = 2, /* message copies handed to the kernel or to a backlog */
    HIJACK_BROADCASTER_STAT_DROPPED = 3,   /* message copies dropped by the policy */
    HIJACK_BROADCASTER_STAT_CLOSED = 4,    /* members reset by the policy */
    HIJACK_BROADCASTER_STAT_COUNT = 5
};

/* Writes the first count values to out and returns how many there are in all. Errors: EINVAL, EHANDLE, EFORK. */
HIJACK_API int hijack_broadcaster_stats(uint64_t *out, uint32_t count, hijack_broadcaster *broadcaster);

/* Members without a handle stay connected until they leave or the server stops; call hijack_broadcaster_close first if
 * they should not. */
HIJACK_API void hijack_broadcaster_free(hijack_broadcaster *broadcaster);

#ifdef __cplusplus
}
#endif

#endif
