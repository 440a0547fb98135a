"""Requests in both faces, and their headers."""

from functools import cached_property
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generic,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
    Type,
    TypeVar,
    cast,
)

from ._constants import ESTATE
from ._errors import HijackError, StateError
from ._library import Headers, Kind, Text, check, error_of, ffi, header_block, kind_number, lib, octets

if TYPE_CHECKING:
    from ._broadcaster import Broadcaster
    from ._core import Core

Self = TypeVar("Self", bound="RequestCore[Any, Any]")
ChannelT = TypeVar("ChannelT")
StreamT = TypeVar("StreamT")
SocketT = TypeVar("SocketT")


class RequestHeaders(Mapping[str, str]):
    """The headers of a request: a mapping by name, in any case. Of a header that came several times it has the first;
    get_all has all of them. Read from the head when first used."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    @cached_property
    def pairs(self) -> List[Tuple[str, str]]:
        """All headers as (name, value), names in lower case, in the order received."""
        lines = self._head.decode("latin-1").split("\r\n")
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines if line)]

    @cached_property
    def _values(self) -> Dict[str, List[str]]:
        values: Dict[str, List[str]] = {}
        for name, value in self.pairs:
            values.setdefault(name, []).append(value)
        return values

    def get_all(self, name: str) -> List[str]:
        """All values of a header, in the order received; empty if there is none."""
        return list(self._values.get(name.lower(), ()))

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()][0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"RequestHeaders({self.pairs!r})"


class RequestCore(Generic[StreamT, SocketT]):
    """One request: it is answered once, or becomes something else. A refused call (a bad header, say) leaves it open;
    a second answer is a StateError. One that is closed unanswered is answered with 500."""

    method: str  #: "GET"
    target: str  #: as it was sent: "/a?b=1"
    version: str  #: "HTTP/1.1"
    peer: str  #: "127.0.0.1:50312", "[::1]:50312" or "unix:"
    scheme: str  #: "http"
    headers: RequestHeaders
    body: bytes  #: the whole body, decoded

    def __init__(self, core: "Core", handle: Any, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        self.method, self.target, self.version, self.peer, self.scheme = first.decode("latin-1").split(" ")[:5]
        self.headers = RequestHeaders(rest)
        self._core, self._handle = core, handle
        self._answered = False

    def __repr__(self) -> str:
        return f"<{self.method} {self.target} from {self.peer}>"

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Any, trace: Optional[TracebackType]) -> None:
        self.close()

    @property
    def path(self) -> str:
        """The target up to "?", as it was sent (urllib.parse.unquote decodes it); without the scheme and host that a
        target has where a proxy is asked (RFC 9112, section 3.2.2)."""
        path = self.target.partition("?")[0]
        if path.startswith("/") or "://" not in path:
            return path
        return "/" + path.partition("://")[2].partition("/")[2]

    @property
    def query(self) -> str:
        """What follows the first "?" of the target, as it was sent; empty if nothing does."""
        return self.target.partition("?")[2]

    @property
    def answered(self) -> bool:
        """Whether it was answered, or has become something else."""
        return self._answered

    def respond(self, status: int = 200, body: Text = b"", headers: Headers = None) -> None:
        """Answers. Date, Content-Length and Connection are the library's. Any thread; before the handler
        returns, or at any later time for a request that accept gave."""
        self._open("respond")
        block, data = header_block(headers), octets(body)
        result = lib.hijack_request_respond(self._handle, status, block, len(block), data, len(data))
        check(result, f"respond {status} to {self.method} {self.target}")
        self._done()

    def hold(self, broadcaster: "Broadcaster", kind: Kind = "sse", headers: Headers = None) -> None:
        """Makes the connection a member of broadcaster, without any Python object. kind: "sse", "stream" (a plain body
        without end) or "raw" (nothing is written first, and headers must be empty)."""
        self._open("hold")
        number, block = kind_number(kind), header_block(headers)
        if broadcaster._handle == ffi.NULL and self._handle != ffi.NULL:
            raise StateError(f"hold {self.method} {self.target}: the broadcaster was freed before")
        fields = (number, 0, block, len(block), ffi.NULL, 0, ffi.NULL, 0)
        result = lib.hijack_request_hold(self._handle, broadcaster._handle, *fields)
        check(result, f"hold {self.method} {self.target}")
        self._done()

    def stream(self, status: int = 200, headers: Headers = None) -> StreamT:
        """Answers with a head, and gives the stream that carries the body in pieces."""
        block, kind = header_block(headers), cast(Type[StreamT], self._core.stream_type)
        return self._become("stream", kind, "hijack_stream **", lib.hijack_request_stream, status, block, len(block))

    def sse(self, headers: Headers = None) -> StreamT:
        """Answers with the head of Server-Sent Events, and gives their stream. The library sends heartbeats."""
        block, kind = header_block(headers), cast(Type[StreamT], self._core.stream_type)
        return self._become("sse", kind, "hijack_stream **", lib.hijack_request_sse, block, len(block))

    def hijack(self) -> SocketT:
        """Full hijack: gives the connection itself, with nothing written to it."""
        kind = cast(Type[SocketT], self._core.socket_type)
        return self._become("hijack", kind, "hijack_socket **", lib.hijack_request_hijack)

    def hijack_partial(self, status: int = 200, headers: Headers = None) -> SocketT:
        """Partial hijack: writes a head of this status (101 too), and gives the connection."""
        block, kind = header_block(headers), cast(Type[SocketT], self._core.socket_type)
        call = lib.hijack_request_hijack_partial
        return self._become("hijack_partial", kind, "hijack_socket **", call, status, block, len(block))

    def close(self) -> None:
        """Answers with 500 if it was not answered, and frees the request; its attributes can still be read. Nothing
        happens the second time, nor in a forked child."""
        handle, self._handle = self._handle, ffi.NULL
        lib.hijack_request_free(handle)
        self._core.requests.discard(self)

    def _open(self, what: str) -> None:
        if self._answered:
            raise error_of(ESTATE, f"{what}: the request was answered before")

    def _done(self) -> None:
        self._answered = True
        self.close()

    def _become(self, what: str, kind: Type[ChannelT], pointer: str, call: Callable[..., int], *args: Any) -> ChannelT:
        self._open(what)
        text = f"{what} of {self.method} {self.target}"
        channel = self._core.own(kind, pointer, text, call, self._handle, *args)
        self._done()
        return channel

    def _not_found(self) -> None:
        """As a server of the library's answers that has no queue."""
        try:
            self.respond(404, "404 Not Found: nothing is served here\n", {"content-type": "text/plain; charset=utf-8"})
        except HijackError:
            self.close()
