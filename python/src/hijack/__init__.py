"""Very many live HTTP connections in one process, on libhijack's own threads.

    with hijack.Server() as server:
        clients = server.broadcaster()
        server.hold("/sse", clients, kind="sse")
        server.listen("127.0.0.1:8080")
        server.serve(lambda request: request.respond(404))

This module is for plain threads; hijack.aio has the same for asyncio. The guide is docs/python.md of libhijack."""

from . import _errors
from ._adopt import Adoptable
from ._broadcaster import Broadcaster
from ._constants import VERSION as __version__
from ._errors import *
from ._library import Data, Headers, Kind, Text, request_head
from ._request import RequestHeaders
from ._threads import Handler, Request, Server, Socket, Stream, WebSocket
from ._tls import TLS, Certificate
from ._websocket import Close, ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, Message

__all__ = [
    "Adoptable",
    "Broadcaster",
    "Certificate",
    "Close",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Data",
    "Handler",
    "Headers",
    "Kind",
    "Message",
    "Request",
    "RequestHeaders",
    "Server",
    "Socket",
    "Stream",
    "TLS",
    "Text",
    "WebSocket",
    "__version__",
    "request_head",
]
__all__ += _errors.__all__
