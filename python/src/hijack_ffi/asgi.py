"""Handing over requests of ASGI programs under uvicorn, which stays as it is:

async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/sse":
        await hijack.asgi.adopt(receive, clients, kind="sse")
    elif scope["type"] == "websocket":
        await hijack.asgi.adopt_request(receive, server, talk)      # talk(request) as with the server's own requests

Behind middleware, Middleware is the outermost one, and the program answers as ever:

app = hijack.asgi.Middleware(app)

@fastapi_app.get("/sse")
async def sse(request: Request) -> Response:
    hijack.asgi.hold(request.scope, clients)
    return Response()                       # its headers, and those of all middleware, go into the head"""

import asyncio
from typing import Any, Awaitable, Callable, List, MutableMapping, Optional, Tuple, Union
from urllib.parse import quote

from . import _adopt
from ._broadcaster import Broadcaster
from ._constants import Kind
from ._errors import StateError
from ._headers import Headers, encoded, request_head
from ._library import Text
from ._server import ServerCore
from ._users import User

__all__ = ["Middleware", "adopt", "adopt_request", "head", "hold", "take", "transport"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Then = Callable[[Any], object]
KEY = "hijack"
OF_HEAD = ("raw_path", "path", "query_string", "http_version", "method", "headers")
ANSWERS = ("http.response.start", "websocket.accept")  # with what a program begins to answer


def transport(receive: Union[Callable[..., Any], Scope]) -> asyncio.Transport:
    """The asyncio transport of the connection that an ASGI program's receive (or send) belongs to, as Server.adopt and
    Broadcaster.adopt take it; also that of a scope behind Middleware. ASGI itself has no way to it: this works with
    uvicorn, whose callables are methods of an object that holds the transport. StateError if that is not so, as behind
    middleware that wraps them, and once an answer has begun."""
    cycle: Any = _taking(receive).cycle if isinstance(receive, MutableMapping) else getattr(receive, "__self__", None)
    found: Optional[asyncio.Transport] = getattr(cycle, "transport", None)
    if found is None or not hasattr(found, "get_extra_info"):
        raise StateError(
            f"asgi: {receive!r} does not lead to its connection. It must be uvicorn's own: behind middleware that "
            "wraps it, make hijack.asgi.Middleware the outermost one"
        )
    handshake = getattr(cycle, "handshake_started_event", None)
    begun = handshake is not None and handshake.is_set()
    if begun or getattr(cycle, "response_started", False) or getattr(cycle, "handshake_complete", False):
        raise StateError("asgi: the answer has begun already; hand the connection over instead of answering")
    return found


def head(scope: Scope) -> bytes:
    """The head of a request as it was sent, for Server.adopt_request."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string") or b""
    target = path.partition(b"?")[0] + (b"?" + query if query else b"")
    version = scope.get("http_version", "1.1")
    version = "1.1" if version >= "2" else version
    method = scope.get("method", "GET")  # one for a WebSocket has none
    return request_head(method, encoded(target.decode("latin-1")), _text(scope["headers"]), f"HTTP/{version}")


async def adopt(
    receive: Receive,
    clients: Broadcaster,
    kind: Kind = "sse",
    headers: Headers = None,
    *,
    user: User = None,
    first: Optional[Text] = None,
    position: Optional[str] = None,
) -> None:
    """Makes the connection of this request, also of one for a WebSocket (kind "websocket"), a member of clients. The
    program then returns without having sent anything. user, first and position: see Request.hold. A client that has
    left meanwhile is not an error."""
    found = transport(receive)
    scope: Optional[Scope] = getattr(getattr(receive, "__self__", None), "scope", None)
    if scope is None or kind == "sse_body":
        clients.adopt(found, kind, headers, user=user, first=first, position=position)
    else:
        then = clients._holder(kind, headers, user, first, position)
        _adopt.take(clients._core, found, head(scope), then)
    await _released(receive)


async def adopt_request(receive: Receive, server: "ServerCore[Any, Any]", then: Then) -> None:
    """Takes this request, also one for a WebSocket, as Server.adopt_request does, and passes it to then. The program
    then returns without having sent anything. then(request) answers it, immediately or later, and must not wait; with
    hijack.aio it may be a coroutine function, which goes on as a task of server, as the handler of its own requests
    would. For a client that has left meanwhile it is not called."""
    _adopt.take(server._core, transport(receive), head(getattr(receive, "__self__").scope), then)
    await _released(receive)


def take(scope: Scope, server: "ServerCore[Any, Any]", then: Then) -> None:
    """Behind Middleware: hands the request over to server when the program begins to answer it, or accepts the
    WebSocket. then(request) answers it instead, as with adopt_request; the headers of the program's answer and those
    that its middleware has set are part of the head, except those about the body, which is thrown away. An answer that
    is not a success (2xx) is sent as it is, and nothing is handed over. The subprotocol that the program accepts is the
    one that request.websocket agrees upon, unless it is given another."""
    _taking(scope).plan(server._core, then)


def hold(
    scope: Scope,
    clients: Broadcaster,
    kind: Kind = "sse",
    headers: Headers = None,
    *,
    user: User = None,
    first: Optional[Text] = None,
    position: Optional[str] = None,
) -> None:
    """The same, making the connection a member of clients. user, first and position: see Request.hold."""
    _taking(scope).plan(clients._core, clients._holder(kind, headers, user, first, position))


class Middleware:
    """The outermost of an ASGI program, by which hold and take reach the connection past all others."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        taking = scope[KEY] = _Taking(scope, receive, send)
        try:
            await self.app(scope, receive, taking.send)
        finally:
            scope.pop(KEY, None)  # whose server has the scope itself, as taking has the server
        if taking.taken:
            await _released(receive)


class _Taking:
    """One request on its way through a program, and what is to become of it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.cycle = getattr(receive, "__self__", None)
        self._request = {name: scope[name] for name in OF_HEAD if name in scope}  # before frameworks change the scope
        self._plan: "Optional[Tuple[Any, Then]]" = None
        self.taken = False

    def plan(self, core: Any, then: Then) -> None:
        transport(self._receive)  # raises now if it cannot be taken
        self._plan = core, then

    async def send(self, message: Message) -> None:
        if self._plan is not None and message["type"] in ANSWERS and 200 <= message.get("status", 200) < 300:
            (core, then), self._plan = self._plan, None
            headers, protocol = _text(message.get("headers", ())), message.get("subprotocol")
            _adopt.take(core, transport(self._receive), head(self._request), then, headers, protocol)
            self.taken = True
        elif not self.taken:
            self._plan = None
            await self._send(message)


def _taking(scope: Scope) -> _Taking:
    found = scope.get(KEY)
    if not isinstance(found, _Taking):
        raise StateError("asgi: this scope did not pass hijack.asgi.Middleware; wrap the whole program in it")
    return found


def _text(headers: Any) -> List[Tuple[str, str]]:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]


async def _released(receive: Receive) -> None:
    """Returns when uvicorn knows that it has the connection no more."""
    protocol: Any = getattr(receive, "__self__", None)
    event = getattr(protocol, "message_event", None)
    if event is not None and hasattr(protocol, "disconnected"):
        # Of several requests that came in one piece, it only tells the last one that the connection has ended.
        protocol.disconnected = True
        event.set()
        return
    while not (await receive())["type"].endswith(".disconnect"):
        pass
    # Its older protocol for WebSockets ("--ws websockets") would still do the handshake, and complain that it cannot.
    handshake, task = getattr(protocol, "handshake_started_event", None), getattr(protocol, "handler_task", None)
    if handshake is not None and task is not None and not handshake.is_set():
        task.cancel()
        handshake.set()
