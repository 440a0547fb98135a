"""Handing over requests of WSGI programs under gunicorn, with any of its workers, or Flask's development server:

app = hijack.wsgi.Middleware(app)           # the outermost one; app is Flask's, Django's or any other

@flask_app.get("/sse")
def sse() -> str:
    hijack.wsgi.hold(flask.request.environ, clients())
    return ""                               # its headers, and those of all middleware, go into the head

WSGI itself has no way to a connection: this uses what these servers put into the environment."""

import errno
import socket
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple
from urllib.parse import quote

from . import _adopt
from ._broadcaster import Broadcaster
from ._constants import Kind
from ._errors import StateError
from ._headers import encoded, request_head
from ._library import Text
from ._server import ServerCore
from ._users import User

__all__ = ["HandedOver", "Middleware", "connection", "head", "hold", "take"]

Environ = Dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]
KEY = "hijack"
SOCKETS = ("gunicorn.socket", "werkzeug.socket")


class HandedOver(BrokenPipeError):
    """Reports to the server that its connection has another owner; to the server the client has left."""


def connection(environ: Environ) -> socket.socket:
    """The socket of a request, as Server.adopt and Broadcaster.adopt take it. StateError if the server gives none."""
    for key in SOCKETS:
        if key in environ:
            found: socket.socket = environ[key]
            return found
    raise StateError("wsgi: this server gives no way to its connection; gunicorn and Flask's development server do")


def head(environ: Environ) -> bytes:
    """The head of a request, nearly as it was sent, for Server.adopt_request."""
    path = quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"))
    query = environ.get("QUERY_STRING")
    target = environ.get("RAW_URI") or path + (f"?{query}" if query else "")
    names = [(key[5:] if key.startswith("HTTP_") else key, key) for key in environ]
    wanted = [(name, key) for name, key in names if name != key or key in ("CONTENT_TYPE", "CONTENT_LENGTH")]
    headers = [(name.replace("_", "-"), environ[key]) for name, key in wanted if environ[key] != ""]
    return request_head(environ["REQUEST_METHOD"], encoded(target), headers, environ.get("SERVER_PROTOCOL", "HTTP/1.1"))


def hold(
    environ: Environ,
    clients: Broadcaster,
    kind: Kind = "sse",
    *,
    user: User = None,
    first: Optional[Text] = None,
    position: Optional[str] = None,
) -> None:
    """Makes the connection a member of clients when the program has answered; see take. user, first and position: see
    Request.hold."""
    _taking(environ).plan(clients._core, clients._holder(kind, None, user, first, position))


def take(environ: Environ, server: "ServerCore[Any, Any]", then: Callable[[Any], object]) -> None:
    """Hands the request over to server when the program has answered. then(request) answers it instead, immediately or
    later; it may wait, and keeps its worker as long. The headers of the program's answer go into the head, except those
    about the body, which is thrown away. An answer that is not a success (2xx) is sent as it is."""
    _taking(environ).plan(server._core, then)


class Middleware:
    """The outermost of a WSGI program, by which hold and take reach the connection past all others."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        taking = environ[KEY] = _Taking(environ, start_response)
        body = self.app(environ, taking.start_response)
        taking.returned = True
        if taking.planned is None or taking.started:
            return body
        try:
            if taking.headers is None:  # a generator begins to answer now
                pieces = iter(body)
                first = next(pieces, b"")
                if taking.started:
                    return [first, *pieces]
        finally:
            getattr(body, "close", lambda: None)()
        core, then = taking.planned
        found = connection(environ)
        _adopt.take(core, found, head(environ), then, taking.headers)
        if "werkzeug.socket" in environ:  # it reads on, and must find an end instead of a closed descriptor
            end, other = socket.socketpair()
            other.close()
            found.__init__(fileno=end.detach())  # type: ignore[misc]
        raise HandedOver(errno.EPIPE, "the connection was handed over to libhijack")


class _Taking:
    """One request on its way through a program, and what is to become of it."""

    def __init__(self, environ: Environ, start_response: Any) -> None:
        # Not the environment itself, which has this object.
        self._sockets = {key: environ[key] for key in SOCKETS if key in environ}
        self._start_response = start_response
        self.planned: Optional[Tuple[Any, Callable[[Any], object]]] = None
        self.headers: Optional[List[Tuple[str, str]]] = None
        self.started = self.returned = False

    def plan(self, core: Any, then: Callable[[Any], object]) -> None:
        if self.started or self.returned:
            raise StateError("wsgi: the answer has begun already; hand the connection over before")
        connection(self._sockets)  # raises now if there is none
        core.check_process()
        self.planned = core, then

    def start_response(self, status: str, headers: List[Tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
        if self.planned is None or not status.startswith("2"):
            self.started = True
            write: Callable[[bytes], object] = self._start_response(status, headers, *more)
            return write
        self.headers = headers
        return lambda data: None


def _taking(environ: Environ) -> _Taking:
    found = environ.get(KEY)
    if not isinstance(found, _Taking):
        raise StateError("wsgi: this request did not pass hijack.wsgi.Middleware; wrap the whole program in it")
    return found
