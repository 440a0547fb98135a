"""Requests in both faces, and their headers."""

from functools import cached_property
from typing import (
    TYPE_CHECKING, Any, Callable, Dict, Generic, Iterator, List, Mapping, Optional, Tuple, Type, TypeVar, cast,
)

from ._constants import ECLOSED, EPROTOCOL, EVENT_EOF, Kind
from ._errors import WORDS, ClosedError, HijackError, ProtocolError, StateError
from ._facts import ADDED, OF_EVENTS, TLS
from ._headers import Headers, HeaderValue, header_block, header_pairs
from ._library import Block, Text, lib, octets, optional
from ._newcomer import joining
from ._peer import Input
from ._tls import facts
from ._users import User

if TYPE_CHECKING:
    from ._broadcaster import Broadcaster
    from ._core import Core

ChannelT = TypeVar("ChannelT")
StreamT = TypeVar("StreamT")
SocketT = TypeVar("SocketT")
WebSocketT = TypeVar("WebSocketT")
# Headers of an answer that the library writes itself.
OWN: Dict[str, Tuple[str, ...]] = {"sse": OF_EVENTS, "websocket": ("content-type",)}


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

    @classmethod
    def of_trailers(cls, block: bytes) -> "RequestHeaders":
        """Those of a block as it was sent: names in any case, white space around values."""
        lines = (line.partition(b":") for line in block.split(b"\r\n") if line)
        return cls(b"\r\n".join(name.lower() + b": " + value.strip(b" \t") for name, _, value in lines))

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


class RequestCore(Block, Input, Generic[StreamT, SocketT, WebSocketT]):
    """One request: it is answered once, or becomes something else. A refused call (a bad header, say) leaves it open;
    a second answer is a StateError. One that is closed unanswered is answered with 500."""

    _noun = "request"
    _advice = "without an answer, and its client got a 500: answer it, or close it"
    _free = lib.hijack_request_free
    _read = lib.hijack_request_read

    method: str  #: "GET"
    target: str  #: as it was sent: "/a?b=1"
    version: str  #: "HTTP/1.1"
    peer: str  #: "127.0.0.1:50312", "[::1]:50312" or "unix:"
    scheme: str  #: "http" or "https"
    tls: Optional[TLS] = None  #: what the handshake has settled; None without TLS
    headers: RequestHeaders
    trailers = RequestHeaders(b"")  #: what came behind a chunked body, once that was read to its end in pieces
    _answered = _in_pieces = False
    _became = -1  # the number of its stream, socket or WebSocket
    _defaults: Tuple[Tuple[str, HeaderValue], ...] = ()  # headers of each answer, unless it has its own of that name
    _protocol: Optional[str] = None  # of a WebSocket, unless another one is given

    def __init__(self, core: "Core", handle: Any, number: int, data: bytes, in_pieces: int = 0) -> None:
        head, _, self._body = data.partition(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        self.method, self.target, self.version, self.peer, self.scheme = first.decode("latin-1").split(" ")[:5]
        self.headers = RequestHeaders(rest)
        self._core, self._handle, self._number = core, handle, number
        if self.scheme == "https":
            self.tls = facts(handle)
        if in_pieces:
            self._buffer, self._in_pieces = bytearray(), True

    def __repr__(self) -> str:
        return f"<{self.method} {self.target} from {self.peer}>"

    def __exit__(self, *error: object) -> None:
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
    def body(self) -> bytes:
        """The whole body, decoded. StateError if it comes in pieces (option request_body)."""
        if self._in_pieces:
            raise StateError("body: this one comes in pieces; read() gives them, and so does iterating the request")
        return self._body

    @property
    def answered(self) -> bool:
        """Whether it was answered, or has become something else."""
        return self._answered

    @property
    def wants_websocket(self) -> bool:
        """Whether the client asks for a WebSocket. Whether its handshake is right, websocket finds out."""
        return "websocket" in (name.lower() for name in self._list("upgrade"))

    @property
    def websocket_protocols(self) -> List[str]:
        """The subprotocols that the client offers for a WebSocket, its favourite first."""
        return self._list("sec-websocket-protocol")

    def _list(self, name: str) -> List[str]:
        """The elements of a header that is a list (RFC 9110 section 5.6.1)."""
        elements = (element.strip() for element in ",".join(self.headers.get_all(name)).split(","))
        return [element for element in elements if element]

    def respond(self, status: int = 200, body: Text = b"", headers: Headers = None) -> None:
        """Answers. Date, Content-Length and Connection are the library's. Any thread; before the handler
        returns, or at any later time for a request that accept gave. What was not read of the body is thrown away."""
        self._open("respond")
        block, data = self._block(headers), octets(body, "respond")
        result = lib.hijack_request_respond(self._handle, status, block, len(block), data, len(data))
        if result < 0:
            raise self._refused(result, f"respond {status} to {self.method} {self.target}", WORDS["respond"])
        self._answered = True
        self.close()

    def hold(
        self,
        broadcaster: "Broadcaster",
        kind: Kind = "sse",
        headers: Headers = None,
        *,
        user: User = None,
        first: Optional[Text] = None,
        position: Optional[str] = None,
    ) -> None:
        """Makes the connection a member of broadcaster, without any Python object. kind: "sse", "stream" (a plain body
        without end), "websocket" (the library answers pings; see Broadcaster.on_message for what comes), "long_poll"
        (one response: the first message, or what Broadcaster.respond gives, or 204 after the broadcaster's option
        long_poll_ms; headers are those of each) or "raw" (nothing is written first, and headers must be empty).
        ProtocolError: see websocket.

        user: whose connection it is, for Broadcaster.publish_to and others. first: what it is sent before everything
        else: bytes of the body, of which sse_event makes those of an event; for a WebSocket one text message. position:
        where it goes on if the broadcaster keeps a history (option history_messages): after the message with this
        position or id, or "*" with all that is kept; by default where the client's Last-Event-ID is, else live only."""
        self._open("hold")
        if not hasattr(broadcaster, "_alive"):
            raise TypeError(f"hold: expected a Broadcaster (got {broadcaster!r})")
        block = header_block(headers) if kind == "raw" else self._block(headers, kind)
        room = broadcaster._alive("hold")
        result = lib.hijack_request_hold(
            self._handle, room, *joining("hold", room, kind, block, user, first, position)
        )
        if result == EPROTOCOL:
            raise self._handshake_refused("hold")
        if result < 0:
            raise self._refused(result, f"hold {self.method} {self.target}", WORDS["hold"])
        self._answered = True
        self.close()

    def stream(self, status: int = 200, headers: Headers = None) -> StreamT:
        """Answers with a head, and gives the stream that carries the body in pieces. A request whose own body comes in
        pieces can still be read, until its handler returns or close."""
        block, kind = self._block(headers), cast(Type[StreamT], self._core.stream_type)
        return self._become("stream", kind, "hijack_stream **", lib.hijack_request_stream, status, block, len(block))

    def sse(self, headers: Headers = None) -> StreamT:
        """Answers with the head of Server-Sent Events, and gives their stream. The library sends heartbeats."""
        block, kind = self._block(headers, "sse"), cast(Type[StreamT], self._core.stream_type)
        return self._become("sse", kind, "hijack_stream **", lib.hijack_request_sse, block, len(block))

    def hijack(self) -> SocketT:
        """Full hijack: gives the connection itself, with nothing written to it. A body in pieces is read first."""
        kind = cast(Type[SocketT], self._core.socket_type)
        return self._become("hijack", kind, "hijack_socket **", lib.hijack_request_hijack)

    def hijack_partial(self, status: int = 200, headers: Headers = None) -> SocketT:
        """Partial hijack: writes a head of this status (101 too), and gives the connection."""
        block, kind = self._block(headers), cast(Type[SocketT], self._core.socket_type)
        call = lib.hijack_request_hijack_partial
        return self._become("hijack_partial", kind, "hijack_socket **", call, status, block, len(block))

    def websocket(self, protocol: Optional[str] = None, headers: Headers = None) -> WebSocketT:
        """Accepts the WebSocket that the client asks for. protocol: the subprotocol to agree upon, one of
        websocket_protocols. headers are added to the answer.

        A client whose handshake is wrong, or a page of another origin (option websocket_origins), gets its 4xx from the
        library: ProtocolError, and the request is answered. NotSupportedError over HTTP/2."""
        block, kind = self._block(headers, "websocket"), cast(Type[WebSocketT], self._core.websocket_type)
        protocol = self._protocol if protocol is None else protocol
        fields = (*optional(protocol), block, len(block))
        made: Any = self._become("websocket", kind, "hijack_socket **", lib.hijack_request_websocket, *fields)
        made._begin(protocol)
        return cast(WebSocketT, made)

    def close(self) -> None:
        """Answers with 500 if it was not answered, throws away what was not read of its body, and frees the request;
        its attributes can still be read. Nothing happens the second time, nor in a forked child."""
        self._ended = True
        self._let_go()
        self._core.requests.pop(self._number, None)
        if self._status is None:
            self._status = 0
            if self._notice is not None and self._core.is_ours():
                with self._notice.lock:
                    self._notice.notify_all()
                self._tell()

    def _on_news(self, kind: int, data: bytes, status: int) -> bool:
        if kind == EVENT_EOF and data:
            self.trailers = RequestHeaders.of_trailers(data)
        return super()._on_news(kind, data, status)

    def _forget(self) -> None:
        self._core.requests.pop(self._number, None)
        self._core.kept.discard(self)
        self._ended |= self._answered  # what is left of its body is thrown away

    def _on_last(self, kind: int, data: bytes, status: int) -> None:
        self._core.requests.pop(self._number, None)
        super()._on_last(kind, data, status)

    def _readable(self) -> bool:
        if not self._in_pieces and not self._eof:
            self._buffer, self._eof = bytearray(self._body), True
        return super()._readable()

    def _open(self, what: str) -> None:
        if self._answered:
            raise StateError(f"{what}: this request was answered before, or has become something else")

    def _handshake_refused(self, what: str) -> ProtocolError:
        self._answered = True
        self.close()
        text = f"{what} of {self.method} {self.target}: the handshake was wrong; the client got a 4xx"
        return self._mine(ProtocolError(text))

    def _block(self, headers: Headers, kind: str = "") -> bytes:
        """The header block of an answer."""
        if not self._defaults:
            return header_block(headers)
        own = header_pairs(headers)
        names = {name.lower() for name, _ in own} - ADDED
        names.update(OWN.get(kind, ()))
        return header_block([it for it in self._defaults if it[0].lower() not in names] + own)

    def _become(self, what: str, kind: Type[ChannelT], pointer: str, call: Callable[..., int], *args: Any) -> ChannelT:
        self._open(what)
        text = f"{what} of {self.method} {self.target}"
        try:
            channel: Any = self._core.own(kind, pointer, text, call, self._handle, *args)
        except ClosedError:
            refused = self._refused(ECLOSED, text)
            raise refused from refused.__cause__
        except ProtocolError:
            raise self._handshake_refused(what) from None
        self._answered, self._became, channel._address = True, channel._number, self.peer
        if not self._in_pieces or self._eof or self._status is not None:
            self.close()  # else when its body has come
        return cast(ChannelT, channel)

    def _has_ended_by(self, error: BaseException) -> bool:
        """Whether error only says that the client of this request has left, or that its handshake was refused; also of
        an ExceptionGroup whose every member does."""
        group: Tuple[BaseException, ...] = getattr(error, "exceptions", ())
        if group:
            return all(map(self._has_ended_by, group))
        return isinstance(error, (ClosedError, ProtocolError)) and error._about in (self._number, self._became)

    def _not_found(self) -> None:
        """As a server of the library's answers that has no queue."""
        try:
            self.respond(404, "404 Not Found: nothing is served here\n", {"content-type": "text/plain; charset=utf-8"})
        except HijackError:
            self.close()
