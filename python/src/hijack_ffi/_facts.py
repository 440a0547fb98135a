"""Made by bindings/generate from include/hijack/hijack.h. Do not edit."""
from dataclasses import dataclass
from typing import Final, Optional

#: headers of another server's answer that are about its connection or its body
NOT_TAKEN: Final = frozenset(
    {
        "connection",
        "content-digest",
        "content-encoding",
        "content-length",
        "content-md5",
        "content-range",
        "date",
        "etag",
        "keep-alive",
        "last-modified",
        "proxy-authenticate",
        "proxy-connection",
        "repr-digest",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: what a head of events has of its own
OF_EVENTS: Final = ("content-type", "cache-control", "x-accel-buffering")
#: headers of which both lines are sent
ADDED: Final = frozenset(("set-cookie", "vary"))
#: the counters of a broadcaster, in their order
BROADCASTER_STATS: Final = ("members", "published", "delivered", "dropped", "closed")


@dataclass(frozen=True)
class TLS:
    """What the TLS handshake of a request's connection has settled."""

    #: "TLSv1.3" or "TLSv1.2"
    version: str
    #: "TLS_AES_256_GCM_SHA384"; one of TLS 1.2 as OpenSSL names it, "ECDHE-RSA-AES128-GCM-SHA256"
    cipher: str
    #: the name that the client asked for (SNI); None if it sent none
    server_name: Optional[str]
    #: whom the client's certificate is for, which was verified, "CN=ann,O=us" (RFC 4514); None without one
    subject: Optional[str]
    #: the client's certificate as PEM; None without one
    certificate: Optional[str]
