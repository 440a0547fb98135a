/* The lists behind the names that the library gives out. Each value of the public header stands here once. */
#ifndef HJ_CORE_LIBRARY_H
#define HJ_CORE_LIBRARY_H

#define HJ_EVENTS(X)                                                                                                   \
    X(NONE)                                                                                                            \
    X(REQUEST)                                                                                                         \
    X(DATA)                                                                                                            \
    X(EOF)                                                                                                             \
    X(DRAINED)                                                                                                         \
    X(CLOSED)                                                                                                          \
    X(DETACHED)                                                                                                        \
    X(STOPPED)                                                                                                         \
    X(WAKE)                                                                                                            \
    X(HANGUP)                                                                                                          \
    X(MESSAGE)                                                                                                         \
    X(CONNECTED)                                                                                                       \
    X(MEMBERS)                                                                                                         \
    X(MEMBER_MESSAGE)                                                                                                  \
    X(PAUSED)

/* X(constant, name) */
#define HJ_SERVER_STATS(X)                                                                                             \
    X(CONNECTIONS, "connections")                                                                                      \
    X(READING, "reading")                                                                                              \
    X(HTTP, "http")                                                                                                    \
    X(STREAMS, "streams")                                                                                              \
    X(SOCKETS, "sockets")                                                                                              \
    X(HELD, "held")                                                                                                    \
    X(MEMBERSHIPS, "memberships")                                                                                      \
    X(ACCEPTED, "accepted")                                                                                            \
    X(ADOPTED, "adopted")                                                                                              \
    X(DETACHED, "detached")                                                                                            \
    X(REQUESTS, "requests")                                                                                            \
    X(BAD_REQUESTS, "bad_requests")                                                                                    \
    X(CLOSED_OK, "closed_ok")                                                                                          \
    X(CLOSED_PEER, "closed_peer")                                                                                      \
    X(CLOSED_TIMEOUT, "closed_timeout")                                                                                \
    X(CLOSED_SLOW, "closed_slow")                                                                                      \
    X(CLOSED_ABORTED, "closed_aborted")                                                                                \
    X(CLOSED_SHUTDOWN, "closed_shutdown")                                                                              \
    X(EVENTS_QUEUED, "events_queued")                                                                                  \
    X(BYTES_IN, "bytes_in")                                                                                            \
    X(BYTES_OUT, "bytes_out")                                                                                          \
    X(BACKLOG_BYTES, "backlog_bytes")                                                                                  \
    X(PUBLISHED, "published")                                                                                          \
    X(DELIVERED, "delivered")                                                                                          \
    X(DROPPED, "dropped")                                                                                              \
    X(HEARTBEATS, "heartbeats")                                                                                        \
    X(ACCEPT_PAUSES, "accept_pauses")                                                                                  \
    X(TLS_HANDSHAKES, "tls_handshakes")                                                                                \
    X(TLS_RESUMED, "tls_resumed")                                                                                      \
    X(TLS_FAILED, "tls_failed")                                                                                        \
    X(REFUSED, "refused")                                                                                              \
    X(COMPRESSED, "compressed")                                                                                        \
    X(RESUMED, "resumed")                                                                                              \
    X(GAPS, "gaps") X(OUTGOING, "outgoing") X(RELAYED, "relayed") X(RELAYED_BYTES, "relayed_bytes")

#endif
