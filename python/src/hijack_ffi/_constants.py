"""Made by bindings/generate from include/hijack/hijack.h. Do not edit."""
from typing import Final, Literal, Mapping

VERSION: Final = "0.2.0"
VERSION_NUMBER: Final = 0x000200

#: hijack_event as the module struct reads it
EVENT_FORMAT: Final = "=QQQQIi"

EVENT_NONE: Final = 0
EVENT_REQUEST: Final = 1
EVENT_DATA: Final = 2
EVENT_EOF: Final = 3
EVENT_DRAINED: Final = 4
EVENT_CLOSED: Final = 5
EVENT_DETACHED: Final = 6
EVENT_STOPPED: Final = 7
EVENT_WAKE: Final = 8
EVENT_HANGUP: Final = 9
EVENT_MESSAGE: Final = 10
EVENT_CONNECTED: Final = 11
EVENT_MEMBERS: Final = 12
EVENT_MEMBER_MESSAGE: Final = 13

MESSAGE_TEXT: Final = 1
MESSAGE_BINARY: Final = 2
MESSAGE_PING: Final = 9
MESSAGE_MORE: Final = 256

OK: Final = 0
EINVAL: Final = -1
EHANDLE: Final = -2
ECLOSED: Final = -3
EAGAIN: Final = -4
ENOMEM: Final = -5
EFORK: Final = -6
ESTATE: Final = -7
EBUSY: Final = -8
EADDRINUSE: Final = -9
EADDR: Final = -10
EACCES: Final = -11
EHEADER: Final = -12
EOPTION: Final = -13
ERANGE: Final = -14
ETOOBIG: Final = -15
EVERSION: Final = -16
ELIMIT: Final = -17
ETIMEDOUT: Final = -18
ERESET: Final = -19
ESLOW: Final = -20
ESHUTDOWN: Final = -21
EIO: Final = -22
EABORTED: Final = -23
ENOTSOCK: Final = -24
ENOTSUP: Final = -25
EPROTOCOL: Final = -26
ETLS: Final = -27
EREFUSED: Final = -28
ENOENT: Final = -29
EADDRNOTAVAIL: Final = -30

HOLD_RAW: Final = 1
HOLD_STREAM: Final = 2
HOLD_SSE: Final = 3
HOLD_SSE_BODY: Final = 4
HOLD_WEBSOCKET: Final = 5
HOLD_WEBSOCKET_OPEN: Final = 6
HOLD_LONG_POLL: Final = 7

STAT_CONNECTIONS: Final = 0
STAT_READING: Final = 1
STAT_HTTP: Final = 2
STAT_STREAMS: Final = 3
STAT_SOCKETS: Final = 4
STAT_HELD: Final = 5
STAT_MEMBERSHIPS: Final = 6
STAT_ACCEPTED: Final = 7
STAT_ADOPTED: Final = 8
STAT_DETACHED: Final = 9
STAT_REQUESTS: Final = 10
STAT_BAD_REQUESTS: Final = 11
STAT_CLOSED_OK: Final = 12
STAT_CLOSED_PEER: Final = 13
STAT_CLOSED_TIMEOUT: Final = 14
STAT_CLOSED_SLOW: Final = 15
STAT_CLOSED_ABORTED: Final = 16
STAT_CLOSED_SHUTDOWN: Final = 17
STAT_EVENTS_QUEUED: Final = 18
STAT_BYTES_IN: Final = 19
STAT_BYTES_OUT: Final = 20
STAT_BACKLOG_BYTES: Final = 21
STAT_PUBLISHED: Final = 22
STAT_DELIVERED: Final = 23
STAT_DROPPED: Final = 24
STAT_HEARTBEATS: Final = 25
STAT_ACCEPT_PAUSES: Final = 26
STAT_TLS_HANDSHAKES: Final = 27
STAT_TLS_RESUMED: Final = 28
STAT_TLS_FAILED: Final = 29
STAT_REFUSED: Final = 30
STAT_COMPRESSED: Final = 31
STAT_RESUMED: Final = 32
STAT_GAPS: Final = 33
STAT_COUNT: Final = 34

BROADCASTER_STAT_MEMBERS: Final = 0
BROADCASTER_STAT_PUBLISHED: Final = 1
BROADCASTER_STAT_DELIVERED: Final = 2
BROADCASTER_STAT_DROPPED: Final = 3
BROADCASTER_STAT_CLOSED: Final = 4
BROADCASTER_STAT_COUNT: Final = 5

#: types of events that this package knows; other types are of a later version, and skipped
KNOWN_EVENTS: Final = frozenset(
    {
        EVENT_REQUEST,
        EVENT_DATA,
        EVENT_EOF,
        EVENT_DRAINED,
        EVENT_CLOSED,
        EVENT_DETACHED,
        EVENT_STOPPED,
        EVENT_WAKE,
        EVENT_HANGUP,
        EVENT_MESSAGE,
        EVENT_CONNECTED,
        EVENT_MEMBERS,
        EVENT_MEMBER_MESSAGE,
    }
)
#: types after which no event of the same handle follows
LAST_EVENTS: Final = frozenset(
    {
        EVENT_CLOSED,
        EVENT_DETACHED,
        EVENT_STOPPED,
    }
)

Kind = Literal["raw", "stream", "sse", "sse_body", "websocket", "websocket_open"]
KINDS: Final[Mapping[str, int]] = {
    "raw": HOLD_RAW,
    "stream": HOLD_STREAM,
    "sse": HOLD_SSE,
    "sse_body": HOLD_SSE_BODY,
    "websocket": HOLD_WEBSOCKET,
    "websocket_open": HOLD_WEBSOCKET_OPEN,
}
