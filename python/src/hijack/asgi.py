"""Handing over requests of ASGI programs under uvicorn, which stays as it is:

async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/sse":
        await hijack.asgi.adopt(receive, clients, kind="sse")

Behind middleware, Middleware is the outermost one, and the program answers as ever:

app = hijack.asgi.Middleware(app)

@fastapi_app.get("/sse")
async def sse(request: Request) -> Response:
    hijack.asgi.hold(request.scope, clients)
    return Response()                       # its headers, and those of all middleware, go into the head"""

import asyncio
from typing import Any, Awaitable, Callable, List, MutableMapping, Optional, Tuple, Union
from urllib.parse import quote

from ._adopt import adopt_request
from ._broadcaster import Broadcaster
from ._errors import StateError
from ._library import Headers, Kind, request_head
from ._server import ServerCore

__all__ = ["Middleware", "adopt", "head", "hold", "take", "transport"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Then = Callable[[Any], object]
KEY = "hijack"


def transport(receive: Union[Callable[..., Any], Scope]) -> asyncio.Transport:
    """The asyncio transport of the connection that an ASGI program's receive (or send) belongs to, as Server.adopt and
    Broadcaster.adopt take it; also that of a scope behind Middleware. ASGI itself has no way to it: this knows uvicorn,
    whose callables are methods of an object that holds the transport. StateError if that is not so, as behind
    middleware that wraps them, and once an answer has begun."""
    cycle: Any = _taking(receive).cycle if isinstance(receive, MutableMapping) else getattr(receive, "__self__", None)
    found: Optional[asyncio.Transport] = getattr(cycle, "transport", None)
    if found is None or not hasattr(found, "get_extra_info"):
        raise StateError(
            f"asgi: {receive!r} does not lead to its connection. It must be uvicorn's own: behind middleware that "
            "wraps it, make hijack.asgi.Middleware the outermost one"
        )
    if getattr(cycle, "response_started", False):
        raise StateError("asgi: the answer has begun already; hand the connection over instead of answering")
    return found


def head(scope: Scope) -> bytes:
    """The head of a request as it was sent, for Server.adopt_request."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string") or b""
    target = path.partition(b"?")[0] + (b"?" + query if query else b"")
    version = scope.get("http_version", "1.1")
    version = "1.1" if version >= "2" else version
    return request_head(scope["method"], target.decode("latin-1"), _text(scope["headers"]), f"HTTP/{version}")


async def adopt(receive: Receive, clients: Broadcaster, kind: Kind = "sse", headers: Headers = None) -> None:
    """Makes the connection of this request a member of clients, and returns when uvicorn has released it. The program
    then returns without having sent anything."""
    found = transport(receive)
    scope: Optional[Scope] = getattr(getattr(receive, "__self__", None), "scope", None)
    if scope is None or kind == "sse_body":
        clients.adopt(found, kind, headers)
    else:
        with adopt_request(clients._core, found, head(scope)) as request:
            request.hold(clients, kind, headers)
    await _released(receive)


def take(scope: Scope, server: "ServerCore[Any, Any]", then: Then) -> None:
    """Behind Middleware: hands the request over to server when the program begins to answer it. then(request) answers
    it instead, at once or later; the headers of the program's answer and those that its middleware has set are part of
    the head, except those about the body, which is thrown away."""
    _taking(scope).plan(server._core, then)


def hold(scope: Scope, clients: Broadcaster, kind: Kind = "sse", headers: Headers = None) -> None:
    """The same, making the connection a member of clients."""
    _taking(scope).plan(clients._core, lambda request: request.hold(clients, kind, headers))


class Middleware:
    """The outermost of an ASGI program, by which hold and take reach the connection past all others."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        taking = scope[KEY] = _Taking(scope, receive, send)
        await self.app(scope, receive, taking.send)
        if taking.taken:
            await _released(receive)


class _Taking:
    """One request on its way through a program, and what is to become of it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.cycle = getattr(receive, "__self__", None)
        self.head = head(scope)  # before frameworks change the scope
        self._plan: "Optional[Tuple[Any, Then]]" = None
        self.taken = False

    def plan(self, core: Any, then: Then) -> None:
        transport(self._receive)  # raises now if it cannot be taken
        self._plan = core, then

    async def send(self, message: Message) -> None:
        if self._plan is not None and message["type"] == "http.response.start":
            (core, then), self._plan = self._plan, None
            headers = _text(message.get("headers", ()))
            request = adopt_request(core, transport(self._receive), self.head, headers=headers)
            self.taken = True
            try:
                then(request)
            except BaseException:
                request.close()
                raise
        elif not self.taken:
            await self._send(message)


def _taking(scope: Scope) -> _Taking:
    found = scope.get(KEY)
    if not isinstance(found, _Taking):
        raise StateError("asgi: this scope did not pass hijack.asgi.Middleware; wrap the whole program in it")
    return found


def _text(headers: Any) -> List[Tuple[str, str]]:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]


async def _released(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
