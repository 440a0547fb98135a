"""Libhijack holds thousands of live HTTP connections on its own threads. This module is for plain threads:

    Server        accepts connections, and takes those of other servers
    Request       is answered once, or becomes one of these:
    Stream        a response body in pieces, such as Server-Sent Events
    Socket        the connection itself
    WebSocket     messages in both directions
    Broadcaster   one message to any number of streams, sockets and WebSockets

    with hijack.Server() as server:
        clients = server.broadcaster()
        server.hold("/sse", clients, kind="sse")
        server.listen("127.0.0.1:8080")
        server.serve(lambda request: request.respond(404))

hijack.aio has the same for asyncio, hijack.asgi and hijack.wsgi take requests of uvicorn and gunicorn, hijack.testing
helps in tests. Errors are subclasses of HijackError, of which ClosedError is normal: the client has left. The guide is
docs/reference/python.md of libhijack."""

from . import _errors
from ._adopt import Adoptable
from ._broadcaster import Broadcaster
from ._constants import VERSION as __version__, Kind
from ._errors import *
from ._facts import TLS
from ._headers import Headers, request_head
from ._library import Data, Text
from ._local import local
from ._newcomer import sse_event
from ._request import RequestHeaders
from ._threads import Handler, Request, Server, Socket, Stream, WebSocket
from ._tls import Certificate
from ._users import User, user_number
from ._websocket import Close, ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, Message

__all__ = [
    "Adoptable", "Broadcaster", "Certificate", "Close", "ConnectionClosed", "ConnectionClosedError",
    "ConnectionClosedOK", "Data", "Handler", "Headers", "Kind", "Message", "Request", "RequestHeaders", "Server",
    "Socket", "Stream", "TLS", "Text", "User", "WebSocket", "__version__", "local", "request_head", "sse_event",
    "user_number",
]
__all__ += _errors.__all__

for _name in __all__:  # tracebacks and help show the public names
    _thing = globals()[_name]
    if getattr(_thing, "__module__", "").startswith(__name__):
        _thing.__module__ = __name__
